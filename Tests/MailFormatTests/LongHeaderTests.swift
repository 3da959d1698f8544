import NIOCore
import Testing

@testable import MailFormat

/// Headers and parts made to weigh: what is kept of them beside the message has its bounds, and what is kept is right.
@Suite struct LongHeaderTests {
  private func long(_ name: String, _ count: Int) -> String {
    "\(name): " + String(repeating: "x", count: count) + "\n"
  }

  private func areWhole(_ summary: MessageSummary) -> Bool {
    CommonHeaders.areWhole(summary.commonHeaders.readableBytesSpan)
  }

  @Test func `A long line is not kept, the others are, and it is said that one is missing`() {
    let summary = message("To: a\n" + long("Subject", 5 << 20) + "From: b\nX-Y: c\n\nbody\n").summary
    #expect(!areWhole(summary))
    // The field ends beyond what is looked at, so what follows is not seen either.
    #expect(String(buffer: summary.commonHeaders) == "\0\r\nTo: a\r\n\r\n")
    let shorter = message("To: a\n" + long("Subject", 100_000) + "From: b\nX-Y: c\n\nbody\n").summary
    #expect(!areWhole(shorter))
    #expect(String(buffer: shorter.commonHeaders) == "\0\r\nTo: a\r\nFrom: b\r\n\r\n")
    // The mark names no field.
    var fields = ByteBuffer()
    HeaderFields.write(
      fields: [Array("to".utf8)], not: false, of: shorter.commonHeaders.readableBytesSpan,
      header: 0..<shorter.commonHeaders.readableBytes, into: &fields)
    #expect(String(buffer: fields) == "To: a\r\n\r\n")
    var picks = HeaderFieldPicks()
    picks.pick(HeaderFieldNames([Array("to".utf8)]), of: shorter.commonHeaders.readableBytesSpan)
    #expect(picks.size == "To: a\r\n\r\n".utf8.count)
  }

  @Test func `Lines are kept up to the bound`() {
    // "Subject: " and CRLF.
    let room = MIMELimits.commonHeaderBytes - 11
    let whole = message(long("Subject", room) + "\nbody\n").summary
    #expect(areWhole(whole) && whole.commonHeaders.readableBytes == MIMELimits.commonHeaderBytes + 2)
    let longer = message(long("Subject", room + 1) + "\nbody\n").summary
    #expect(!areWhole(longer) && longer.commonHeaders.readableBytes == 5)
    let many = message(String(repeating: "To: a@b\n", count: 20_000) + "\nbody\n").summary
    #expect(!areWhole(many) && many.commonHeaders.readableBytes <= MIMELimits.commonHeaderBytes + 8)
    #expect(areWhole(message("X-Y: z\n\n").summary))
    #expect(areWhole(message("").summary))
    #expect(areWhole(message(long("X-Y", 200_000) + "To: a\n\n").summary))
  }

  @Test func `A header cut at any place says what its fields before that place say`() {
    let fields = [
      "From: a@b\n", "Subject: x\n y\n", "\u{0}: z\n", "To: c@d,\n e@f\n", "Date: Thu, 26 Nov 2026 00:00:00 +0000\n",
    ]
    let whole = message(fields.joined() + "\n")
    for limit in 0...whole.count {
      var text = ""
      for field in fields {
        guard message(text + field).count <= limit else { break }
        text += field
      }
      let cut = MessageSummary.make(whole.span.bytes, limits: MIMELimits(headerBytes: limit))
      #expect(cut.envelope == message(text + "\n").summary.envelope, "\(limit)")
      #expect(areWhole(cut) == (limit >= whole.count), "\(limit)")
    }
  }

  @Test func `Steps change nothing, and there is one for each MiB`() {
    let part =
      "--b\nContent-Type: text/plain; name=\"a\"\n\n" + String(repeating: "words in lines\n", count: 1_000) + "\n"
    let shapes = [
      message("Subject: a\n\n") + [UInt8](repeating: 0x61, count: 5 << 20),
      message(long("Subject", 5 << 20) + "To: a\n\nbody\n"),
      message("Subject: a\n\n" + String(repeating: "\n", count: 3 << 20)),
      message(
        "Content-Type: multipart/mixed; boundary=b\n\n" + String(repeating: part, count: 320) + "--b--\n"
          + String(repeating: "x", count: 2 << 20)),
      message(String(repeating: "X-Y: z\n", count: 700_000) + "To: a\n\n"),
    ]
    for (number, bytes) in shapes.enumerated() {
      var steps = 0
      let stepped = MessageSummary.make(bytes.span.bytes) { steps += 1 }
      let plain = bytes.summary
      #expect(stepped.index == plain.index, "\(number)")
      #expect(stepped.envelope == plain.envelope && stepped.bodyStructure == plain.bodyStructure, "\(number)")
      #expect(stepped.commonHeaders == plain.commonHeaders && stepped.preview == plain.preview, "\(number)")
      #expect(steps >= bytes.count / MIMELimits.stepBytes, "\(number): \(steps)")
      #expect(plain.index.size == bytes.count)
      #expect(plain.index.root.lineCount == bytes[plain.index.root.bodyRange].count { $0 == 0x0A }, "\(number)")
    }
  }

  @Test func `Content fields of all parts have one bound`() {
    let part = "--b\nContent-Type: text/plain; name=\"" + String(repeating: "n", count: 100_000) + "\"\n\nx\n"
    let bytes = message(
      "Content-Type: multipart/mixed; boundary=b\n\n" + String(repeating: part, count: 60) + "--b--\n")
    let summary = bytes.summary
    #expect(summary.index.root.children.count == 60)
    #expect(summary.index.root.children[3].range(of: .type) != nil)
    #expect(summary.index.root.children[59].range(of: .type) == nil)
    #expect(summary.bodyStructure.readableBytes < MIMELimits.contentFieldBytes + (1 << 20))
    #expect(summary.index.encoded().readableBytes < MIMELimits.contentFieldBytes)
    #expect(SExpression.read(Array(summary.bodyStructure.readableBytesView)) != nil)
  }

  @Test func `Envelopes of embedded messages have one bound`() {
    let inner = "To: " + String(repeating: "a@b,", count: 9_000) + "c@d\nSubject: s\n\nx\n"
    let part = "--b\nContent-Type: message/rfc822\n\n" + inner
    let bytes = message(
      "Content-Type: multipart/mixed; boundary=b\n\n" + String(repeating: part, count: 60) + "--b--\n")
    let summary = bytes.summary
    #expect(summary.index.root.children.count == 60)
    // One may go beyond.
    #expect(summary.bodyStructure.readableBytes < MIMELimits.structureBytes + (1 << 20))
    #expect(summary.body.readableBytes < MIMELimits.structureBytes + (1 << 20))
    #expect(SExpression.read(Array(summary.bodyStructure.readableBytesView)) != nil)
    #expect(String(buffer: summary.bodyStructure).contains("(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)"))
  }
}
