import BlobStore
import MailStore
import MailTestKit
import NIOCore
import Synchronization
import Testing

@testable import MailStoreSQL

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

private final class Flag: Sendable {
  let value = Atomic(false)
}

@Suite struct BackupTests {
  /// Two accounts with mail, flags, a deleted message and a large one, over several packs.
  private func filled(_ bed: StoreBed, _ settings: BedSettings = BedSettings(packBytes: 6000)) async throws -> SQLStore
  {
    let store = try bed.openSQL(settings)
    let ana = try await store.add("ana", quota: QuotaLimits(bytes: 9_000_000))
    let budi = try await store.add("budi")
    for seed in 1...6 { try await store.put(Mail.large(2000, seed: UInt64(seed)), of: ana) }
    try await store.put(Mail.text("Words"), in: "Sent", of: budi, flags: [.seen, .answered], keywords: ["$Junk"])
    try await store.put(Mail.large(300_000, seed: 77), of: budi)
    let ref = try await store.ref("INBOX", of: ana)
    _ = try await store.changeFlags(FlagChange(.add, [.deleted]), of: [2], in: ref)
    _ = try await store.expunge(nil, in: ref)
    return store
  }

  private func flip(_ path: String, at offset: Int) {
    let file = open(path, O_RDWR)
    var byte: UInt8 = 0
    #expect(pread(file, &byte, 1, off_t(offset)) == 1)
    byte ^= 0x55
    #expect(pwrite(file, &byte, 1, off_t(offset)) == 1)
    close(file)
  }

  @Test func `A backup restored elsewhere is the store of that moment`() async throws {
    let bed = try StoreBed()
    let store = try await filled(bed)
    let before = [try await store.everything(of: "ana"), try await store.everything(of: "budi")]
    let report = try await bed.backup(store)
    #expect(report.problems == [] && report.accounts == 2 && report.messages == 7)
    try await store.put(of: try #require(try await store.account(named: "ana")))
    await store.close()
    #expect(try bed.verify().isClean)
    let restored = try bed.restore(to: "\(bed.path)/elsewhere")
    #expect(restored.setAside == nil && !restored.hadMarks && restored.messages == 7)
    let other = try bed.openSQL(at: "\(bed.path)/elsewhere")
    #expect([try await other.everything(of: "ana"), try await other.everything(of: "budi")] == before)
    let ana = try #require(try await other.account(named: "ana"))
    #expect(ana.quota.bytes == 9_000_000 && ana.credentials == "x")
    #expect(try await other.check().problems == [])
    try await other.put(of: ana)
    #expect(try await other.check().problems == [])
    await other.close()
  }

  @Test func `Files and folders are private`() async throws {
    let bed = try StoreBed()
    let store = try await filled(bed)
    let name = try await bed.backup(store).generation
    await store.close()
    var info = stat()
    for (path, mode) in [
      ("", 0o700), ("/\(name)", 0o700), ("/\(name)/packs", 0o700), ("/\(name)/mail.sqlite", 0o600),
      ("/\(name)/packs/000000000001.pack", 0o600), ("/\(name)/manifest.json", 0o600),
    ] {
      #expect(stat(bed.backups + path, &info) == 0)
      #expect(info.st_mode & 0o777 == mode_t(mode), "\(path)")
    }
  }

  @Test func `The next generation copies what is new and shares the rest`() async throws {
    let bed = try StoreBed()
    let store = try await filled(bed)
    let first = try await bed.backup(store)
    bed.clock.advance(60)
    let second = try await bed.backup(store)
    #expect(first.packs > 0 && second.packs == 0)
    #expect(second.octets == first.octets)
    let ana = try #require(try await store.account(named: "ana"))
    let size = store.packs.packs().reduce(0) { $0 + $1.bytes }
    try await store.put(Mail.large(1500, seed: 50), of: ana)
    bed.clock.advance(60)
    let third = try await bed.backup(store)
    #expect(third.packs == store.packs.packs().reduce(0) { $0 + $1.bytes } - size)
    let before = try await store.everything(of: "ana")
    await store.close()
    #expect(try bed.verify().generations.map(\.problems) == [[], [], []])
    // The one in between can go, and the others stay whole.
    try BackupFiles().removeTree("\(bed.backups)/\(first.generation)")
    try BackupFiles().removeTree("\(bed.backups)/\(second.generation)")
    try bed.restore(third.generation)
    let again = try bed.openSQL()
    #expect(try await again.everything(of: "ana") == before)
    #expect(try await again.check().problems == [])
    await again.close()
  }

  @Test func `No pack is removed while a backup copies, and afterwards they are`() async throws {
    let bed = try StoreBed()
    let store = try await filled(bed)
    let before = try await store.everything(of: "ana")
    let report = try await bed.backup(
      store,
      whileHeld: {
        let ana = try #require(try await store.account(named: "ana"))
        let ref = try await store.ref("INBOX", of: ana)
        _ = try await store.changeFlags(FlagChange(.add, .deleted), of: Array(1...6), in: ref)
        _ = try await store.expunge(nil, in: ref)
        let compaction = try await store.compact()
        #expect(compaction.purgedMessages > 0 && compaction.removedPacks == 0)
      })
    #expect(report.problems == [])
    #expect(try await store.compact().removedPacks > 0)
    await store.close()
    try bed.restore(to: "\(bed.path)/elsewhere")
    let other = try bed.openSQL(at: "\(bed.path)/elsewhere")
    #expect(try await other.everything(of: "ana") == before)
    #expect(try await other.check().problems == [])
    await other.close()
  }

  @Test func `A cut at any point leaves nothing that looks like a backup`() async throws {
    let bed = try StoreBed()
    let store = try await filled(bed)
    var events: [BackupFiles.Event] = []
    try await bed.backup(store) { (event) throws(StoreError) in events.append(event) }
    #expect(events.count > 12)
    let ana = try #require(try await store.account(named: "ana"))
    for point in events.indices {
      bed.clock.advance(10)
      try await store.put(Mail.text("Number \(point)"), of: ana)
      var count = 0
      let known = try BackupFolder(bed.backups).generations()
      let cut = await thrown {
        try await bed.backup(store) { (_) throws(StoreError) in
          count += 1
          if count > point { throw .io(operation: "cut", path: "", errno: 0) }
        }
      }
      let new = try BackupFolder(bed.backups).generations().filter { !known.contains($0) }
      // Only the last steps come after the name, and then all of it is there.
      if cut != nil, point < events.count - 2 { #expect(new == [], "cut at \(point): \(events[point])") }
      for name in new { _ = try BackupManifest.read("\(bed.backups)/\(name)") }
    }
    bed.clock.advance(10)
    try await bed.backup(store)
    await store.close()
    #expect(try bed.verify().isClean)
    #expect(try BackupFiles.list(bed.backups).allSatisfy { !$0.hasPrefix(".unfinished") })
  }

  @Test func `A generation is named when everything in it is on the disk`() async throws {
    let bed = try StoreBed()
    let store = try await filled(bed)
    var events: [BackupFiles.Event] = []
    try await bed.backup(store) { (event) throws(StoreError) in events.append(event) }
    await store.close()
    let name = try #require(
      events.firstIndex { if case .rename = $0 { true } else { false } })
    for event in events {
      guard case .write(let path) = event else { continue }
      let sync = try #require(events.firstIndex(of: .sync(path)), "\(path)")
      let folder = try #require(events.lastIndex(of: .syncFolder(SQLStore.parent(of: path))), "\(path)")
      #expect(sync < name && folder > sync && folder < name, "\(path)")
    }
    // The name of the folder of backups itself, before anything stands in it.
    #expect(
      events.first { if case .syncFolder = $0 { true } else { false } } == .syncFolder(SQLStore.parent(of: bed.backups))
    )
    #expect(events.last == .syncFolder(bed.backups))
  }

  @Test func `Verification finds every damage`() async throws {
    let bed = try StoreBed()
    let store = try await filled(bed)
    let name = try await bed.backup(store).generation
    await store.close()
    let manifest = try BackupManifest.read("\(bed.backups)/\(name)")
    for file in manifest.files.map(\.name) + ["manifest.json"] {
      let path = "\(bed.backups)/\(name)/\(file)"
      flip(path, at: 40)
      let report = try bed.verify()
      #expect(report.generations[0].problems.count == 1, "\(file)")
      #expect(await thrown { try bed.restore(to: "\(bed.path)/broken") } != nil, "\(file)")
      flip(path, at: 40)
    }
    unlink("\(bed.backups)/\(name)/packs/000000000001.pack")
    #expect(!(try bed.verify().isClean))
    #expect(!FileSizes.exists("\(bed.path)/broken/volumes"))
  }

  @Test func `A message that is damaged in the store is named, and everything else is saved`() async throws {
    let bed = try StoreBed()
    var store = try await filled(bed)
    await store.close()
    flip("\(bed.data)/volumes/1/packs/000000000001.pack", at: 700)
    store = try bed.openSQL()
    let report = try await bed.backup(store)
    #expect(report.problems.count == 1 && report.problems[0].contains("pack 1 at 0"), "\(report.problems)")
    await store.close()
    let verified = try bed.verify()
    #expect(verified.isClean && verified.generations[0].storeProblems.count == 1)
    #expect(try bed.restore(to: "\(bed.path)/elsewhere").messages == 7)
  }

  @Test func `So many generations are kept, and the rest stays whole`() async throws {
    let bed = try StoreBed()
    let store = try await filled(bed)
    var names: [String] = []
    for _ in 0..<4 {
      bed.clock.advance(60)
      names.append(try await bed.backup(store, keep: 2).generation)
    }
    await store.close()
    #expect(try BackupFolder(bed.backups).generations() == Array(names.suffix(2)))
    #expect(try bed.verify().isClean)
  }

  @Test func `A clock that goes back makes no generation out of order`() async throws {
    let bed = try StoreBed()
    let store = try await filled(bed)
    let first = try await bed.backup(store).generation
    bed.clock.advance(-5000)
    let second = try await bed.backup(store).generation
    #expect(second > first)
    #expect(BackupFolder.name(0, after: "2026-12-31T235959Z") == "2027-01-01T000000Z")
    await store.close()
  }

  @Test func `One backup of a store at a time, and what a killed one left goes at the next start`() async throws {
    let bed = try StoreBed()
    var store = try await filled(bed)
    let hold = try await store.beginBackup(into: nil)
    #expect(await thrown { _ = try await store.beginBackup(into: nil) } != nil)
    #expect(FileSizes.exists("\(hold.snapshot.folder)/mail.sqlite"))
    await hold.end()
    #expect(!FileSizes.exists(hold.snapshot.folder))
    let second = try await store.beginBackup(into: nil)
    await store.close()
    await second.end()
    try BackupFiles().makeFolder("\(bed.data)/volumes/1/snapshot")
    store = try bed.openSQL()
    #expect(!FileSizes.exists("\(bed.data)/volumes/1/snapshot"))
    await store.close()
  }

  @Test func `What an earlier backup could not clear away is in nobody's way`() async throws {
    let bed = try StoreBed()
    let store = try await filled(bed)
    let place = "\(bed.data)/volumes/1/snapshot"
    try BackupFiles().makeFolder(place)
    DiskFile.write([1, 2, 3], to: "\(place)/mail.sqlite")
    let hold = try await store.beginBackup(into: nil)
    #expect(FileSizes.of("\(place)/mail.sqlite") > 3)
    await hold.end()
    await store.close()
  }

  @Test func `Deliveries go on while the database is copied, and none of them is half in the backup`() async throws {
    let bed = try StoreBed()
    let store = try bed.openSQL(BedSettings(packBytes: 200_000))
    let ana = try await store.add("ana")
    try await store.fill(2000, of: ana)
    let stop = Flag()
    try await withThrowingTaskGroup(of: Int.self) { group in
      group.addTask {
        var count = 0
        while !stop.value.load(ordering: .relaxed) {
          try await store.put(Mail.large(3000, seed: UInt64(count)), of: ana)
          count += 1
        }
        return count
      }
      var last = 0
      for _ in 0..<4 {
        bed.clock.advance(10)
        let report = try await bed.backup(store)
        #expect(report.problems == [] && report.messages >= last)
        last = report.messages
      }
      stop.value.store(true, ordering: .relaxed)
      #expect(try await group.next() ?? 0 > 0)
    }
    await store.close()
    for name in try BackupFolder(bed.backups).generations() {
      let folder = "\(bed.path)/from-\(name)"
      try bed.restore(name, to: folder)
      let other = try bed.openSQL(at: folder)
      #expect(try await other.check().problems == [])
      await other.close()
    }
  }
}
