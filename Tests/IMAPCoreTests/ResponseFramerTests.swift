import Bytes
import IMAPCore
import NIOCore
import Testing

private func seen(_ text: String, limits: ResponseLimits = .standard) -> [ResponseSeen] {
  var framer = ResponseFramer(limits: limits)
  return drive(&framer, [bytes(text)])
}

/// Low enough to be met by short inputs.
private var small: ResponseLimits {
  var limits = ResponseLimits()
  limits.whole = 8
  limits.response = 200
  limits.line = 300
  limits.literals = 4
  limits.streamedSections = 3
  return limits
}

@Suite struct ResponseFramerTests {
  @Test func `Responses and their literals are found, cut anywhere`() {
    let text =
      "* OK hi\r\n* 1 FETCH (BODY[] {5}\r\na\r\nb{ UID 7)\r\n\r\n* LIST () \"/\" {3}\r\nx\ny\r\n+ go\nM1 OK done\r\n"
    for split in everySplit(bytes(text)) {
      var framer = ResponseFramer()
      #expect(
        drive(&framer, split) == [
          .line("* OK hi"), .line("* 1 FETCH (BODY[] {5}\r\na\r\nb{ UID 7)"), .line("* LIST () \"/\" {3}\r\nx\ny"),
          .line("+ go"), .line("M1 OK done"),
        ])
      #expect(framer.isIdle)
    }
  }

  @Test func `A section too large to hold is handed out, cut anywhere`() {
    let text =
      "* 1 FETCH (UID 7 BODY[] {12}\r\nhello\r\nworld FLAGS (\\Seen))\r\n"
      + "* 2 FETCH (BODY[1] {9}\r\n123456789 BODY[2]<4> {3}\r\nabc BINARY[3] ~{10}\r\n0123456789 UID 9)\r\n* 3 EXISTS\r\n"
    for split in everySplit(bytes(text)) {
      var framer = ResponseFramer(limits: small)
      #expect(
        drive(&framer, split) == [
          .section(uid: 7, SectionName(BodySection()), "hello\r\nworld"),
          .line("* 1 FETCH (UID 7 BODY[] {} FLAGS (\\Seen))"),
          .section(uid: nil, SectionName(BodySection(part: [1])), "123456789"),
          .section(uid: nil, SectionName(BodySection(part: [3]), isBinary: true), "0123456789"),
          .line("* 2 FETCH (BODY[1] {} BODY[2]<4> {3}\r\nabc BINARY[3] {} UID 9)"), .line("* 3 EXISTS"),
        ])
    }
  }

  @Test func `What was handed out is named by the response, once`() throws {
    var framer = ResponseFramer(limits: small)
    framer.receive(bytes("* 1 FETCH (RFC822 {9}\r\n123456789 UID 7 FLAGS ())\r\n"))
    var frames: [ResponseFrame] = []
    while true {
      let event = framer.next()
      if event == .needMore { break }
      if case .response(let frame) = event { frames.append(frame) }
    }
    guard case .fetch(let fetch)? = try frames.first?.parse() else { throw NotThat() }
    #expect(fetch.streamed == [SectionName(BodySection())])
    #expect(fetch.sections.isEmpty)
    #expect(fetch.uid == 7)
    // Only there: from a server it is no section.
    #expect(throws: ResponseSyntaxError.self) { try response("* 1 FETCH (BODY[] {} UID 7)") }
  }

  @Test func `Sections that together go beyond the limit are handed out`() {
    let one = "BODY[1] {8}\r\n12345678 "
    let text = "* 1 FETCH (" + String(repeating: one, count: 4) + "UID 7)\r\n"
    var limits = small
    limits.response = 60
    let found = seen(text, limits: limits)
    #expect(found.count == 3)
    #expect(
      found.last == .line("* 1 FETCH (BODY[1] {8}\r\n12345678 BODY[1] {8}\r\n12345678 BODY[1] {} BODY[1] {} UID 7)"))
  }

  @Test(arguments: [
    "* OK [ALERT] quota at {90}", "* NO sorry {5}", "M1 OK done {12}", "M1 NO [ALREADYEXISTS] x {1}", "+ {5}",
    "* LIST () \"/\" a{5}", "* BYE {3}",
  ])
  func `Words that look like a literal are words`(line: String) {
    #expect(seen(line + "\r\n* 2 EXISTS\r\n") == [.line(line), .line("* 2 EXISTS")])
  }

  @Test func `A literal in a code is a literal`() throws {
    let text = "M1 NO [BADCHARSET ({5}\r\nUTF-8)] no {5}"
    #expect(seen(text + "\r\n") == [.line(text)])
    guard case .tagged(_, let line) = try response(text) else { throw NotThat() }
    #expect(line.code == .badCharset(["UTF-8"]))
  }

  @Test(arguments: [
    // A literal that is no section of FETCH.
    "* LIST () \"/\" {9}\r\n123456789\r\n", "* 1 FETCH (ENVELOPE ({9}\r\n",
    "* SEARCH \(String(repeating: "1 ", count: 200))\r\n", "* SEARCH \(String(repeating: "1 ", count: 200))",
    "* 1 FETCH (X {1}\r\n1{1}\r\n", "* 1 FETCH (X ({1}\r\n1 {1}\r\n2 {1}\r\n3 {1}\r\n4 {1}\r\n5",
    "* 1 FETCH (BODY[] {99999999999999999999}\r\n", "* ID (\"a\" {99999999999999999999}\r\n",
    "* 1 FETCH (" + String(repeating: "BODY[] {9}\r\n123456789 ", count: 4),
  ])
  func `What goes beyond a limit ends it, cut anywhere`(text: String) {
    let ends = { (found: [ResponseSeen]) in
      // Sections that large are asked for by nobody; without end they are not refused but streamed.
      found.last == .failed || text.contains("BODY[] {99")
    }
    if text.contains("1{1}") {
      // No space before it: the end of a value that is not one.
      #expect(seen(text, limits: small) == [.line("* 1 FETCH (X {1}\r\n1{1}")])
      return
    }
    for split in everySplit(bytes(text)) {
      var framer = ResponseFramer(limits: small)
      #expect(ends(drive(&framer, split)), "\(text)")
      #expect(framer.bufferedByteCount <= 600)
    }
  }

  @Test func `A large literal is copied once`() throws {
    // Pieces of 1,000 octets; the section's octets are one slice.
    let body = String(repeating: "0123456789", count: 10_000)
    var framer = ResponseFramer()
    var whole = bytes("* 1 FETCH (UID 3 BODY[] {\(body.utf8.count)}\r\n\(body))\r\n* 2 EXISTS\r\n")
    var seen: [IMAPResponse] = []
    while let piece = whole.readSlice(length: min(1000, whole.readableBytes)), piece.readableBytes > 0 {
      framer.receive(piece)
      while case .response(let frame) = framer.next() { seen.append(try frame.parse()) }
    }
    guard case .fetch(let fetch)? = seen.first else { throw NotThat() }
    #expect(fetch.sections.first?.bytes == bytes(body))
    #expect(seen.last == .exists(2))
  }

  @Test func `The rest is handed over for COMPRESS, and nothing stays`() {
    var framer = ResponseFramer()
    framer.receive(bytes("M1 OK go\r\n\u{1}\u{2}\n\u{3}"))
    #expect(framer.next() == .response(ResponseFrame(bytes("M1 OK go"))))
    #expect(!framer.isIdle)
    #expect(framer.takeRest() == bytes("\u{1}\u{2}\n\u{3}"))
    #expect(framer.isIdle)
    framer.receive(bytes("* 1 EXISTS\r\n"))
    #expect(framer.next() == .response(ResponseFrame(bytes("* 1 EXISTS"))))
  }
}
