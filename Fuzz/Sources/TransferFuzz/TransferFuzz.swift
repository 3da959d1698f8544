// The input is a byte that chooses encoding and character set, and a part's body. Transfer encodings are undone in three
// places: of a whole part (TransferDecoding), piece by piece for BINARY (TransferDecoder), and piece by piece for SEARCH
// (PartTextStream). Invariants:
// - All three make the same octets of the same body, however it is cut.
// - The text that SEARCH looks through is the text that the whole part has.
// - Decoding does not make more of a body than it was.
import Bytes
import FuzzKit
import NIOCore

@testable import MailFormat

func transferFuzz(_ given: ByteBuffer) {
  var body = given
  let setup = body.takeByte()
  let encodings: [(name: String, encoding: TransferEncoding)] = [
    ("base64", .base64), ("quoted-printable", .quotedPrintable), ("x-uuencode", .uuencode), ("8bit", .eightBit),
  ]
  let (name, encoding) = encodings[Int(setup & 3)]
  let charsets = ["", "utf-8", "iso-8859-1", "windows-1252", "iso-2022-jp", "utf-16", "gb18030", "nonsense"]
  let charset = charsets[Int(setup >> 2 & 7)]
  let seed = UInt64(body.readableBytes) &* 31 &+ UInt64(setup)

  let content = charset.isEmpty ? "" : "Content-Type: text/plain; charset=\(charset)\r\n"
  var message = ByteBuffer(string: content + "Content-Transfer-Encoding: \(name)\r\n\r\n")
  message.writeImmutableBuffer(body)
  let part = MessageIndex.parse(message.readableBytesSpan).root
  must(part.encoding == encoding, "the part has another encoding")
  must(part.bodyRange.count == body.readableBytes, "the part is not all of the body")

  guard let whole = TextDecoding.transferDecoded(part, in: message.readableBytesSpan) else {
    return must(false, "\(name) is not undone")
  }
  must(whole.readableBytes <= body.readableBytes, "\(name) makes a body longer")
  let pieces = body.cut(seed: seed)
  for chunks in [[body], pieces] {
    must(streamed(chunks, encoding) == whole, "what SEARCH sees of \(name) is not what the part holds")
    if let decoded = binary(chunks, name) {
      must(decoded == whole, "what BINARY shows of \(name) is not what the part holds")
    } else {
      must(encoding == .uuencode, "\(name) is unknown to BINARY")
    }
  }

  let text = TextDecoding.decodedText(of: part, in: message.readableBytesSpan)
  for chunks in [[body], pieces] {
    must(ByteBuffer(bytes: searched(part, chunks)) == text, "SEARCH looks through another text (\(name), \(charset))")
  }
}

private func streamed(_ chunks: [ByteBuffer], _ encoding: TransferEncoding) -> ByteBuffer {
  var stream = TransferStream(encoding)
  var output: [UInt8] = []
  for chunk in chunks { stream.decode(chunk.readableBytesSpan, isLast: false, into: &output) }
  stream.decode(RawSpan(), isLast: true, into: &output)
  return ByteBuffer(bytes: output)
}

private func binary(_ chunks: [ByteBuffer], _ name: String) -> ByteBuffer? {
  guard var decoder = TransferDecoder(encodingName: name, fixesLineEnds: false) else { return nil }
  var output = ByteBuffer()
  for chunk in chunks { decoder.decode(chunk.readableBytesSpan, into: &output) }
  decoder.finish(into: &output)
  must(decoder.size == output.readableBytes, "BINARY.SIZE is not the size")
  must(decoder.hasNUL == output.readableBytesView.contains(0), "a NUL is not told, or told where none is")
  return output
}

private func searched(_ part: Part, _ chunks: [ByteBuffer]) -> [UInt8] {
  var stream = PartTextStream(part)
  var text: [UInt8] = []
  var other: [UInt8] = []
  for chunk in chunks { stream.decode(chunk.readableBytesSpan, isLast: false, into: &text, other: &other) }
  stream.decode(RawSpan(), isLast: true, into: &text, other: &other)
  must(stream.reading != .open, "the end has come and nothing is decided")
  return stream.reading == .other ? other : text
}
