import MailFormat
import NIOCore
import Testing

@Suite struct TextDecodingTests {
  private func text(_ header: String, _ body: [UInt8], maxBytes: Int = .max) -> String {
    let bytes = message(header + "\n\n") + body
    return String(buffer: TextDecoding.decodedText(of: bytes.index.root, in: bytes.span.bytes, maxBytes: maxBytes))
  }

  private func header(_ text: String) -> String { header(Array(text.utf8)) }
  private func header(_ bytes: [UInt8]) -> String { TextDecoding.decodeHeader(bytes.span.bytes) }

  @Test(arguments: [
    ("a=20=3D=\r\nb  \r\nc=\n d= \t\r\ne=e9=zz=", "a =b\r\nc d" + "e\u{E9}=zz"),
    ("=", ""), ("=4", "=4"), ("", ""), ("x \t", "x \t"),
  ]) func `Quoted-printable`(encoded: String, decoded: String) {
    let type = "Content-Type: text/plain; charset=iso-8859-1\nContent-Transfer-Encoding: quoted-printable"
    #expect(text(type, Array(encoded.utf8)) == decoded)
  }

  @Test(arguments: [
    ("YWJj", "abc"), ("YWI=", "ab"), ("YQ==", "a"), ("YQ", "a"), ("Y", ""), ("Y W\r\nJ*j", "abc"), ("YQ==YWJj", "aabc"),
    ("", ""), ("====", ""), ("YWJjZGVm", "abcdef"),
  ]) func `Base64`(encoded: String, decoded: String) {
    #expect(text("Content-Transfer-Encoding: base64", Array(encoded.utf8)) == decoded)
  }

  @Test func `The limit holds for every encoding`() {
    for encoding in ["7bit", "base64", "quoted-printable"] {
      for limit in 0...9 {
        let body = encoding == "base64" ? "YWJjZGVmZ2hp" : "abcdefghi"
        let expected = String("abcdefghi".prefix(limit))
        #expect(text("Content-Transfer-Encoding: \(encoding)", Array(body.utf8), maxBytes: limit) == expected)
      }
    }
  }

  @Test func `Uuencode`() {
    let body = "text\r\nbegin 644 a.txt\r\n#86)C\r\n\"9&4 \r\n`\r\nend\r\nmore"
    #expect(text("Content-Transfer-Encoding: x-uuencode", Array(body.utf8)) == "abcde")
  }

  @Test(
    arguments: [
      ("utf-8", [0xC3, 0xA9], "\u{E9}"), ("UTF8", [0xC3, 0x28], "\u{FFFD}("),
      ("iso-8859-1", [0xE9, 0x80], "\u{E9}\u{20AC}"),
      ("us-ascii", [0xC3, 0xA9], "\u{E9}"), ("us-ascii", [0xE9], "\u{E9}"), ("no-such-set", [0x61, 0xE9], "a\u{E9}"),
      ("../../x", [0x61], "a"), ("utf-7", Array("+AOk-".utf8), "\u{E9}"),
      ("gb2312", [0xC4, 0xE3, 0x81, 0x40], "\u{4F60}\u{4E02}"),
      ("ks_c_5601-1987", [0xB0, 0xA1], "\u{AC00}"),
      ("iso-2022-jp", [0x1B, 0x24, 0x42, 0x24, 0x22, 0x1B, 0x28, 0x42], "\u{3042}"),
      ("big5", [0xA4, 0x40], "\u{4E00}"), ("koi8-r", [0xC1], "\u{430}"), ("koi8_r", [0xC1], "\u{430}"),
      ("iso_8859-5", [0xD0], "\u{430}"), ("windows_1251", [0xE0], "\u{430}"), ("windows-1251", [0xE0], "\u{430}"),
      ("shift_jis", [0x82, 0xA0, 0x82], "\u{3042}\u{FFFD}"), ("utf-16", [0xFE, 0xFF, 0x00, 0x61], "a"),
      ("euc-kr", [0xFF, 0x61], "\u{FFFD}a"),
    ] as [(String, [UInt8], String)]) func `Character sets`(charset: String, bytes: [UInt8], expected: String)
  {
    #expect(text("Content-Type: text/plain; charset=\"\(charset)\"", bytes) == expected)
  }

  @Test func `A large text in a foreign character set is converted whole`() {
    let body = [UInt8](repeating: 0xC1, count: 100_000)
    #expect(text("Content-Type: text/plain; charset=koi8-r", body) == String(repeating: "\u{430}", count: 100_000))
  }

  @Test func `Unknown character sets are told apart`() {
    #expect(TextDecoding.isKnown(charset: "KOI8-R"))
    #expect(TextDecoding.isKnown(charset: "utf-8"))
    #expect(!TextDecoding.isKnown(charset: "no-such-set"))
    #expect(!TextDecoding.isKnown(charset: "utf-8//TRANSLIT"))
    let bytes: [UInt8] = [0xC1]
    #expect(TextDecoding.toUTF8(bytes.span.bytes, charset: "koi8-r").map(String.init(buffer:)) == "\u{430}")
  }

  @Test func `Transfer decoding alone leaves the character set`() {
    let bytes = message("Content-Type: text/plain; charset=koi8-r\nContent-Transfer-Encoding: base64\n\nwQ==\n")
    #expect(TextDecoding.transferDecoded(bytes.index.root, in: bytes.span.bytes).map { Array(buffer: $0) } == [0xC1])
    let unknown = message("Content-Transfer-Encoding: x-new\n\nabc\n")
    #expect(TextDecoding.transferDecoded(unknown.index.root, in: unknown.span.bytes) == nil)
  }

  @Test(arguments: [
    ("plain", "plain"), ("a\r\n b", "a b"),
    ("=?utf-8?q?a_b=C3=A9?=", "a b\u{E9}"), ("=?UTF-8?B?w6k=?= x", "\u{E9} x"),
    ("=?utf-8?q?a?= =?utf-8?q?b?=", "ab"), ("=?utf-8?q?a?=\r\n =?utf-8?q?b?= c", "ab c"),
    ("=?utf-8?b?w6?= =?UTF-8?b?k=?=", "\u{FFFD}"), ("=?utf-8?q?=C3?= =?utf-8?q?=A9?=", "\u{E9}"),
    ("=?utf-8*en?q?a?=", "a"), ("=?iso-8859-1?q?=E9?= =?koi8-r?q?=C1?=", "\u{E9}\u{430}"),
    ("=?no-such?q?a=E9?=", "a\u{E9}"), ("=?utf-8?x?a?=", "=?utf-8?x?a?="), ("=?utf-8?q?a", "=?utf-8?q?a"), ("=?", "=?"),
    ("a=?utf-8?q?b?=c", "abc"), ("=?utf-8?q??=", ""), ("=?utf-8?q?a?b?=", "a?b"), ("=?utf-8?q?a=0D=0Ab?=", "a  b"),
    ("\u{E9} raw", "\u{E9} raw"),
  ]) func `Encoded words`(encoded: String, decoded: String) {
    #expect(header(encoded) == decoded)
  }

  @Test func `Raw 8-bit headers are legible`() {
    #expect(header([0x61, 0xE9, 0x62]) == "a\u{E9}b")
  }

  @Test func `A header full of different character sets is bounded`() {
    let words = (0..<20_000).map { "=?iso-8859-\($0 % 2 == 0 ? "2" : "5")?q?=E9?=" }.joined(separator: " ")
    #expect(header(words).unicodeScalars.count == 20_000)
    #expect(header(String(repeating: "=?a?q?", count: 200_000)).utf8.count == 1_200_000)
  }
}
