// The input is bytes, base64, or a mailbox name. Invariants:
// - Base64 gives back what it was given; what the strict reader takes has one spelling only.
// - The tolerant reader takes all that the strict one takes, and says the same.
// - A mailbox name survives modified UTF-7; what the reader takes has one spelling only.
import Bytes
import FuzzKit
import NIOCore

func bytesFuzz(_ given: ByteBuffer) {
  let count = given.readableBytes
  let buffer = given

  var encoded = ByteBuffer()
  Base64.encode(buffer, into: &encoded)
  must(encoded.readableBytes == Base64.encodedLength(count), "base64 of another length")
  must(Base64.decode(encoded) == buffer && Base64.decode(encoded, .tolerant) == buffer, "base64 changes bytes")
  let tolerant = Base64.decode(buffer, .tolerant)
  if let decoded = Base64.decode(buffer) {
    var again = ByteBuffer()
    Base64.encode(decoded, into: &again)
    must(again == buffer, "base64 of two spellings")
    must(tolerant == decoded, "tolerance changes base64")
  }

  let name = String(buffer: buffer)
  must(ModifiedUTF7.decode(ModifiedUTF7.encode(name)) == name, "a name changes in UTF-7")
  if let decoded = ModifiedUTF7.decode(buffer.readableBytesSpan) {
    must(Array(ModifiedUTF7.encode(decoded).utf8).elementsEqual(buffer.readableBytesView), "a name of two spellings")
  }
}
