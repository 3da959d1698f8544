import MailFormat
import NIOCore
import Testing

@Suite struct EnvelopeTests {
  /// What the To list of an envelope is for a To value.
  private func to(_ value: String) -> String {
    let text = message("To: \(value)\n\n").envelope
    return String(text.dropFirst("(NIL NIL NIL NIL NIL ".count).dropLast(" NIL NIL NIL NIL)".count))
  }

  @Test func `All fields stand in their places`() {
    let bytes = message(
      """
      Date: Wed, 17 Jul 1996 02:23:25 -0700 (PDT)
      From: Terry Gray <gray@cac.washington.edu>
      Reply-To: r@s
      Subject: IMAP4rev2  WG
       mtg
      To: imap@cac.washington.edu
      Cc: minutes@CNRI.Reston.VA.US, "John \\"K\\"" <KLENSIN@MIT.EDU>
      Bcc: x@y
      In-Reply-To: <i@r>
      Message-Id: <B27397-0100000@cac.washington.edu>


      """)
    let from = "((\"Terry Gray\" NIL \"gray\" \"cac.washington.edu\"))"
    #expect(
      bytes.envelope == "(\"Wed, 17 Jul 1996 02:23:25 -0700 (PDT)\" \"IMAP4rev2 WG mtg\" \(from) \(from) "
        + "((NIL NIL \"r\" \"s\")) ((NIL NIL \"imap\" \"cac.washington.edu\")) "
        + "((NIL NIL \"minutes\" \"CNRI.Reston.VA.US\")(\"John \\\"K\\\"\" NIL \"KLENSIN\" \"MIT.EDU\")) "
        + "((NIL NIL \"x\" \"y\")) \"<i@r>\" \"<B27397-0100000@cac.washington.edu>\")")
  }

  @Test(arguments: [
    ("a@b", "((NIL NIL \"a\" \"b\"))"),
    ("a@b (Comment (n) \\) Here)", "((\"Comment (n) ) Here\" NIL \"a\" \"b\"))"),
    ("(x) a@b", "((NIL NIL \"a\" \"b\"))"),
    ("A B. <@r1,@r2:a@b>", "((\"A B.\" \"@r1,@r2\" \"a\" \"b\"))"),
    (
      "grp: a@b, C <c@d>;, e@f",
      "((NIL NIL \"grp\" NIL)(NIL NIL \"a\" \"b\")(\"C\" NIL \"c\" \"d\")(NIL NIL NIL NIL)(NIL NIL \"e\" \"f\"))"
    ),
    ("undisclosed-recipients:;", "((NIL NIL \"undisclosed-recipients\" NIL)(NIL NIL NIL NIL))"),
    ("grp: a@b", "((NIL NIL \"grp\" NIL)(NIL NIL \"a\" \"b\")(NIL NIL NIL NIL))"),
    ("a . b @ c . d", "((NIL NIL \"a.b\" \"c.d\"))"),
    ("\"a b\".c@[1.2.3.4]", "((NIL NIL \"a b.c\" \"[1.2.3.4]\"))"),
    (",a@b,,c@d,", "((NIL NIL \"a\" \"b\")(NIL NIL \"c\" \"d\"))"),
    ("foo", "((NIL NIL \"foo\" \"MISSING_DOMAIN\"))"),
    ("\"foo\"", "((\"foo\" NIL \"MISSING_MAILBOX\" \"MISSING_DOMAIN\"))"),
    ("Foo Bar", "((\"Foo Bar\" NIL \"MISSING_MAILBOX\" \"MISSING_DOMAIN\"))"),
    ("@b", "((NIL NIL \"MISSING_MAILBOX\" \"b\"))"),
    ("Foo <>", "((\"Foo\" NIL \"MISSING_MAILBOX\" \"MISSING_DOMAIN\"))"),
    ("<a@b, c@d", "((NIL NIL \"a\" \"SYNTAX_ERROR\")(NIL NIL \"c\" \"d\"))"),
    ("<@a,b>", "((NIL \"INVALID_ROUTE\" \"b\" \"MISSING_DOMAIN\"))"),
    ("a@b c@d", "((NIL NIL \"a\" \"b\"))"),
    ("\"x, a@b", "((NIL NIL \"MISSING_MAILBOX\" \"MISSING_DOMAIN\"))"),
    ("(x", "NIL"), ("", "NIL"), (" , ", "NIL"),
    ("=?utf-8?q?A?= =?utf-8?q?B?= <a@b>", "((\"=?utf-8?q?A?= =?utf-8?q?B?=\" NIL \"a\" \"b\"))"),
    ("\"\" <a@b>", "((NIL NIL \"a\" \"b\"))"),
    ("J\u{E9} <a@b>", "(({3}\r\nJ\u{E9} NIL \"a\" \"b\"))"),
  ]) func `Addresses are read`(value: String, expected: String) {
    #expect(to(value) == expected)
  }

  @Test func `Sender and Reply-To fall back to From when empty`() {
    let one = "((NIL NIL \"a\" \"b\"))"
    #expect(
      message("From: a@b\nSender:\nReply-To: ,\n\n").envelope == "(NIL NIL \(one) \(one) \(one) NIL NIL NIL NIL NIL)")
  }

  @Test func `Fields of one kind are put together, of others the last counts`() {
    let bytes = message("To: a@b\nSubject: 1\nTo: c@d\nSubject: 2\n\n")
    #expect(bytes.envelope == "(NIL \"2\" NIL NIL NIL ((NIL NIL \"a\" \"b\")(NIL NIL \"c\" \"d\")) NIL NIL NIL NIL)")
  }

  @Test func `8-bit bytes and NUL go as literals`() {
    var bytes = Array("Subject: ".utf8)
    bytes += [0xE9, 0x00] + Array("\r\n\r\n".utf8)
    let envelope = Array(buffer: bytes.summary.envelope)
    #expect(envelope.starts(with: Array("(NIL {4}\r\n".utf8) + [0xE9, 0xEF, 0xBF, 0xBD, 0x20]))
  }

  @Test func `A list of a million addresses is cut`() {
    let bytes = Array(("To: " + String(repeating: "a,", count: 500_000) + "\r\n\r\n").utf8)
    let items = SExpression.read(Array(buffer: bytes.summary.envelope))?.items
    #expect(items?[5].items?.count == 10_000)
  }

  @Test func `Parsed addresses are values`() {
    let bytes = Array("A <a@b>, g:;".utf8)
    let list = Address.parse(bytes.span.bytes, in: 0..<bytes.count)
    #expect(list.map(\.mailbox) == [[0x61], [0x67], nil])
    #expect(list.map(\.host) == [[0x62], nil, nil])
    #expect(list[0].name == [0x41])
  }
}
