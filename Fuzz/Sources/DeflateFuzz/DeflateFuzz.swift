// The input is a byte that chooses how to cut, and what a server sends behind COMPRESS=DEFLATE. Invariants:
// - However the octets are cut, the same comes out, in pieces of bounded size, and damage is seen at the same place.
// - A stream makes no more than deflate can (1032 for 1): what comes in bounds what goes out.
// - What was deflated, call by call, is inflated to the octet after each of them.
import FuzzKit
import NIOCore

@testable import MailNet

func deflateFuzz(_ given: ByteBuffer) {
  var bytes = given
  let setup = bytes.takeByte()
  let whole = inflated([bytes])
  let cut = inflated(bytes.cut(seed: UInt64(setup)))
  must(whole.isDamaged == cut.isDamaged, "damage depends on how the stream is cut")
  must(whole.output == cut.output, "what comes out depends on how the stream is cut")

  guard let deflater = Deflater(), let inflater = Inflater() else { return must(false, "zlib has no memory") }
  for piece in bytes.cut(seed: UInt64(setup) &+ 1) {
    guard let deflated = deflater.deflate(piece) else { return must(false, "zlib fails") }
    inflater.feed(deflated)
    var back = ByteBuffer()
    while let next = inflater.next() { back.writeImmutableBuffer(next) }
    must(!inflater.isDamaged && back == piece, "what was deflated is not what comes back")
  }
}

private func inflated(_ chunks: [ByteBuffer]) -> (output: ByteBuffer, isDamaged: Bool) {
  guard let inflater = Inflater() else { return (ByteBuffer(), true) }
  var output = ByteBuffer()
  var given = 0
  for chunk in chunks {
    given += chunk.readableBytes
    inflater.feed(chunk)
    while let piece = inflater.next() {
      must(piece.readableBytes <= ClientNetLimits.inflatedPiece, "a piece of \(piece.readableBytes) octets")
      output.writeImmutableBuffer(piece)
      must(output.readableBytes <= 1032 * given + 1024, "more came out than deflate can hold")
    }
  }
  return (output, inflater.isDamaged)
}
