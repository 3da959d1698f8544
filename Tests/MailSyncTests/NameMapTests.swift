import IMAPCore
import LocalMail
import NIOCore
import Testing

@testable import MailSync

@Suite("Names, dates and Message-IDs")
struct NameMapTests {
  static func map(_ prefix: String, _ delimiter: Character?) -> NameMap {
    var traits = RemoteTraits()
    traits.prefix = prefix
    traits.delimiter = delimiter
    return NameMap(traits)
  }

  @Test(
    "Names go there and back",
    arguments: [
      ("", "/", "INBOX", ["INBOX"]), ("", "/", "Archive/2024", ["Archive", "2024"]), ("", ".", "a/b.c", ["a/b", "c"]),
      ("INBOX.", ".", "INBOX.Sent", ["Sent"]), ("INBOX.", ".", "INBOX", ["INBOX"]),
      ("", "/", "INBOX/x", ["INBOX", "x"]),
      ("", "/", "Entwürfe/日本", ["Entwürfe", "日本"]), ("", "/", "a.b/c", ["a.b", "c"]),
    ] as [(String, Character, String, [String])])
  func roundTrip(prefix: String, delimiter: Character, name: String, path: [String]) {
    let map = Self.map(prefix, delimiter)
    #expect(map.local(name) == path)
    #expect(map.remote(path) == name)
  }

  @Test("INBOX in any case is INBOX; what would be taken for it is refused")
  func inbox() {
    #expect(Self.map("", "/").local("inbox") == ["INBOX"])
    #expect(Self.map("", "/").remote(["Inbox"]) == "INBOX")
    #expect(Self.map("INBOX.", ".").local("INBOX.INBOX") == nil)
    #expect(Self.map("", "/").local("a//b") == nil)
    #expect(Self.map("", "/").local("a\u{1F}b") == nil)
  }

  @Test("A flat server has no levels")
  func flat() {
    #expect(Self.map("", nil).local("a/b") == ["a/b"])
    #expect(Self.map("", nil).remote(["a"]) == "a")
    #expect(Self.map("", nil).remote(["a", "b"]) == nil)
    #expect(Self.map("", ".").remote(["a.b"]) == nil)
  }

  @Test(
    "Days are those of the calendar",
    arguments: [
      (0, "1970-01-01"), (-1, "1969-12-31"), (951_782_400, "2000-02-29"), (951_868_800, "2000-03-01"),
      (1_790_000_000, "2026-09-21"), (4_107_542_399, "2100-02-28"), (4_107_542_400, "2100-03-01"),
    ] as [(Int64, String)])
  func days(seconds: Int64, text: String) { #expect(CalendarDay.text(seconds) == text) }

  @Test(
    "The Message-ID is found however it is written",
    arguments: [
      ("Message-ID: <a@b>\r\n\r\n", "<a@b>"), ("MESSAGE-Id:\r\n <a@b>\r\n\r\n", "<a@b>"),
      ("message-id : <a @ b>\n\n", "<a@b>"),
      ("Subject: x\r\n\r\nMessage-ID: <body@b>\r\n", nil), ("Message-ID:\r\n\r\n", nil), ("", nil),
      ("X-Message-ID: <x>\r\nMessage-ID: <a@b>\r\nMessage-ID: <c@d>\r\n", "<a@b>"),
    ] as [(String, String?)])
  func messageID(text: String, expected: String?) {
    #expect(MessageIDField.read(ByteBuffer(string: text)) == expected)
  }

  @Test("Flags of Maildir and of IMAP are the same")
  func maildirFlags() {
    var flags = MaildirFlags()
    flags.seen = true
    flags.replied = true
    flags.passed = true
    flags.trashed = true
    flags.keywords = ["Work", "not an atom"]
    let sync = SyncFlags(flags)
    #expect(sync.system == [.seen, .answered, .deleted])
    #expect(sync.keywords == [KeywordName("$forwarded"), KeywordName("work")])
    #expect(sync.maildir.passed && sync.maildir.keywords == ["Work"])
    #expect(SyncFlags(sync.maildir) == sync)
  }
}
