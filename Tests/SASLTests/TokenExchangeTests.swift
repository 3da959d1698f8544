import NIOCore
import Testing

@testable import SASL

@Suite struct TokenExchangeTests {
  private func exchange(_ mechanism: SASLTokenMechanism, user: String = "user@example.com") throws -> SASLTokenExchange
  {
    try #require(
      SASLTokenExchange(
        mechanism: mechanism, username: user, token: "vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==",
        host: "server.example.com", port: 143))
  }

  @Test func `OAUTHBEARER's first message is RFC 7628's example`() throws {
    var oauth = try exchange(.oauthBearer)
    let expected =
      "n,a=user@example.com,\u{1}host=server.example.com\u{1}port=143\u{1}"
      + "auth=Bearer vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==\u{1}\u{1}"
    let (first, second) = (oauth.initialResponse(), oauth.initialResponse())
    #expect(first == ByteBuffer(string: expected))
    #expect(second == nil)
  }

  @Test func `A name with a comma or an equals sign is escaped`() throws {
    var oauth = try exchange(.oauthBearer, user: "a,b=c")
    let first = oauth.initialResponse().map { String(buffer: $0) }
    #expect(first?.hasPrefix("n,a=a=2Cb=3Dc,\u{1}") == true)
  }

  @Test func `XOAUTH2's first message`() throws {
    var oauth = try exchange(.xoauth2)
    #expect(
      oauth.initialResponse()
        == ByteBuffer(
          string: "user=user@example.com\u{1}auth=Bearer vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==\u{1}\u{1}"))
  }

  @Test(arguments: [
    (SASLTokenMechanism.oauthBearer, ByteBuffer(bytes: [1])), (.xoauth2, ByteBuffer()),
  ])
  func `A refusal is answered so that the server can end the exchange, and its reason kept`(
    mechanism: SASLTokenMechanism, answer: ByteBuffer
  ) throws {
    var oauth = try exchange(mechanism)
    _ = oauth.initialResponse()
    #expect(oauth.refusal == nil)
    let challenge = #"{"status":"invalid_token","scope":"example_scope","extra":[1]}"#
    #expect(oauth.step(ByteBuffer(string: challenge)) == .respond(answer))
    #expect(oauth.refusal == "invalid_token")
    #expect(oauth.step(ByteBuffer()) == .failed(.wrongCredentials))
    #expect(oauth.step(ByteBuffer()) == .failed(.outOfOrder))
  }

  @Test(arguments: [
    "", "{", "[]", #"{"status":401}"#, #"{"status":""}"#, #"{"status":"a\u001b[2Jb"}"#,
    #"{"status":"\#(String(repeating: "x", count: 500))"}"#, String(repeating: "x", count: SASLLimits.message + 1),
  ])
  func `A reason that can't be read or shown is left out`(challenge: String) throws {
    var oauth = try exchange(.oauthBearer)
    _ = oauth.initialResponse()
    #expect(oauth.step(ByteBuffer(string: challenge)) == .respond(ByteBuffer(bytes: [1])))
    #expect(oauth.refusal == nil)
  }

  @Test func `A challenge before the first message is out of order`() throws {
    var oauth = try exchange(.oauthBearer)
    #expect(oauth.step(ByteBuffer()) == .failed(.outOfOrder))
  }

  @Test(arguments: [
    ("u", ""), ("u", "a b"), ("u", "a\u{1}b"), ("u\u{1}auth=Bearer x", "t"), ("u\r\n", "t"), ("u", "é"),
  ])
  func `What would break out of its field is refused`(user: String, token: String) {
    for mechanism in SASLTokenMechanism.allCases {
      #expect(
        SASLTokenExchange(mechanism: mechanism, username: user, token: token, host: "h", port: 1) == nil)
    }
  }

  @Test func `No server mechanism goes by these names`() {
    for mechanism in SASLTokenMechanism.allCases {
      #expect(SASLMechanism(name: mechanism.name) == nil)
      #expect(SASLMechanism(name: Array(mechanism.name.utf8).span.bytes) == nil)
    }
    #expect(Set(SASLMechanism.allCases.map(\.name)) == ["SCRAM-SHA-256", "SCRAM-SHA-1", "PLAIN", "LOGIN"])
    #expect(SASLTokenMechanism(name: "oauthbearer") == .oauthBearer)
    #expect(SASLTokenMechanism(name: "XOAUTH2") == .xoauth2)
    #expect(SASLTokenMechanism(name: "PLAIN") == nil)
  }
}
