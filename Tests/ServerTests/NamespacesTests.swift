import IMAPCore
import MailStore
import Testing

@testable import IMAPServer

@Suite struct NamespacesTests {
  private static func namespaces(
    _ others: String = "shared/", _ everybodys: String = "Public/", _ account: String = "umum"
  )
    -> Namespaces
  {
    var settings = IMAPServerSettings(now: { 0 })
    settings.othersPrefix = others
    settings.publicPrefix = everybodys
    settings.publicAccount = account
    return Namespaces(settings)
  }

  @Test(
    arguments: [
      ("INBOX", .own), ("Kerja/shared/ana", .own), ("sharedx", .own), ("Shared/ana/INBOX", .own), ("", .own),
      ("shared", .level), ("shared/", .level), ("shared/ana", .level), ("shared/ana/", .level), ("Public", .level),
      ("Public/", .level), ("shared/ana/INBOX", .others(account: "ana", name: "INBOX")),
      ("shared/ana@x.org/a/b", .others(account: "ana@x.org", name: "a/b")),
      ("shared//x", .others(account: "", name: "x")),
      ("Public/Berita/2026", .others(account: "umum", name: "Berita/2026")),
    ] as [(String, Namespaces.Meaning)])
  func `A name is read as one's own, a level, or another's`(name: String, meaning: Namespaces.Meaning) {
    #expect(Self.namespaces().meaning(of: name) == meaning)
  }

  @Test func `What is shown is read back the same`() {
    let spaces = Self.namespaces()
    #expect(spaces.name(of: "a/b", owner: "ana") == "shared/ana/a/b")
    #expect(spaces.name(of: "a/b", owner: "umum") == "Public/a/b")
    #expect(spaces.meaning(of: "shared/ana/a/b") == .others(account: "ana", name: "a/b"))
    // A prefix of several levels, and none.
    let deep = Self.namespaces("Milik/Orang Lain/", "Umum/")
    #expect(deep.name(of: "INBOX", owner: "ana") == "Milik/Orang Lain/ana/INBOX")
    #expect(deep.meaning(of: "Milik/Orang Lain/ana/INBOX") == .others(account: "ana", name: "INBOX"))
    #expect(deep.meaning(of: "Milik/Orang Lain") == .level)
    #expect(deep.meaning(of: "Milik") == .own)
    let none = Self.namespaces("", "Public/", "")
    #expect(none.meaning(of: "shared/ana/INBOX") == .own)
    #expect(none.meaning(of: "Public/x") == .own)
    #expect(none.name(of: "INBOX", owner: "ana") == nil)
  }

  @Test func `Rights have the same bits in the store and on the wire`() {
    let pairs: [(AccessRights, MailboxRights)] = [
      (.lookup, .lookup), (.read, .read), (.seen, .seen), (.write, .write), (.insert, .insert), (.post, .post),
      (.create, .create), (.deleteMailbox, .deleteMailbox), (.deleteMessages, .deleteMessages), (.expunge, .expunge),
      (.administer, .administer), (.all, .all),
    ]
    for (wire, stored) in pairs {
      #expect(MailboxRights(wire) == stored)
      #expect(AccessRights(stored) == wire)
    }
  }

  @Test func `STORE is cut to what rights allow`() {
    func store(_ mode: StoreCommand.Mode, _ flags: FlagSet, _ keywords: [String] = []) -> StoreCommand {
      StoreCommand(
        uid: false, set: MessageSet([.init(1)]), mode: mode, silent: false, flags: FlagList(flags, keywords: keywords))
    }
    let readers = FlagScope([.lookup, .read, .seen])
    #expect(store(.add, [.seen, .flagged], ["x"]).change(within: readers)?.change == FlagChange(.add, .seen))
    #expect(store(.add, [.seen]).change(within: readers)?.isCut == false)
    #expect(store(.add, [.flagged]).change(within: readers) == nil)
    #expect(store(.replace, [.flagged]).change(within: FlagScope([.read])) == nil)
    let replaced = store(.replace, [.flagged]).change(within: readers)
    #expect(replaced?.isCut == true)
    #expect(replaced?.change.flags == [])
    #expect(replaced?.change.kept == [.answered, .flagged, .deleted, .draft])
    #expect(replaced?.change.keepsKeywords == true)
    #expect(
      store(.replace, [.flagged], ["x"]).change(within: .all)?.change == FlagChange(.replace, .flagged, keywords: ["x"])
    )
    #expect(store(.remove, [], ["x"]).change(within: FlagScope([.write]))?.isCut == false)
  }
}
