import MailNet
import Testing

@testable import MailClient

@Suite struct RemoteURLTests {
  struct Good: Sendable, CustomStringConvertible {
    let text: String
    let mailProtocol: MailProtocol
    var isTLS = false
    var user: String?
    let host: String
    let port: Int
    var mailbox: String?
    var description: String { text }
  }

  @Test(arguments: [
    Good(text: "imap://h", mailProtocol: .imap, host: "h", port: 143),
    Good(text: "imaps://h", mailProtocol: .imap, isTLS: true, host: "h", port: 993),
    Good(text: "pop3://h", mailProtocol: .pop3, host: "h", port: 110),
    Good(text: "pop3s://h/", mailProtocol: .pop3, isTLS: true, host: "h", port: 995),
    Good(text: "pop://h", mailProtocol: .pop3, host: "h", port: 110),
    Good(text: "IMAPS://Mail.Example.ORG", mailProtocol: .imap, isTLS: true, host: "mail.example.org", port: 993),
    Good(text: "imap://h:1143", mailProtocol: .imap, host: "h", port: 1143),
    Good(text: "imap://h:", mailProtocol: .imap, host: "h", port: 143),
    Good(text: "imap://budi@h", mailProtocol: .imap, user: "budi", host: "h", port: 143),
    Good(text: "imap://user@example.org@h", mailProtocol: .imap, user: "user@example.org", host: "h", port: 143),
    Good(text: "imap://user%40example.org@h:1", mailProtocol: .imap, user: "user@example.org", host: "h", port: 1),
    Good(text: "imap://a%3Ab%2Fc@h", mailProtocol: .imap, user: "a:b/c", host: "h", port: 143),
    Good(text: "imap://budi;AUTH=*@h", mailProtocol: .imap, user: "budi", host: "h", port: 143),
    Good(text: "imap://budi;auth=*@h", mailProtocol: .imap, user: "budi", host: "h", port: 143),
    Good(text: "imap://b%C3%BCdi@h", mailProtocol: .imap, user: "büdi", host: "h", port: 143),
    Good(text: "imap://[::1]", mailProtocol: .imap, host: "::1", port: 143),
    Good(
      text: "imaps://u@[2001:DB8::2]:9993/x", mailProtocol: .imap, isTLS: true, user: "u", host: "2001:db8::2",
      port: 9993, mailbox: "x"),
    Good(text: "imap://[fe80::1%25eth0]:143", mailProtocol: .imap, host: "fe80::1%eth0", port: 143),
    Good(text: "imap://127.0.0.1:65535/", mailProtocol: .imap, host: "127.0.0.1", port: 65535),
    Good(text: "imap://h/INBOX", mailProtocol: .imap, host: "h", port: 143, mailbox: "INBOX"),
    Good(text: "imap://h/a/b%20c/", mailProtocol: .imap, host: "h", port: 143, mailbox: "a/b c"),
    Good(text: "imap://u@h/me@work", mailProtocol: .imap, user: "u", host: "h", port: 143, mailbox: "me@work"),
    Good(text: "imap://h/%E9%B3%A9%3B%3F", mailProtocol: .imap, host: "h", port: 143, mailbox: "鳩;?"),
    Good(text: "imap://h/#shared", mailProtocol: .imap, host: "h", port: 143, mailbox: "#shared"),
  ])
  func `URLs as people write them`(_ good: Good) throws {
    let url = try RemoteURL(good.text)
    #expect(url.mailProtocol == good.mailProtocol)
    #expect(url.isImplicitTLS == good.isTLS)
    #expect(url.user == good.user)
    #expect(url.host == good.host)
    #expect(url.port == good.port)
    #expect(url.mailbox == good.mailbox)
  }

  @Test(arguments: [
    ("", "this is no URL"), ("mail.example.org", "this is no URL"), ("imap:h", "this is no URL"),
    ("smtp://h", "begins with imaps://"), ("https://h", "begins with imaps://"), ("://h", "begins with imaps://"),
    ("imap://", "no host name"), ("imap:///INBOX", "no host name"), ("imap://u@", "no host name"),
    ("imap://:143", "no host name"), ("imap://@h", "no user name"), ("imap://;AUTH=*@h", "no user name"),
    ("imap://u;AUTH=PLAIN@h", "the best mechanism is chosen"),
    ("imap://h:0", "no port"), ("imap://h:65536", "no port"), ("imap://h:x", "no port"), ("imap://h:+5", "no port"),
    ("imap://h:000143", "no port"),
    ("imap://::1", "in brackets"), ("imap://[::1", "] behind"), ("imap://[::1]143", "behind the ]"),
    ("imap://[h]", "in brackets"), ("imap://[::x]", "no IPv6 address"),
    ("imap://h h", "no host name has"), ("imap://h%00", "no host name"), ("imap://h%0d%0a", "no host name"),
    ("imap://bücher.example", "xn--"), ("imap://-h", "no host name has"), ("imap://h%2Fx", "no host name has"),
    ("imap://u%zz@h", "not well encoded"), ("imap://u%4@h", "not well encoded"), ("imap://u%ff@h", "not well encoded"),
    ("imap://u%0D%0ALOGOUT@h", "not well encoded"), ("imap://h/a%0Ab", "not well encoded"),
    ("imap://h/INBOX;UIDVALIDITY=1", "no message or search"),
    ("imap://h/INBOX/;UID=20", "no message or search"), ("imap://h/INBOX?TEXT%20x", "no message or search"),
    ("pop3://h/INBOX", "one mailbox only"),
    ("imap://" + String(repeating: "a", count: 300), "too long"),
    ("imap://h/" + String(repeating: "a", count: 9000), "too long"),
  ])
  func `What can't be a URL is refused with its reason`(text: String, reason: String) {
    let error = #expect(throws: ClientError.self) { try RemoteURL(text) }
    #expect(error?.description.contains(reason) == true, "\(String(describing: error))")
  }

  @Test(arguments: [
    "imap://budi:geheim77@h", "imaps://budi:geheim77@h:993/INBOX", "pop3://budi:geheim77;AUTH=*@h",
    "imap://budi:geheim77@x@h", "imap://budi:geheim77/rest@h", "imap://budi:geheim77", "imap://:geheim77@h",
    "imap://budi;geheim77@h", "imap://budi%geheim77@h", "geheim77", "geheim77://h",
  ])
  func `A password is refused, and not repeated wherever it stands`(text: String) {
    let error = #expect(throws: ClientError.self) { try RemoteURL(text) }
    #expect(error?.description.contains("geheim77") == false)
    if text.contains("@h") && text.contains("budi:geheim77") && !text.contains("/rest") {
      #expect(error?.description.contains("--password-command") == true)
    }
  }

  @Test func `The scheme and --starttls make the encryption`() throws {
    for (text, startTLS, encryption) in [
      ("imap://h", false, TransportSecurity.Encryption.none), ("imap://h", true, .startTLS),
      ("imaps://h", false, .implicit),
    ] {
      let server = try RemoteURL(text).server(startTLS: startTLS, trust: .system, allowsCleartextLogin: true)
      #expect(server.security.encryption == encryption)
      #expect(server.security.allowsCleartextLogin)
    }
    #expect(throws: ClientError.self) {
      try RemoteURL("pop3s://h").server(startTLS: true, trust: .system, allowsCleartextLogin: false)
    }
  }

  @Test(arguments: [
    "imaps://budi@mail.example.org:993", "imap://user%40example.org@h:143", "pop3s://[::1]:995", "pop3://a%3Ab@h:1",
  ])
  func `A server's description is a URL again`(text: String) throws {
    let server = try RemoteURL(text).server(startTLS: false, trust: .system, allowsCleartextLogin: false)
    #expect(server.description == text)
  }
}
