import IMAPCore
import NIOCore
import Testing

private let finding: [Fixture] = [
  Fixture(
    "UID SEARCH RETURN (UPDATE (UID FLAGS) CONTEXT COUNT) FILTER boss",
    .search(
      {
        var command = SearchCommand(uid: true, returns: [.update, .context, .count], key: .filter("boss"))
        command.updateItems = [.uid, .flags]
        return command
      }())),
  Fixture(
    "SEARCH RETURN (RELEVANCY ALL) FUZZY (SUBJECT x UNSEEN)",
    .search(
      SearchCommand(
        uid: false, returns: [.relevancy, .all], key: .fuzzy(.and([.subject(bytes("x")), .unflag(.seen)]))))),
  Fixture(
    "SORT (REVERSE RELEVANCY DATE) UTF-8 FUZZY TEXT y",
    .sort(
      SortCommand(
        uid: false, criteria: [SortCriterion(.relevancy, isReversed: true), SortCriterion(.date)],
        key: .fuzzy(.text(bytes("y")))))),
  Fixture("COMPARATOR", .comparator(ComparatorCommand())),
  Fixture(
    #"COMPARATOR "cz;*" i;ascii-casemap"#, .comparator(ComparatorCommand(["cz;*", "i;ascii-casemap"]))),
  Fixture("LANGUAGE", .language(LanguageCommand())),
  Fixture(#"LANGUAGE FR-CA "en-*""#, .language(LanguageCommand(["FR-CA", "en-*"]))),
  Fixture(#"CANCELUPDATE "a01" "b\"2""#, .cancelUpdate(CancelUpdateCommand(["a01", "b\"2"]))),
  Fixture("ESEARCH UNSEEN", .esearch(ESearchCommand(nil, SearchCommand(uid: true, key: .unflag(.seen))))),
  Fixture(
    "ESEARCH IN (mailboxes folder1 subtree (folder2 \"a b\") selected) RETURN (MIN) CHARSET utf-8 SUBJECT chad",
    .esearch(
      ESearchCommand(
        [.mailboxes([MailboxName("folder1")]), .subtree([MailboxName("folder2"), MailboxName("a b")]), .selected],
        SearchCommand(uid: true, returns: .min, charset: "UTF-8", key: .subject(bytes("chad")))))),
  Fixture(
    "GETMETADATA INBOX /private/Comment", .getMetadata(GetMetadataCommand(.inbox, ["/private/comment"]))),
  Fixture(
    "GETMETADATA \"\" (MAXSIZE 1024 DEPTH infinity) (/shared /private/comment)",
    .getMetadata(
      GetMetadataCommand(MailboxName(""), ["/shared", "/private/comment"], maxSize: 1024, depth: .infinity))),
  Fixture(
    "SETMETADATA INBOX (/private/comment {3+}\r\na\r\n /shared/comment NIL)",
    .setMetadata(
      SetMetadataCommand(.inbox, [.init("/private/comment", bytes("a\r\n")), .init("/shared/comment", nil)]))),
]

@Suite struct SearchExtensionTests {
  @Test(arguments: finding)
  func `A command is read as its RFC says, and printed so that it is read again`(fixture: Fixture) throws {
    try fixture.expectRoundTrip()
  }

  @Test(arguments: [
    "SEARCH FILTER", "SEARCH FILTER a/b", "SEARCH FILTER (a)", "SEARCH FUZZY", "CANCELUPDATE", "CANCELUPDATE a",
    "CANCELUPDATE \"a\"  \"b\"", "ESEARCH", "ESEARCH IN () ALL", "ESEARCH IN (everywhere) ALL", "ESEARCH IN (selected)",
    "ESEARCH IN (mailboxes) ALL", "ESEARCH IN (selected-delayed) ALL", "ESEARCH IN (selected (x 1)) ALL",
    "GETMETADATA INBOX", "GETMETADATA INBOX ()", "GETMETADATA INBOX comment", "GETMETADATA INBOX /other/comment",
    "GETMETADATA INBOX /private//x", "GETMETADATA INBOX /private/x/", "GETMETADATA INBOX \"/private/x*\"",
    "GETMETADATA (DEPTH 2) INBOX /private", "SETMETADATA INBOX /private/comment x", "SETMETADATA INBOX (/private x)",
    "SETMETADATA INBOX (/private/comment x)", "SETMETADATA INBOX (/private/vendor/x \"y\")",
    "LIST \"\" * RETURN (METADATA /private/comment)", "LIST \"\" * RETURN (METADATA ())",
  ])
  func `What is wrong is refused`(line: String) {
    #expect(throws: IMAPSyntaxError.self) { try CommandFrame(bytes("A1 " + line)).parse() }
  }

  /// Any octets may be a value.
  @Test func `Metadata of any octets is read back the same`() throws {
    for seed in 0..<1000 as Range<UInt64> {
      var generator = CommandGenerator(seed: seed)
      let values = generator.some(1...4) { generator in
        SetMetadataCommand.Value(
          "/private/vendor/x/\(generator.int(0...1_000_000))",
          generator.maybe { generator -> ByteBuffer in
            let highest = generator.flip() ? 255 : 127
            return ByteBuffer(bytes: generator.some(0...20) { UInt8($0.int(0...highest)) })
          })
      }
      let names = Set(values.map(\.entry))
      guard names.count == values.count else { continue }
      let command = TaggedCommand(tag: "t", .setMetadata(SetMetadataCommand(generator.mailbox(), values)))
      var printer = CommandPrinter(options: .rev2, nonSynchronizing: true)
      printer.print(command)
      var frame = printer.buffer
      frame.moveWriterIndex(to: frame.writerIndex - 2)
      #expect(try CommandFrame(frame).parse(options: .rev2) == command, "seed \(seed)")
    }
  }

  @Test func `Responses are written as their RFCs have them`() {
    var buffer = ByteBuffer()
    buffer.writeESearchUpdate(
      tag: "B01", uid: true, removed: [ContextChange(3, [7])], added: [ContextChange(1, [9, 10, 4])])
    var response = ESearchResponse(tag: "a", uid: true, all: [1, 5], count: 2)
    response.relevancy = [99, 4]
    response.correlator = ESearchResponse.correlator(MailboxName("a b"), uidValidity: 7, .rev1)
    buffer.writeESearch(response)
    buffer.writeMetadata(
      .inbox,
      [.init("/private/comment", bytes("a\"b")), .init("/shared/comment", nil), .init("/private/x", bytes("\0"))],
      .rev1)
    buffer.writeMetadataChange(MailboxName(""), ["/shared/comment"], .rev1)
    #expect(
      String(buffer: buffer) == """
        * ESEARCH (TAG "B01") UID REMOVEFROM (3 7) ADDTO (1 9:10,4)\r
        * ESEARCH (TAG "a" MAILBOX "a b" UIDVALIDITY 7) UID ALL 1,5 COUNT 2 RELEVANCY (99 4)\r
        * METADATA INBOX (/private/comment "a\\"b" /shared/comment NIL /private/x ~{1}\r
        \0)\r
        * METADATA "" /shared/comment\r

        """)
  }
}
