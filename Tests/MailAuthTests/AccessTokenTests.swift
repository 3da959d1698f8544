import MailAuth
import NIOCore
import Testing

@Suite struct AccessTokenTests {
  private let rump = ByteBuffer(string: "imap://joe@example.com/INBOX/;uid=20/;section=1.2;urlauth=submit+fred")

  @Test func `A token holds for its URL and key alone`() {
    let key = AccessToken.newKey()
    let token = AccessToken.make(of: rump, key: key)
    #expect(token.utf8.count == 66 && token.hasPrefix("01"))
    #expect(AccessToken.isValid(token, of: rump, key: key))
    #expect(AccessToken.isValid(token.uppercased(), of: rump, key: key))
    #expect(!AccessToken.isValid(token, of: ByteBuffer(string: "imap://joe@example.com/INBOX/;uid=21"), key: key))
    #expect(!AccessToken.isValid(token, of: rump, key: AccessToken.newKey()))
    #expect(!AccessToken.isValid(String(token.dropLast()), of: rump, key: key))
    #expect(!AccessToken.isValid(token + "0", of: rump, key: key))
    #expect(!AccessToken.isValid("02" + token.dropFirst(2), of: rump, key: key))
    #expect(!AccessToken.isValid("", of: rump, key: key))
  }

  /// RFC 4231 §4.3: the HMAC is HMAC-SHA-256.
  @Test func `It is the HMAC of the standard`() {
    #expect(
      AccessToken.make(of: ByteBuffer(string: "what do ya want for nothing?"), key: Array("Jefe".utf8))
        == "015bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843")
  }

  @Test func `Keys are long and never the same`() {
    let keys = Set((0..<100).map { _ in AccessToken.newKey() })
    #expect(keys.count == 100 && keys.allSatisfy { $0.count == 32 })
  }
}
