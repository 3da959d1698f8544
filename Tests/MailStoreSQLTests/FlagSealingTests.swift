import MailStore
import MailTestKit
import Testing

@testable import MailStoreSQL

/// Flags in chunks beside flags in rows: both kinds of mailbox, and the ways from one to the other.
@Suite struct FlagSealingTests {
  /// As a store that knows no chunks keeps them.
  private static let rows = BedSettings(flagChunks: FlagChunkSizes(capacity: 4, loose: .max, least: .max))

  private func chunks(_ bed: StoreBed) throws -> Int64 {
    let db = try SQLConnection.reader(path: "\(bed.data)/volumes/1/mail.sqlite")
    defer { db.close() }
    return try db("SELECT COUNT(*) FROM flag_chunk").first { $0.int(0) } ?? -1
  }

  /// A store as the version before chunks has left it.
  private func oldStore(_ count: Int) async throws -> StoreBed {
    let bed = try StoreBed()
    let store = try bed.openSQL(Self.rows)
    let ana = try await store.add("ana")
    try await store.fill(count, of: ana)
    let ref = try await store.ref("INBOX", of: ana)
    _ = try await store.changeFlags(
      FlagChange(.add, .seen, keywords: ["k"]), of: (1...UID(count / 2)).map { $0 }, in: ref)
    _ = try await store.changeFlags(FlagChange(.add, .deleted), of: [3, 5], in: ref)
    _ = try await store.expunge(nil, in: ref)
    await store.close()
    #expect(try chunks(bed) == 0)
    try bed.execute(
      """
      DROP TABLE flag_chunk; DELETE FROM grdb_migrations WHERE identifier = '6 flag chunks';
      DELETE FROM volume_state WHERE name = 'flags_sealed'
      """)
    return bed
  }

  @Test func `A store of the version before is opened, and says the same as before`() async throws {
    let bed = try await oldStore(40)
    let store = try bed.openSQL()
    let ana = try #require(try await store.account(named: "ana"))
    #expect(try chunks(bed) == 9)
    let ref = try await store.ref("INBOX", of: ana)
    let before = try await store.state("INBOX", of: ana)
    #expect(before.count == 38)
    #expect(before.filter { $0.flags == .seen && $0.keywords == ["k"] }.count == 18)
    let info = try await store.info("INBOX", of: ana)
    #expect(info.unseen == 20 && info.deleted == 0)
    #expect(try await store.check().problems == [])
    // And goes on from there.
    _ = try await store.changeFlags(FlagChange(.replace, .flagged), of: [1, 20, 39, 40], in: ref)
    #expect(try await store.state("INBOX", of: ana).filter { $0.flags == .flagged }.map(\.uid) == [1, 20, 39, 40])
    await store.close()
  }

  @Test(arguments: [2, 12]) func `Expunged messages keep their keywords, few sets of them or many`(_ sets: Int)
    async throws
  {
    let bed = try StoreBed()
    let store = try bed.openSQL(BedSettings(retentionDays: 7))
    let ana = try await store.add("ana")
    try await store.fill(24, of: ana)
    let ref = try await store.ref("INBOX", of: ana)
    for uid in UID(1)...24 {
      _ = try await store.changeFlags(
        FlagChange(.add, uid % 2 == 0 ? [.deleted, .seen] : .deleted, keywords: ["k\(Int(uid) % sets)"]), of: [uid],
        in: ref)
    }
    _ = try await store.expunge(nil, in: ref)
    _ = try await store.undelete(of: ana.id, DeletedFilter(), ignoringQuota: false)
    let back = try await store.state("INBOX", of: ana)
    #expect(back.map(\.keywords) == (1...24).map { ["k\($0 % sets)"] })
    #expect(back.map { $0.flags.contains(.seen) } == (1...24).map { $0 % 2 == 0 })
    #expect(try await store.check().problems == [])
    await store.close()
  }

  @Test func `Sealing that was cut short goes on at the next opening`() async throws {
    let bed = try await oldStore(40)
    let path = "\(bed.data)/volumes/1/mail.sqlite"
    let db = try SQLConnection.writer(path: path, migrator: VolumeSchema.migrator)
    let ref = MailboxRef(account: AccountID(1), mailbox: MailboxID(1))
    var entries: [MessageEntry] = []
    try FlagTable.rows(above: 0, in: ref, db, limit: 4) { entries.append($0) }
    #expect(try FlagTable.insert(entries, in: ref, db) == 6)
    db.close()
    let store = try bed.openSQL()
    #expect(try chunks(bed) == 9)
    #expect(try await store.check().problems == [])
    await store.close()
  }

  @Test func `Deliveries make chunks as they go, a long STORE makes them of what is left`() async throws {
    let bed = try StoreBed()
    let store = try bed.openSQL(BedSettings(flagChunks: FlagChunkSizes(capacity: 8, loose: 16, least: 4)))
    let ana = try await store.add("ana")
    let ref = try await store.ref("INBOX", of: ana)
    try await store.fill(15, of: ana)
    #expect(try chunks(bed) == 0)
    try await store.fill(1, of: ana)
    #expect(try chunks(bed) == 2)
    try await store.fill(3, of: ana)
    _ = try await store.changeFlags(FlagChange(.add, .seen), of: (1...19).map { $0 }, in: ref)
    #expect(try chunks(bed) == 2)
    try await store.fill(1, of: ana)
    _ = try await store.changeFlags(FlagChange(.add, .flagged), of: (10...20).map { $0 }, in: ref)
    #expect(try chunks(bed) == 3)
    let state = try await store.state("INBOX", of: ana)
    #expect(state.filter { $0.flags.contains(.seen) }.count == 19)
    #expect(state.filter { $0.flags.contains(.flagged) }.map(\.uid) == (10...20).map { $0 })
    #expect(try await store.check().problems == [])
    await store.close()
  }

  @Test func `A chunk that is not full is filled up before another is made`() async throws {
    let bed = try StoreBed()
    let store = try bed.openSQL(BedSettings(flagChunks: FlagChunkSizes(capacity: 8, loose: 16, least: 2)))
    let ana = try await store.add("ana")
    let ref = try await store.ref("INBOX", of: ana)
    for round in UID(0)..<12 {
      try await store.fill(2, of: ana)
      _ = try await store.changeFlags(FlagChange(.add, .seen), of: [2 * round + 1, 2 * round + 2], in: ref)
    }
    #expect(try chunks(bed) == 3)
    #expect(try await store.state("INBOX", of: ana).allSatisfy { $0.flags == .seen })
    #expect(try await store.check().problems == [])
    await store.close()
  }

  @Test func `Chunks that are emptied go, and what comes next is in order`() async throws {
    try await withStore(.sqlite) { store, bed in
      let ana = try await store.add("ana")
      let ref = try await store.ref("INBOX", of: ana)
      try await store.fill(30, of: ana)
      _ = try await store.changeFlags(FlagChange(.add, .deleted), of: (9...30).map { $0 }, in: ref)
      #expect(try await store.expunge(nil, in: ref) == (9...30).map { $0 })
      #expect(try chunks(bed) == 2)
      try await store.fill(20, of: ana)
      _ = try await store.changeFlags(FlagChange(.add, .answered), of: [8, 31, 50], in: ref)
      let state = try await store.state("INBOX", of: ana)
      #expect(state.map(\.uid) == (1...8).map { $0 } + (31...50).map { $0 })
      #expect(state.filter { $0.flags == .answered }.map(\.uid) == [8, 31, 50])
    }
  }

  @Test func `Expunged messages keep the flags they had for undelete, many kinds at once`() async throws {
    try await withStore(.sqlite, BedSettings(retentionDays: 7)) { store, bed in
      let ana = try await store.add("ana")
      let ref = try await store.ref("INBOX", of: ana)
      try await store.fill(40, of: ana)
      for uid in UID(1)...40 {
        let words = ["a", "b", "c"].prefix(Int(uid % 4)).map { $0 }
        _ = try await store.changeFlags(
          FlagChange(.replace, SystemFlags(rawValue: UInt8(uid % 8)), keywords: words), of: [uid], in: ref)
      }
      let before = try await store.state("INBOX", of: ana).filter { $0.uid % 3 == 0 }
      let gone = (UID(1)...40).filter { $0 % 3 == 0 }
      _ = try await store.changeFlags(FlagChange(.add, .deleted), of: gone, in: ref)
      #expect(try await store.expunge(gone + [77], in: ref) == gone)
      let upkeep = try #require(store as? any MailStoreUpkeep)
      let report = try await upkeep.undelete(of: ana.id, DeletedFilter(), ignoringQuota: false)
      #expect(report.messages == gone.count)
      let after = try await store.state("INBOX", of: ana).suffix(gone.count)
      #expect(after.map(\.flags) == before.map(\.flags))
      #expect(after.map { $0.keywords.sorted() } == before.map { $0.keywords.sorted() })
    }
  }

  @Test func `A deleted mailbox is brought back with its flags, and leaves no chunk when it is purged`() async throws {
    let bed = try StoreBed()
    let store = try bed.openSQL(BedSettings(retentionDays: 7))
    let ana = try await store.add("ana")
    _ = try await store.createMailbox("Work", of: ana.id, specialUse: nil)
    try await store.fill(20, in: "Work", of: ana)
    let ref = try await store.ref("Work", of: ana)
    _ = try await store.changeFlags(FlagChange(.add, .flagged, keywords: ["k"]), of: [1, 7, 20], in: ref)
    try await store.deleteMailbox("Work", of: ana.id)
    _ = try await store.undelete(of: ana.id, DeletedFilter(), ignoringQuota: false)
    let state = try await store.state("Work", of: ana)
    #expect(state.count == 20 && state.filter { $0.flags == .flagged && $0.keywords == ["k"] }.count == 3)
    try await store.deleteMailbox("Work", of: ana.id)
    bed.clock.advance(30 * 86_400)
    _ = try await store.compact()
    #expect(try chunks(bed) == 0)
    #expect(try await store.check().problems == [])
    await store.close()
  }

  @Test func `Damaged flags are named, and after a repair they are those of the delivery, with a new MODSEQ`()
    async throws
  {
    let bed = try StoreBed()
    var store = try bed.openSQL()
    let ana = try await store.add("ana")
    try await store.fill(20, of: ana)
    let ref = try await store.ref("INBOX", of: ana)
    _ = try await store.changeFlags(FlagChange(.add, .seen), of: (1...20).map { $0 }, in: ref)
    let told = try await store.info("INBOX", of: ana).highestModSeq
    await store.close()
    try bed.execute("UPDATE flag_chunk SET data = zeroblob(50) WHERE last = 8")
    store = try bed.openSQL()
    #expect(try await store.check().problems.contains { $0.contains("the flags of messages up to UID 8 are damaged") })
    await #expect(throws: StoreError.self) { _ = try await store.state("INBOX", of: ana) }
    await store.close()
    try bed.repairClean()
    store = try bed.openSQL()
    let open = try await store.openMailbox("INBOX", of: ana.id) {}
    let snapshot = try #require(open.current)
    #expect(snapshot.count == 20)
    for index in 0..<20 {
      let isLost = (5...8).contains(snapshot[index].uid)
      #expect(snapshot[index].flags == (isLost ? [] : .seen))
      #expect((snapshot[index].modSeq > told) == isLost)
    }
    open.close()
    #expect(try await store.check().problems == [])
    await store.close()
  }

  @Test(arguments: [
    ("DELETE FROM flag_chunk WHERE last = 8", "its flags are kept nowhere"),
    ("DELETE FROM message WHERE uid = 6", "it has flags and no row"),
    ("UPDATE flag_chunk SET mailbox = 77 WHERE last = 4", "and no such mailbox"),
    ("UPDATE flag_chunk SET account = 77 WHERE last = 4", "and no such mailbox"),
  ])
  func `Rows and chunks that do not fit are named and repaired`(_ damage: String, _ words: String) async throws {
    let bed = try StoreBed()
    var store = try bed.openSQL()
    let ana = try await store.add("ana")
    try await store.fill(20, of: ana)
    let ref = try await store.ref("INBOX", of: ana)
    _ = try await store.changeFlags(FlagChange(.add, .seen), of: (1...20).map { $0 }, in: ref)
    await store.close()
    try bed.execute(damage)
    store = try bed.openSQL()
    let problems = try await store.check().problems
    #expect(problems.contains { $0.contains(words) }, "\(problems)")
    await store.close()
    try bed.repairClean()
    store = try bed.openSQL()
    #expect(try await store.check().problems == [])
    await store.close()
  }
}
