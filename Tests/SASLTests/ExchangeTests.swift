import NIOCore
import Testing

@testable import SASL

@Suite struct ExchangeTests {
  /// Runs client against server, base64 left out; true when the server let the client in.
  private func run(
    _ mechanism: SASLMechanism, client: inout SASLClientExchange, stored: Credentials?, withInitialResponse: Bool
  ) -> Bool {
    var server = SASLServerExchange(mechanism: mechanism)
    var pending = withInitialResponse ? client.initialResponse() : nil
    var action = server.start(initialResponse: pending)
    for _ in 0..<10 {
      switch action {
      case .challenge(let challenge):
        if pending == nil, mechanism != .login, let first = client.initialResponse() {
          pending = first
        } else {
          guard case .respond(let answer) = client.step(challenge) else { return false }
          pending = answer
        }
        action = server.step(pending ?? ByteBuffer())
      case .needCredentials: action = server.resume(with: stored)
      case .verify(let request): return stored?.verify(request.password) ?? .wrong != .wrong
      case .succeeded: return true
      case .failed: return false
      }
    }
    Issue.record("the exchange does not end")
    return false
  }

  @Test("Client and server agree", arguments: SASLMechanism.allCases, [true, false])
  func agree(_ mechanism: SASLMechanism, _ withInitialResponse: Bool) throws {
    let stored = try Credentials.make(password: Array("rahasia,=päß 鳩".utf8), iterations: 4096)
    for (password, expected) in [("rahasia,=päß 鳩", true), ("rahasia", false)] {
      var client = SASLClientExchange(mechanism: mechanism, username: "a,b=c", password: Array(password.utf8))
      #expect(
        run(mechanism, client: &client, stored: stored, withInitialResponse: withInitialResponse) == expected)
      if expected { #expect(client.isServerProven) }
    }
    var client = SASLClientExchange(mechanism: mechanism, username: "nobody", password: Array("rahasia".utf8))
    #expect(!run(mechanism, client: &client, stored: nil, withInitialResponse: withInitialResponse))
  }

  @Test(
    "PLAIN is taken apart at its NULs",
    arguments: [
      ("\0tim\0tanstaaftanstaaf", SASLRequest(username: "tim", password: Array("tanstaaftanstaaf".utf8))),
      ("tim\0tim\0x", SASLRequest(username: "tim", authorization: "tim", password: [0x78])),
      ("Tim\0tim\0x", SASLRequest(username: "tim", authorization: "Tim", password: [0x78])),
      ("\0\u{2168}\0a b", SASLRequest(username: "IX", password: Array("a b".utf8))),
    ])
  func plain(_ message: String, _ request: SASLRequest) {
    var server = SASLServerExchange(mechanism: .plain)
    #expect(server.start(initialResponse: ByteBuffer(string: message)) == .verify(request))
    #expect(server.step(ByteBuffer(string: message)) == .failed(.outOfOrder))
  }

  @Test("Broken PLAIN messages are refused", arguments: ["", "\0", "tim", "\0tim", "\0tim\0", "\0\0x", "\0tim\0x\0y"])
  func brokenPlain(_ message: String) {
    var server = SASLServerExchange(mechanism: .plain)
    guard case .failed(.malformed) = server.start(initialResponse: ByteBuffer(string: message)) else {
      Issue.record("taken")
      return
    }
  }

  @Test func `Names and passwords of 255 octets are taken, endless ones are not`() {
    let long = String(repeating: "x", count: 255)
    var server = SASLServerExchange(mechanism: .plain)
    let request = SASLRequest(username: long, authorization: long, password: Array(long.utf8))
    #expect(server.start(initialResponse: ByteBuffer(string: "\(long)\0\(long)\0\(long)")) == .verify(request))
    server = SASLServerExchange(mechanism: .plain)
    let endless = String(repeating: "x", count: SASLLimits.name + 1)
    #expect(server.start(initialResponse: ByteBuffer(string: "\0\(endless)\0x")) == .failed(.unsuitableName))
    server = SASLServerExchange(mechanism: .plain)
    let message = ByteBuffer(repeating: 0x78, count: SASLLimits.message + 1)
    #expect(server.start(initialResponse: message) == .failed(.malformed("message too long")))
  }

  @Test("Nobody may act as somebody else", arguments: ["admin\0tim\0x", "tim2\0tim\0x"])
  func otherIdentity(_ message: String) {
    var server = SASLServerExchange(mechanism: .plain)
    #expect(server.start(initialResponse: ByteBuffer(string: message)) == .failed(.authorizationFailed))
  }

  @Test func `Control characters in a name are refused`() {
    for message in ["\0ti\u{1}m\0x", "\0ti\nm\0x", "\0ti\u{7F}m\0x"] {
      var server = SASLServerExchange(mechanism: .plain)
      #expect(server.start(initialResponse: ByteBuffer(string: message)) == .failed(.unsuitableName))
    }
  }

  @Test func `LOGIN asks for name and password, and takes the name at once`() {
    let request = SASLRequest(username: "budi", password: Array("x y".utf8))
    var server = SASLServerExchange(mechanism: .login)
    #expect(server.start(initialResponse: nil) == .challenge(ByteBuffer(string: "Username:")))
    #expect(server.step(ByteBuffer(string: "budi")) == .challenge(ByteBuffer(string: "Password:")))
    #expect(server.step(ByteBuffer(string: "x y")) == .verify(request))
    server = SASLServerExchange(mechanism: .login)
    #expect(server.start(initialResponse: ByteBuffer(string: "budi")) == .challenge(ByteBuffer(string: "Password:")))
    #expect(server.step(ByteBuffer(string: "x y")) == .verify(request))
    server = SASLServerExchange(mechanism: .login)
    #expect(server.start(initialResponse: ByteBuffer()) == .failed(.unsuitableName))
  }

  @Test func `Calls out of order fail and change nothing into a success`() throws {
    var server = SASLServerExchange(mechanism: .scramSHA256)
    #expect(server.resume(with: nil) == .failed(.outOfOrder))
    #expect(server.start(initialResponse: nil) == .failed(.outOfOrder))
    server = SASLServerExchange(mechanism: .plain)
    #expect(server.step(ByteBuffer(string: "\0tim\0x")) == .failed(.outOfOrder))
  }

  @Test func `Mechanisms are found by name in any letter case`() {
    for mechanism in SASLMechanism.allCases {
      #expect(SASLMechanism(name: mechanism.name.lowercased()) == mechanism)
      #expect(SASLMechanism(name: Array(mechanism.name.lowercased().utf8).span.bytes) == mechanism)
    }
    for unknown in ["", "PLAI", "PLAINS", "SCRAM-SHA-256-PLUS", "CRAM-MD5", "PŁAIN"] {
      #expect(SASLMechanism(name: unknown) == nil)
      #expect(SASLMechanism(name: Array(unknown.utf8).span.bytes) == nil)
    }
  }
}
