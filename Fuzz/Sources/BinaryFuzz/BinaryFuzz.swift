// The input is a message as literal8 or BODY=BINARYMIME may bring it. Invariants:
// - However it is cut, the same comes out.
// - What comes out is clean by the rule for line ends and NUL; without a binary part it is what that rule makes of the input.
// - Unless it has failed, no part is labelled binary any more, as a reader of stored messages sees its parts.
import Bytes
import FuzzKit
import MailFormat
import NIOCore

func binaryFuzz(_ given: ByteBuffer) {
  let (whole, intake) = taken([given])
  let (cut, _) = taken(given.cut(seed: UInt64(given.readableBytes)))
  must(whole == cut, "cut, it becomes\n\(String(buffer: cut))\nwhole\n\(String(buffer: whole))")
  if given.readableBytes <= 400 {
    let (bytewise, _) = taken(given.readableBytesView.map { ByteBuffer(bytes: [$0]) })
    must(whole == bytewise, "byte by byte, it becomes\n\(String(buffer: bytewise))\nwhole\n\(String(buffer: whole))")
  }
  must(normalized(whole) == whole, "not clean:\n\(String(buffer: whole))")
  if !String(buffer: given).lowercased().contains("binary") {
    must(normalized(given) == whole, "without binary parts, it becomes\n\(String(buffer: whole))")
  }
  guard intake.failure == nil else { return }
  must(!hasBinary(MessageIndex.parse(whole.readableBytesSpan).root), "still binary:\n\(String(buffer: whole))")
}

private func taken(_ chunks: [ByteBuffer]) -> (ByteBuffer, BinaryIntake) {
  var intake = BinaryIntake()
  var out = ByteBuffer()
  for chunk in chunks { out.writeImmutableBuffer(intake.take(chunk)) }
  out.writeImmutableBuffer(intake.finish())
  return (out, intake)
}

private func normalized(_ bytes: ByteBuffer) -> ByteBuffer {
  var normalizer = LineEndNormalizer()
  var out = ByteBuffer(bytes: normalizer.normalize(bytes).readableBytesView)
  normalizer.finish(into: &out)
  return out
}

private func hasBinary(_ part: Part) -> Bool { part.encoding == .binary || part.children.contains(where: hasBinary) }
