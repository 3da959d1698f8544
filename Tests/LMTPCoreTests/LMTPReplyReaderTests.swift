import LMTPCore
import NIOCore
import Testing

private func replies(_ bytes: [UInt8], cuts: [Int]) throws -> [LMTPReply] {
  var reader = LMTPReplyReader()
  var result: [LMTPReply] = []
  var start = 0
  for cut in cuts + [bytes.count] {
    reader.feed(ByteBuffer(bytes: bytes[start..<cut]))
    start = cut
    while let reply = try reader.next() { result.append(reply) }
  }
  return result
}

@Suite struct LMTPReplyReaderTests {
  @Test(
    "Replies are told apart, wherever their bytes are cut",
    arguments: [
      ("220 mail.contoh.id LMTP\r\n", [LMTPReply(220, nil, "mail.contoh.id LMTP")]),
      (
        "250-mail\r\n250-PIPELINING\r\n250 SIZE 100\r\n250 2.1.0 OK\r\n",
        [LMTPReply(250, nil, ["mail", "PIPELINING", "SIZE 100"]), LMTPReply(250, EnhancedStatus(2, 1, 0), "OK")]
      ),
      (
        "452-4.2.2 <budi> full\r\n452 4.2.2 come back\r\n354\r\n",
        [LMTPReply(452, EnhancedStatus(4, 2, 2), ["<budi> full", "come back"]), LMTPReply(354, nil, "")]
      ),
      // The class of the status must be the code's; 10 MB or a version number is no status.
      ("550 2.1.5 odd\r\n", [LMTPReply(550, nil, "2.1.5 odd")]),
      ("250 2.1.5beta\r\n250 2.1\n", [LMTPReply(250, nil, "2.1.5beta"), LMTPReply(250, nil, "2.1")]),
      ("250 2.1.5\r\n250-\r\n250\r\n", [LMTPReply(250, EnhancedStatus(2, 1, 5), ""), LMTPReply(250, nil, ["", ""])]),
      ("250 cut", []), ("250-more follows\r\n", []),
    ])
  func fixtures(_ sent: String, _ expected: [LMTPReply]) throws {
    let bytes = Array(sent.utf8)
    for cut in 0...bytes.count { #expect(try replies(bytes, cuts: [cut]) == expected, "cut at \(cut)") }
    #expect(try replies(bytes, cuts: Array(0...bytes.count)) == expected)
  }

  @Test("What is no reply is an error", arguments: ["+OK POP3", "25 x", "2500 x", "250x", "999 x", "000 x", "", "x"])
  func noReply(_ line: String) {
    #expect(throws: LMTPReadError.notAReply(line)) { _ = try replies(Array("\(line)\r\n".utf8), cuts: []) }
  }

  @Test("A reply without end is not listened to for ever")
  func bounds() {
    let long = Array("250 ".utf8) + Array(repeating: 97, count: LMTPLimits.receivedLine)
    #expect(throws: LMTPReadError.replyTooLong) { _ = try replies(long, cuts: []) }
    let many = Array(String(repeating: "250-x\r\n", count: LMTPLimits.receivedLines + 1).utf8)
    #expect(throws: LMTPReadError.replyTooLong) { _ = try replies(many, cuts: []) }
  }

  @Test("An error's text keeps the enhanced status")
  func text() {
    #expect(LMTPReply(452, EnhancedStatus(4, 2, 2), ["full", "", "later"]).text == "4.2.2 full later")
    #expect(LMTPReply(250, nil, "").text == "")
  }

  @Test("Addresses are taken as people write them, and nothing that would break a command")
  func addresses() {
    #expect(LMTPPath(address: "budi@contoh.id")?.text == "<budi@contoh.id>")
    #expect(LMTPPath(address: "<budi@contoh.id>")?.text == "<budi@contoh.id>")
    #expect(LMTPPath(address: "") == .null)
    #expect(LMTPPath(address: "<>") == .null)
    #expect(LMTPPath(address: "budi")?.text == "<budi>")
    #expect(LMTPPath(address: "\"a b\"@contoh.id")?.text == "<\"a b\"@contoh.id>")
    #expect(LMTPPath(address: "bdi.méong@contoh.id")?.isASCII == false)
    for bad in ["a b@c.id", "a@b\r\nRCPT TO:<x>", "a>@b", "<a@b> SIZE=1", "a@b@c", "@", "a\n"] {
      #expect(LMTPPath(address: bad) == nil, "\(bad)")
    }
  }

  @Test("A reply whose lines have different codes is none: a refusal never ends as a yes")
  func codesThatDiffer() throws {
    var reader = LMTPReplyReader()
    reader.feed(ByteBuffer(string: "550-5.1.1 no such user\r\n250 2.1.5 delivered\r\n"))
    #expect(throws: LMTPReadError.self) { try reader.next() }
    // The next reply may have another code.
    reader = LMTPReplyReader()
    reader.feed(ByteBuffer(string: "550-5.1.1 no\r\n550 such user\r\n250 2.1.5 delivered\r\n"))
    #expect(try reader.next()?.code == 550)
    #expect(try reader.next()?.code == 250)
  }
}
