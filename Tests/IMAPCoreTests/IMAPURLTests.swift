import IMAPCore
import NIOCore
import Testing

private func parse(_ text: String) -> IMAPURL? { IMAPURL.parse(bytes(text)) }

@Suite struct IMAPURLTests {
  @Test func `What is printed is read back the same`() {
    for seed in 0..<4000 {
      var generator = CommandGenerator(seed: UInt64(seed))
      let url = generator.url()
      #expect(parse("\(url)") == url, "seed \(seed): \(url)")
    }
  }

  @Test func `The examples of RFC 4469, RFC 5092 and RFC 8508`() {
    #expect(
      parse("/Drafts;UIDVALIDITY=385759045/;UID=20/;section=1.MIME")
        == IMAPURL(
          mailbox: MailboxName("Drafts"), uidValidity: 385_759_045,
          message: .init(uid: 20, section: BodySection(part: [1], .mime))))
    #expect(parse("/Drafts/;UID=3002") == IMAPURL(mailbox: MailboxName("Drafts"), message: .init(uid: 3002)))
    #expect(
      parse("imap://minbari.example.org/gray-council;UIDVALIDITY=385759045/;UID=20/;PARTIAL=0.1024")
        == IMAPURL(
          server: .init(host: "minbari.example.org"), mailbox: MailboxName("gray-council"), uidValidity: 385_759_045,
          message: .init(uid: 20, partial: .init(offset: 0, count: 1024))))
    #expect(
      parse("imap://;AUTH=*@minbari.example.org/gray%20council?SUBJECT%20shadows")
        == IMAPURL(
          server: .init(mechanism: "*", host: "minbari.example.org"), mailbox: MailboxName("gray council"),
          search: "SUBJECT shadows"))
    #expect(
      parse(
        "imap://joe@example.com/INBOX/;uid=20/;section=1.2;urlauth=submit+fred:internal:91354a473744909de610943775f92038"
      )
        == IMAPURL(
          server: .init(user: "joe", host: "example.com"), mailbox: .inbox,
          message: .init(
            uid: 20, section: BodySection(part: [1, 2]),
            authorization: .init(
              access: .submit("fred"), proof: .init(mechanism: "INTERNAL", token: "91354a473744909de610943775f92038"))))
    )
    #expect(
      parse(
        "/a/b/;UID=1/;SECTION=HEADER.FIELDS%20(Subject%20%22To%22)/;PARTIAL=7;EXPIRE=1970-01-02T01:00:00.5+01:00;URLAUTH=anonymous"
      )
        == IMAPURL(
          mailbox: MailboxName("a/b"),
          message: .init(
            uid: 1, section: BodySection(.headerFields(["Subject", "To"])), partial: .init(offset: 7),
            authorization: .init(expires: 86_400, access: .anonymous))))
    #expect(parse("/%e6%97%a5%e6%9c%ac/;UID=1")?.mailbox == MailboxName("日本"))
    #expect(parse("") == IMAPURL())
    #expect(parse("imap://h/") == IMAPURL(server: .init(host: "h")))
  }

  @Test(arguments: [
    ";UID=20", "INBOX/;UID=20", "/;UID=20", "//", "http://x/y", "/INBOX;UID=20", "/INBOX/;UID=0",
    "/INBOX/;UID=4294967296",
    "/INBOX/;UID=1/", "/INBOX/;UID=1/;SECTION=", "/INBOX/;UID=1/;SECTION=0", "/INBOX/;UID=1/;SECTION=MIME",
    "/INBOX/;UID=1/;SECTION=1]x", "/INBOX/;UID=1/;PARTIAL=", "/INBOX/;UID=1/;PARTIAL=1.0", "/INBOX/;UID=1/;PARTIAL=-1",
    "/INBOX/;UID=1 ", "/IN BOX/;UID=1", "/IN%2/;UID=1", "/IN%zz/;UID=1", "/%ff/;UID=1", "/%00/;UID=1",
    "/a%0d%0ab/;UID=1",
    "/../x/;UID=1", "/a/./b/;UID=1", "/a;UIDVALIDITY=0/;UID=1", "/a;UIDVALIDITY=/;UID=1", "/a;UIDVALIDITY=1;UID=1",
    "/Entwürfe/;UID=1", "/a/;UID=1;URLAUTH=", "/a/;UID=1;URLAUTH=somebody", "/a/;UID=1;URLAUTH=user+",
    "/a/;UID=1;URLAUTH=authuser:INTERNAL", "/a/;UID=1;URLAUTH=authuser:INTERNAL:0123", "/a/;UID=1;EXPIRE=2020-01-01",
    "/a/;UID=1;EXPIRE=2020-02-30T00:00:00Z;URLAUTH=authuser", "/a/;UID=1;EXPIRE=2020-02-20T00:00:00Z",
    "imap://@h/a", "imap://u@/a", "imap://h:99999/a", "imap:///a", "/a?", "/a/;UID=1?ALL", "/a\u{0}/;UID=1",
  ])
  func `What is no URL here is refused`(text: String) {
    #expect(parse(text) == nil)
  }

  @Test func `Too long a URL is refused`() {
    #expect(parse("/" + String(repeating: "a", count: 900) + "/;UID=1") != nil)
    #expect(parse("/" + String(repeating: "a", count: 1001) + "/;UID=1") == nil)
    #expect(parse("/a?" + String(repeating: "a", count: 4094)) == nil)
  }

  @Test func `The rump is cut off the octets, unchanged`() {
    let token = String(repeating: "0", count: 32)
    let rump = "imap://J%6fe@ex.org:143/a/;uid=1;urlauth=user+x"
    #expect(IMAPURL.rump(of: bytes(rump + ":internal:" + token)) == bytes(rump))
    #expect(IMAPURL.rump(of: bytes("abc")) == nil)
  }

  @Test func `A response code carries no octet that would end it`() {
    #expect(IMAPURL.responseText(bytes("/a]b\r\n\u{0}é\\/;UID=1")) == "/a%5Db%0D%0A%00%C3%A9%5C/;UID=1")
  }
}
