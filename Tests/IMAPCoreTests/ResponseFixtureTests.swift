import Bytes
import IMAPCore
import NIOCore
import Testing

private let inbox = WireMailbox("INBOX")

@Suite struct ResponseFixtureTests {
  @Test(arguments: [
    ("+ idling", IMAPResponse.continuation(bytes("idling"))), ("+", .continuation(bytes(""))),
    ("+ ", .continuation(bytes(""))), ("+ cGFzcw==", .continuation(bytes("cGFzcw=="))),
    ("M1 OK done", .tagged(tag: "M1", StatusLine(.ok, text: "done"))),
    ("M1 OK", .tagged(tag: "M1", StatusLine(.ok, text: ""))),
    ("M1 no [trycreate] x", .tagged(tag: "M1", StatusLine(.no, code: .tryCreate, text: "x"))),
    ("M1 BAD [X-Y a \"]\" b] z]", .tagged(tag: "M1", StatusLine(.bad, code: .other("X-Y a \"]\" b"), text: "z]"))),
    ("* BYE  Autologout", .status(StatusLine(.bye, text: "Autologout"))),
    ("* PREAUTH hello", .status(StatusLine(.preauth, text: "hello"))),
    ("* OK [UIDVALIDITY 3857529045] ok", .status(StatusLine(.ok, code: .uidValidity(3_857_529_045), text: "ok"))),
    ("* OK [HIGHESTMODSEQ 715194045007]", .status(StatusLine(.ok, code: .highestModSeq(715_194_045_007), text: ""))),
    ("* OK [NOMODSEQ] x", .status(StatusLine(.ok, code: .noModSeq, text: "x"))),
    (
      "* OK [COPYUID 38 304,319:320 3956:3958] x",
      .status(
        StatusLine(
          .ok, code: .copyUID(validity: 38, source: [304, 319, 320], assigned: [3956, 3957, 3958]), text: "x"))
    ),
    (
      "M1 OK [APPENDUID 38505 3955] x",
      .tagged(tag: "M1", StatusLine(.ok, code: .appendUID(validity: 38505, assigned: [3955]), text: "x"))
    ),
    ("M1 OK [MODIFIED 7,9:8] x", .tagged(tag: "M1", StatusLine(.ok, code: .modified([7...7, 8...9]), text: "x"))),
    ("M1 NO [AUTHENTICATIONFAILED] x", .tagged(tag: "M1", StatusLine(.no, code: .authenticationFailed, text: "x"))),
    ("M1 NO [COMPRESSIONACTIVE] x", .tagged(tag: "M1", StatusLine(.no, code: .compressionActive, text: "x"))),
    ("* OK [UIDNEXT 99999999999] x", .status(StatusLine(.ok, code: .other("UIDNEXT 99999999999"), text: "x"))),
    ("* OK [unfinished x", .status(StatusLine(.ok, text: "[unfinished x"))),
    ("* CAPABILITY IMAP4rev1 Idle  AUTH=PLAIN ", .capability(["IMAP4REV1", "IDLE", "AUTH=PLAIN"])),
    ("* ENABLED CONDSTORE QRESYNC", .enabled(["CONDSTORE", "QRESYNC"])), ("* ENABLED", .enabled([])),
    ("* FLAGS (\\Answered $A \\Foo)", .flags(FlagList(.answered, keywords: ["$A"], ignored: ["\\Foo"]))),
    ("* SEARCH 2 3 6 ", .search(SearchLine([2, 3, 6]))), ("* SEARCH", .search(SearchLine([]))),
    ("* SEARCH 2 (MODSEQ 917162500)", .search(SearchLine([2], modSeq: 917_162_500))),
    ("* 172 EXISTS", .exists(172)), ("* 0 EXISTS", .exists(0)), ("* 5 RECENT", .recent(5)),
    ("* 44 EXPUNGE", .expunge(44)), ("* VANISHED 405,407:410", .vanished(earlier: false, [405...405, 407...410])),
    ("* VANISHED (EARLIER) 41,43:116", .vanished(earlier: true, [41...41, 43...116])),
    (
      "* QUOTA \"\" (STORAGE 10 512 message 1 2)",
      .quota(root: "", [QuotaResource("STORAGE", usage: 10, limit: 512), QuotaResource("MESSAGE", usage: 1, limit: 2)])
    ),
    ("* QUOTA root ()", .quota(root: "root", [])),
    ("* QUOTAROOT INBOX \"\" b", .quotaRoot(mailbox: "INBOX", roots: ["", "b"])),
    ("* QUOTAROOT a", .quotaRoot(mailbox: "a", roots: [])),
    ("* ID NIL", .id(nil)),
    ("* ID (\"name\" \"Cyrus\" \"os\" NIL)", .id(IDParameters([.init("name", "Cyrus"), .init("os", nil)]))),
    ("* XLIST (\\Inbox) \"/\" x", .unknown("XLIST")), ("* 5 GARBLE x", .unknown("GARBLE")), ("*", .unknown("")),
    // What does not matter may be garbled.
    ("* QUOTA \"\" (STORAGE x y)", .unknown("QUOTA")), ("* ID (\"a", .unknown("ID")), ("* FLAGS x", .unknown("FLAGS")),
  ])
  func `A response is read`(line: String, value: IMAPResponse) throws {
    #expect(try response(line) == value)
    if let first = line.first, first == "*" || first == "M" {
      // Keywords have no case; tags do.
      let parts = line.split(separator: " ", maxSplits: 1, omittingEmptySubsequences: false)
      if parts.count == 2, !line.contains("\"") {
        _ = try response("\(parts[0])   \(parts[1].lowercased())")
      }
    }
  }

  @Test func `Mailboxes are listed with all their data`() throws {
    guard
      case .list(let line) = try response(
        #"* LIST (\NonExistent \X) "." "f&APY-o" ("CHILDINFO" ("SUBSCRIBED") X-Y (1 (2)) "OLDNAME" ("b&-c"))"#)
    else { throw NotThat() }
    #expect(line.attributes == ["\\NonExistent", "\\X"])
    #expect(line.delimiter == ".")
    #expect(line.mailbox == WireMailbox("föo"))
    #expect(line.childInfo == ["SUBSCRIBED"])
    #expect(line.oldName == "b&c")
    #expect(try response("* LSUB () NIL inbox") == .lsub(MailboxLine(attributes: [], delimiter: nil, mailbox: inbox)))
  }

  @Test func `A name that is no modified UTF-7 stays as it is, with the octets that name it`() throws {
    for raw in ["a&b", "Entw\u{FC}rfe", "&AGE-", "a&APY", "x&-&-&"] {
      guard case .list(let line) = try response("* LIST () \"/\" \"\(raw)\"") else { throw NotThat() }
      #expect(line.mailbox == WireMailbox(raw, octets: bytes(raw)))
    }
    guard case .list(let utf8) = try response("* LIST () \"/\" \"&-ö\"", options: .rev2) else { throw NotThat() }
    #expect(utf8.mailbox == WireMailbox("&-ö"))
  }

  @Test func `STATUS brings what it brings`() throws {
    guard
      case .mailboxStatus(let line) = try response(
        "* STATUS \"a b\" (MESSAGES 231 UIDNEXT 44292 RECENT 1 UNSEEN 2 UIDVALIDITY 5 HIGHESTMODSEQ 7 SIZE 9000000000 "
          + "DELETED 3 DELETED-STORAGE 8 APPENDLIMIT NIL MAILBOXID (F1) X-Y (a (b)))")
    else { throw NotThat() }
    var expected = MailboxStatusLine(WireMailbox("a b"))
    expected.messages = 231
    expected.uidNext = 44292
    expected.recent = 1
    expected.unseen = 2
    expected.uidValidity = 5
    expected.highestModSeq = 7
    expected.size = 9_000_000_000
    expected.deleted = 3
    expected.deletedStorage = 8
    expected.mailboxID = "F1"
    #expect(line == expected)
  }

  @Test func `ESEARCH is read in any order`() throws {
    var line = ESearchLine()
    line.tag = "M1"
    line.isUID = true
    line.count = 17
    line.all = [4...18, 21...21]
    line.min = 4
    line.max = 21
    line.modSeq = 5
    let text = "* ESEARCH (TAG \"M1\") UID COUNT 17 ALL 4:18,21 X-Y (1 2) MODSEQ 5 MAX 21 MIN 4"
    #expect(try response(text) == .esearch(line))
    #expect(try response("* ESEARCH") == .esearch(ESearchLine()))
  }

  @Test func `NAMESPACE is read, extensions and all`() throws {
    let text = ##"* NAMESPACE (("" "/")("#mh/" "/" "X-P" ("A" "B"))) (("~&APY-" ".")) NIL"##
    #expect(
      try response(text)
        == .namespace(
          NamespaceResponse(
            personal: [.init(prefix: ""), .init(prefix: "#mh/")],
            otherUsers: [.init(prefix: "~ö", separator: UInt8(ascii: "."))])))
  }

  @Test(arguments: [
    "", " x", "M1", "M1 MAYBE x", "* 0 EXPUNGE", "* 0 FETCH (UID 1)", "* 99999999999 EXISTS", "* VANISHED",
    "* VANISHED 1:*",
    "* VANISHED 0:99999999999", "* SEARCH 1 x", "* ESEARCH (TAG", "* ESEARCH ALL x", "* LIST", "* LIST (",
    "* LIST () \"/\"",
    "* STATUS INBOX", "* STATUS INBOX (MESSAGES", "* 1 FETCH", "* 1 FETCH (", "* 1 FETCH (UID)", "* 1 FETCH (UID x)",
    "* 1 FETCH (BODY[] x)", "* 1 FETCH (BODY[] {5}\r\nabc)", "* 1 FETCH (BODY[", "* 1 FETCH (BODY[X] \"\")",
    "* 1 FETCH (BODY[] )", "* 1 FETCH (FLAGS (a)", "* 1 FETCH (X[", "* 1 FETCH (MODSEQ (1)",
    "* 1 FETCH (RFC822.SIZE NIL)",
    "* 1 FETCH (UID 1 ENVELOPE (\"a)",
  ])
  func `What would lose mail is refused`(line: String) {
    #expect(throws: ResponseSyntaxError.self) { try response(line) }
  }

  @Test func `Lists, sets and depths are bounded`() {
    var limits = ResponseLimits()
    limits.listElements = 3
    limits.setElements = 3
    limits.numbers = 10
    limits.nesting = 6
    limits.partDepth = 2
    for line in [
      "* 1 FETCH (FLAGS (a b c d))", "* VANISHED 1,2,3,4", "* SEARCH 1 2 3 4 5 6 7 8 9 10 11",
      "* 1 FETCH (X ((((((1)))))))", "* 1 FETCH (BODY[1.2.3] NIL)",
      "* 1 FETCH (UID 1 X 2 Y 3 Z 4)",
    ] {
      #expect(throws: ResponseSyntaxError.self, "\(line)") { try response(line, limits: limits) }
    }
    // A code beyond a limit is a code nobody knows.
    let code = try? response("* OK [COPYUID 1 1:4000000000 1:4000000000] x", limits: limits)
    #expect(code == .status(StatusLine(.ok, code: .other("COPYUID 1 1:4000000000 1:4000000000"), text: "x")))
    let deep = String(repeating: "(", count: 100_000)
    #expect(throws: ResponseSyntaxError.self) { try response("* 1 FETCH (BODYSTRUCTURE \(deep)") }
    #expect(throws: ResponseSyntaxError.self) { try response("* 1 FETCH (X \(deep)") }
  }
}
