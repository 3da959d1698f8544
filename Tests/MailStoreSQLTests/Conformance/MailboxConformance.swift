import MailFormat
import MailStore
import MailTestKit
import NIOCore
import Testing

@Suite struct MailboxConformance {
  @Test(arguments: Engine.allCases)
  func `CREATE makes missing parents, ignores a trailing separator and refuses what exists`(_ engine: Engine)
    async throws
  {
    try await withStore(engine) { store, _ in
      let ana = try await store.add("ana")
      let made = try await store.createMailbox("Work/2026/Bills/", of: ana.id, specialUse: nil)
      #expect(made.name == "Work/2026/Bills")
      #expect(try await store.mailbox(named: "Work/2026", of: ana.id)?.isSelectable == true)
      #expect(try await store.mailbox(named: "Work", of: ana.id) != nil)
      let again = await thrown { _ = try await store.createMailbox("Work", of: ana.id, specialUse: nil) }
      #expect(again == .mailboxExists("Work"))
      for name in ["inbox", "InBox"] {
        #expect(await thrown { _ = try await store.createMailbox(name, of: ana.id, specialUse: nil) } == .inboxIsFixed)
      }
      let special = try await store.createMailbox("All", of: ana.id, specialUse: .all)
      #expect(special.specialUse == .all && !special.isSubscribed)
    }
  }

  @Test(arguments: Engine.allCases)
  func `Malformed names are refused`(_ engine: Engine) async throws {
    try await withStore(engine) { store, _ in
      let ana = try await store.add("ana")
      let deep = Array(repeating: "a", count: 33).joined(separator: "/")
      for name in ["", "/a", "a//b", "a\u{1}", "a\u{2028}b", "a\u{FFFD}", deep, String(repeating: "x", count: 1001)] {
        guard
          case .invalidMailboxName = await thrown({
            _ = try await store.createMailbox(name, of: ana.id, specialUse: nil)
          })
        else {
          Issue.record("accepted \(name.prefix(20))")
          continue
        }
      }
    }
  }

  @Test(arguments: Engine.allCases)
  func `INBOX is matched without case, alone and as the first level`(_ engine: Engine) async throws {
    try await withStore(engine) { store, _ in
      let ana = try await store.add("ana")
      _ = try await store.createMailbox("inbox/Lists", of: ana.id, specialUse: nil)
      _ = try await store.createMailbox("Inboxes", of: ana.id, specialUse: nil)
      #expect(try await store.mailbox(named: "iNbOx", of: ana.id)?.name == "INBOX")
      #expect(try await store.mailbox(named: "InBox/Lists", of: ana.id)?.name == "INBOX/Lists")
      #expect(try await store.mailbox(named: "inboxes", of: ana.id) == nil)
      #expect(try await store.mailbox(named: "sent", of: ana.id) == nil)
      let names = try await store.mailboxes(of: ana.id).mailboxes.map(\.name)
      #expect(names.prefix(3) == ["INBOX", "Archive", "Drafts"])
      #expect(names.contains("INBOX/Lists"))
    }
  }

  @Test(arguments: Engine.allCases)
  func `UIDVALIDITY and numbers are never used again after DELETE and CREATE`(_ engine: Engine) async throws {
    try await withStore(engine) { store, _ in
      let ana = try await store.add("ana")
      var seen: [UInt32] = []
      var numbers: Set<MailboxID> = []
      for _ in 0..<5 {
        let info = try await store.createMailbox("Again", of: ana.id, specialUse: nil)
        #expect(seen.allSatisfy { $0 < info.uidValidity })
        #expect(numbers.insert(info.id).inserted)
        seen.append(info.uidValidity)
        try await store.put(in: "Again", of: ana)
        try await store.deleteMailbox("Again", of: ana.id)
      }
      #expect(try await store.usage(ana) == QuotaUsage())
    }
  }

  @Test(arguments: Engine.allCases)
  func `DELETE of a mailbox with children leaves a name that holds nothing`(_ engine: Engine) async throws {
    try await withStore(engine) { store, _ in
      let ana = try await store.add("ana")
      _ = try await store.createMailbox("a/b", of: ana.id, specialUse: nil)
      try await store.fill(3, in: "a", of: ana)
      let before = try await store.info("a", of: ana)
      let open = try await store.openMailbox("a", of: ana.id) {}
      try await store.deleteMailbox("a", of: ana.id)
      #expect(open.current == nil)
      open.close()
      let left = try await store.info("a", of: ana)
      #expect(!left.isSelectable && left.messages == 0)
      #expect(try await store.usage(ana) == QuotaUsage())
      #expect(await thrown { try await store.deleteMailbox("a", of: ana.id) } == .hasChildren("a"))
      #expect(await thrown { try await store.put(in: "a", of: ana) } == .notSelectable("a"))
      #expect(await thrown { _ = try await store.openMailbox("a", of: ana.id) {} } == .notSelectable("a"))
      let revived = try await store.createMailbox("a", of: ana.id, specialUse: nil)
      #expect(revived.isSelectable && revived.uidValidity > before.uidValidity)
      #expect(try await store.put(in: "a", of: ana) == 1)
      try await store.deleteMailbox("a/b", of: ana.id)
      try await store.deleteMailbox("a", of: ana.id)
      #expect(try await store.mailbox(named: "a", of: ana.id) == nil)
      #expect(await thrown { try await store.deleteMailbox("a", of: ana.id) } == .noSuchMailbox("a"))
      #expect(await thrown { try await store.deleteMailbox("inbox", of: ana.id) } == .inboxIsFixed)
    }
  }

  @Test(arguments: Engine.allCases)
  func `RENAME takes children, messages, UIDs and UIDVALIDITY along`(_ engine: Engine) async throws {
    try await withStore(engine) { store, _ in
      let ana = try await store.add("ana")
      _ = try await store.createMailbox("old/x/y", of: ana.id, specialUse: nil)
      _ = try await store.createMailbox("older", of: ana.id, specialUse: nil)
      let uid = try await store.put(in: "old/x", of: ana)
      let before = try await store.info("old/x", of: ana)
      let open = try await store.openMailbox("old/x", of: ana.id) {}
      try await store.renameMailbox("old", to: "new/place", of: ana.id)
      let after = try await store.info("new/place/x", of: ana)
      #expect(after.id == before.id && after.uidValidity == before.uidValidity && after.messages == 1)
      #expect(open.current?.uids == [uid])
      open.close()
      #expect(try await store.mailbox(named: "old", of: ana.id) == nil)
      #expect(try await store.mailbox(named: "new/place/x/y", of: ana.id) != nil)
      #expect(try await store.mailbox(named: "new", of: ana.id) != nil)
      #expect(try await store.mailbox(named: "older", of: ana.id) != nil)
      #expect(await thrown { try await store.renameMailbox("none", to: "z", of: ana.id) } == .noSuchMailbox("none"))
      #expect(await thrown { try await store.renameMailbox("new", to: "Sent", of: ana.id) } == .mailboxExists("Sent"))
      guard
        case .invalidMailboxName = await thrown({ try await store.renameMailbox("new", to: "new/in", of: ana.id) })
      else {
        Issue.record("a mailbox was moved into itself")
        return
      }
    }
  }

  @Test(arguments: Engine.allCases)
  func `RENAME of INBOX moves its messages, keeps UIDLs, and leaves INBOX and its children`(_ engine: Engine)
    async throws
  {
    try await withStore(engine) { store, _ in
      let ana = try await store.add("ana")
      _ = try await store.createMailbox("INBOX/child", of: ana.id, specialUse: nil)
      try await store.fill(3, of: ana)
      let inbox = try await store.info("INBOX", of: ana)
      let drop = try await store.openMaildrop(of: ana.id)
      let uidls = drop.messages.map(\.uidl)
      drop.close()
      try await store.renameMailbox("inbox", to: "Old mail", of: ana.id)
      let after = try await store.info("INBOX", of: ana)
      #expect(after.id == inbox.id && after.messages == 0 && after.uidNext == 4)
      #expect(try await store.info("Old mail", of: ana).messages == 3)
      #expect(try await store.mailbox(named: "INBOX/child", of: ana.id) != nil)
      let old = try await store.ref("Old mail", of: ana)
      _ = try await store.move([1, 2, 3], from: old, to: "INBOX")
      let back = try await store.openMaildrop(of: ana.id)
      #expect(back.messages.map(\.uidl) == uidls)
      #expect(back.messages.map(\.uid) == [4, 5, 6])
      back.close()
    }
  }

  @Test(arguments: Engine.allCases)
  func `Subscriptions are names and outlive their mailboxes`(_ engine: Engine) async throws {
    try await withStore(engine) { store, bed in
      let ana = try await store.add("ana")
      _ = try await store.createMailbox("List", of: ana.id, specialUse: nil)
      try await store.setSubscribed(true, "List", of: ana.id)
      #expect(try await store.info("List", of: ana).isSubscribed)
      let open = try await store.openMailbox("List", of: ana.id) {}
      #expect(open.info.isSubscribed)
      open.close()
      try await store.deleteMailbox("List", of: ana.id)
      #expect(try await store.mailboxes(of: ana.id).subscribedWithoutMailbox == ["List"])
      #expect(await thrown { try await store.setSubscribed(true, "None", of: ana.id) } == .noSuchMailbox("None"))
      try await store.setSubscribed(false, "inbox", of: ana.id)
      #expect(try await store.info("INBOX", of: ana).isSubscribed == false)
      try await store.setSubscribed(false, "List", of: ana.id)
      #expect(try await store.mailboxes(of: ana.id).subscribedWithoutMailbox == [])
    }
  }

  @Test(arguments: Engine.allCases)
  func `An account has a bounded number of mailboxes`(_ engine: Engine) async throws {
    try await withStore(engine) { store, _ in
      let ana = try await store.add("ana")
      // Thirty-one names a call; 6 are there from the start.
      let tail = (0..<30).map { "\($0)" }.joined(separator: "/")
      for number in 0..<322 { _ = try await store.createMailbox("m\(number)/\(tail)", of: ana.id, specialUse: nil) }
      let full = await thrown { _ = try await store.createMailbox("x/\(tail)", of: ana.id, specialUse: nil) }
      #expect(full == .tooManyMailboxes(limit: 10_000))
      #expect(try await store.mailbox(named: "x", of: ana.id) == nil)
      #expect(try await store.mailboxes(of: ana.id).mailboxes.count == 6 + 322 * 31)
    }
  }
}
