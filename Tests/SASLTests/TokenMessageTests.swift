import NIOCore
import SASL
import Testing

@Suite struct TokenMessageTests {
  private func parse(
    _ text: String, _ mechanism: SASLTokenMechanism = .oauthBearer
  ) -> Result<TokenMessage, SASLFailure> {
    TokenMessage.parse(Array(text.utf8), mechanism)
  }

  @Test func `RFC 7628's own example is read`() {
    let message = parse(
      "n,a=user@example.com,\u{1}host=server.example.com\u{1}port=143\u{1}"
        + "auth=Bearer vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==\u{1}\u{1}")
    #expect(
      message
        == .success(
          TokenMessage(
            authorization: "user@example.com", token: Array("vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==".utf8),
            host: "server.example.com")))
  }

  @Test(arguments: SASLTokenMechanism.allCases)
  func `What our client says is read as it was meant`(mechanism: SASLTokenMechanism) throws {
    for name in ["ana", "ana@example.org", "a=b,c", "anä"] {
      let made = SASLTokenExchange(mechanism: mechanism, username: name, token: "a.b-c_d~e+f/g==", host: "h", port: 1)
      var client = try #require(made)
      let first = client.initialResponse()
      let message = try TokenMessage.parse(Array(buffer: first ?? ByteBuffer()), mechanism).get()
      #expect(message.authorization == name)
      #expect(message.token == Array("a.b-c_d~e+f/g==".utf8))
    }
  }

  @Test func `Letter case of Bearer, no name, unknown keys and y are taken`() throws {
    #expect(try parse("n,,\u{1}auth=bEaReR x\u{1}\u{1}").get().token == Array("x".utf8))
    #expect(try parse("y,,\u{1}auth=Bearer   x\u{1}qs=a=b\u{1}\u{1}").get().authorization == "")
    // RFC 7628 §4.3: asks what is wanted.
    #expect(try parse("n,,\u{1}auth=\u{1}\u{1}").get().token.isEmpty)
    #expect(try parse("n,,\u{1}\u{1}").get().token.isEmpty)
    #expect(try parse("n,,\u{1}auth=Bearer \u{1}\u{1}").get().token.isEmpty)
  }

  @Test(arguments: [
    "", "\u{1}", "n,,", "n,\u{1}auth=Bearer x\u{1}\u{1}", "n,,auth=Bearer x\u{1}\u{1}", "n,,\u{1}auth=Bearer x\u{1}",
    "n,,\u{1}auth=Bearer x", "x,,\u{1}auth=Bearer x\u{1}\u{1}", "F,n,,\u{1}auth=Bearer x\u{1}\u{1}",
    "n,b=ana,\u{1}auth=Bearer x\u{1}\u{1}", "n,a=a=b,\u{1}auth=Bearer x\u{1}\u{1}", "n,a=,\u{1}auth=Bearer x\u{1}\u{1}",
    "n,,\u{1}auth=Bearer x\u{1}auth=Bearer y\u{1}\u{1}", "n,,\u{1}auth=Bearer x\u{1}AUTH=Bearer y\u{1}\u{1}",
    "n,,\u{1}=x\u{1}\u{1}", "n,,\u{1}a1=x\u{1}\u{1}", "n,,\u{1}auth\u{1}\u{1}", "n,,\u{1}auth=Basic YTpi\u{1}\u{1}",
    "n,,\u{1}auth=Bearer a b\u{1}\u{1}", "n,,\u{1}auth=Bearer a,b\u{1}\u{1}", "n,,\u{1}auth=Bearer é\u{1}\u{1}",
    "n,,\u{1}auth=Bearer x\u{1}\u{1}\u{1}", "n,,\u{1}auth=Bearer x\u{1}\u{1}y",
  ])
  func `Whatever is no such message is malformed`(text: String) {
    guard case .failure(.malformed) = parse(text) else {
      Issue.record("\(text.debugDescription): \(parse(text))")
      return
    }
  }

  @Test func `Channel binding is refused, and names that can't be`() {
    #expect(parse("p=tls-exporter,,\u{1}auth=Bearer x\u{1}\u{1}") == .failure(.channelBinding))
    #expect(parse("n,a=a\u{7},\u{1}auth=Bearer x\u{1}\u{1}") == .failure(.unsuitableName))
    #expect(parse("user=\u{1}auth=Bearer x\u{1}\u{1}", .xoauth2) == .failure(.unsuitableName))
    guard case .failure(.malformed) = parse("auth=Bearer x\u{1}\u{1}", .xoauth2) else {
      Issue.record("XOAUTH2 without a user")
      return
    }
    guard case .failure(.malformed) = TokenMessage.parse([UInt8](repeating: 65, count: 10_000), .xoauth2) else {
      Issue.record("longer than a message may be")
      return
    }
  }

  @Test func `Every mechanism is found by its name, and announced once`() {
    #expect(
      ServerMechanism.allCases.map(\.name) == [
        "EXTERNAL", "SCRAM-SHA-256", "SCRAM-SHA-1", "OAUTHBEARER", "XOAUTH2", "PLAIN", "LOGIN",
      ])
    for mechanism in ServerMechanism.allCases {
      #expect(ServerMechanism(name: mechanism.name.lowercased()) == mechanism)
      #expect(mechanism.sendsSecret == !(mechanism == .external || mechanism.name.hasPrefix("SCRAM")))
    }
    #expect(ServerMechanism(name: "EXTERNAL2") == nil && ServerMechanism(name: "") == nil)
  }
}
