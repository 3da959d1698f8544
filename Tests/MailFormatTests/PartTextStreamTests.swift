import MailFormat
import MailTestKit
import NIOCore
import Testing

@Suite struct PartTextStreamTests {
  /// The text of a part given in pieces of `step` octets.
  private func streamed(_ part: Part, _ bytes: [UInt8], step: Int) -> [UInt8] {
    var stream = PartTextStream(part)
    var text: [UInt8] = []
    var other: [UInt8] = []
    var position = part.bodyStart
    repeat {
      let next = min(position + step, part.bodyEnd)
      let piece = bytes.span.bytes.extracting(position..<next)
      stream.decode(piece, isLast: next == part.bodyEnd, into: &text, other: &other)
      position = next
    } while position < part.bodyEnd
    #expect(stream.reading != .open)
    return stream.reading == .other ? other : text
  }

  private func check(_ charset: String?, _ encoding: String, _ body: [UInt8], steps: some Sequence<Int>) {
    let type = charset.map { "Content-Type: text/plain; charset=\"\($0)\"\n" } ?? ""
    let bytes = Array("\(type)Content-Transfer-Encoding: \(encoding)\n\n".utf8) + body
    let root = MessageIndex.parse(bytes.span.bytes).root
    let whole = Array(TextDecoding.decodedText(of: root, in: bytes.span.bytes).readableBytesView)
    for step in steps {
      #expect(streamed(root, bytes, step: step) == whole, "\(charset ?? "-") \(encoding) \(body) in pieces of \(step)")
    }
  }

  @Test(arguments: [
    "a=20=3D=\r\nb  \r\nc=\n d= \t\r\ne=e9=zz=", "=", "=4", "=\r", "= \t", "=4 \n=4=", "x \t", "\r\r \r\n\t\r \n",
    "==3D=",
    "= \r= \n=\r\r\n =\r\n\n", "=C3=A9=E2=82=AC  ", "a=  b \n", "",
  ])
  func `Quoted-printable reads the same however it is cut`(body: String) {
    for charset in ["utf-8", "iso-8859-1", "us-ascii"] {
      check(charset, "quoted-printable", Array(body.utf8), steps: 1...max(1, body.utf8.count))
    }
  }

  @Test(arguments: [
    "YWJj", "YWI=", "YQ==", "YQ", "Y", "Y W\r\nJ*j", "YQ==YWJj", "", "====", "Y=YWJj=YQ=", "w6nDqQ==\r\nw6k=", "/+7/",
  ])
  func `Base64 reads the same however it is cut`(body: String) {
    for charset in ["utf-8", "utf-16", "us-ascii"] {
      check(charset, "base64", Array(body.utf8), steps: 1...max(1, body.utf8.count))
    }
  }

  @Test func `Uuencode reads the same however it is cut`() {
    let long = "M" + String(repeating: "A", count: 90) + String(repeating: "\r", count: 80) + "x"
    for body in [
      "text\r\nbegin 644 a.txt\r\n#86)C\r\n\"9&4 \r\n`\r\nend\r\nmore", "begin 1 a\n#86)C",
      "begin 1 a\r\n\r\n\n#86)C\r\r\n",
      "begin 1 a\n\(long)\n#86)C\nend\r\r\n#86)C", "begin 1 a\nM" + String(repeating: "\r", count: 140) + "\n#86)C",
      "begin 1 a\nend" + String(repeating: "\r", count: 140) + "\n#86)C", "end\n", "",
    ] { check(nil, "x-uuencode", Array(body.utf8), steps: 1...max(1, body.utf8.count)) }
  }

  @Test(
    arguments: [
      (
        "utf-8",
        Array("é€😀 z\u{C3}".utf8) + [0xC3, 0x28, 0xE0, 0x80, 0xF0, 0x9F, 0x98, 0x61, 0xED, 0xA0, 0x80, 0xF0, 0x9F]
      ),
      ("us-ascii", Array("é€😀 z".utf8)), ("us-ascii", Array("é€😀 z".utf8) + [0xE9]),
      ("us-ascii", [0x61, 0xE2, 0x82]), ("no-such-set", [0x61, 0xE9, 0xC3, 0xA9]), ("../x", [0xC3, 0xA9]),
      ("iso-8859-1", [0xE9, 0x80, 0xC3]),
      ("gb18030", [0xC4, 0xE3, 0x81, 0x30, 0x81, 0x31, 0x61, 0xFF, 0x81, 0x40, 0x81, 0x30]),
      ("gb2312", [0xC4, 0xE3, 0x81, 0x40, 0xC4]),
      ("big5-hkscs", [0x88, 0x66, 0x88, 0x62, 0x88, 0xA3, 0x88, 0x66, 0x61, 0x88]),
      ("windows-1258", [0x61, 0xEC, 0x65, 0xEC, 0x61, 0x62, 0x61]),
      ("shift_jis", [0x82, 0xA0, 0x82, 0x0A, 0x82, 0xA0, 0x82]),
      (
        "iso-2022-jp",
        [0x61, 0x1B, 0x24, 0x42, 0x24, 0x22, 0x24, 0x24, 0x1B, 0x28, 0x42, 0x62, 0x1B, 0x61, 0x1B, 0x24, 0x42, 0x24]
      ),
      ("iso-2022-kr", [0x1B, 0x24, 0x29, 0x43, 0x0E, 0x30, 0x21, 0x0F, 0x61, 0x0A, 0x0E, 0x30]),
      ("utf-16", [0xFE, 0xFF, 0x00, 0x61, 0xD8, 0x3D, 0xDE, 0x00, 0xDC, 0x00, 0x00]), ("utf-16", [0x61, 0, 0x62, 0]),
      ("utf-32", [0xFF, 0xFE, 0, 0, 0x61, 0, 0, 0, 0, 0, 0x7F, 0x7F, 0x62]),
      ("utf-7", Array("a+AOk-b+2D3eAA-+".utf8)), ("hz-gb-2312", Array("a~{VPND~}b~~c~\nd~{V".utf8)),
      ("euc-kr", [0xB0, 0xA1, 0xFF, 0x61, 0xB0]),
    ] as [(String, [UInt8])])
  func `Characters cut in the middle read as in the whole`(charset: String, body: [UInt8]) {
    check(charset, "8bit", body, steps: 1...body.count)
    // The same octets inside an encoding.
    let escaped = body.map { "=" + ($0 < 16 ? "0" : "") + String($0, radix: 16, uppercase: true) }.joined()
    check(charset, "quoted-printable", Array(escaped.utf8), steps: 1...8)
  }

  @Test func `Any octets read the same however they are cut`() {
    var random = SeededRandom(seed: 2)
    // Octets that mean something to some encoding or character set.
    let telling: [UInt8] = [
      0x09, 0x0A, 0x0D, 0x0E, 0x0F, 0x1B, 0x20, 0x20, 0x21, 0x24, 0x28, 0x2B, 0x2D, 0x30, 0x3D, 0x3D, 0x41, 0x42, 0x4A,
      0x61,
      0x7E, 0x7B, 0x80, 0x81, 0x82, 0xA0, 0xA1, 0xBF, 0xC3, 0xC4, 0xE2, 0xED, 0xF0, 0xFE, 0xFF,
    ]
    let charsets = [
      nil, "utf-8", "gb18030", "iso-2022-jp", "iso-2022-jp-2", "iso-2022-kr", "big5", "shift_jis", "euc-jp", "euc-kr",
      "utf-16",
      "utf-16le", "utf-7", "hz", "windows-1258", "tcvn", "utf-32", "iso-8859-1", "koi8-r",
    ]
    for round in 0..<400 {
      var body: [UInt8] = []
      for _ in 0..<Int.random(in: 0...24, using: &random) { body.append(telling.randomElement(using: &random) ?? 0) }
      let encoding = ["8bit", "quoted-printable", "base64", "x-uuencode"][round % 4]
      if round % 4 == 3 { body = Array("begin 1 a\n".utf8) + body }
      for charset in charsets { check(charset, encoding, body, steps: [1, 2, 3, 5, 7]) }
    }
  }

  @Test func `One reading is enough for ASCII`() {
    let bytes = Array("Content-Type: text/plain\n\na\u{E9}b".utf8)
    let part = MessageIndex.parse(bytes.span.bytes).root
    let stream = PartTextStream(part, asciiOnly: true)
    #expect(stream.reading == .settled)
    let both = PartTextStream(part)
    #expect(both.reading == .open)
  }

  @Test func `What is held of a run of blanks is bounded`() {
    let header = Array("Content-Transfer-Encoding: quoted-printable\n\n".utf8)
    let bytes = header + [UInt8](repeating: 0x20, count: 1 << 20)
    let part = MessageIndex.parse(bytes.span.bytes).root
    var stream = PartTextStream(part)
    var text: [UInt8] = []
    var other: [UInt8] = []
    for start in stride(from: part.bodyStart, to: part.bodyEnd, by: 1 << 16) {
      stream.decode(bytes.span.bytes.extracting(start..<start + 1 << 16), isLast: false, into: &text, other: &other)
      #expect(part.bodyStart + text.count + (512 << 10) >= start)
    }
    stream.decode(RawSpan(), isLast: true, into: &text, other: &other)
    #expect(text.count == 1 << 20)
  }
}
