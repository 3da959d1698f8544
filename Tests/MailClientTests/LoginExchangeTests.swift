import MailNet
import NIOCore
import SASL
import Synchronization
import Testing

@testable import MailClient

/// Counts what it is asked.
final class FakeTokens: TokenSource {
  let given = Mutex(0)
  let invalidated = Mutex(0)
  func accessToken() async throws(ClientError) -> String {
    given.withLock {
      $0 += 1
      return "token-\($0)"
    }
  }
  func invalidate() async { invalidated.withLock { $0 += 1 } }
}

@Suite struct LoginExchangeTests {
  private let all = ["LOGIN", "PLAIN", "XOAUTH2", "SCRAM-SHA-1", "GSSAPI", "scram-sha-256", "OAUTHBEARER"]

  private func server(allowsCleartext: Bool = false) -> RemoteServer {
    RemoteServer(
      mailProtocol: .imap, host: "mail.example.org", port: 143, user: "budi",
      security: TransportSecurity(encryption: .none, trust: .system, allowsCleartextLogin: allowsCleartext))
  }

  private func choose(
    _ announced: [String], _ credential: Credential = .password(.value("rahasia")), isProtected: Bool,
    allowsCleartext: Bool = false
  ) async throws -> LoginExchange? {
    try await LoginExchange.choose(
      announced: announced, credential: credential, user: "budi", server: server(allowsCleartext: allowsCleartext),
      isProtected: isProtected)
  }

  @Test func `The best mechanism that both know is taken`() async throws {
    let order = ["SCRAM-SHA-256", "SCRAM-SHA-1", "PLAIN", "LOGIN"]
    for first in order.indices {
      let exchange = try await choose(order[first...].reversed() + ["GSSAPI"], isProtected: true)
      #expect(exchange?.mechanism == order[first])
    }
    #expect(try await choose(all, isProtected: true)?.mechanism == "SCRAM-SHA-256")
    #expect(try await choose(["GSSAPI", "OAUTHBEARER"], isProtected: true) == nil)
    #expect(try await choose([], isProtected: false) == nil)
    let tokens = Credential.token(FakeTokens())
    #expect(try await choose(all, tokens, isProtected: true)?.mechanism == "OAUTHBEARER")
    #expect(try await choose(["XOAUTH2", "PLAIN"], tokens, isProtected: true)?.mechanism == "XOAUTH2")
    #expect(try await choose(["PLAIN"], tokens, isProtected: true) == nil)
  }

  @Test func `A password does not cross an open line, a proof does`() async throws {
    let refused = ClientError(.cleartextRefused, server: "mail.example.org:143")
    #expect(try await choose(all, isProtected: false)?.mechanism == "SCRAM-SHA-256")
    await #expect(throws: refused) { try await choose(["PLAIN", "LOGIN"], isProtected: false) }
    await #expect(throws: refused) { try await choose(["LOGIN"], isProtected: false) }
    #expect(try await choose(["PLAIN"], isProtected: false, allowsCleartext: true)?.mechanism == "PLAIN")
    let tokens = FakeTokens()
    await #expect(throws: refused) { try await choose(["OAUTHBEARER"], .token(tokens), isProtected: false) }
    #expect(tokens.given.withLock { $0 } == 0)
    // The password is not even asked for.
    await #expect(throws: refused) {
      try await choose(["PLAIN"], .password(.environment("MERPATI_NOT_SET_77")), isProtected: false)
    }
  }

  @Test func `The protocol's own login goes by the same rule`() async throws {
    let password = Credential.password(.value("rahasia"))
    let refused = ClientError(.cleartextRefused, server: "mail.example.org:143")
    await #expect(throws: refused) {
      try await LoginExchange.password(of: password, server: server(), isProtected: false)
    }
    for (isProtected, allowed) in [(true, false), (false, true)] {
      let secret = try await LoginExchange.password(
        of: password, server: server(allowsCleartext: allowed), isProtected: isProtected)
      #expect(secret == Array("rahasia".utf8))
    }
    await #expect(throws: ClientError.self) {
      try await LoginExchange.password(of: .token(FakeTokens()), server: server(), isProtected: true)
    }
  }

  /// Runs a login against the server's side of SASL.
  private func run(_ exchange: inout LoginExchange, stored: Credentials, sendsFinalData: Bool) async throws -> Bool {
    let mechanism = try #require(SASLMechanism(name: exchange.mechanism))
    var server = SASLServerExchange(mechanism: mechanism, sendsFinalData: sendsFinalData)
    var action = server.start(initialResponse: exchange.initialResponse())
    while true {
      switch action {
      case .challenge(let challenge): action = server.step(try await exchange.step(challenge))
      case .needCredentials: action = server.resume(with: stored)
      case .verify(let request): return stored.verify(request.password) != .wrong
      case .succeeded(_, _, let data):
        let isProven = data.map { exchange.finish($0) } ?? true
        #expect(isProven)
        return true
      case .failed: return false
      }
    }
  }

  @Test(arguments: ["SCRAM-SHA-256", "SCRAM-SHA-1", "PLAIN", "LOGIN"], [true, false])
  func `Each mechanism logs in with the right password only`(name: String, sendsFinalData: Bool) async throws {
    let stored = try Credentials.make(password: Array("rahasia".utf8), iterations: 4096)
    var right = try #require(try await choose([name], isProtected: true))
    #expect(try await run(&right, stored: stored, sendsFinalData: sendsFinalData))
    #expect(right.isServerProven)
    var wrong = try #require(try await choose([name], .password(.value("salah")), isProtected: true))
    #expect(try await run(&wrong, stored: stored, sendsFinalData: sendsFinalData) == false)
    let error = await wrong.rejected("[AUTHENTICATIONFAILED] no")
    #expect(error.kind == .authenticationFailed("[AUTHENTICATIONFAILED] no"))
  }

  @Test func `A server that says yes without proof is an impostor`() async throws {
    var exchange = try #require(try await choose(["SCRAM-SHA-256"], isProtected: false))
    _ = exchange.initialResponse()
    #expect(!exchange.isServerProven)
    let isProven = exchange.finish(ByteBuffer(string: "v=AAAA"))
    #expect(!isProven)
    #expect(!exchange.isServerProven)
    await #expect(throws: ClientError.self) { try await exchange.step(ByteBuffer(string: "r=other,s=AAAA,i=4096")) }
  }

  @Test func `A refused token is forgotten, and the server's reason is told`() async throws {
    let tokens = FakeTokens()
    var exchange = try #require(try await choose(["OAUTHBEARER"], .token(tokens), isProtected: true))
    let first = exchange.initialResponse()
    #expect(
      first.map { String(buffer: $0) }
        == "n,a=budi,\u{1}host=mail.example.org\u{1}port=143\u{1}auth=Bearer token-1\u{1}\u{1}")
    #expect(try await exchange.step(ByteBuffer(string: #"{"status":"invalid_token"}"#)) == ByteBuffer(bytes: [1]))
    let error = await exchange.rejected("AUTHENTICATE failed")
    #expect(error.kind == .authenticationFailed("AUTHENTICATE failed (invalid_token)"))
    #expect(!error.description.contains("token-1"))
    #expect(tokens.invalidated.withLock { $0 } == 1)
  }
}
