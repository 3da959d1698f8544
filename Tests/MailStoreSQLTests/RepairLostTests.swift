import BlobStore
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

/// A database is lost: what the packs know comes back.
@Suite struct RepairLostTests {
  /// Two accounts, several mailboxes, a delivery to both with trace lines, copies, moves, expunged mail.
  private func filledBed() async throws -> StoreBed {
    let bed = try StoreBed()
    let store = try bed.openSQL()
    let ana = try await store.add("ana")
    let budi = try await store.add("budi@example.org")
    let message = try await store.prepare(Mail.text("Both", id: "both@example.org"))
    _ = await store.deliver(
      message,
      to: [
        DeliveryTarget(account: ana.id, trace: ByteBuffer(string: "Delivered-To: ana\r\n")),
        DeliveryTarget(account: budi.id, trace: ByteBuffer(string: "Delivered-To: budi@example.org\r\n")),
      ], date: InternalDate(seconds: 1_700_000_000, zoneMinutes: 420))
    for number in 1...3 { try await store.put(Mail.text("Number \(number)"), of: ana, keywords: ["k"]) }
    _ = try await store.createMailbox("Work/Plans", of: ana.id, specialUse: nil)
    try await store.put(Mail.text("A plan"), in: "Work/Plans", of: ana, flags: [.seen])
    try await store.put(Mail.text("Sent"), in: "Sent", of: budi, flags: [.seen])
    let inbox = try await store.ref("INBOX", of: ana)
    _ = try await store.changeFlags(FlagChange(.add, .flagged), of: [2], in: inbox)
    _ = try await store.copy([2], from: inbox, to: "Archive")
    await store.close()
    return bed
  }

  @Test(arguments: [true, false]) func `A lost volume database is made anew from the packs`(_ isEmpty: Bool)
    async throws
  {
    let bed = try await filledBed()
    var store = try bed.openSQL()
    var ana = try #require(try await store.account(named: "ana"))
    var expected = try await everything(store)
    let before = try await store.info("INBOX", of: ana)
    let plans = try await store.info("Work/Plans", of: ana)
    await store.close()
    DiskFile.remove(bed.volume)
    if isEmpty { DiskFile.write([], to: bed.volume) }
    let plan = try bed.repair(RepairOptions(dryRun: true))
    #expect(plan.accounts.map(\.restored).reduce(0, +) == 7, "\(plan)")
    #expect(FileSizes.of(bed.volume) == 0)
    let report = try bed.repairClean()
    #expect(report.accounts.map(\.restored) == [5, 2])
    #expect(report.accounts.allSatisfy { $0.unknown.contains { $0.contains("flags") } })
    store = try bed.openSQL()
    // What was copied is known to rows only.
    expected["ana/Archive"] = nil
    #expect(try await everything(store) == expected)
    ana = try #require(try await store.account(named: "ana"))
    let after = try await store.info("INBOX", of: ana)
    #expect(after.uidValidity > before.uidValidity && after.id == before.id)
    #expect(try await store.info("Work/Plans", of: ana).id == plans.id)
    #expect(try await store.info("Sent", of: ana).specialUse == .sent)
    let inbox = try await store.ref("INBOX", of: ana)
    _ = try await store.visit(inbox, [1], needs: [.dates, .envelope, .headers]) { row throws(StoreError) in
      #expect(row.internalDate == InternalDate(seconds: 1_700_000_000, zoneMinutes: 420))
      #expect(String(buffer: row.trace) == "Delivered-To: ana\r\n")
      var envelope = ByteBuffer()
      row.appendEnvelope(to: &envelope)
      #expect(String(buffer: envelope).contains("both@example.org"))
      return .next
    }
    #expect(try await store.put(of: ana) > 4)
    #expect(try await store.check().problems == [])
    await store.close()
    #expect(try bed.repair().actions == [])
  }

  @Test func `Both databases lost: names come from the frames, and passwords are gone`() async throws {
    let bed = try await filledBed()
    DiskFile.remove(bed.volume)
    DiskFile.remove(bed.directory)
    let report = try bed.repairClean()
    #expect(report.accounts.map(\.name) == ["ana", "budi@example.org"])
    #expect(report.accounts.allSatisfy { $0.needsPassword })
    let store = try bed.openSQL()
    #expect(try await store.accounts().map(\.credentials) == ["", ""])
    #expect(try await everything(store)["budi@example.org/INBOX"]?.count == 1)
    #expect(try await store.add("carl").id == AccountID(3))
    #expect(try await store.check().problems == [])
    await store.close()
  }

  @Test(arguments: [true, false]) func `A lost or damaged directory is made anew, and the mail is untouched`(
    _ isLost: Bool
  ) async throws {
    let bed = try await filledBed()
    let volume = DiskFile.contents(bed.volume)
    if isLost {
      DiskFile.remove(bed.directory)
    } else {
      DiskFile.change(bed.directory) { bytes in for index in 0..<2000 { bytes[index] = 0x5A } }
    }
    let report = try bed.repair()
    #expect(report.setAside.count == (isLost ? 0 : 1))
    #expect(DiskFile.contents(bed.volume) == volume)
    let store = try bed.openSQL()
    #expect(try await store.accounts().map(\.name) == ["ana", "budi@example.org"])
    // Rows that can still be read keep their password.
    #expect(try await store.accounts().map(\.credentials) == (isLost ? ["", ""] : ["x", "x"]))
    #expect(try await store.check().problems == [])
    await store.close()
  }

  @Test func `The old files are set aside under a dated name, whole`() async throws {
    let bed = try await filledBed()
    DiskFile.change(bed.volume) { bytes in for index in 0..<100 { bytes[index] = 0 } }
    let damaged = DiskFile.contents(bed.volume)
    let report = try bed.repairClean()
    let aside = try #require(report.setAside.first)
    #expect(aside.hasPrefix("\(bed.volume).damaged-"))
    #expect(DiskFile.contents(aside) == damaged)
    // The header alone was lost: flags and the copy are still known, and clients need not load anything anew.
    #expect(report.accounts.allSatisfy { $0.renewed == [] }, "\(report)")
    let store = try bed.openSQL()
    let ana = try #require(try await store.account(named: "ana"))
    #expect(try await store.state("INBOX", of: ana).contains(SeenMessage(2, [.flagged], ["k"])))
    #expect(try await store.state("Archive", of: ana).count == 1)
    #expect(try await store.check().problems == [])
    await store.close()
  }

  @Test func `What a commit left in the WAL is saved with the rest`() async throws {
    let bed = try await filledBed()
    let store = try bed.openSQL()
    let ana = try #require(try await store.account(named: "ana"))
    _ = try await store.changeFlags(FlagChange(.add, .answered), of: [3], in: store.ref("INBOX", of: ana))
    // As a crash leaves it: the flag is in the WAL only. Then the header is lost.
    let files = ["", "-wal"].map { DiskFile.contents(bed.volume + $0) }
    await store.close()
    DiskFile.write(files[0], to: bed.volume)
    DiskFile.write(files[1], to: bed.volume + "-wal")
    DiskFile.change(bed.volume) { $0[0] = 0 }
    // Page 1 may be in the WAL as well; then there is nothing to save.
    let report = try bed.repair()
    let again = try bed.openSQL()
    #expect(
      try await again.state("INBOX", of: ana).contains { $0.uid == 3 && $0.flags.contains(.answered) }, "\(report)")
    #expect(try await again.check().problems == [])
    await again.close()
  }

  @Test func `Copies that compaction left are one message`() async throws {
    let bed = try StoreBed()
    let store = try bed.openSQL()
    let ana = try await store.add("ana")
    try await store.put(Mail.text("Once"), of: ana)
    let place = try await store.writer.alone { writer throws(StoreError) in
      try writer.transaction.db("SELECT pack, offset, frame, size FROM blob").first {
        BlobLocation(pack: $0.int(0), offset: $0.int(1), frameLength: $0.int(2), rawSize: $0.int(3))
      }
    }
    _ = try store.packs.copyFrame(try #require(place))
    try store.packs.sync()
    await store.close()
    DiskFile.remove(bed.volume)
    try bed.repairClean()
    let again = try bed.openSQL()
    #expect(try await everything(again) == ["ana/INBOX": [Mail.text("Once")]])
    await again.close()
  }

  @Test func `A mailbox that was renamed has its newest name, and two of one name keep apart`() async throws {
    let bed = try StoreBed()
    let store = try bed.openSQL()
    let ana = try await store.add("ana")
    _ = try await store.createMailbox("Old", of: ana.id, specialUse: nil)
    try await store.put(Mail.text("First"), in: "Old", of: ana)
    try await store.renameMailbox("Old", to: "New", of: ana.id)
    try await store.put(Mail.text("Second"), in: "New", of: ana)
    _ = try await store.createMailbox("Twice", of: ana.id, specialUse: nil)
    try await store.put(Mail.text("Elder"), in: "Twice", of: ana)
    try await store.deleteMailbox("Twice", of: ana.id)
    _ = try await store.createMailbox("Twice", of: ana.id, specialUse: nil)
    try await store.put(Mail.text("Younger"), in: "Twice", of: ana)
    await store.close()
    DiskFile.remove(bed.volume)
    try bed.repairClean()
    let again = try bed.openSQL()
    let seen = try await everything(again)
    #expect(seen["ana/New"] == [Mail.text("First"), Mail.text("Second")])
    #expect(seen["ana/Twice"] == [Mail.text("Younger")] && seen["ana/Twice-recovered"] == [Mail.text("Elder")])
    await again.close()
  }

  @Test func `A repair that was cut short after its end is carried through by the next opening`() async throws {
    let bed = try await filledBed()
    let folder = RepairFolder(data: bed.data)
    let old = DiskFile.contents(bed.volume)
    try folder.make()
    #expect(try folder.copy(bed.volume, to: folder.mail))
    let db = try SQLConnection.writer(path: folder.mail, migrator: VolumeSchema.migrator)
    try db.execute("UPDATE message SET flags = flags | 4")
    db.close()
    DiskFile.write(Array("damaged-20260101-000000.".utf8), to: "\(folder.path)/ready")
    let store = try bed.openSQL()
    let ana = try #require(try await store.account(named: "ana"))
    #expect(try await store.state("INBOX", of: ana).allSatisfy { $0.flags.contains(.flagged) })
    await store.close()
    #expect(DiskFile.contents("\(bed.volume).damaged-20260101-000000") == old)
    // A note that was not written to its end changes nothing.
    try folder.make()
    DiskFile.write([1], to: folder.mail)
    DiskFile.write(Array("damaged-2026".utf8), to: "\(folder.path)/ready")
    let again = try bed.openSQL()
    #expect(try await again.check().problems == [])
    await again.close()
  }

  @Test func `A database of a newer version is not taken for a damaged one`() async throws {
    let bed = try await filledBed()
    try bed.execute("INSERT INTO grdb_migrations VALUES ('99 later')")
    guard case .database(let message) = await thrown({ _ = try bed.repair() }) else {
      Issue.record("it was repaired")
      return
    }
    #expect(message.contains("newer version"))
  }
}
