import MailStore
import MailTestKit
import NIOCore
import Testing

/// Numbers that come along with imported mail: UIDVALIDITY, UIDs, UIDNEXT and UIDLs.
@Suite struct ImportConformance {
  private func item(
    _ store: any MailStore, _ subject: String = "Old", uid: UID? = nil, uidl: String? = nil
  ) async throws -> AppendedMessage {
    AppendedMessage(
      message: try await store.prepare(Mail.text(subject)), flags: [.seen, .flagged], keywords: ["$Label1"],
      date: InternalDate(seconds: 1_000_000_000, zoneMinutes: 420), uid: uid, uidl: uidl)
  }

  private func uidls(_ store: any MailStore, _ mailbox: String, of account: Account) async throws -> [String] {
    let ref = try await store.ref(mailbox, of: account)
    let uids = try await store.state(mailbox, of: account).map(\.uid)
    let seen = Gathered<String>()
    _ = try await store.visit(ref, uids[...], needs: .uidl) { row throws(StoreError) in
      seen.add(row.uidl)
      return .next
    }
    return seen.values
  }

  @Test(arguments: Engine.allCases)
  func `UIDs, UIDLs, dates, flags and keywords come as they were, and survive a restart`(_ engine: Engine) async throws
  {
    let bed = try StoreBed(engine)
    var store = try bed.open()
    let ana = try await store.add("ana")
    let info = try await store.prepareImport(
      ImportedMailbox(name: "INBOX", uidValidity: 1_200_000_000, isSubscribed: true), of: ana.id)
    #expect(info.uidValidity == 1_200_000_000 && info.uidNext == 1 && info.isSubscribed)
    let given = try await store.append(
      [
        try await item(store, "One", uid: 7, uidl: "000000074786"), try await item(store, "Two", uid: 40, uidl: "x~!"),
        try await item(store, "Three"),
      ], to: "INBOX", of: ana.id)
    #expect(given.assigned == [7, 40, 41] && given.uidValidity == 1_200_000_000)
    #expect(try await store.put(of: ana) == 42)
    await store.close()

    store = try bed.open()
    let label: Set<String> = ["$Label1"]
    #expect(
      try await store.state("INBOX", of: ana) == [
        SeenMessage(7, [.seen, .flagged], label), SeenMessage(40, [.seen, .flagged], label),
        SeenMessage(41, [.seen, .flagged], label), SeenMessage(42),
      ])
    #expect(try await store.info("INBOX", of: ana).uidValidity == 1_200_000_000)
    let drop = try await store.openMaildrop(of: ana.id)
    #expect(drop.messages.prefix(2).map(\.uidl) == ["000000074786", "x~!"])
    // IMAP's rows say what POP3 says.
    #expect(try await uidls(store, "INBOX", of: ana) == drop.messages.map(\.uidl))
    #expect(Set(drop.messages.map(\.uidl)).count == 4)
    drop.close()
    let ref = try await store.ref("INBOX", of: ana)
    let dates = Gathered<InternalDate>()
    _ = try await store.visit(ref, [7], needs: .dates) { row throws(StoreError) in
      dates.add(row.internalDate)
      return .next
    }
    #expect(dates.values == [InternalDate(seconds: 1_000_000_000, zoneMinutes: 420)])
    #expect(try await store.body(40, in: ref) == Mail.text("Two"))
    #expect(try await store.check().problems == [])
    await store.close()
  }

  @Test(arguments: Engine.allCases)
  func `A UID that is not above all others is refused, with the whole call`(_ engine: Engine) async throws {
    try await withStore(engine) { store, _ in
      let ana = try await store.add("ana")
      _ = try await store.append([try await item(store, uid: 10)], to: "INBOX", of: ana.id)
      let again = [try await item(store, uid: 11), try await item(store, uid: 10, uidl: "b")]
      #expect(
        await thrown { _ = try await store.append(again, to: "INBOX", of: ana.id) }
          == .importRefused(.uidNotAbove(10, uidNext: 12)))
      #expect(try await store.state("INBOX", of: ana).map(\.uid) == [10])
      #expect(try await store.usage(ana).messages == 1)
      // A UID that was expunged is not free either (RFC 9051 §2.3.1.1).
      let ref = try await store.ref("INBOX", of: ana)
      _ = try await store.changeFlags(FlagChange(.add, .deleted), of: [10], in: ref)
      _ = try await store.expunge(nil, in: ref)
      let reused = [try await item(store, uid: 10)]
      #expect(
        await thrown { _ = try await store.append(reused, to: "INBOX", of: ana.id) }
          == .importRefused(.uidNotAbove(10, uidNext: 11)))
      // The refused call has taken no UID along.
      #expect(try await store.put(of: ana) == 11)
    }
  }

  @Test(arguments: Engine.allCases)
  func `A UIDL is refused when it is malformed, taken, or could be given to later mail`(_ engine: Engine) async throws {
    try await withStore(engine) { store, _ in
      let ana = try await store.add("ana")
      let budi = try await store.add("budi")
      func refusal(_ uidls: String...) async throws -> StoreError? {
        var messages: [AppendedMessage] = []
        for uidl in uidls { messages.append(try await item(store, uidl: uidl)) }
        let all = messages
        return await thrown { _ = try await store.append(all, to: "Archive", of: ana.id) }
      }
      for bad in ["", "a b", "tab\t", "ü", String(repeating: "x", count: 71)] {
        #expect(try await refusal(bad) == .importRefused(.malformedUIDL(bad)))
      }
      #expect(try await refusal(String(repeating: "x", count: 70)) == nil)
      #expect(try await refusal("a", "a") == .importRefused(.uidlInUse("a")))
      #expect(try await refusal("a") == nil)
      #expect(try await refusal("a") == .importRefused(.uidlInUse("a")))
      // Another account's UIDLs are its own.
      _ = try await store.append([try await item(store, uidl: "a")], to: "INBOX", of: budi.id)

      // What the store itself gives out.
      try await store.put(of: ana)
      let own = try #require(try await uidls(store, "INBOX", of: ana).first)
      #expect(try await refusal(own) == .importRefused(.uidlInUse(own)))
      let dot = try #require(own.firstIndex(of: "."))
      let later = own[...dot] + "zzzz"
      #expect(try await refusal(String(later)) == .importRefused(.uidlInUse(String(later))))
      // The message is gone and comes back.
      let ref = try await store.ref("INBOX", of: ana)
      _ = try await store.changeFlags(FlagChange(.add, .deleted), of: [1], in: ref)
      _ = try await store.expunge(nil, in: ref)
      #expect(try await refusal(own) == nil)
      #expect(try await refusal(own) == .importRefused(.uidlInUse(own)))
    }
  }

  @Test(arguments: Engine.allCases)
  func `A UIDL goes along with MOVE and not with COPY`(_ engine: Engine) async throws {
    try await withStore(engine) { store, _ in
      let ana = try await store.add("ana")
      _ = try await store.append([try await item(store, uid: 5, uidl: "old")], to: "INBOX", of: ana.id)
      let ref = try await store.ref("INBOX", of: ana)
      _ = try await store.copy([5], from: ref, to: "Sent")
      #expect(try await uidls(store, "Sent", of: ana) != ["old"])
      _ = try await store.move([5], from: ref, to: "Archive")
      #expect(try await uidls(store, "Archive", of: ana) == ["old"])
      let again = [try await item(store, uidl: "old")]
      #expect(
        await thrown { _ = try await store.append(again, to: "INBOX", of: ana.id) } == .importRefused(.uidlInUse("old"))
      )
    }
  }

  @Test(arguments: Engine.allCases)
  func `UIDVALIDITY can be set until the first UID, and later ones go beyond it`(_ engine: Engine) async throws {
    try await withStore(engine) { store, bed in
      let ana = try await store.add("ana")
      let far = UInt32(bed.clock.now) + 1_000_000
      let wanted = ImportedMailbox(name: "Old/Bills", uidValidity: far)
      let info = try await store.prepareImport(wanted, of: ana.id)
      #expect(info.name == "Old/Bills" && info.uidValidity == far)
      #expect(try await store.info("Old", of: ana).uidValidity != far)
      let created = try await store.createMailbox("New", of: ana.id, specialUse: nil)
      #expect(created.uidValidity > far)

      // Again, and another value while nothing has come in.
      #expect(try await store.prepareImport(wanted, of: ana.id).id == info.id)
      let other = try await store.prepareImport(ImportedMailbox(name: "Old/Bills", uidValidity: 77), of: ana.id)
      #expect(other.uidValidity == 77 && other.id != info.id)
      try await store.put(in: "Old/Bills", of: ana)
      #expect(
        await thrown { _ = try await store.prepareImport(wanted, of: ana.id) }
          == .importRefused(.uidValidityFixed(mailbox: "Old/Bills", current: 77)))
      let same = ImportedMailbox(name: "Old/Bills", uidValidity: 77)
      #expect(try await store.prepareImport(same, of: ana.id).messages == 1)
      // Nor after the message is gone again.
      let ref = try await store.ref("Old/Bills", of: ana)
      _ = try await store.changeFlags(FlagChange(.add, .deleted), of: [1], in: ref)
      _ = try await store.expunge(nil, in: ref)
      #expect(
        await thrown { _ = try await store.prepareImport(wanted, of: ana.id) }
          == .importRefused(.uidValidityFixed(mailbox: "Old/Bills", current: 77)))
      for bad in [0, UInt32.max] {
        let wanted = ImportedMailbox(name: "Bad", uidValidity: bad)
        #expect(
          await thrown { _ = try await store.prepareImport(wanted, of: ana.id) }
            == .importRefused(.uidValidityOutOfRange(bad)))
      }
      #expect(try await store.mailbox(named: "Bad", of: ana.id) == nil)
    }
  }

  @Test(arguments: Engine.allCases)
  func `An imported UIDVALIDITY never means other messages under the same name`(_ engine: Engine) async throws {
    try await withStore(engine) { store, _ in
      let ana = try await store.add("ana")
      // Equal values in two mailboxes are common elsewhere.
      for name in ["A", "B"] {
        _ = try await store.prepareImport(ImportedMailbox(name: name, uidValidity: 5), of: ana.id)
        try await store.put(in: name, of: ana)
      }
      try await store.deleteMailbox("B", of: ana.id)
      let wanted = ImportedMailbox(name: "B", uidValidity: 5)
      #expect(
        await thrown { _ = try await store.prepareImport(wanted, of: ana.id) }
          == .importRefused(.uidValidityUsed(mailbox: "B", 5)))
      try await store.renameMailbox("A", to: "C", of: ana.id)
      #expect(try await store.info("C", of: ana).uidValidity == 5)
      try await store.renameMailbox("C", to: "B", of: ana.id)
      #expect(try await store.info("B", of: ana).uidValidity > 5)
      #expect(try await store.state("B", of: ana).map(\.uid) == [1])
    }
  }

  @Test(arguments: Engine.allCases)
  func `A UIDVALIDITY that the store itself gave to a name does not come back with other messages`(_ engine: Engine)
    async throws
  {
    try await withStore(engine) { store, _ in
      let ana = try await store.add("ana")
      let deleted = try await store.createMailbox("Deleted", of: ana.id, specialUse: nil)
      let renamed = try await store.createMailbox("Renamed", of: ana.id, specialUse: nil)
      for name in ["Deleted", "Renamed"] { try await store.put(in: name, of: ana) }
      try await store.deleteMailbox("Deleted", of: ana.id)
      try await store.renameMailbox("Renamed", to: "Elsewhere", of: ana.id)
      for (name, value) in [("Deleted", deleted.uidValidity), ("Renamed", renamed.uidValidity)] {
        let wanted = ImportedMailbox(name: name, uidValidity: value)
        #expect(
          await thrown { _ = try await store.prepareImport(wanted, of: ana.id) }
            == .importRefused(.uidValidityUsed(mailbox: name, value)))
      }
      // Under another name nobody knows it, and the old mailbox may have its name back.
      _ = try await store.prepareImport(ImportedMailbox(name: "Third", uidValidity: deleted.uidValidity), of: ana.id)
      try await store.renameMailbox("Elsewhere", to: "Renamed", of: ana.id)
      #expect(try await store.info("Renamed", of: ana).uidValidity == renamed.uidValidity)
    }
  }

  @Test(arguments: Engine.allCases)
  func `A session on a mailbox that gets another UIDVALIDITY sees its end`(_ engine: Engine) async throws {
    try await withStore(engine) { store, _ in
      let ana = try await store.add("ana")
      let open = try await store.openMailbox("INBOX", of: ana.id) {}
      defer { open.close() }
      _ = try await store.prepareImport(ImportedMailbox(name: "INBOX", uidValidity: 99), of: ana.id)
      #expect(open.current == nil)
      let again = try await store.openMailbox("INBOX", of: ana.id) {}
      defer { again.close() }
      #expect(again.info.uidValidity == 99 && again.current?.count == 0)
      let target = await store.deliver(
        try await store.prepare(Mail.text()), to: [DeliveryTarget(account: ana.id)], date: InternalDate(seconds: 1))
      #expect(try target[0].get().uid == 1)
      #expect(again.current?.uids == [1])
    }
  }

  @Test(arguments: Engine.allCases)
  func `UIDNEXT can be raised and never lowered, and open sessions see it`(_ engine: Engine) async throws {
    try await withStore(engine) { store, _ in
      let ana = try await store.add("ana")
      _ = try await store.append([try await item(store, uid: 3)], to: "INBOX", of: ana.id)
      let open = try await store.openMailbox("INBOX", of: ana.id) {}
      defer { open.close() }
      #expect(try await store.prepareImport(ImportedMailbox(name: "INBOX", uidNext: 50), of: ana.id).uidNext == 50)
      #expect(open.current?.uidNext == 50)
      #expect(try await store.prepareImport(ImportedMailbox(name: "INBOX", uidNext: 9), of: ana.id).uidNext == 50)
      #expect(try await store.put(of: ana) == 50)
    }
  }

  @Test(arguments: Engine.allCases)
  func `A special use goes from a mailbox that was never used to the one that is imported`(_ engine: Engine)
    async throws
  {
    try await withStore(engine) { store, _ in
      let ana = try await store.add("ana")
      try await store.put(in: "Trash", of: ana)
      let sent = try await store.prepareImport(ImportedMailbox(name: "Sent Items", specialUse: .sent), of: ana.id)
      #expect(sent.specialUse == .sent && !sent.isSubscribed)
      #expect(try await store.info("Sent", of: ana).specialUse == nil)
      let trash = try await store.prepareImport(ImportedMailbox(name: "Deleted", specialUse: .trash), of: ana.id)
      #expect(trash.specialUse == nil)
      #expect(try await store.info("Trash", of: ana).specialUse == .trash)
    }
  }

  @Test(arguments: Engine.allCases)
  func `The quota holds for imports, unless an administrator lets it be`(_ engine: Engine) async throws {
    try await withStore(engine) { store, _ in
      let ana = try await store.add("ana", quota: QuotaLimits(messages: 1))
      let two = [try await item(store, uid: 1), try await item(store, uid: 2)]
      #expect(
        await thrown { _ = try await store.append(two, to: "INBOX", of: ana.id) }
          == .overQuota(OverQuota(resource: .messages, limit: 1, usage: 0)))
      _ = try await store.append(two, to: "INBOX", of: ana.id, ignoringQuota: true)
      #expect(try await store.usage(ana).messages == 2)
    }
  }
}
