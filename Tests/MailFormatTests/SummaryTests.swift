import MailFormat
import NIOCore
import Testing

@Suite struct SummaryTests {
  @Test(arguments: [
    ("Re: a", "a"), ("RE : [x] Fw: a", "a"), ("[list] a", "a"), ("[list]", "[list]"), ("[a] [b]", "[b]"),
    ("Re[4]: a", "a"),
    ("a (fwd) (FWD) ", "a"), ("[Fwd: Re: a]", "a"), ("[fwd: [fwd: a] (fwd)]", "a"), ("Fwd: Fwd: a", "a"), ("re", "re"),
    ("Re:", ""), ("  a \t b  ", "a b"), ("Ref: a", "Ref: a"), ("[x] re: [y] b", "b"),
    ("=?utf-8?q?Re=3A_=C3=A9?=", "\u{E9}"),
    ("[a[b] c", "[a[b] c"), ("Reply: a", "Reply: a"),
  ]) func `Base subjects`(subject: String, base: String) {
    #expect(message("Subject: \(subject)\n\n").summary.baseSubject == base)
  }

  @Test func `Sort keys come from the first address`() {
    let summary = message("From: =?utf-8?q?J=C3=A9?= <a@b>, c@d\nTo: e@f\nTo: g@h\nCc: grp: i@j;\n\n").summary
    #expect(summary.sortFrom == "a" && summary.displayFrom == "J\u{E9}")
    #expect(summary.sortTo == "e" && summary.displayTo == "e@f")
    #expect(summary.sortCc == "grp")
    let empty = message("\n").summary
    #expect(empty.sortFrom == "" && empty.displayFrom == "" && empty.baseSubject == "" && empty.sentDate == nil)
    #expect(message("To: grp:;\n\n").summary.displayTo == "grp")
  }

  @Test func `References are normalized, In-Reply-To stands in`() {
    let summary = message("Message-ID: <\"a\"@b> (x)\nReferences: <1@x> junk <no-at> <2@\n y>\nIn-Reply-To: <3@z>\n\n")
      .summary
    #expect(summary.messageID == "a@b")
    #expect(summary.references == ["1@x", "2@y"])
    let other = message("References: none\nIn-Reply-To: your \"<q@q>\" of <3@z> <4@z>\nMessage-ID: nothing\n\n").summary
    #expect(other.references == ["3@z"] && other.messageID == nil)
  }

  @Test func `Common header lines are kept whole and in order`() {
    let bytes = message("Received: x\nSubject: a\n b\nX-Other: y\nFROM: c@d\nReferences: <e@f>\n\nTo: body\n")
    #expect(String(buffer: bytes.summary.commonHeaders) == "Subject: a\r\n b\r\nFROM: c@d\r\nReferences: <e@f>\r\n\r\n")
    // RFC 9051 §6.4.5.1: nothing stands for an empty line that the message does not have.
    #expect(String(buffer: message("To: a\nX: b\n").summary.commonHeaders) == "To: a\r\n")
    #expect(String(buffer: message("X: b").summary.commonHeaders).isEmpty)
    #expect(String(buffer: message("\n").summary.commonHeaders) == "\r\n")
    #expect(CommonHeaders.contains(Array("LIST-ID".utf8)))
    #expect(!CommonHeaders.contains(Array("Received".utf8)))
  }

  @Test func `The preview is the first text`() {
    #expect(message("\n> quoted\nHello\n  world\n-- \nsignature\n").summary.preview == "Hello world")
    #expect(message("\n> only\n> quoted\n").summary.preview == "> only > quoted")
    let html = message(
      "Content-Type: text/html; charset=utf-8\n\n<html><head><title>t</title></head><style>x{}</style><!-- c --><p>A&amp;B<br>&#233;&nbsp;<b>c</b>d 1 < 2</p>"
    )
    #expect(html.summary.preview == "A&B \u{E9} cd 1 < 2")
    let both = message(
      "Content-Type: multipart/alternative; boundary=b\n\n--b\nContent-Type: text/html\n\n<p>h\n--b\n\nplain\n--b--\n")
    #expect(both.summary.preview == "plain")
    #expect(PartTests.mixed.summary.preview == "one")
    #expect(message("Content-Type: text/plain\nContent-Disposition: attachment\n\nx\n").summary.preview == "")
    #expect(message("Content-Type: image/png\n\nx\n").summary.preview == "")
  }

  @Test func `The preview is cut between characters`() {
    let preview = message(
      "Content-Type: text/plain; charset=utf-8\n\n" + String(repeating: "\u{E9}\u{1F600}", count: 300)
    ).summary.preview
    #expect(preview == String(repeating: "\u{E9}\u{1F600}", count: 100))
  }

  @Test func `The stored form refuses what it does not know`() {
    let encoded = PartTests.mixed.index.encoded()
    #expect(MessageIndex.decode(encoded) == PartTests.mixed.index)
    #expect(MessageIndex.decode(ByteBuffer()) == nil)
    for length in 0..<encoded.readableBytes {
      #expect(encoded.getSlice(at: 0, length: length).flatMap(MessageIndex.decode) == nil)
    }
    var longer = encoded
    longer.writeInteger(UInt8(0))
    #expect(MessageIndex.decode(longer) == nil)
    var other = encoded
    other.setInteger(UInt8(250), at: 0)
    #expect(MessageIndex.decode(other) == nil)
  }

  @Test func `Damaged stored forms never crash`() {
    let encoded = PartTests.mixed.index.encoded()
    for place in 0..<encoded.readableBytes {
      for value: UInt8 in [0, 1, 0x7F, 0x80, 0xFF] {
        var damaged = encoded
        damaged.setInteger(value, at: place)
        guard let index = MessageIndex.decode(damaged) else { continue }
        // Whatever is accepted must be safe to use on the message.
        let bytes = PartTests.mixed
        for part in index.root.children { _ = TextDecoding.decodedText(of: part, in: bytes.span.bytes) }
        var buffer = ByteBuffer()
        BodyStructureWriter.writeBody(index, bytes.span.bytes, extensible: true, into: &buffer)
        #expect(buffer.readableBytes > 0)
      }
    }
  }
}
