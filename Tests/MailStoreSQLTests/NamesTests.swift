import MailStore
import NIOCore
import Testing

@testable import MailStoreSQL

@Suite struct NamesTests {
  @Test func `INBOX and one trailing separator are made canonical`() {
    #expect(Names.canonical("iNBOX") == "INBOX")
    #expect(Names.canonical("inbox/") == "INBOX")
    #expect(Names.canonical("Inbox/A") == "INBOX/A")
    #expect(Names.canonical("inboxA") == "inboxA")
    #expect(Names.canonical("a/inbox") == "a/inbox")
    #expect(Names.canonical("a/") == "a")
    #expect(Names.canonical("/") == "/")
    #expect(Names.canonical("") == "")
  }

  @Test func `Lineage and children`() {
    #expect(Names.lineage("a/b/c") == ["a", "a/b", "a/b/c"])
    #expect(Names.lineage("ä") == ["ä"])
    #expect(Names.isChild("a/b", of: "a"))
    #expect(!Names.isChild("ab/c", of: "a") && !Names.isChild("a", of: "a") && !Names.isChild("a/", of: "a"))
  }

  @Test func `INBOX comes first, then octets decide`() {
    #expect(["b", "INBOX", "A", "é", "a/b", "a"].sorted(by: Names.precedes) == ["INBOX", "A", "a", "a/b", "b", "é"])
  }

  @Test func `Sort keys come back as they were`() {
    for keys in [
      SortKeys(
        sentDate: -5, sentDay: 12, baseSubject: "ä", from: "f", to: "", cc: "c", displayFrom: "D", displayTo: "e"),
      SortKeys(sentDate: nil, sentDay: nil, baseSubject: "", from: "", to: "", cc: "", displayFrom: "", displayTo: ""),
    ] {
      let bytes = keys.encoded()
      #expect(bytes.withUnsafeReadableBytes { SortKeys(decoding: $0) } == keys)
      // Cut anywhere, it is read without harm.
      for length in 0..<bytes.readableBytes {
        bytes.withUnsafeReadableBytes { _ = SortKeys(decoding: UnsafeRawBufferPointer(rebasing: $0[..<length])) }
      }
    }
  }

  @Test func `Content keys are in account order and come apart again`() {
    let key = ContentKey.key(77, 123_456)
    #expect(ContentKey.account(key) == 77 && ContentKey.content(key) == 123_456)
    #expect(ContentKey.key(1, StoreLimits.contentsPerAccount - 1) < ContentKey.key(2, 0))
    #expect(ContentKey.key(StoreLimits.accounts - 1, StoreLimits.contentsPerAccount - 1) > 0)
  }

  @Test func `Runs of UIDs`() {
    #expect(UIDRuns.consecutive([1, 2, 3, 5, 7, 8]) == [1...3, 5...5, 7...8])
    #expect(UIDRuns.consecutive([]) == [])
    #expect(UIDRuns.consecutive([UID.max - 1, UID.max]) == [(UID.max - 1)...UID.max])
    #expect(ascending([3, 1, 3, 2]) == [1, 2, 3])
  }
}
