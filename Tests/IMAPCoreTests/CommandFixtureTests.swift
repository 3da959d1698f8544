import Bytes
import IMAPCore
import NIOCore
import Testing

/// A command line and what it means.
struct Fixture: Sendable, CustomTestStringConvertible {
  var line: String
  var command: Command
  var options: WireOptions
  init(_ line: String, _ command: Command, _ options: WireOptions = .rev1) {
    self.line = line
    self.command = command
    self.options = options
  }
  var testDescription: String { line }

  /// The line is read as the command, and what is printed of that is read again.
  func expectRoundTrip() throws {
    let wanted = TaggedCommand(tag: "A1", command)
    #expect(try CommandFrame(bytes("A1 " + line)).parse(options: options) == wanted)
    var printer = CommandPrinter(options: options, nonSynchronizing: true)
    printer.print(wanted)
    var frame = printer.buffer
    frame.moveWriterIndex(to: frame.writerIndex - 2)
    #expect(try CommandFrame(frame).parse(options: options) == wanted)
  }
}

private let one = MessageSet([.init(1)])

private let simple: [Fixture] = [
  Fixture("CAPABILITY", .capability), Fixture("noop", .noop), Fixture("LogOut", .logout),
  Fixture("STARTTLS", .startTLS), Fixture("NAMESPACE", .namespace), Fixture("IDLE", .idle), Fixture("CLOSE", .close),
  Fixture("UNSELECT", .unselect), Fixture("UNAUTHENTICATE", .unauthenticate),
  Fixture("COMPRESS DEFLATE", .compress(CompressCommand())), Fixture("CHECK", .check),
  Fixture("EXPUNGE", .expunge(ExpungeCommand())),
  Fixture("UID EXPUNGE 3:5", .expunge(ExpungeCommand(uids: MessageSet([.init(3, 5)])))),
  Fixture("ID NIL", .id(IDCommand(nil))), Fixture("ID ()", .id(IDCommand(IDParameters([])))),
  Fixture(
    #"ID ("name" "so\"dr" "version" NIL)"#,
    .id(IDCommand(IDParameters([.init("name", "so\"dr"), .init("version", nil)])))),
  Fixture("LOGIN mrc secret", .login(LoginCommand(user: "mrc", password: "secret"))),
  Fixture(#"LOGIN "a b" "\\x\"""#, .login(LoginCommand(user: "a b", password: "\\x\""))),
  Fixture("LOGIN {11+}\r\nFRED FOOBAR {7+}\r\nfat man", .login(LoginCommand(user: "FRED FOOBAR", password: "fat man"))),
  Fixture("LOGIN a \"\"", .login(LoginCommand(user: "a", password: ""))),
  Fixture("LOGIN a] {0+}\r\n", .login(LoginCommand(user: "a]", password: ""))),
  Fixture("AUTHENTICATE plain", .authenticate(AuthenticateCommand(mechanism: "PLAIN"))),
  Fixture(
    "AUTHENTICATE EXTERNAL =", .authenticate(AuthenticateCommand(mechanism: "EXTERNAL", initialResponse: bytes("")))),
  Fixture(
    "AUTHENTICATE PLAIN AHRlc3QAdGVzdA==",
    .authenticate(AuthenticateCommand(mechanism: "PLAIN", initialResponse: bytes("\0test\0test")))),
  Fixture("ENABLE IMAP4rev2 x-good", .enable(EnableCommand(["IMAP4REV2", "X-GOOD"]))),
]

private let mailboxes: [Fixture] = [
  Fixture("SELECT inBox", .select(SelectCommand(.inbox))),
  Fixture("EXAMINE blurdybloop", .select(SelectCommand(MailboxName("blurdybloop"), readOnly: true))),
  Fixture(
    "SELECT a (CONDSTORE QRESYNC (67890007 20050715194045000 41,43:211))",
    .select(
      SelectCommand(
        MailboxName("a"), condStore: true,
        resync: Resync(
          uidValidity: 67_890_007, modSeq: 20_050_715_194_045_000, knownUIDs: MessageSet([.init(41), .init(43, 211)])))
    )),
  Fixture(
    "EXAMINE a (qresync (1 0 (1,3:4 7,9:10)))",
    .select(
      SelectCommand(
        MailboxName("a"), readOnly: true,
        resync: Resync(
          uidValidity: 1, modSeq: 0,
          match: .init(
            numbers: MessageSet([.init(1), .init(3, 4)]), uids: MessageSet([.init(7), .init(9, 10)])))))),
  Fixture(
    "SELECT a (QRESYNC (1 2 5 (1 5)) X-OTHER)",
    .select(
      SelectCommand(
        MailboxName("a"),
        resync: Resync(
          uidValidity: 1, modSeq: 2, knownUIDs: MessageSet([.init(5)]),
          match: .init(numbers: one, uids: MessageSet([.init(5)]))), modifiers: [CommandModifier("X-OTHER")]))),
  Fixture("CREATE owatagusiam/", .create(CreateCommand(MailboxName("owatagusiam/")))),
  Fixture(
    #"CREATE a (USE (\Sent \x \dRAFTS))"#,
    .create(CreateCommand(MailboxName("a"), specialUses: [.sent, .drafts], unknownUses: ["\\x"]))),
  Fixture("DELETE foo/bar", .delete(MailboxName("foo/bar"))),
  Fixture("DELETE &AOQ-", .delete(MailboxName("ä"))),
  Fixture("DELETE \"a&-b\"", .delete(MailboxName("a&b"))),
  Fixture("DELETE a&b", .delete(MailboxName("a&b")), .rev2), Fixture("DELETE \"ä\"", .delete(MailboxName("ä")), .rev2),
  Fixture("RENAME inbox/x Old", .rename(RenameCommand(from: MailboxName("INBOX/x"), to: MailboxName("Old")))),
  Fixture("SUBSCRIBE #news", .subscribe(MailboxName("#news"))),
  Fixture("UNSUBSCRIBE {3+}\r\na b", .unsubscribe(MailboxName("a b"))),
  Fixture("LIST \"\" *", .list(ListCommand(patterns: ["*"]))),
  Fixture("LIST a/ \"\"", .list(ListCommand(reference: "a/", patterns: [""]))),
  Fixture("LIST \"\" &AOQ-%", .list(ListCommand(patterns: ["ä%"]))),
  Fixture("LIST \"\" &AO*", .list(ListCommand(patterns: ["&AO*"]))),
  Fixture("LIST () \"\" %", .list(ListCommand(selection: [], patterns: ["%"]))),
  Fixture(
    "LIST (SUBSCRIBED RECURSIVEMATCH) \"\" (a \"b*\") RETURN (CHILDREN STATUS (MESSAGES UNSEEN))",
    .list(
      ListCommand(
        selection: [.subscribed, .recursiveMatch], patterns: ["a", "b*"], patternsAreListed: true,
        returns: [.children], statusItems: [.messages, .unseen]))),
  Fixture("LIST \"\" % RETURN ()", .list(ListCommand(patterns: ["%"], returns: []))),
  Fixture(
    "LIST (SPECIAL-USE) \"\" \"*\" RETURN (special-use subscribed)",
    .list(ListCommand(selection: [.specialUse], patterns: ["*"], returns: [.specialUse, .subscribed]))),
  Fixture("LSUB #news. comp.mail.*", .lsub(LsubCommand(reference: "#news.", pattern: "comp.mail.*"))),
  Fixture(
    "STATUS a (UIDNEXT MESSAGES uidnext)", .status(StatusCommand(MailboxName("a"), items: [.uidNext, .messages]))),
  Fixture("GETQUOTA \"\"", .getQuota(GetQuotaCommand(root: ""))), Fixture("GETQUOTAROOT INBOX", .getQuotaRoot(.inbox)),
  Fixture("SETQUOTA \"\" (storage 512)", .setQuota(SetQuotaCommand(root: "", limits: [.init("STORAGE", 512)]))),
  Fixture("SETQUOTA x ()", .setQuota(SetQuotaCommand(root: "x", limits: []))),
]

private let messages: [Fixture] = [
  Fixture(
    "COPY 2:4 MEET", .copy(CopyCommand(uid: false, set: MessageSet([.init(2, 4)]), mailbox: MailboxName("MEET")))),
  Fixture(
    "UID MOVE 42:69,* foo",
    .move(MoveCommand(uid: true, set: MessageSet([.init(42, 69), .init(0)]), mailbox: MailboxName("foo")))),
  Fixture("UID COPY $ a", .copy(CopyCommand(uid: true, set: .savedResult, mailbox: MailboxName("a")))),
  Fixture(
    #"STORE 2:4 +FLAGS (\Deleted \seen $Junk $junk \Recent)"#,
    .store(
      StoreCommand(
        uid: false, set: MessageSet([.init(2, 4)]), mode: .add,
        flags: FlagList([.deleted, .seen], keywords: ["$Junk"], ignored: ["\\Recent"])))),
  Fixture(
    #"UID STORE 1 -flags.silent \Answered a"#,
    .store(
      StoreCommand(
        uid: true, set: one, mode: .remove, silent: true, flags: FlagList(.answered, keywords: ["a"])))),
  Fixture("STORE 1 FLAGS ()", .store(StoreCommand(uid: false, set: one, mode: .replace, flags: FlagList()))),
  Fixture(
    "STORE 1 (UNCHANGEDSINCE 320162338) FLAGS (x)",
    .store(
      StoreCommand(
        uid: false, set: one, mode: .replace, flags: FlagList(keywords: ["x"]),
        unchangedSince: 320_162_338))),
  Fixture("FETCH 1 all", .fetch(FetchCommand(uid: false, set: one, items: [.flags, .internalDate, .size, .envelope]))),
  Fixture("FETCH 1 FAST", .fetch(FetchCommand(uid: false, set: one, items: [.flags, .internalDate, .size]))),
  Fixture(
    "FETCH 1 FULL",
    .fetch(
      FetchCommand(uid: false, set: one, items: [.flags, .internalDate, .size, .envelope, .body]))),
  Fixture("UID FETCH 1:* (FLAGS UID flags)", .fetch(FetchCommand(uid: true, set: .everything, items: [.flags, .uid]))),
  Fixture(
    "FETCH 1 BODY[1.2.HEADER.FIELDS (DATE \"FROM\")]<0.100>",
    .fetch(
      FetchCommand(
        uid: false, set: one,
        items: [
          .bodySection(
            BodySection(part: [1, 2], .headerFields(["DATE", "FROM"])), partial: Partial(offset: 0, count: 100),
            peek: false)
        ]))),
  Fixture(
    "FETCH 1 (BODY BODY[] BODY.PEEK[TEXT] BODY[1.MIME] BODY[3] BODY[2.HEADER] BODYSTRUCTURE)",
    .fetch(
      FetchCommand(
        uid: false, set: one,
        items: [
          .body, .bodySection(BodySection(), partial: nil, peek: false),
          .bodySection(BodySection(.text), partial: nil, peek: true),
          .bodySection(BodySection(part: [1], .mime), partial: nil, peek: false),
          .bodySection(BodySection(part: [3]), partial: nil, peek: false),
          .bodySection(BodySection(part: [2], .header), partial: nil, peek: false), .bodyStructure,
        ]))),
  Fixture(
    "FETCH 1 (BODY[HEADER.FIELDS.NOT (X)] BINARY[1]<5.6> BINARY.PEEK[] BINARY.SIZE[4.1] "
      + "RFC822 RFC822.SIZE RFC822.TEXT)",
    .fetch(
      FetchCommand(
        uid: false, set: one,
        items: [
          .bodySection(BodySection(.headerFieldsNot(["X"])), partial: nil, peek: false),
          .binary(part: [1], partial: Partial(offset: 5, count: 6), peek: false),
          .binary(part: [], partial: nil, peek: true),
          .binarySize(part: [4, 1]), .rfc822, .size, .rfc822Text,
        ]))),
  Fixture(
    "UID FETCH 300:500 (FLAGS) (CHANGEDSINCE 12345 VANISHED)",
    .fetch(
      FetchCommand(
        uid: true, set: MessageSet([.init(300, 500)]), items: [.flags], changedSince: 12_345, vanished: true))),
  Fixture(
    "UID FETCH 1:* (MODSEQ EMAILID ThreadID SAVEDATE) (partial -1:-30 CHANGEDSINCE 98305 X)",
    .fetch(
      FetchCommand(
        uid: true, set: .everything, items: [.modSeq, .emailID, .threadID, .saveDate], changedSince: 98_305,
        partial: PartialRange(1, 30, fromEnd: true), modifiers: [CommandModifier("X")]))),
]

private let searches: [Fixture] = [
  Fixture("SEARCH ALL", .search(SearchCommand(uid: false, key: .all))),
  Fixture(
    "UID SEARCH RETURN (MIN COUNT) FLAGGED SINCE 1-Feb-1994 NOT FROM \"Smith\"",
    .search(
      SearchCommand(
        uid: true, returns: [.min, .count],
        key: .and([.flag(.flagged), .since(IMAPDay(8797)), .not(.address(.from, bytes("Smith")))])))),
  Fixture("SEARCH RETURN () NEW", .search(SearchCommand(uid: false, returns: .all, key: .new))),
  Fixture("SEARCH RETURN (SAVE) OLD", .search(SearchCommand(uid: false, returns: .save, key: .unflag(.recent)))),
  Fixture(
    "SEARCH CHARSET utf-8 OR (UNSEEN KEYWORD $x) 1:3,$ LARGER 9223372036854775807",
    .search(
      SearchCommand(
        uid: false, charset: "UTF-8",
        key: .and([
          .or(
            .and([.unflag(.seen), .keyword("$x")]),
            .sequence(MessageSet([.init(1, 3)], includesSavedResult: true))), .larger(.max),
        ])))),
  Fixture(
    "SEARCH HEADER Message-ID \"\" SENTON \"29-Feb-2024\" UID 7 TEXT {6+}\r\n\u{41C}\u{41C}\u{41C}",
    .search(
      SearchCommand(
        uid: false,
        key: .and([
          .header(name: "Message-ID", bytes("")), .sentOn(IMAPDay(19_782)), .uid(MessageSet([.init(7)])),
          .text(bytes("\u{41C}\u{41C}\u{41C}")),
        ])))),
  Fixture(
    #"SEARCH MODSEQ "/flags/\\draft" all 620162338 MODSEQ 0"#,
    .search(
      SearchCommand(
        uid: false, key: .and([.modSeq(620_162_338, of: ModSeqEntry("/flags/\\draft", .all)), .modSeq(0)])))),
  Fixture(
    "UID SEARCH RETURN (partial 500:1 SAVE) EMAILID M1-2 THREADID T_x SAVEDON 1-Feb-1994 savedatesupported",
    .search(
      SearchCommand(
        uid: true, returns: .save, partial: PartialRange(500, 1),
        key: .and([.emailID("M1-2"), .threadID("T_x"), .savedOn(IMAPDay(8797)), .saveDateSupported])))),
  Fixture(
    "SEARCH RETURN (PARTIAL -7:-7) UIDAFTER 5 UIDBEFORE 4294967295",
    .search(
      SearchCommand(
        uid: false, returns: [], partial: PartialRange(7, 7, fromEnd: true),
        key: .and([.uidAfter(5), .uidBefore(.max)])))),
]

let fixtures = simple + mailboxes + messages + searches

@Suite struct CommandFixtureTests {
  @Test(arguments: fixtures)
  func `A command is read as the RFC says`(fixture: Fixture) throws {
    let frame = CommandFrame(bytes("A1 " + fixture.line))
    #expect(try frame.parse(options: fixture.options) == TaggedCommand(tag: "A1", fixture.command))
  }

  @Test(arguments: fixtures)
  func `Cut anywhere, a command is framed whole and nothing of the next is taken`(fixture: Fixture) {
    let whole = bytes("A1 " + fixture.line + "\r\nA2 NO")
    for split in everySplit(whole) {
      var framer = CommandFramer(isLoggedIn: true)
      let seen = drive(&framer, split)
      #expect(seen == [.event(.command(CommandFrame(bytes("A1 " + fixture.line))))])
      #expect(framer.bufferedByteCount == 5)
    }
  }

  @Test(arguments: fixtures)
  func `Every beginning of a command is incomplete`(fixture: Fixture) {
    let all = Array(("A1 " + fixture.line + "\r\n").utf8)
    for length in 0..<all.count {
      var framer = CommandFramer(isLoggedIn: true)
      #expect(drive(&framer, [ByteBuffer(bytes: all[..<length])]).isEmpty)
      #expect(framer.bufferedByteCount == length)
    }
  }

  @Test(arguments: [
    "", "FOO", "NOOPX", "NOOP ", "NOOP x", " NOOP", "UID", "UID NOOP", "UID  FETCH 1 FLAGS", "LOGIN", "LOGIN a",
    "LOGIN a b c", "LOGIN a  b", "LOGIN a \"b", "LOGIN a \"\\b\"", "LOGIN (a) b", "SELECT", "SELECT a*", "SELECT a ()",
    "AUTHENTICATE", "AUTHENTICATE PLAIN a", "AUTHENTICATE PLAIN ", "AUTHENTICATE PLAIN = ", "ENABLE", "ENABLE ",
    "ENABLE a  b", "CREATE a (USE)", "CREATE a (USE (Sent))", "RENAME a", "LIST a", "LIST (FOO) \"\" *",
    "LIST (RECURSIVEMATCH) \"\" *", "LIST \"\" * RETURN", "LIST \"\" * RETURN (FOO)", "LIST \"\" ()", "STATUS a",
    "STATUS a ()", "STATUS a (FOO)", "STATUS a MESSAGES", "COPY 0 a", "COPY 4294967296 a", "COPY 1: a", "COPY , a",
    "COPY 1,,2 a", "COPY $,1 a", "COPY a b", "STORE 1 FLAG (a)", "STORE 1 +-FLAGS (a)", "STORE 1 FLAGS (a",
    "STORE 1 FLAGS",
    "STORE 1 FLAGS ", "STORE 1 FLAGS (\\)", "STORE 1 FLAGS (a  b)", "FETCH 1", "FETCH 1 ()", "FETCH 1 (ALL)",
    "FETCH 1 FOO",
    "FETCH 1 BODY[", "FETCH 1 BODY[MIME]", "FETCH 1 BODY[0]", "FETCH 1 BODY[1.]", "FETCH 1 BODY[.1]",
    "FETCH 1 BODY[]<0.0>",
    "FETCH 1 BODY[]<0>", "FETCH 1 BODY[HEADER.FIELDS]", "FETCH 1 BODY[HEADER.FIELDS ()]", "FETCH 1 BODY.PEEK",
    "FETCH 1 BINARY", "FETCH 1 BINARY[TEXT]", "FETCH 1 BINARY.SIZE[1]<0.5>", "FETCH 1 (FLAGS) ()", "FETCH 1 RFC822[1]",
    "SEARCH",
    "SEARCH FOO", "SEARCH (", "SEARCH ()", "SEARCH (ALL", "SEARCH ALL)", "SEARCH NOT", "SEARCH OR ALL",
    "SEARCH ON 31-Feb-2024",
    "SEARCH ON 1-Foo-2024", "SEARCH ON 001-Jan-2024", "SEARCH ON \"1-Jan-2024", "SEARCH LARGER", "SEARCH LARGER -1",
    "SEARCH LARGER 9223372036854775808", "SEARCH RETURN (FOO) ALL", "SEARCH RETURN (MIN)", "SEARCH CHARSET UTF-8",
    "SEARCH KEYWORD \\Seen", "SEARCH HEADER a", "EXPUNGE 1", "UID EXPUNGE", "UID SEARCH", "ID", "ID (\"a\")",
    "ID (a b)",
    "SELECT a (QRESYNC)", "SELECT a (QRESYNC 1)", "SELECT a (QRESYNC ())", "SELECT a (QRESYNC (0 1))",
    "SELECT a (QRESYNC (1))", "SELECT a (QRESYNC (1 2 *))", "SELECT a (QRESYNC (1 2 1:*))",
    "SELECT a (QRESYNC (1 2 $))",
    "SELECT a (QRESYNC (1 2 5 6))", "SELECT a (QRESYNC (1 2 (1)))", "SELECT a (QRESYNC (1 2 (1,2 5)))",
    "SELECT a (QRESYNC (1 2 (2,1 5,6)))", "SELECT a (QRESYNC (1 2 (1,2 6:5)))", "SELECT a (QRESYNC (1 2 (1,* 5,6)))",
    "SELECT a (QRESYNC (1 9223372036854775808))", "SELECT a (QRESYNC (1 2) QRESYNC (1 2))",
    "FETCH 1 FLAGS (CHANGEDSINCE)", "FETCH 1 FLAGS (CHANGEDSINCE x)", "FETCH 1 FLAGS (CHANGEDSINCE 1 CHANGEDSINCE 2)",
    "FETCH 1 FLAGS (PARTIAL 1)", "FETCH 1 FLAGS (PARTIAL 0:1)", "FETCH 1 FLAGS (PARTIAL -1:2)",
    "FETCH 1 FLAGS (PARTIAL 1:-2)", "FETCH 1 FLAGS (PARTIAL 1:*)", "STORE 1 (UNCHANGEDSINCE) FLAGS (a)",
    "STORE 1 (UNCHANGEDSINCE 1 UNCHANGEDSINCE 2) FLAGS (a)", "STORE 1 (UNCHANGEDSINCE -1) FLAGS (a)",
    "SEARCH MODSEQ", "SEARCH MODSEQ x", "SEARCH MODSEQ \"/flags/a\" 5", "SEARCH MODSEQ \"/flags/a\" some 5",
    "SEARCH MODSEQ /flags/a all 5", "SEARCH EMAILID", "SEARCH EMAILID (a)", "SEARCH THREADID a.b",
    "SEARCH SAVEDON yesterday", "SEARCH UIDAFTER 0", "SEARCH UIDBEFORE *", "SEARCH RETURN (PARTIAL 1:2 ALL) ALL",
    "SEARCH RETURN (PARTIAL 1:2 PARTIAL 1:2) ALL", "SEARCH RETURN (PARTIAL) ALL",
    "SETQUOTA a (STORAGE)", "SETQUOTA a STORAGE 5", "IDLE x", "LOGIN {3}\r\nab", "LOGIN {2}\r\na\0 b",
    "LOGIN {99999999999999999999}\r\na b", "LOGIN {-1}\r\n b",
  ])
  func `A malformed command is refused with its tag and a sentence`(line: String) {
    #expect {
      try parse(line)
    } throws: { error in
      guard let error = error as? IMAPSyntaxError else { return false }
      return error.tag == "t" && error.answer == .bad && !error.reason.english.isEmpty
        && error.offset <= line.utf8.count + 2
    }
  }

  @Test(arguments: ["", "x", "+ NOOP", "a+b NOOP", "( NOOP", "\" NOOP", "a\u{E4} NOOP", "a"])
  func `Without a tag the refusal has none`(line: String) {
    #expect {
      try CommandFrame(bytes(line)).parse()
    } throws: { error in
      (error as? IMAPSyntaxError)?.tag == nil && error is IMAPSyntaxError
    }
  }

  @Test(arguments: ["SELECT a&b", "SELECT \"ä\"", "CREATE &AGE-", "DELETE \"a\tb\""])
  func `A name that is not modified UTF-7 hears NO, CANNOT`(line: String) {
    #expect {
      try parse(line)
    } throws: { error in
      let error = error as? IMAPSyntaxError
      return error?.answer == .no && error?.code == .cannot
    }
  }
}
