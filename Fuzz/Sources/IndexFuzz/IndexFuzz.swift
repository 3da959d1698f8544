// The input is a length, a kept index of that length, and a message that the index may have nothing to do with, as
// after damage on disk. Invariants:
// - Any bytes can be decoded; what comes out says the same after `encoded` and `decode`.
// - Its parts lie inside the size that it tells.
// - An index that belongs to another message gives wrong answers, not a crash.
import Bytes
import FuzzKit
import MailFormat
import NIOCore

func indexFuzz(_ given: ByteBuffer) {
  var message = given
  let length = min(Int(message.takeByte()), message.readableBytes)
  guard let kept = message.readSlice(length: length), let index = MessageIndex.decode(kept) else { return }
  must(MessageIndex.decode(index.encoded()) == index, "an index changes when it is kept")
  check(index.root, within: 0..<index.size)

  let span = message.readableBytesSpan
  for extensible in [true, false] {
    var output = ByteBuffer()
    BodyStructureWriter.writeBody(index, span, extensible: extensible, into: &output)
  }
  var output = ByteBuffer()
  Envelope.write(span, header: index.root.headerRange, into: &output)
  HeaderFields.write(fields: [Array("to".utf8)], not: false, of: span, header: index.root.headerRange, into: &output)
  for path in [[1], [2], [1, 1], [1, 2], [1, 1, 1]] {
    guard let part = index.part(at: path) else { continue }
    _ = TextDecoding.decodedText(of: part, in: span)
    _ = TextDecoding.transferDecoded(part, in: span)
    for field in ContentField.allCases { _ = part.value(of: field, in: span) }
  }
}

private func check(_ part: Part, within bounds: Range<Int>) {
  must(part.headerStart >= bounds.lowerBound && part.bodyEnd <= bounds.upperBound, "a part lies outside its parent")
  must(part.headerRange.upperBound <= part.bodyStart, "a body begins inside its header")
  for child in part.children { check(child, within: part.bodyRange) }
}
