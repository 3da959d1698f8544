import MailStore
import MailTestKit
import NIOCore
import Testing

@testable import MailStoreSQL

@Suite struct UndeleteTests {
  private let keeping = BedSettings(retentionDays: 7)

  private func remove(_ uids: [UID], _ store: SQLStore, _ ref: MailboxRef) async throws {
    _ = try await store.changeFlags(FlagChange(.add, .deleted), of: uids, in: ref)
    #expect(try await store.expunge(uids, in: ref) == uids)
  }

  private func uidls(_ store: SQLStore, _ account: Account) async throws -> [UID: String] {
    let drop = try await store.openMaildrop(of: account.id)
    defer { drop.close() }
    return Dictionary(uniqueKeysWithValues: drop.messages.map { ($0.uid, $0.uidl) })
  }

  @Test func `Deleted mail comes back with new UIDs, its flags, keywords, date and UIDL, and is charged`() async throws
  {
    let bed = try StoreBed()
    let store = try bed.openSQL(keeping)
    let ana = try await store.add("ana")
    try await store.put(
      Mail.text("Kept"), of: ana, flags: [.seen, .flagged], keywords: ["$Work", "blue"],
      date: InternalDate(seconds: 1_700_000_000, zoneMinutes: 420))
    try await store.put(Mail.text("Other"), of: ana)
    let ref = try await store.ref("INBOX", of: ana)
    let before = try await uidls(store, ana)
    let usage = try await store.usage(ana)
    try await remove([1], store, ref)
    bed.clock.advance(3 * 86_400)
    _ = try await store.compact()
    let listing = try await store.deletedMessages(of: ana.id, DeletedFilter())
    #expect(listing.total == 1)
    let shown = try #require(listing.messages.first)
    #expect(shown.subject == "Kept" && shown.from == "Ana <ana@example.org>" && shown.mailbox == "INBOX")
    #expect(shown.uid == 1 && !shown.mailboxDeleted && shown.deleted == bed.clock.now - 3 * 86_400)
    #expect(try await store.keptForUndelete(of: ana.id) == QuotaUsage(bytes: shown.size, messages: 1))
    #expect(try await store.usage(ana).messages == 1)

    let open = try await store.openMailbox("INBOX", of: ana.id) {}
    let report = try await store.undelete(of: ana.id, DeletedFilter(), ignoringQuota: false)
    #expect(report == UndeleteReport(messages: 1, octets: shown.size, mailboxes: ["INBOX": 1]))
    #expect(open.current?.seen == [SeenMessage(2), SeenMessage(3, [.seen, .flagged], ["$Work", "blue"])])
    open.close()
    #expect(try await store.body(3, in: ref) == Mail.text("Kept"))
    #expect(try await uidls(store, ana) == [2: before[2], 3: before[1]])
    #expect(try await store.usage(ana) == usage)
    let dates = Gathered<InternalDate>()
    _ = try await store.visit(ref, [3], needs: .dates) { row in
      dates.add(row.internalDate)
      return .next
    }
    #expect(dates.values == [InternalDate(seconds: 1_700_000_000, zoneMinutes: 420)])
    // Brought back once only.
    #expect(try await store.undelete(of: ana.id, DeletedFilter(), ignoringQuota: false).messages == 0)
    #expect(try await store.check().problems == [])
    // And the reaper does not take the bytes of what came back.
    bed.clock.advance(30 * 86_400)
    _ = try await store.compact()
    #expect(try await store.body(3, in: ref) == Mail.text("Kept"))
    #expect(try await store.check().problems == [])
    await store.close()
  }

  @Test func `A deleted mailbox comes back under its name, with the messages expunged in it before`() async throws {
    let bed = try StoreBed()
    let store = try bed.openSQL(keeping)
    let ana = try await store.add("ana")
    _ = try await store.createMailbox("Work/Bills", of: ana.id, specialUse: nil)
    try await store.put(Mail.text("First"), in: "Work/Bills", of: ana, keywords: ["due"])
    try await store.put(Mail.text("Second"), in: "Work/Bills", of: ana)
    let old = try await store.info("Work/Bills", of: ana)
    try await remove([2], store, try await store.ref("Work/Bills", of: ana))
    bed.clock.advance(60)
    try await store.deleteMailbox("Work/Bills", of: ana.id)
    #expect(try await store.usage(ana) == QuotaUsage())
    let listing = try await store.deletedMessages(of: ana.id, DeletedFilter(mailbox: "Work/Bills"))
    #expect(listing.messages.map(\.subject) == ["First", "Second"])
    #expect(listing.messages.map(\.mailboxDeleted) == [true, true])
    #expect(listing.messages.map(\.deleted) == [bed.clock.now, bed.clock.now - 60])
    #expect(try await store.keptForUndelete(of: ana.id).messages == 2)

    let report = try await store.undelete(of: ana.id, DeletedFilter(), ignoringQuota: false)
    #expect(report.mailboxes == ["Work/Bills": 2])
    let info = try await store.info("Work/Bills", of: ana)
    #expect(info.uidValidity > old.uidValidity && info.messages == 2)
    #expect(try await store.state("Work/Bills", of: ana) == [SeenMessage(1, [], ["due"]), SeenMessage(2)])
    #expect(try await store.check().problems == [])
    bed.clock.advance(30 * 86_400)
    _ = try await store.compact()
    #expect(try await store.body(2, in: try await store.ref("Work/Bills", of: ana)) == Mail.text("Second"))
    #expect(try await store.check().problems == [])
    await store.close()
  }

  @Test func `What is meant is chosen by mailbox, time and UID`() async throws {
    let bed = try StoreBed()
    let store = try bed.openSQL(keeping)
    let ana = try await store.add("ana")
    try await store.fill(4, of: ana)
    try await store.fill(2, in: "Sent", of: ana)
    let inbox = try await store.ref("INBOX", of: ana)
    try await remove([1, 2], store, inbox)
    bed.clock.advance(100)
    try await remove([4], store, inbox)
    try await remove([1], store, try await store.ref("Sent", of: ana))
    func found(_ filter: DeletedFilter) async throws -> [String] {
      try await store.deletedMessages(of: ana.id, filter).messages.map { "\($0.mailbox) \($0.uid)" }.sorted()
    }
    #expect(try await found(DeletedFilter(mailbox: "inbox")) == ["INBOX 1", "INBOX 2", "INBOX 4"])
    #expect(try await found(DeletedFilter(since: bed.clock.now)) == ["INBOX 4", "Sent 1"])
    #expect(try await found(DeletedFilter(mailbox: "INBOX", uids: [2, 3])) == ["INBOX 2"])
    #expect(try await found(DeletedFilter(mailbox: "Nowhere")) == [])
    _ = try await store.undelete(of: ana.id, DeletedFilter(mailbox: "INBOX", uids: [2]), ignoringQuota: false)
    #expect(try await store.state("INBOX", of: ana).map(\.uid) == [3, 5])
    #expect(try await found(DeletedFilter()) == ["INBOX 1", "INBOX 4", "Sent 1"])
    await store.close()
  }

  @Test func `A full account gets nothing back, unless the quota is not asked`() async throws {
    let bed = try StoreBed()
    let store = try bed.openSQL(keeping)
    let ana = try await store.add("ana", quota: QuotaLimits(messages: 2))
    try await store.fill(2, of: ana)
    try await remove([1, 2], store, try await store.ref("INBOX", of: ana))
    try await store.put(of: ana)
    let refusal = await thrown {
      _ = try await store.undelete(of: ana.id, DeletedFilter(), ignoringQuota: false)
    }
    #expect(refusal == .overQuota(OverQuota(resource: .messages, limit: 2, usage: 1)))
    #expect(try await store.state("INBOX", of: ana).map(\.uid) == [3])
    #expect(try await store.undelete(of: ana.id, DeletedFilter(), ignoringQuota: true).messages == 2)
    #expect(try await store.usage(ana).messages == 3)
    #expect(try await store.check().problems == [])
    await store.close()
  }

  @Test func `A UIDL that another message has got meanwhile is not given twice`() async throws {
    let bed = try StoreBed()
    let store = try bed.openSQL(keeping)
    let ana = try await store.add("ana")
    try await store.put(of: ana)
    let uidl = try #require(try await uidls(store, ana)[1])
    try await remove([1], store, try await store.ref("INBOX", of: ana))
    // An account restored from a backup brings its UIDLs along.
    let again = AppendedMessage(message: try await store.prepare(Mail.text()), uidl: uidl)
    _ = try await store.append([again], to: "INBOX", of: ana.id)
    #expect(try await store.undelete(of: ana.id, DeletedFilter(), ignoringQuota: false).newUIDLs == 1)
    let now = try await uidls(store, ana)
    #expect(now[2] == uidl && now[3] != uidl && Set(now.values).count == 2)
    #expect(try await store.check().problems == [])
    await store.close()
  }

  @Test func `What POP3 has deleted comes back as it was, and does not expire at once`() async throws {
    let bed = try StoreBed()
    let store = try bed.openSQL(keeping)
    let ana = try await store.add("ana", expire: .days(2))
    try await store.put(of: ana)
    let drop = try await store.openMaildrop(of: ana.id)
    try await drop.markRetrieved([0], at: bed.clock.now)
    drop.close()
    bed.clock.advance(3 * 86_400)
    #expect(try await store.expireRetrieved(of: nil, now: bed.clock.now) == 1)
    #expect(try await store.undelete(of: ana.id, DeletedFilter(), ignoringQuota: false).messages == 1)
    #expect(try await store.expireRetrieved(of: nil, now: bed.clock.now) == 0)
    await store.close()
  }
}
