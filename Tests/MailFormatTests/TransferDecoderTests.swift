import MailFormat
import NIOCore
import Testing

/// What BINARY shows of a part is what SEARCH and the preview see of it.
@Suite struct TransferDecoderTests {
  @Test(arguments: [
    "last line =", "last line = \t", "=", "= \r", "=4", "=4 ", "= x", "a =\r\n", "a \r", "a \r\r\n", "a=\r\r\n",
    "= =\n",
    "",
  ])
  func `Quoted-printable ends in every decoder as in the others`(body: String) throws {
    let message = ByteBuffer(string: "Content-Transfer-Encoding: quoted-printable\r\n\r\n" + body)
    let part = MessageIndex.parse(message.readableBytesSpan).root
    let decoded = TextDecoding.transferDecoded(part, in: message.readableBytesSpan)
    let whole = try #require(decoded)
    for step in [1, 2, 100] {
      var decoder = try #require(TransferDecoder(encodingName: "quoted-printable", fixesLineEnds: false))
      var output = ByteBuffer()
      var rest = ByteBuffer(string: body)
      while let piece = rest.readSlice(length: min(step, rest.readableBytes)), piece.readableBytes > 0 {
        decoder.decode(piece.readableBytesSpan, into: &output)
      }
      decoder.finish(into: &output)
      #expect(output == whole, "\(body.debugDescription) in pieces of \(step)")
    }
  }
}
