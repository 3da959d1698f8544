import Bytes
import MailFormat
import NIOCore
import Testing

@Suite struct HeaderFieldFilterTests {
  private let headers = [
    "From: a\r\nSubject: b\r\n c\r\nX: d\r\n\r\n", "Subject: b\r\nsubject : c\r\nSUBJECT:d\r\n\r\n", "\r\n", "", "\n",
    " stray\r\nSubject: x\r\n\r\n", "no colon\r\nSubject: x\r\n more\r\n\r\n", "Subject", "Subject: x", "Subject: x\r",
    "\rSubject: x\r\n\r\n", ": empty\r\nSubject:\r\n\r\n", "Subject: x\n\tfolded\nFrom: y\n\n", "A: Subject: x\r\n\r\n",
    "Subject  : x\r\n\r\n", "Subjec\r\nt: x\r\n\r\n",
  ]

  @Test func `A header in pieces of any size gives the fields that the whole gives`() {
    for names in [["subject"], ["subject", "from"], ["a", "b", "c", "d", "subject", "e"], []] {
      let names = HeaderFieldNames(names.map { Array($0.utf8) })
      for text in headers {
        let header = ByteBuffer(string: text)
        for not in [false, true] {
          var whole = ByteBuffer()
          HeaderFields.write(
            fields: names, not: not, of: header.readableBytesSpan, header: 0..<header.readableBytes, into: &whole)
          for step in [1, 2, 3, 7, 100] {
            var filter = HeaderFieldFilter(names, not: not)
            var output = ByteBuffer()
            var rest = header
            while let piece = rest.readSlice(length: min(step, rest.readableBytes)), piece.readableBytes > 0 {
              filter.filter(piece.readableBytesSpan, into: &output)
            }
            filter.finish(into: &output)
            #expect(output == whole, "\(text.debugDescription) in pieces of \(step)")
          }
        }
      }
    }
  }

  @Test func `A line without end is passed over, or passed on, and never held`() {
    for not in [false, true] {
      var filter = HeaderFieldFilter(HeaderFieldNames([Array("subject".utf8)]), not: not)
      var octets = 0
      let piece = ByteBuffer(repeating: UInt8(ascii: "x"), count: 64 << 10)
      for _ in 0..<100 {
        var output = ByteBuffer()
        filter.filter(piece.readableBytesSpan, into: &output)
        octets += output.readableBytes
      }
      #expect(octets == (not ? 6_553_600 : 0))
    }
  }
}
