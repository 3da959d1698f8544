import Bytes
import IMAPCore
import NIOCore
import Testing

private func printed(_ write: (inout ByteBuffer) -> Void) -> String {
  var buffer = ByteBuffer()
  write(&buffer)
  return String(buffer: buffer)
}

@Suite struct ResponseTests {
  @Test func `A FETCH line is written item by item`() {
    let line = printed { buffer in
      var line = FetchLine(sequence: 12, into: &buffer)
      line.writeFlags([.seen, .flagged, .recent], keywords: 0b101, names: ["$A", "$B", "$C"], into: &buffer)
      line.writeUID(4_294_967_295, into: &buffer)
      line.writeSize(44_827, into: &buffer)
      line.writeInternalDate(IMAPDateTime(seconds: 0), into: &buffer)
      line.writeSection(
        .bodySection(
          BodySection(part: [1, 2], .headerFieldsNot(["Subject", "a b"])), partial: Partial(offset: 5, count: 9),
          peek: true),
        bytes("x\r\ny"), into: &buffer)
      line.writeSection(.binary(part: [], partial: nil, peek: false), nil, into: &buffer)
      line.end(into: &buffer)
    }
    #expect(
      line == "* 12 FETCH (FLAGS (\\Flagged \\Seen \\Recent $A $C) UID 4294967295 RFC822.SIZE 44827 "
        + "INTERNALDATE \" 1-Jan-1970 00:00:00 +0000\" BODY[1.2.HEADER.FIELDS.NOT (Subject \"a b\")]<5> {4}\r\nx\r\ny "
        + "BINARY[] NIL)\r\n")
  }

  @Test(arguments: [
    ("BODY.PEEK[]", "BODY[]"), ("BODY[1.MIME]<0.5>", "BODY[1.MIME]<0>"), ("BODY[TEXT]", "BODY[TEXT]"),
    ("BODY[2]", "BODY[2]"), ("BODY.PEEK[2.HEADER]", "BODY[2.HEADER]"), ("BINARY.PEEK[1.2]<7.1>", "BINARY[1.2]<7>"),
    ("BINARY.SIZE[3]", "BINARY.SIZE[3]"), ("RFC822.HEADER", "RFC822.HEADER"),
    ("BODY[HEADER.FIELDS (From to)]", "BODY[HEADER.FIELDS (From to)]"),
  ])
  func `A section's name comes back as the RFC says`(asked: String, answered: String) throws {
    guard case .fetch(let fetch) = try parse("FETCH 1 \(asked)"), let item = fetch.items.first else {
      Issue.record("not a FETCH")
      return
    }
    #expect(printed { $0.writeFetchItem(item, isResponse: true) } == answered)
    #expect(printed { $0.writeFetchItem(item, isResponse: false) } == asked)
  }

  @Test func `Flags are written with single spaces`() {
    #expect(printed { $0.writeFlagList([]) } == "()")
    #expect(printed { $0.writeFlagList([], keywords: 2, names: ["a", "b"]) } == "(b)")
    #expect(printed { $0.writeFlagList(.deleted) } == "(\\Deleted)")
    // Bits without a name are passed over.
    #expect(printed { $0.writeFlagList(.deleted, keywords: .max, names: ["a"]) } == "(\\Deleted a)")
    #expect(
      printed { $0.writeFlags(.storable, keywords: ["x"]) }
        == "* FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft x)\r\n")
  }

  @Test(
    arguments: [
      (.alert, "[ALERT]"), (.appendUID(validity: 38_505, assigned: [3955, 3956]), "[APPENDUID 38505 3955:3956]"),
      (
        .copyUID(validity: 1, source: [304, 319, 320], assigned: [3956, 3957, 3958]),
        "[COPYUID 1 304,319:320 3956:3958]"
      ),
      (.badCharset([]), "[BADCHARSET]"), (.badCharset(["UTF-8", "US-ASCII"]), "[BADCHARSET (UTF-8 US-ASCII)]"),
      (.capability(["IMAP4rev1", "IDLE"]), "[CAPABILITY IMAP4rev1 IDLE]"),
      (.permanentFlags([.deleted], keywords: ["$x"], acceptsNewKeywords: true), "[PERMANENTFLAGS (\\Deleted $x \\*)]"),
      (.permanentFlags([], keywords: [], acceptsNewKeywords: false), "[PERMANENTFLAGS ()]"),
      (.uidNext(4392), "[UIDNEXT 4392]"), (.uidValidity(3_857_529_045), "[UIDVALIDITY 3857529045]"),
      (.unseen(12), "[UNSEEN 12]"),
      (.readOnly, "[READ-ONLY]"), (.unknownCTE, "[UNKNOWN-CTE]"), (.other("X-FOO bar"), "[X-FOO bar]"),
    ] as [(ResponseCode, String)])
  func `Response codes are written as the RFCs spell them`(code: ResponseCode, text: String) {
    #expect(printed { $0.writeResponseCode(code) } == text)
  }

  @Test func `Status lines never break in two`() {
    #expect(printed { $0.writeTagged("a1", .ok, .readWrite, "Done") } == "a1 OK [READ-WRITE] Done\r\n")
    #expect(printed { $0.writeTagged("a1", .no, "x\r\n* OK y\0") } == "a1 NO x  * OK y \r\n")
    #expect(printed { $0.writeUntagged(.bye, "") } == "* BYE BYE\r\n")
    #expect(printed { $0.writeRejection(IMAPSyntaxError("Bad thing", at: 3)) } == "* BAD Bad thing\r\n")
    #expect(
      printed { $0.writeRejection(IMAPSyntaxError(tag: "t", answer: .no, code: .tooBig, "Bad thing", at: 3)) }
        == "t NO [TOOBIG] Bad thing\r\n")
    #expect(printed { $0.writeContinuation() } == "+ go on\r\n")
    #expect(printed { $0.writeChallenge(ByteBuffer()) } == "+ \r\n")
    #expect(printed { $0.writeChallenge(bytes("foo")) } == "+ Zm9v\r\n")
  }

  @Test func `Numbered lines and lists of words are written`() {
    #expect(printed { $0.writeExists(172) } == "* 172 EXISTS\r\n")
    #expect(printed { $0.writeRecent(0) } == "* 0 RECENT\r\n")
    #expect(printed { $0.writeExpunge(44) } == "* 44 EXPUNGE\r\n")
    #expect(printed { $0.writeCapability(["IMAP4rev2", "IDLE"]) } == "* CAPABILITY IMAP4rev2 IDLE\r\n")
    #expect(printed { $0.writeEnabled([]) } == "* ENABLED\r\n")
    #expect(printed { $0.writeSearch([2, 3, 6]) } == "* SEARCH 2 3 6\r\n")
    #expect(printed { $0.writeSearch([]) } == "* SEARCH\r\n")
  }

  @Test func `ESEARCH leaves out what was not found`() {
    #expect(
      printed {
        $0.writeESearch(ESearchResponse(tag: "a\"1", uid: true, min: 2, max: 47, all: [2, 10, 11, 47], count: 4))
      }
        == "* ESEARCH (TAG \"a\\\"1\") UID MIN 2 MAX 47 ALL 2,10:11,47 COUNT 4\r\n")
    #expect(
      printed { $0.writeESearch(ESearchResponse(tag: "a", uid: false, all: [], count: 0)) }
        == "* ESEARCH (TAG \"a\") COUNT 0\r\n")
    #expect(printed { $0.writeESearch(ESearchResponse(tag: nil, uid: false)) } == "* ESEARCH\r\n")
  }

  @Test func `LIST writes names in the session's encoding and extended data at the end`() {
    let name = MailboxName("Entwürfe & so")
    let plain = ListResponse(name, attributes: [.hasNoChildren, .drafts])
    #expect(
      printed { $0.writeList(plain, .rev1) } == "* LIST (\\HasNoChildren \\Drafts) \"/\" \"Entw&APw-rfe &- so\"\r\n")
    #expect(printed { $0.writeList(plain, .rev2) } == "* LIST (\\HasNoChildren \\Drafts) \"/\" \"Entwürfe & so\"\r\n")
    let extended = ListResponse(
      MailboxName("a"), attributes: [.nonExistent], separator: nil, hasSubscribedChild: true,
      oldName: MailboxName("b c"))
    #expect(
      printed { $0.writeList(extended, .rev2) }
        == "* LIST (\\NonExistent) NIL a (\"CHILDINFO\" (\"SUBSCRIBED\") \"OLDNAME\" (\"b c\"))\r\n")
    #expect(printed { $0.writeLsub(ListResponse(.inbox, attributes: []), .rev1) } == "* LSUB () \"/\" INBOX\r\n")
    #expect(
      printed { $0.writeList(ListResponse(MailboxName("nil"), attributes: []), .rev1) } == "* LIST () \"/\" \"nil\"\r\n"
    )
    #expect(
      printed {
        $0.writeList(ListResponse(MailboxName(""), attributes: [.noSelect], separator: UInt8(ascii: "\\")), .rev1)
      }
        == "* LIST (\\Noselect) \"\\\\\" \"\"\r\n")
  }

  @Test func `STATUS writes what was asked for, in that order`() {
    let values = StatusValues(
      messages: 231, recent: 1, uidNext: 44_292, uidValidity: 7, unseen: 2, deleted: 3, size: 4, appendLimit: nil,
      deletedStorage: 5, highestModSeq: 6, mailboxID: "F1-2")
    #expect(
      printed { $0.writeStatus(MailboxName("a b"), [.uidNext, .messages], values, .rev1) }
        == "* STATUS \"a b\" (UIDNEXT 44292 MESSAGES 231)\r\n")
    #expect(
      printed { $0.writeStatus(.inbox, StatusItem.allCases, values, .rev1) }
        == "* STATUS INBOX (MESSAGES 231 RECENT 1 UIDNEXT 44292 UIDVALIDITY 7 UNSEEN 2 DELETED 3 SIZE 4 "
        + "APPENDLIMIT NIL DELETED-STORAGE 5 HIGHESTMODSEQ 6 MAILBOXID (F1-2))\r\n")
  }

  @Test func `ID, NAMESPACE and quotas are written`() {
    #expect(printed { $0.writeID(nil, .rev1) } == "* ID NIL\r\n")
    #expect(
      printed { $0.writeID(IDParameters([.init("name", "x"), .init("os", nil)]), .rev1) }
        == "* ID (\"name\" \"x\" \"os\" NIL)\r\n")
    #expect(
      printed { $0.writeNamespace(NamespaceResponse(personal: [.init(prefix: "")]), .rev1) }
        == "* NAMESPACE ((\"\" \"/\")) NIL NIL\r\n")
    // RFC 5255 §3.4
    #expect(
      printed {
        $0.writeNamespace(
          NamespaceResponse(
            personal: [.init(prefix: "")], otherUsers: [.init(prefix: "Other Users/", translation: "Benützer/")]), .rev2
        )
      } == "* NAMESPACE ((\"\" \"/\")) ((\"Other Users/\" \"/\" \"TRANSLATION\" (\"Ben&APw-tzer/\"))) NIL\r\n")
    #expect(printed { $0.writeLanguage(["en", "i-default"]) } == "* LANGUAGE (en i-default)\r\n")
    #expect(printed { $0.writeComparator(active: "i;octet") } == "* COMPARATOR i;octet\r\n")
    #expect(
      printed { $0.writeComparator(active: "-i;b", matching: ["i;a", "i;b"]) } == "* COMPARATOR -i;b (i;a i;b)\r\n")
    #expect(
      printed {
        $0.writeQuota(
          root: "", [QuotaResource("STORAGE", usage: 10, limit: 512), QuotaResource("MESSAGE", usage: 1, limit: 2)],
          .rev1)
      }
        == "* QUOTA \"\" (STORAGE 10 512 MESSAGE 1 2)\r\n")
    #expect(printed { $0.writeQuotaRoot(.inbox, roots: ["", "x"], .rev1) } == "* QUOTAROOT INBOX \"\" x\r\n")
  }

  @Test func `Strings take the form that can carry them`() {
    #expect(printed { $0.writeIMAPString("a\"b", .rev1) } == "\"a\\\"b\"")
    #expect(printed { $0.writeIMAPString("a\nb", .rev2) } == "{3}\r\na\nb")
    #expect(printed { $0.writeIMAPString("ä", .rev1) } == "{2}\r\nä")
    #expect(printed { $0.writeIMAPString("ä", .rev2) } == "\"ä\"")
    #expect(printed { $0.writeNString(nil, .rev1) } == "NIL")
    #expect(printed { $0.writeNString("NIL", .rev1) } == "\"NIL\"")
    #expect(printed { $0.writeAString("x]", .rev1) } == "x]")
    #expect(printed { $0.writeAString("x*", .rev1) } == "\"x*\"")
    let long = String(repeating: "x", count: 1025)
    #expect(printed { $0.writeAString(long, .rev1) } == "{1025}\r\n" + long)
    var buffer = ByteBuffer()
    let latin: [UInt8] = [0xE4]
    buffer.writeIMAPString(latin.span.bytes, .rev2)
    #expect(Array(buffer.readableBytesView) == Array("{1}\r\n".utf8) + [0xE4])
  }
}
