import Bytes
import NIOCore
import Testing

@Suite struct ModifiedUTF7Tests {
  /// RFC 3501 §5.1.3 and names seen in the wild.
  @Test(arguments: [
    ("", ""), ("INBOX", "INBOX"), ("a&b", "a&-b"), ("&", "&-"), ("&&", "&-&-"),
    ("~peter/mail/台北/日本語", "~peter/mail/&U,BTFw-/&ZeVnLIqe-"), ("台北日本語", "&U,BTF2XlZyyKng-"),
    ("☺!", "&Jjo-!"), ("Entwürfe", "Entw&APw-rfe"), ("ä&ö", "&AOQ-&-&APY-"), ("😀", "&2D3eAA-"), ("\u{7F}", "&AH8-"),
    ("ÄÖÜ", "&AMQA1gDc-"),
  ])
  func `Names are written and read as the RFC says`(name: String, encoded: String) {
    #expect(ModifiedUTF7.encode(name) == encoded)
    #expect(ModifiedUTF7.decode(encoded) == name)
  }

  @Test(arguments: [
    "&Jjo!", "&", "a&", "&Jjo", "&U,BTFw-&ZeVnLIqe-", "&AGE-", "&ACY-", "&AOQ=-", "&AO/-", "&AOR-", "&AOQA-",
    "&2D0-", "&3gA-", "&2D0AYQ-", "Entwürfe", "a\tb", "&A-", "&AA-", "&2D3YPQ-", "a\u{7F}",
  ])
  func `Malformed names and names with another spelling are refused`(encoded: String) {
    #expect(ModifiedUTF7.decode(encoded) == nil)
  }

  @Test func `A literal ampersand may stand next to a shift`() {
    #expect(ModifiedUTF7.decode("&AOQ-&-") == "ä&")
    #expect(ModifiedUTF7.decode("&-&AOQ-") == "&ä")
    #expect(ModifiedUTF7.decode("&AOQ-a&AOQ-") == "äaä")
  }

  @Test func `Every scalar comes back, and nothing else is read as the same name`() {
    for value in stride(from: UInt32(1), through: 0x10FFFF, by: 37) {
      guard let scalar = Unicode.Scalar(value) else { continue }
      let name = "x\(Character(scalar))&\(Character(scalar))\(Character(scalar))"
      #expect(ModifiedUTF7.decode(ModifiedUTF7.encode(name)) == name)
    }
  }

  @Test func `What decodes encodes to the same octets`() {
    // Canonical form: decode is the exact inverse of encode, over short strings of the interesting characters.
    let letters = Array("&-AOQ,2D3e".utf8)
    var tried = 0
    for index in 0..<200_000 {
      var rest = index
      var bytes: [UInt8] = [UInt8(ascii: "&")]
      while rest > 0 {
        bytes.append(letters[rest % letters.count])
        rest /= letters.count
      }
      guard let name = ModifiedUTF7.decode(bytes.span.bytes) else { continue }
      tried += 1
      #expect(Array(ModifiedUTF7.encode(name).utf8) == bytes)
    }
    #expect(tried > 100)
  }
}
