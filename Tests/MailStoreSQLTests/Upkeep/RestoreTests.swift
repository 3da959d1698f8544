import MailStore
import MailTestKit
import NIOCore
import Testing

@testable import MailStoreSQL

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

@Suite struct RestoreTests {
  private func uids(_ store: SQLStore, _ account: Account, _ mailbox: String = "INBOX") async throws -> [UID] {
    try await store.state(mailbox, of: account).map(\.uid)
  }

  private func remove(_ uids: [UID], _ store: SQLStore, _ ref: MailboxRef) async throws {
    _ = try await store.changeFlags(FlagChange(.add, .deleted), of: uids, in: ref)
    _ = try await store.expunge(uids, in: ref)
  }

  @Test func `With the marks UIDs are kept, numbers go on above, and what may have been seen to go is renumbered`()
    async throws
  {
    let bed = try StoreBed()
    var store = try bed.openSQL()
    let ana = try await store.add("ana")
    try await store.fill(5, of: ana)
    try await store.fill(2, in: "Sent", of: ana)
    let inbox = try await store.info("INBOX", of: ana)
    let sent = try await store.info("Sent", of: ana)
    try await bed.backup(store)
    try await store.fill(3, of: ana)
    try await remove([4], store, try await store.ref("INBOX", of: ana))
    let last = try await store.info("INBOX", of: ana)
    let drop = try await store.openMaildrop(of: ana.id)
    let known = Set(drop.messages.map(\.uidl))
    drop.close()
    await store.close()

    let report = try bed.restore()
    #expect(report.hadMarks && report.newUIDValidity == 0 && report.renumbered == 5)
    let aside = try #require(report.setAside)
    store = try bed.openSQL()
    let now = try await store.info("INBOX", of: ana)
    #expect(now.uidValidity == inbox.uidValidity && now.messages == 5)
    // One of them was seen to go, and which one the marks do not know.
    #expect(try await uids(store, ana).allSatisfy { $0 >= last.uidNext })
    #expect(now.highestModSeq > last.highestModSeq)
    // Nothing went from this one.
    #expect(try await uids(store, ana, "Sent") == [1, 2])
    #expect(try await store.info("Sent", of: ana).uidValidity == sent.uidValidity)
    let uid = try await store.put(Mail.text("New"), of: ana)
    #expect(uid >= last.uidNext + 5)
    let after = try await store.openMaildrop(of: ana.id)
    #expect(!known.contains(try #require(after.messages.last).uidl), "a UIDL was given twice")
    after.close()
    #expect(try await store.createMailbox("New", of: ana.id, specialUse: nil).id.rawValue > 6)
    #expect(try await store.check().problems == [])
    await store.close()
    // The old store is whole.
    let old = try bed.openSQL(at: aside)
    #expect(try await uids(old, ana) == [1, 2, 3, 5, 6, 7, 8])
    await old.close()
  }

  @Test func `Without the marks UIDVALIDITY changes, and so it does for a mailbox that was deleted meanwhile`()
    async throws
  {
    let bed = try StoreBed()
    let store = try bed.openSQL()
    let ana = try await store.add("ana")
    try await store.fill(2, of: ana)
    try await store.fill(2, in: "Junk", of: ana)
    let inbox = try await store.info("INBOX", of: ana)
    let junk = try await store.info("Junk", of: ana)
    try await bed.backup(store)
    try await store.deleteMailbox("Junk", of: ana.id)
    await store.close()
    #expect(try bed.restore(to: "\(bed.path)/elsewhere").newUIDValidity == 6)
    let other = try bed.openSQL(at: "\(bed.path)/elsewhere")
    #expect(try await other.info("INBOX", of: ana).uidValidity > inbox.uidValidity)
    #expect(try await uids(other, ana) == [1, 2])
    #expect(try await other.check().problems == [])
    await other.close()
    #expect(try bed.restore().newUIDValidity == 1)
    let here = try bed.openSQL()
    #expect(try await here.info("INBOX", of: ana).uidValidity == inbox.uidValidity)
    #expect(try await here.info("Junk", of: ana).uidValidity > junk.uidValidity)
    await here.close()
  }

  @Test func `Restored twice on fresh disks within a minute, no UIDVALIDITY and no UIDL is given twice`() async throws {
    let bed = try StoreBed()
    let store = try bed.openSQL()
    let ana = try await store.add("ana")
    try await store.put(of: ana)
    try await bed.backup(store)
    await store.close()
    var validities: Set<UInt32> = []
    var uidls: Set<String> = []
    for number in 1...4 {
      bed.clock.advance(3)
      let folder = "\(bed.path)/disk\(number)"
      try bed.restore(to: folder)
      let restored = try bed.openSQL(at: folder)
      _ = try await restored.createMailbox("New", of: ana.id, specialUse: nil)
      for info in try await restored.mailboxes(of: ana.id).mailboxes {
        #expect(validities.insert(info.uidValidity).inserted, "\(info.name), restore \(number)")
      }
      try await restored.put(Mail.text("Only here \(number)"), of: ana)
      let drop = try await restored.openMaildrop(of: ana.id)
      #expect(uidls.insert(try #require(drop.messages.last).uidl).inserted)
      drop.close()
      await restored.close()
    }
  }

  @Test func `An account whose UIDVALIDITY an import put near the end does not take the others there`() async throws {
    let bed = try StoreBed()
    let store = try bed.openSQL()
    let ana = try await store.add("ana")
    let budi = try await store.add("budi")
    _ = try await store.prepareImport(ImportedMailbox(name: "Far", uidValidity: 4_000_000_000), of: ana.id)
    try await bed.backup(store)
    await store.close()
    try bed.restore(to: "\(bed.path)/elsewhere")
    let other = try bed.openSQL(at: "\(bed.path)/elsewhere")
    #expect(try await other.info("INBOX", of: budi).uidValidity < 1_800_000_000)
    #expect(try await other.info("Far", of: ana).uidValidity > 4_000_000_000)
    await other.close()
  }

  @Test func `A server that runs keeps its folder, and a dry run changes nothing`() async throws {
    let bed = try StoreBed()
    let store = try bed.openSQL()
    let ana = try await store.add("ana")
    try await store.fill(2, of: ana)
    try await bed.backup(store)
    let failure = await thrown { _ = try bed.restore() }
    guard case .folderInUse = failure else {
      Issue.record("\(String(describing: failure))")
      return
    }
    let plan = try RestoreRun(from: bed.backups, to: bed.data, now: bed.clock.now).plan(nil)
    #expect(plan.hadMarks && plan.messages == 2 && plan.setAside != nil)
    #expect(!FileSizes.exists(try #require(plan.setAside)))
    try await store.put(of: ana)
    #expect(try await store.check().problems == [])
    await store.close()
  }

  @Test func `A restore cut at any point leaves the old store or the new one`() async throws {
    let bed = try StoreBed()
    var store = try bed.openSQL()
    let ana = try await store.add("ana")
    try await store.fill(3, of: ana)
    let new = try await store.everything(of: "ana")
    try await bed.backup(store)
    try await store.fill(2, of: ana)
    let old = try await store.everything(of: "ana")
    await store.close()
    var isNew = false
    for point in 0..<200 {
      var count = 0
      let cut = await thrown {
        try bed.restore { (_) throws(StoreError) in
          count += 1
          if count > point { throw .io(operation: "cut", path: "", errno: 0) }
        }
      }
      store = try bed.openSQL()
      let found = try await store.everything(of: "ana")
      #expect(found == old || found == new, "cut at \(point)")
      #expect(try await store.check().problems == [], "cut at \(point)")
      isNew = found == new
      await store.close()
      if cut == nil { break }
      #expect(point < 199)
      guard isNew else { continue }
      // Back to where it was, for the next cut.
      let aside = try #require(try BackupFiles.list(bed.data).first { $0.hasPrefix("replaced-") })
      for entry in ["volumes", "directory.sqlite", "marks.sqlite"] {
        try BackupFiles().removeTree("\(bed.data)/\(entry)")
        for suffix in ["-wal", "-shm"] { unlink("\(bed.data)/\(entry)\(suffix)") }
        rename("\(bed.data)/\(aside)/\(entry)", "\(bed.data)/\(entry)")
      }
      try BackupFiles().removeTree("\(bed.data)/\(aside)")
    }
    #expect(isNew)
  }

  @Test func `A pack that was made after a restore is not taken for one of the same number in a later backup`()
    async throws
  {
    let bed = try StoreBed()
    var store = try bed.openSQL(BedSettings(packBytes: 4000))
    let ana = try await store.add("ana")
    for seed in 1...4 { try await store.put(Mail.large(2000, seed: UInt64(seed)), of: ana) }
    let first = try await bed.backup(store).generation
    for seed in 11...14 { try await store.put(Mail.large(2000, seed: UInt64(seed)), of: ana) }
    bed.clock.advance(60)
    try await bed.backup(store)
    await store.close()
    try bed.restore(first)
    store = try bed.openSQL(BedSettings(packBytes: 4000))
    for seed in 21...24 { try await store.put(Mail.large(2000, seed: UInt64(seed)), of: ana) }
    let state = try await store.everything(of: "ana")
    bed.clock.advance(60)
    let third = try await bed.backup(store)
    #expect(third.problems == [])
    await store.close()
    #expect(try bed.verify().isClean)
    try bed.restore(third.generation, to: "\(bed.path)/elsewhere")
    let other = try bed.openSQL(at: "\(bed.path)/elsewhere")
    #expect(try await other.everything(of: "ana") == state)
    #expect(try await other.check().problems == [])
    await other.close()
  }

  @Test func `One account of a backup is read as it was`() async throws {
    let bed = try StoreBed()
    let store = try bed.openSQL()
    let ana = try await store.add("ana", quota: QuotaLimits(messages: 50), expire: .days(9))
    let large = Mail.large(2_500_000, seed: 5)
    let store2 = store
    let date = InternalDate(seconds: 1_600_000_000, zoneMinutes: -300)
    try await store2.put(Mail.text("Small"), in: "Sent", of: ana, flags: .seen, keywords: ["a", "b"], date: date)
    await store.close()
    let big = try SQLStore.open(directory: bed.data, settings: StoreSettings(upkeepInterval: 0))
    try await big.put(large, of: ana)
    try await bed.backup(big)
    await big.close()
    let reader = try BackupReader(bed.backups, generation: nil, account: "ANA")
    #expect(reader.account.quota.messages == 50 && reader.account.pop3Expire == .days(9))
    let boxes = try reader.mailboxes().mailboxes
    let sent = try #require(boxes.first { $0.name == "Sent" })
    #expect(sent.specialUse == .sent && sent.isSubscribed && sent.messages == 1)
    let message = try #require(try reader.messages(sent.id).first)
    #expect(message.flags == .seen && message.keywords == ["a", "b"] && message.date == date)
    guard case .whole(let bytes) = try reader.body(1, in: sent.id) else {
      Issue.record("small")
      return
    }
    #expect(String(buffer: bytes) == Mail.text("Small"))
    let inbox = try #require(boxes.first { $0.name == "INBOX" })
    guard case .large(let body) = try reader.body(1, in: inbox.id) else {
      Issue.record("large")
      return
    }
    var text = ByteBuffer()
    while true {
      var piece = try body.piece(at: text.readableBytes)
      if piece.readableBytes == 0 { break }
      text.writeBuffer(&piece)
    }
    #expect(String(buffer: text) == large)
    reader.close()
    let refusal = await thrown { _ = try BackupReader(bed.backups, generation: nil, account: "no") }
    #expect(refusal == .noSuchAccount("no"))
  }
}
