import Bytes
import IMAPCore
import NIOCore
import Testing

@Suite struct FetchResponseTests {
  @Test func `Every item of FETCH is read`() throws {
    let fetch = try fetched(
      "UID 12 FLAGS (\\Seen $Junk \\Recent) MODSEQ (624140003) INTERNALDATE \"17-Jul-1996 02:44:25 -0700\" "
        + "RFC822.SIZE 4286000000000 EMAILID (M6d99ac3275bb4e) THREADID NIL X-GM-LABELS (\\Inbox \"a (b\") "
        + "BODY[1.2.HEADER.FIELDS (From \"x y\")]<7> \"a\\\"b\" BINARY[1.2] ~{3}\r\n\0\r\n BINARY.SIZE[1] 99 BODY[3] NIL "
        + "RFC822.HEADER {2}\r\nhh RFC822.TEXT \"\" BODY[4.MIME] {0}\r\n PREVIEW {1}\r\np SAVEDATE NIL X-Y[1 (a \"]\")]<3> 5"
    )
    #expect(fetch.uid == 12)
    #expect(fetch.flags == FlagList(.seen, keywords: ["$Junk"], ignored: ["\\Recent"]))
    #expect(fetch.modSeq == 624_140_003)
    #expect(fetch.internalDate == IMAPDateTime(seconds: 837_596_665, zoneMinutes: -420))
    #expect(fetch.size == 4_286_000_000_000)
    #expect(fetch.emailID == "M6d99ac3275bb4e")
    #expect(fetch.binarySizes == [BinarySize(part: [1], octets: 99)])
    #expect(
      fetch.sections == [
        SectionValue(
          SectionName(BodySection(part: [1, 2], .headerFields(["From", "x y"])), origin: 7), bytes: bytes("a\"b")),
        SectionValue(SectionName(BodySection(part: [1, 2]), isBinary: true), bytes: bytes("\0\r\n")),
        SectionValue(SectionName(BodySection(part: [3])), bytes: nil),
        SectionValue(SectionName(BodySection(.header)), bytes: bytes("hh")),
        SectionValue(SectionName(BodySection(.text)), bytes: bytes("")),
        SectionValue(SectionName(BodySection(part: [4], .mime)), bytes: bytes("")),
      ])
    #expect(!fetch.isOnlyFlags)
    #expect(try fetched("FLAGS () MODSEQ 5 UID 3").isOnlyFlags)
  }

  @Test func `An envelope is read`() throws {
    let fetch = try fetched(
      #"ENVELOPE ("Wed, 17 Jul 1996 02:23:25 -0700 (PDT)" {3}"# + "\r\nh\u{FC}"
        + #" (("Terry Gray" NIL "gray" "cac.edu")("#
        + #"NIL "@a,@b" "x" "y")) NIL "" ((NIL NIL "group" NIL)(NIL NIL NIL NIL)) NIL NIL "<a@b>" "<B27397@cac.edu>")"#)
    let envelope = try #require(fetch.envelope)
    #expect(envelope.date == bytes("Wed, 17 Jul 1996 02:23:25 -0700 (PDT)"))
    #expect(envelope.subject == bytes("h\u{FC}"))
    #expect(
      envelope.from == [
        .init(name: bytes("Terry Gray"), route: nil, mailbox: bytes("gray"), host: bytes("cac.edu")),
        .init(name: nil, route: bytes("@a,@b"), mailbox: bytes("x"), host: bytes("y")),
      ])
    #expect(envelope.sender.isEmpty && envelope.replyTo.isEmpty && envelope.cc.isEmpty)
    #expect(
      envelope.to == [
        .init(name: nil, route: nil, mailbox: bytes("group"), host: nil),
        .init(name: nil, route: nil, mailbox: nil, host: nil),
      ])
    #expect(envelope.inReplyTo == bytes("<a@b>"))
    #expect(envelope.messageID == bytes("<B27397@cac.edu>"))
  }

  @Test func `A structure is read with its extension data`() throws {
    let fetch = try fetched(
      #"BODYSTRUCTURE (("TEXT" "PLAIN" ("CHARSET" "US-ASCII") NIL NIL "7BIT" 1152 23 NIL NIL NIL NIL)"#
        + #"("APPLICATION" "PDF" ("NAME" "a b.pdf") "<id@x>" "a file" "BASE64" 4554 "md5" ("ATTACHMENT" ("FILENAME" "a b.pdf"))"#
        + #" ("en" "de") "http://x/") ("MESSAGE" "RFC822" NIL NIL NIL "7BIT" 342 ("d" "s" NIL NIL NIL NIL NIL NIL NIL "<m>")"#
        + #" ("TEXT" "HTML" NIL NIL NIL "8BIT" 5 1) 7 NIL NIL NIL NIL) "MIXED" ("BOUNDARY" "b") NIL "fr" NIL (1 ("x")))"#
    )
    let body = try #require(fetch.structure)
    #expect(body.type == "multipart" && body.subtype == "mixed")
    #expect(body.pairs == [.init(name: "boundary", value: "b")])
    #expect(body.language == ["fr"])
    #expect(body.children.count == 3)
    let text = body.children[0]
    #expect(text.type == "text" && text.subtype == "plain" && text.encoding == "7bit")
    #expect(text.octets == 1152 && text.lines == 23)
    let file = body.children[1]
    #expect(file.id == "<id@x>" && file.description == "a file" && file.disposition == "attachment")
    #expect(file.dispositionPairs == [.init(name: "filename", value: "a b.pdf")])
    #expect(file.language == ["en", "de"] && file.location == "http://x/" && file.lines == nil)
    let message = body.children[2]
    #expect(message.envelope?.messageID == bytes("<m>") && message.lines == 7)
    #expect(message.children.first?.subtype == "html")
  }
}

@Suite struct ClientItemTests {
  @Test func `MODSEQ and EMAILID are asked for as they are read`() throws {
    var printer = CommandPrinter(nonSynchronizing: true)
    printer.print(
      TaggedCommand(tag: "t", .fetch(FetchCommand(uid: true, set: .everything, items: [.modSeq, .emailID]))))
    #expect(String(buffer: printer.buffer) == "t UID FETCH 1:* (MODSEQ EMAILID)\r\n")
    for (word, item) in [("MODSEQ", FetchItem.modSeq), ("EmailID", .emailID)] {
      #expect(
        try parse("FETCH 1 \(word)") == .fetch(FetchCommand(uid: false, set: MessageSet([.init(1)]), items: [item])))
    }
  }

  @Test func `What RFC 8474, 8514 and 9586 add to FETCH is read`() throws {
    guard
      case .fetch(let fetch) = try response(
        "* 25996 UIDFETCH (FLAGS () UID 25996 THREADID (T1) SAVEDATE \"01-Jan-2015 18:50:53 +0100\")")
    else { throw NotThat() }
    #expect(fetch.sequence == 0 && fetch.uid == 25_996 && fetch.threadID == "T1" && !fetch.isOnlyFlags)
    #expect(fetch.saveDate == IMAPDateTime(seconds: 1_420_134_653, zoneMinutes: 60))
    guard case .fetch(let none) = try response("* 2 FETCH (THREADID NIL SAVEDATE NIL)") else { throw NotThat() }
    #expect(none.threadID == nil && none.saveDate == nil)
  }

  @Test func `A literal beyond the limit of LITERAL- is asked for`() {
    var printer = CommandPrinter(nonSynchronizing: true)
    printer.longestNonSynchronizing = 3
    printer.literalHeader(size: 3)
    printer.literalHeader(size: 4)
    #expect(String(buffer: printer.buffer) == "{3+}\r\n{4}\r\n")
    #expect(printer.pauses == [11])
  }
}

/// Shapes that real servers are known for.
@Suite struct OddServerTests {
  @Test(arguments: [
    // Courier: dates with one digit, keywords in lower case, spaces too many.
    "flags ( \\Seen  ) uid 5  internaldate \"7-Jul-2004 12:00:00 +0200\" rfc822.size 10 ",
    // A body in a quoted string, items of no standard.
    "UID 5 X-MSG-EXT {3}\r\na)b RFC822.SIZE 10 INTERNALDATE \" 7-Jul-2004 12:00:00 +0200\" FLAGS (\\Seen)",
    // A date without a zone, as old UW servers on misconfigured machines send it; the size quoted is not read.
    "UID 5 FLAGS (\\Seen) RFC822.SIZE 10 INTERNALDATE \"07-Jul-2004 10:00:00\"",
  ])
  func `A flags line is read however it is spaced`(items: String) throws {
    let fetch = try fetched(items)
    #expect(fetch.uid == 5)
    #expect(fetch.size == 10)
    #expect(fetch.flags == FlagList(.seen))
    #expect(fetch.internalDate?.seconds == 1_089_194_400)
  }

  @Test(arguments: [
    // Fields missing at the end.
    (#"("TEXT" "PLAIN")"#, "text/plain"), (#"("TEXT" "PLAIN" NIL NIL NIL "7BIT")"#, "text/plain"),
    // Lines missing, or NIL, or -1, or where none belong.
    (#"("TEXT" "PLAIN" NIL NIL NIL "7BIT" 5 NIL NIL NIL NIL)"#, "text/plain"),
    (#"("TEXT" "PLAIN" NIL NIL NIL NIL -1 -1)"#, "text/plain"),
    (#"("MESSAGE" "DELIVERY-STATUS" NIL NIL NIL "7BIT" 5 3 NIL NIL NIL NIL)"#, "message/delivery-status"),
    // An encapsulated message that was not looked into.
    (#"("MESSAGE" "RFC822" NIL NIL NIL "7BIT" 5 NIL ("attachment" NIL) NIL NIL)"#, "message/rfc822"),
    (#"("MESSAGE" "RFC822" ("NAME" "x") NIL NIL "7BIT" 5)"#, "message/rfc822"),
    (#"("MESSAGE" "RFC822" NIL NIL NIL "7BIT" 5 (NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL) NIL 0)"#, "message/rfc822"),
    // Multiparts without parts, without a subtype, with spaces between parts.
    (#"(NIL "MIXED")"#, "multipart/mixed"), (#"("MULTIPART" "MIXED" ("B" "x") NIL NIL "7BIT" 0)"#, "multipart/mixed"),
    (
      #"(("TEXT" "PLAIN" NIL NIL NIL "7BIT" 5 1) ("TEXT" "HTML" NIL NIL NIL "7BIT" 5 1)  "ALTERNATIVE" NIL NIL NIL)"#,
      "multipart/alternative"
    ),
    (#"(("TEXT" "PLAIN" NIL NIL NIL "7BIT" 5 1) NIL)"#, "multipart/mixed"),
    (#"(("TEXT" "PLAIN" NIL NIL NIL "7BIT" 5 1))"#, "multipart/mixed"),
    // Parameters that are none, half of one, NIL for a value, a disposition that is a word.
    (#"("APPLICATION" "PDF" "" NIL NIL "BASE64" 5)"#, "application/pdf"),
    (#"("APPLICATION" "PDF" () NIL NIL "BASE64" 5 NIL "attachment" NIL)"#, "application/pdf"),
    (#"("APPLICATION" "PDF" ("NAME") NIL NIL "BASE64" 5 NIL ("attachment") NIL)"#, "application/pdf"),
    (#"("APPLICATION" "PDF" ("NAME" NIL) NIL NIL "BASE64" 5 NIL (NIL NIL) NIL)"#, "application/pdf"),
    (#"(NIL NIL NIL NIL NIL NIL NIL)"#, "application/octet-stream"),
    (#"("IMAGE" "GIF" ("NAME" {3}"# + "\r\na\"b" + #") NIL NIL "BASE64" "5")"#, "image/gif"),
  ])
  func `A structure that is not quite right is read`(wire: String, type: String) throws {
    for name in ["BODYSTRUCTURE", "BODY"] {
      let fetch = try fetched("\(name) \(wire) UID 9")
      #expect(fetch.uid == 9)
      #expect(fetch.structure.map { "\($0.type)/\($0.subtype)" } == type)
    }
  }

  @Test func `A structure or envelope that makes no sense does not take the message along`() throws {
    let fetch = try fetched(
      "UID 9 BODYSTRUCTURE ((((\"a\") b) (c \"d\" {2}\r\n)() NIL) (((x)))) ENVELOPE (((x) y) \"z\" (1 (2))) FLAGS (\\Seen)"
    )
    #expect(fetch.uid == 9)
    #expect(fetch.flags == FlagList(.seen))
    #expect(fetch.envelope == nil)
    #expect(try fetched("BODYSTRUCTURE NIL ENVELOPE NIL UID 9").structure == nil)
  }

  @Test func `An envelope with NIL and less where lists belong is read`() throws {
    let fetch = try fetched(#"ENVELOPE (NIL NIL (NIL ("a" NIL "b")) "") UID 1"#)
    #expect(fetch.envelope?.from == [.init(name: bytes("a"), route: nil, mailbox: bytes("b"), host: nil)])
    #expect(fetch.uid == 1)
  }

  @Test(arguments: [
    // Unquoted with spaces, from a mailbox made by another protocol.
    ("* LIST (\\NoInferiors) \"/\" Sent Items", "Sent Items"), ("* LIST () \"/\" Sent Items  ", "Sent Items"),
    ("* LIST () \"\\\\\" \"a\\\\b\"", "a\\b"),
    ("* LIST (\\HasNoChildren) \"/\" \"[Gmail]/All Mail\"", "[Gmail]/All Mail"),
    ("* list (\\hasnochildren) nil {5}\r\na b\"c", "a b\"c"), ("* LIST () \"\" inbox", "INBOX"),
    ("* LIST () \"/\" a(b)", "a(b)"), ("* LIST NIL \"/\" x", "x"),
  ])
  func `A mailbox is listed however its name is written`(line: String, name: String) throws {
    guard case .list(let list) = try response(line) else { throw NotThat() }
    #expect(list.mailbox.name == name)
  }

  @Test func `STATUS with spaces and quotes in odd places is read`() throws {
    for line in [
      "* STATUS INBOX (MESSAGES 3 UNSEEN 1 )", "* STATUS  \"INBOX\"  ( MESSAGES  3  UNSEEN 1)",
      "* status inbox (messages \"3\" unseen 1 HIGHESTMODSEQ NIL)  ",
    ] {
      guard case .mailboxStatus(let status) = try response(line) else { throw NotThat() }
      #expect(status.mailbox.name == "INBOX" && status.messages == 3 && status.unseen == 1)
    }
    guard case .mailboxStatus(let status) = try response("* STATUS Sent Items (MESSAGES 3)") else { throw NotThat() }
    #expect(status.mailbox.name == "Sent Items")
  }

  @Test func `A flag cannot hold a line end`() {
    for flags in ["({12}\r\nx)\r\nM DELETE)", "(a\tb)", "(\\X\r)"] {
      #expect(throws: ResponseSyntaxError.self) { try fetched("FLAGS \(flags) UID 1") }
    }
    guard case .status(let line)? = try? response("* OK [PERMANENTFLAGS ({5}\r\na\r\nb)] x") else {
      Issue.record("not read")
      return
    }
    if case .permanentFlags? = line.code { Issue.record("flags of two lines") }
  }

  @Test func `Flags with brackets and 8-bit octets are flags`() throws {
    let fetch = try fetched("FLAGS ([Gmail] $a] \u{E4} NIL \\Seen)")
    #expect(fetch.flags == FlagList(.seen, keywords: ["[Gmail]", "$a]", "\u{E4}", "NIL"]))
    #expect(try fetched("FLAGS NIL").flags == FlagList())
  }
}
