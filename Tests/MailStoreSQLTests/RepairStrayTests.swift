import BlobStore
import MailStore
import MailTestKit
import NIOCore
import Testing

@testable import MailStoreSQL

/// Frames that no row knows: brought back or released, and the pins end.
@Suite struct RepairStrayTests {
  /// One message in the mailbox; after it a frame of the same bytes and one that is news, as a crash leaves them.
  private func crashedBed() async throws -> StoreBed {
    let bed = try StoreBed()
    let store = try bed.openSQL()
    let ana = try await store.add("ana")
    try await store.put(Mail.text("Known"), of: ana)
    for subject in ["Known", "News"] {
      let prepared = try #require(try await store.prepare(Mail.text(subject)) as? PreparedSQLMessage)
      let owner = FrameOwner(
        account: 1, accountName: "ana", mailbox: 1, mailboxName: "INBOX", uid: 9, uidValidity: 1, internalSeconds: 77,
        zoneMinutes: 60, trace: ByteBuffer(string: "X-Trace: 1\r\n"))
      _ = try store.packs.append([(prepared.blob, [owner])])
    }
    try store.packs.sync()
    let crashed = DiskFile.contents(bed.volume)
    let wal = DiskFile.contents(bed.volume + "-wal")
    await store.close()
    DiskFile.write(crashed, to: bed.volume)
    DiskFile.write(wal, to: bed.volume + "-wal")
    let after = try bed.openSQL()
    #expect(try await after.check().problems == [])
    await after.close()
    return bed
  }

  private func expectPlaced(_ bed: StoreBed, _ store: SQLStore) async throws {
    #expect(
      try await everything(store) == [
        "ana/INBOX": [Mail.text("Known")], "ana/Recovered": ["X-Trace: 1\r\n" + Mail.text("News")],
      ])
    let ana = try #require(try await store.account(named: "ana"))
    #expect(try await store.mailboxes(of: ana.id).mailboxes.contains { $0.name == "Recovered" && $0.isSubscribed })
    let strays = try await store.writer.alone { writer throws(StoreError) in
      try writer.transaction.db("SELECT COUNT(*) FROM stray").first { $0.int(0) }
    }
    #expect(strays == 0)
    #expect(try await store.check().problems == [])
    // The pin has ended: with everything expunged the pack goes.
    for name in ["INBOX", "Recovered"] {
      let ref = try await store.ref(name, of: ana)
      let uids = try await store.state(name, of: ana).map(\.uid)
      _ = try await store.changeFlags(FlagChange(.add, .deleted), of: uids, in: ref)
      _ = try await store.expunge(nil, in: ref)
    }
    #expect(try await store.compact().removedPacks > 0)
    #expect(try await store.check().problems == [])
  }

  @Test func `On a closed store`() async throws {
    let bed = try await crashedBed()
    let report = try bed.repairClean()
    #expect(report.accounts.map(\.recovered) == [1], "\(report)")
    #expect(report.accounts.allSatisfy { $0.renewed == [] })
    let store = try bed.openSQL()
    try await expectPlaced(bed, store)
    await store.close()
  }

  @Test func `On a running store`() async throws {
    let bed = try await crashedBed()
    let store = try bed.openSQL()
    let plan = try await store.repairOnline(RepairOptions(dryRun: true))
    #expect(plan.actions.contains { $0.contains("strays") })
    let report = try await store.repairOnline(RepairOptions())
    #expect(report.remaining == [], "\(report)")
    #expect(
      report.actions.contains { $0.contains("Recovered: 1") } && report.actions.contains { $0.contains("released") })
    try await expectPlaced(bed, store)
    await store.close()
  }

  @Test func `A database older than its packs costs every UIDVALIDITY, offline only`() async throws {
    let bed = try StoreBed()
    var store = try bed.openSQL()
    let ana = try await store.add("ana")
    try await store.put(Mail.text("Old"), of: ana)
    let before = try await store.info("INBOX", of: ana).uidValidity
    await store.close()
    let saved = DiskFile.contents(bed.volume)
    store = try bed.openSQL()
    try await store.put(Mail.text("Lost row"), of: ana)
    await store.close()
    DiskFile.remove(bed.volume)
    DiskFile.write(saved, to: bed.volume)
    store = try bed.openSQL()
    let online = try await store.repairOnline(RepairOptions())
    #expect(online.remaining.contains { $0.contains("stop the server first") }, "\(online)")
    await store.close()
    let report = try bed.repairClean()
    #expect(report.accounts.first?.renewed.contains("INBOX") == true)
    store = try bed.openSQL()
    #expect(try await store.info("INBOX", of: ana).uidValidity > before)
    #expect(try await everything(store)["ana/Recovered"] == [Mail.text("Lost row")])
    #expect(try await store.check().problems == [])
    await store.close()
  }
}
