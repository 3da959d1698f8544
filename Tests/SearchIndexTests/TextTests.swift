import Bytes
import MailFormat
import NIOCore
import SearchText
import Testing

@Suite struct TextTests {
  @Test func `Only two letters become ASCII when they are folded`() {
    // No letters are higher up.
    let wrong = (UInt32(0x80)..<0x20000).filter { value in
      guard let scalar = Unicode.Scalar(value) else { return false }
      let text = Array(String(Character(scalar)).utf8)
      return TextFolding.folded(text.span.bytes).contains { $0 < 0x80 } != TextFolding.makesASCII(text.span.bytes)
    }
    #expect(wrong.isEmpty)
  }

  @Test func `Folding leaves over no octet that parts values`() {
    var mail = RandomMail(3)
    for _ in 0..<500 {
      let text = mail.text(20)
      #expect(!TextFolding.folded(Array(text.utf8).span.bytes).contains { $0 >= 0xFD })
    }
    // What is no UTF-8 is one octet that no needle has.
    let broken: [UInt8] = [0x41, 0xC3, 0x28, 0xC3, 0x89]
    #expect(TextFolding.folded(broken.span.bytes) == [0x61, 0xFF, 0x28, 0xC3, 0xA9])
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
    let isFound = TextDecoding.withText(of: part, in: bytes, asciiOnly: needle.isASCII) { needle.isFound(in: $0) }
    #expect(isFound == needle.isFound(in: kept.readableBytesSpan), "\(part.charset ?? "-") \(part.encoding)")
  }
}

extension RawSpan {
  var array: [UInt8] { withUnsafeBytes { Array($0) } }
}
