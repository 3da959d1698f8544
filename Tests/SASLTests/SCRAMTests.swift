import NIOCore
import Testing

@testable import SASL

/// The exchanges printed in RFC 5802 §5 and RFC 7677 §3.
struct SCRAMVector: Sendable, CustomTestStringConvertible {
  let mechanism: SASLMechanism
  let clientNonce, serverNonce, salt, clientFirst, serverFirst, clientFinal, serverFinal: String
  var testDescription: String { mechanism.name }

  static let all = [
    SCRAMVector(
      mechanism: .scramSHA1, clientNonce: "fyko+d2lbbFgONRv9qkxdawL", serverNonce: "3rfcNHYJY1ZVvWVs7j",
      salt: "QSXCR+Q6sek8bf92", clientFirst: "n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL",
      serverFirst: "r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096",
      clientFinal: "c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=",
      serverFinal: "v=rmF9pqV8S7suAoZWja4dJRkFsKQ="),
    SCRAMVector(
      mechanism: .scramSHA256, clientNonce: "rOprNGfwEbeRWgbNEkqO", serverNonce: "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0",
      salt: "W22ZaJ0SNY7soEsUEjb6gQ==", clientFirst: "n,,n=user,r=rOprNGfwEbeRWgbNEkqO",
      serverFirst: "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
      clientFinal: "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
        + "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
      serverFinal: "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="),
  ]

  func credentials() throws -> Credentials {
    let salt = try #require(Base64Text.decode(self.salt))
    let hash = try #require(mechanism.scramHash)
    let keys = try #require(
      SCRAMKeys(hash: hash, preparedPassword: Array("pencil".utf8), salt: salt, iterations: 4096))
    return try Credentials(stored: keys.text)
  }
}

/// A server that has sent its first message, ready for the client's last one.
private func exchange(
  _ vector: SCRAMVector, first: String? = nil, credentials: Credentials?
) -> (SASLServerExchange, SASLAction) {
  var server = SASLServerExchange(mechanism: vector.mechanism, serverNonce: vector.serverNonce)
  _ = server.start(initialResponse: ByteBuffer(string: first ?? vector.clientFirst))
  let action = server.resume(with: credentials)
  return (server, action)
}

@Suite struct SCRAMTests {
  @Test("The server speaks the RFC's example word for word", arguments: SCRAMVector.all)
  func serverVector(_ vector: SCRAMVector) throws {
    var server = SASLServerExchange(mechanism: vector.mechanism, serverNonce: vector.serverNonce)
    #expect(server.start(initialResponse: nil) == .challenge(ByteBuffer()))
    #expect(server.step(ByteBuffer(string: vector.clientFirst)) == .needCredentials(username: "user"))
    #expect(server.resume(with: try vector.credentials()) == .challenge(ByteBuffer(string: vector.serverFirst)))
    #expect(server.step(ByteBuffer(string: vector.clientFinal)) == .challenge(ByteBuffer(string: vector.serverFinal)))
    #expect(server.step(ByteBuffer()) == .succeeded(username: "user", authorization: "", finalData: nil))
  }

  @Test("Where success may carry data, the signature goes with it", arguments: SCRAMVector.all)
  func finalData(_ vector: SCRAMVector) throws {
    var server = SASLServerExchange(
      mechanism: vector.mechanism, sendsFinalData: true, serverNonce: vector.serverNonce)
    _ = server.start(initialResponse: ByteBuffer(string: vector.clientFirst))
    _ = server.resume(with: try vector.credentials())
    #expect(
      server.step(ByteBuffer(string: vector.clientFinal))
        == .succeeded(username: "user", authorization: "", finalData: ByteBuffer(string: vector.serverFinal)))
    #expect(server.step(ByteBuffer()) == .failed(.outOfOrder))
  }

  @Test("The client speaks the RFC's example word for word", arguments: SCRAMVector.all)
  func clientVector(_ vector: SCRAMVector) {
    var client = SASLClientExchange(
      mechanism: vector.mechanism, username: "user", password: Array("pencil".utf8), nonce: vector.clientNonce)
    #expect(client.initialResponse() == ByteBuffer(string: vector.clientFirst))
    #expect(client.step(ByteBuffer(string: vector.serverFirst)) == .respond(ByteBuffer(string: vector.clientFinal)))
    #expect(!client.isServerProven)
    #expect(client.step(ByteBuffer(string: vector.serverFinal)) == .respond(ByteBuffer()))
    #expect(client.isServerProven)
  }

  @Test("Any change to the client's last message fails", arguments: SCRAMVector.all)
  func tampering(_ vector: SCRAMVector) throws {
    let credentials = try vector.credentials()
    let message = Array(vector.clientFinal.utf8)
    for index in message.indices {
      var (server, _) = exchange(vector, credentials: credentials)
      var changed = message
      // Another base64 character with other bits, so that the proof changes and not only its spelling.
      changed[index] = changed[index] == UInt8(ascii: "A") ? UInt8(ascii: "Q") : UInt8(ascii: "A")
      let action = server.step(ByteBuffer(bytes: changed))
      guard case .failed = action else {
        Issue.record("byte \(index) changed: \(action)")
        continue
      }
      #expect(server.step(ByteBuffer(string: vector.clientFinal)) == .failed(.outOfOrder))
    }
  }

  @Test("A name nobody has gets a salt that stays the same and a failure at the end", arguments: SCRAMVector.all)
  func decoy(_ vector: SCRAMVector) throws {
    let (_, first) = exchange(vector, credentials: nil)
    var (server, second) = exchange(vector, credentials: nil)
    #expect(first == second)
    guard case .challenge(let challenge) = second else {
      Issue.record("no challenge: \(second)")
      return
    }
    let text = String(buffer: challenge)
    #expect(text.hasSuffix(",i=15000"))
    #expect(try #require(text.split(separator: ",").dropFirst().first).utf8.count == 2 + 24)
    let (_, other) = exchange(vector, first: "n,,n=usee,r=" + vector.clientNonce, credentials: nil)
    #expect(other != second)
    #expect(server.step(ByteBuffer(string: vector.clientFinal)) == .failed(.wrongCredentials))
  }

  @Test func `An account with an imported hash only looks like no account`() throws {
    let vector = SCRAMVector.all[1]
    let imported = try Credentials(stored: "{SSHA}NutAAIwXAIS+Uxd+TB5YB3zLb/VzYWx0c2FsdA==")
    let (_, action) = exchange(vector, credentials: imported)
    #expect(action == exchange(vector, credentials: nil).1)
  }

  @Test(
    "First messages that break the grammar are refused",
    arguments: [
      ("", "malformed"), ("n", "malformed"), ("n,,", "malformed"), ("n,,n=user", "malformed"),
      ("x,,n=user,r=abc", "malformed"), ("nn,,n=user,r=abc", "malformed"), ("n,,n=user,r=", "malformed"),
      ("n,,n=,r=abc", "malformed"), ("n,,u=user,r=abc", "malformed"), ("n,,n=us=er,r=abc", "malformed"),
      ("n,,n=user=2,r=abc", "malformed"), ("n,,n=user,r=a c", "malformed"), ("n,x=user,n=user,r=abc", "malformed"),
      ("n,a=,n=user,r=abc", "malformed"), ("n,,m=ext,n=user,r=abc", "malformed"),
      ("n,,n=user,r=abc,m=ext", "malformed"), ("n,,n=user,r=abc,", "malformed"),
      ("p=tls-unique,,n=user,r=abc", "binding"), ("p=tls-exporter,,n=user,r=abc", "binding"),
      ("n,,n=us\u{7}er,r=abc", "name"), ("n,,n=\u{AD},r=abc", "name"), ("n,a=admin,n=user,r=abc", "authorization"),
    ])
  func badFirst(_ message: String, _ kind: String) {
    var server = SASLServerExchange(mechanism: .scramSHA256)
    let action = server.start(initialResponse: ByteBuffer(string: message))
    let found: String? =
      switch action {
      case .failed(.malformed): "malformed"
      case .failed(.channelBinding): "binding"
      case .failed(.unsuitableName): "name"
      case .failed(.authorizationFailed): "authorization"
      default: nil
      }
    #expect(found == kind, "\(action)")
  }

  @Test(
    "First messages with an oddity that is allowed are taken",
    arguments: [
      ("y,,n=user,r=abc", "user"), ("n,a=user,n=user,r=abc", "user"), ("n,a=USER,n=user,r=abc", "user"),
      ("n,,n=a=2Cb=3Dc,r=abc", "a,b=c"), ("n,,n=user,r=abc,x=1,y=a=b", "user"), ("n,,n=\u{2168},r=abc", "IX"),
      ("n,,n=budi@contoh.id,r=abc", "budi@contoh.id"),
    ])
  func goodFirst(_ message: String, _ username: String) {
    var server = SASLServerExchange(mechanism: .scramSHA1)
    #expect(server.start(initialResponse: ByteBuffer(string: message)) == .needCredentials(username: username))
  }

  @Test func `A name that is no UTF-8 is refused`() {
    var server = SASLServerExchange(mechanism: .scramSHA1)
    let message = Array("n,,n=us".utf8) + [0xE9] + Array("er,r=abc".utf8)
    #expect(server.start(initialResponse: ByteBuffer(bytes: message)) == .failed(.unsuitableName))
  }

  @Test func `Another channel binding flag in the last message than in the first is refused`() throws {
    let vector = SCRAMVector.all[0]
    var (server, _) = exchange(
      vector, first: "y" + vector.clientFirst.dropFirst(), credentials: try vector.credentials())
    #expect(server.step(ByteBuffer(string: vector.clientFinal)) == .failed(.channelBinding))
  }

  @Test(
    "The client refuses a server that plays false",
    arguments: [
      "r=other3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096",  // not the client's nonce
      "r=fyko+d2lbbFgONRv9qkxdawL,s=QSXCR+Q6sek8bf92,i=4096",  // nothing added to it
      "r=fyko+d2lbbFgONRv9qkxdawLx,s=QSXCR+Q6sek8bf92,i=1",  // too few rounds
      "r=fyko+d2lbbFgONRv9qkxdawLx,s=QSXCR+Q6sek8bf92,i=2000000000",  // too many
      "r=fyko+d2lbbFgONRv9qkxdawLx,s=!!,i=4096", "m=x,r=fyko+d2lbbFgONRv9qkxdawLx,s=QSXCR+Q6sek8bf92,i=4096",
      "e=other-error", "",
    ])
  func falseServer(_ challenge: String) {
    var client = SASLClientExchange(
      mechanism: .scramSHA1, username: "user", password: Array("pencil".utf8), nonce: "fyko+d2lbbFgONRv9qkxdawL")
    _ = client.initialResponse()
    guard case .failed(.malformed) = client.step(ByteBuffer(string: challenge)) else {
      Issue.record("taken")
      return
    }
    #expect(!client.isServerProven)
  }

  @Test func `The client does not take a wrong signature for a proof`() {
    let vector = SCRAMVector.all[1]
    var client = SASLClientExchange(
      mechanism: vector.mechanism, username: "user", password: Array("pencil".utf8), nonce: vector.clientNonce)
    _ = client.initialResponse()
    _ = client.step(ByteBuffer(string: vector.serverFirst))
    #expect(client.step(ByteBuffer(string: "v=" + vector.salt)) == .failed(.wrongCredentials))
    #expect(!client.isServerProven)
  }
}
