// The input is a message, or the content of DATA as it comes. Invariants:
// - The line-end rule leaves no bare CR, no bare LF and no NUL, changes nothing the second time, and does not depend on
//   how the message was cut.
// - What goes out dot-stuffed to a POP3 client comes back from LMTP's decoder as it was, with a CRLF at its end, and
//   ends at the end and nowhere before it.
// - The decoder does not depend on how its input was cut and leaves what follows the end alone.
import Bytes
import FuzzKit
import LMTPCore
import NIOCore
import POP3Core

func dotFuzz(_ given: ByteBuffer) {
  let count = given.readableBytes
  let message = given
  let seed = UInt64(count) &* 31 &+ UInt64(message.getInteger(at: message.writerIndex - 1, as: UInt8.self) ?? 0)

  let (kept, counts) = normalized([message])
  must(kept == normalized(message.cut(seed: seed)).0, "the line-end rule depends on cuts")
  must(isClean(kept), "the line-end rule leaves something behind")
  must(counts.isEmpty == (kept == message), "the line-end rule counts wrongly")
  must(normalized([kept]).0 == kept, "the line-end rule is not done the first time")

  checkStuffing(kept, seed, isKept: true)
  checkStuffing(message, seed, isKept: false)
  checkDecoding(message, seed)
}

private func normalized(_ chunks: [ByteBuffer]) -> (ByteBuffer, LineEndNormalizer.Counts) {
  var normalizer = LineEndNormalizer()
  var output = ByteBuffer()
  for (index, chunk) in chunks.enumerated() {
    if index.isMultiple(of: 2) {
      var piece = normalizer.normalize(chunk)
      output.writeBuffer(&piece)
    } else {
      normalizer.normalize(chunk, into: &output)
    }
  }
  normalizer.finish(into: &output)
  must(
    normalizer.endsWithLineEnd == (output.readableBytesView.suffix(2).elementsEqual([0x0D, 0x0A])), "endsWithLineEnd")
  return (output, normalizer.counts)
}

private func isClean(_ buffer: ByteBuffer) -> Bool {
  var last: UInt8 = 0
  for byte in buffer.readableBytesView {
    if byte == 0 || (byte == 0x0A) != (last == 0x0D) { return false }
    last = byte
  }
  return last != 0x0D
}

private func checkStuffing(_ message: ByteBuffer, _ seed: UInt64, isKept: Bool) {
  let whole = stuffed([message])
  must(whole == stuffed(message.cut(seed: seed)), "stuffing depends on cuts")
  var content = whole
  content.writeString("NEXT\r\n")
  var decoder = DataDecoder()
  var decoded = ByteBuffer()
  must(decoder.decode(&content, into: &decoded), "the end is not found")
  must(String(buffer: content) == "NEXT\r\n", "the message ends before its end")
  guard isKept else { return }
  var expected = message
  if message.readableBytes > 0, !message.readableBytesView.suffix(2).elementsEqual([0x0D, 0x0A]) {
    expected.writeString("\r\n")
  }
  must(decoded == expected, "\(message) comes back as \(decoded)")
}

private func stuffed(_ chunks: [ByteBuffer]) -> ByteBuffer {
  var stuffer = DotStuffer()
  var output = ByteBuffer()
  for chunk in chunks { stuffer.stuff(chunk, into: &output) }
  stuffer.finish(into: &output)
  return output
}

private func checkDecoding(_ sent: ByteBuffer, _ seed: UInt64) {
  let (whole, wholeRest) = decoded([sent])
  let (cut, cutRest) = decoded(sent.cut(seed: seed))
  must(whole == cut && wholeRest == cutRest, "the decoder depends on cuts")
}

/// The content, and what stands behind the end; nil when there is no end.
private func decoded(_ chunks: [ByteBuffer]) -> (ByteBuffer, ByteBuffer?) {
  var decoder = DataDecoder()
  var output = ByteBuffer()
  var rest: ByteBuffer?
  for var chunk in chunks {
    if rest == nil {
      guard decoder.decode(&chunk, into: &output) else {
        must(chunk.readableBytes == 0, "something is left without an end")
        continue
      }
      rest = ByteBuffer()
    }
    rest?.writeBuffer(&chunk)
  }
  must(decoder.isAtEnd == (rest != nil), "isAtEnd")
  return (output, rest)
}
