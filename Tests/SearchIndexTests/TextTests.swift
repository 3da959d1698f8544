import Bytes
import MailFormat
import NIOCore
import SearchText
import Testing

@Suite struct TextTests {
  private func plainSearch(_ needle: [UInt8], _ text: [UInt8]) -> Bool {
    guard needle.count <= text.count else { return false }
    return (0...(text.count - needle.count)).contains { text[$0...].starts(with: needle) }
  }

  @Test(arguments: Collation.allCases)
  func `A needle is found where its key is a part of the text's`(collation: Collation) {
    var mail = RandomMail(7)
    func key(_ text: String) -> [UInt8] {
      var key: [UInt8] = []
      collation.appendKey(text.utf8Span.span.bytes, to: &key)
      return key
    }
    var found = 0
    for _ in 0..<20_000 {
      let (text, needle) = (mail.text(12), mail.text(3))
      let expected = plainSearch(key(needle), key(text))
      let wanted = TextNeedle(needle, collation)
      #expect(wanted.isFound(in: text) == expected, "“\(needle)” in “\(text)”")
      // What folded texts do not hold is in no text: the index may say so.
      let folded = TextFolding.folded(text.utf8Span.span.bytes)
      if expected { #expect(plainSearch(wanted.folded, folded), "“\(needle)” in “\(text)”") }
      if wanted.isDecidedByFolded { #expect(plainSearch(wanted.folded, folded) == expected) }
      if expected { found += 1 }
    }
    #expect(found > 1000 && found < 19_000)
  }

  @Test func `What stands across the borders of pieces is found`() {
    let needle = TextNeedle("Größe – café")
    let wanted = "GRÖßE – CAFE\u{301}"
    for shift in 0..<24 {
      let before = "é" + String(repeating: "x", count: (64 << 10) - 14 + shift)
      let after = String(repeating: "y", count: 70_000)
      #expect(needle.isFound(in: before + wanted + after), "\(shift)")
      #expect(!needle.isFound(in: before + "GRÖßE – KAFE\u{301}" + after), "\(shift)")
    }
    // As large as it can get.
    let large = String(repeating: "\u{FDFA}", count: 100_000) + wanted
    #expect(needle.isFound(in: large))
    #expect(TextNeedle(String(repeating: "\u{FDFA}", count: 90_000)).isFound(in: large))
  }

  /// RFC 5255 §4.6: by i;octet.
  @Test func `Octets that are no UTF-8 are looked for as they are`() {
    for collation in Collation.allCases {
      let needle = TextNeedle([0x61, 0xE9], collation)
      #expect(needle.folded.isEmpty && !needle.isEmpty && !needle.isDecidedByFolded && !needle.isASCII)
      let texts: [[UInt8]] = [[0x20, 0x61, 0xE9, 0x62], [0x41, 0xE9]]
      let found = texts.map { needle.isFound(in: $0.span.bytes) }
      #expect(found == [true, false])
      #expect(!needle.isFound(in: "a\u{E9} a\u{FFFD}"))
    }
  }

  @Test func `Folding leaves over no octet that parts values`() {
    var mail = RandomMail(3)
    for _ in 0..<500 {
      let text = mail.text(20)
      #expect(!TextFolding.folded(Array(text.utf8).span.bytes).contains { $0 >= 0xFD })
    }
    // What is no UTF-8 is one octet that no needle has.
    let broken: [UInt8] = [0x41, 0xC3, 0x28, 0xC3, 0x89]
    #expect(TextFolding.folded(broken.span.bytes) == [0x41, 0xFF, 0x28, 0x45, 0xCC, 0x81])
  }

  @Test func `A text that is only looked at reads as the one that is kept`() {
    var mail = RandomMail(5)
    for _ in 0..<700 {
      let message = mail.message()
      compare(MessageIndex.parse(message.readableBytesSpan).root, message, mail.text(4))
    }
  }

  private func compare(_ part: Part, _ message: ByteBuffer, _ needle: String) {
    for child in part.children { compare(child, message, needle) }
    guard part.children.isEmpty else { return }
    let bytes = message.readableBytesSpan
    let kept = TextDecoding.decodedText(of: part, in: bytes)
    let looked = TextDecoding.withText(of: part, in: bytes, asciiOnly: false) { ByteBuffer(bytes: $0.array) }
    #expect(looked == kept)
    let needle = TextNeedle(needle)
    let early = TextDecoding.withText(
      of: part, in: bytes, asciiOnly: false, early: { needle.standsInASCII(of: $0) ? true : nil }
    ) { _ in needle.isFound(in: kept.readableBytesSpan) }
    #expect(early == needle.isFound(in: kept.readableBytesSpan), "\(part.charset ?? "-") \(part.encoding)")
    let isFound = TextDecoding.withText(of: part, in: bytes, asciiOnly: needle.isASCII) { needle.isFound(in: $0) }
    #expect(isFound == needle.isFound(in: kept.readableBytesSpan), "\(part.charset ?? "-") \(part.encoding)")
  }
}

extension RawSpan {
  var array: [UInt8] { withUnsafeBytes { Array($0) } }
}
