import IMAPCore
import NIOCore
import Testing

private let lists: [Fixture] = [
  Fixture(
    "SETACL INBOX David lrswida",
    .setACL(
      SetACLCommand(
        .inbox, AccessIdentifier("David"), .replace,
        [.lookup, .read, .seen, .write, .insert, .deleteMessages, .expunge, .administer]))),
  Fixture(
    "setacl a/b -fred +wp",
    .setACL(
      SetACLCommand(MailboxName("a/b"), AccessIdentifier("fred", isNegative: true), .add, [.write, .post]))),
  Fixture(
    #"SETACL "a b" anyone "-c""#,
    .setACL(SetACLCommand(MailboxName("a b"), AccessIdentifier("anyone"), .remove, [.create, .deleteMailbox]))),
  Fixture(#"SETACL x y """#, .setACL(SetACLCommand(MailboxName("x"), AccessIdentifier("y"), .replace, []))),
  Fixture("SETACL x y +", .setACL(SetACLCommand(MailboxName("x"), AccessIdentifier("y"), .add, []))),
  Fixture(
    "DELETEACL INBOX {5+}\r\nFr\u{e9}d", .deleteACL(AccessCommand(.inbox, AccessIdentifier("Fr\u{e9}d")))),
  Fixture("GETACL inbox", .getACL(.inbox)),
  Fixture(
    "LISTRIGHTS ~/Mail/saved smith", .listRights(AccessCommand(MailboxName("~/Mail/saved"), AccessIdentifier("smith")))),
  Fixture("MYRIGHTS &AOk-", .myRights(MailboxName("\u{e9}"))),
  Fixture(
    "LIST \"\" % RETURN (SUBSCRIBED MYRIGHTS)", .list(ListCommand(patterns: ["%"], returns: [.subscribed, .myRights]))),
]

@Suite struct ACLTests {
  @Test(arguments: lists)
  func `A command is read as its RFC says, and printed so that it is read again`(fixture: Fixture) throws {
    try fixture.expectRoundTrip()
  }

  @Test(arguments: [
    "SETACL INBOX", "SETACL INBOX a", "SETACL INBOX a lrQ", "SETACL INBOX a lrq", "SETACL INBOX a l0",
    "SETACL INBOX a l+r", "SETACL INBOX a \"l r\"", "SETACL INBOX \"\" lr", "SETACL INBOX - lr", "SETACL INBOX a lr x",
    "DELETEACL INBOX", "DELETEACL INBOX \"\"", "DELETEACL INBOX a b", "GETACL", "GETACL a b", "LISTRIGHTS a",
    "LISTRIGHTS a -", "MYRIGHTS", "MYRIGHTS a b",
  ])
  func `What is wrong is refused`(line: String) {
    #expect(throws: IMAPSyntaxError.self) { try CommandFrame(bytes("A1 " + line)).parse() }
  }

  @Test func `Any rights are read back the same`() throws {
    for bits in 0...AccessRights.all.rawValue {
      let rights = AccessRights(rawValue: bits)
      #expect(AccessRights(letters: rights.plain) == rights)
      // With c and d come the others of their kind, which is what they are for.
      let shown = AccessRights(letters: rights.shown)
      #expect(shown?.isSuperset(of: rights) == true)
    }
    #expect(AccessRights.all.shown == "lrswipkxteacd")
    #expect(AccessRights([.lookup, .create]).shown == "lkc")
    #expect(AccessRights([.read, .expunge]).shown == "red")
    #expect(AccessRights([]).shown.isEmpty)
  }

  @Test func `Responses stand on the wire as RFC 4314 has them`() {
    var buffer = ByteBuffer()
    buffer.writeACL(
      MailboxName("a b"),
      [
        (AccessIdentifier("fred"), [.read, .write]), (AccessIdentifier("fred", isNegative: true), [.administer]),
        (AccessIdentifier("x y"), []),
      ], .rev1)
    buffer.writeListRights(.inbox, AccessIdentifier("smith"), required: [], .rev1)
    buffer.writeListRights(.inbox, AccessIdentifier("ana"), required: .all, .rev1)
    buffer.writeMyRights(.inbox, [.lookup, .read, .deleteMessages], .rev1)
    #expect(
      String(buffer: buffer) == """
        * ACL "a b" fred rw -fred a "x y" ""\r
        * LISTRIGHTS INBOX smith "" l r s w i p k x t e a c d\r
        * LISTRIGHTS INBOX ana lrswipkxteacd\r
        * MYRIGHTS INBOX lrtd\r

        """)
  }
}
