import BlobStore
import Logging
import MailStore
import MailTestKit
import NIOCore
import Synchronization
import Testing

@testable import MailStoreSQL

/// What goes wrong around dictionaries: full disks, strays, dates and numbers that the disk made up.
@Suite struct DictionaryUpkeepTests {
  private let base = DictionaryStoreTests()
  private static let settings = DictionaryStoreTests.settings

  /// A closed store, the first copy of every dictionary damaged.
  private func damagedBed(
    _ disk: any FileSystem = PosixFileSystem(), copies: [Int] = [0]
  ) async throws -> (bed: StoreBed, packs: [Int64]) {
    let bed = try StoreBed(fileSystem: disk)
    let (store, _) = try await base.made(bed)
    let packs = base.withDictionary(store)
    #expect(!packs.isEmpty)
    await store.close()
    for pack in packs {
      let ranges = try base.copies(bed, pack)
      DiskFile.change(bed.pack(Int(pack))) { for copy in copies { $0[ranges[copy].upperBound - 20] ^= 4 } }
    }
    return (bed, packs)
  }

  @Test func `A pack that there was no room for is written anew when there is`() async throws {
    let disk = FullFileSystem()
    let (bed, packs) = try await damagedBed(disk)
    let store = try bed.openSQL(Self.settings)
    for pack in packs { store.upkeep.noteDamagedHead(pack) }
    disk.leave(0)
    let error = await thrown { _ = try await store.compact() }
    #expect(error?.isNoRoom == true)
    disk.leave(nil)
    _ = try await store.compact()
    try await base.expectAll(store)
    await store.close()
  }

  @Test func `A pack with strays is written anew when they have their places`() async throws {
    let (bed, packs) = try await damagedBed()
    let pack = packs[0]
    let end = DiskFile.contents(bed.pack(Int(pack))).count
    try bed.execute("INSERT INTO stray VALUES (\(pack), \(end - 3000), 3000, 1, 0, 0)")
    let store = try bed.openSQL(Self.settings)
    store.upkeep.noteDamagedHead(pack)
    _ = try await store.compact()
    #expect(try await store.check().problems.contains { $0.hasPrefix("pack \(pack):") })
    let report = try await store.repairOnline(RepairOptions())
    #expect(report.remaining == [], "\(report)")
    try await base.expectAll(store)
    await store.close()
  }

  @Test func `On a full disk a repair of the running store does the rest, and says what to do`() async throws {
    let disk = FullFileSystem()
    let (bed, packs) = try await damagedBed(disk)
    let store = try bed.openSQL(Self.settings)
    disk.leave(2)
    let report = try await store.repairOnline(RepairOptions())
    #expect(report.remaining.count > packs.count, "\(report)")
    #expect(report.remaining.contains { $0.contains("No space left") })
    #expect(report.remaining.filter { $0.contains("there is room") }.count == packs.count)
    disk.leave(nil)
    #expect(try await store.repairOnline(RepairOptions()).remaining == [])
    try await base.expectAll(store)
    await store.close()
  }

  @Test(arguments: [0, 30]) func `On a full disk a closed store is repaired but for the copies`(writes: Int)
    async throws
  {
    let (bed, _) = try await damagedBed()
    try bed.execute("UPDATE account_state SET bytes = bytes + 5")
    let disk = FullFileSystem()
    disk.leave(writes)
    var packs = PackSettings()
    packs.maxPackBytes = Self.settings.packBytes
    var logger = Logger(label: "test")
    logger.logLevel = .critical
    let report = try StoreRepair.run(
      directory: bed.data,
      settings: StoreSettings(packs: packs, upkeepInterval: 0, now: { [clock = bed.clock] in clock.now }),
      fileSystem: disk, logger: logger)
    #expect(report.damaged == [] && !report.remaining.isEmpty)
    #expect(report.remaining.allSatisfy { $0.contains("make room") }, "\(report)")
    let store = try bed.openSQL(Self.settings)
    #expect(try await everything(store)["budi/INBOX"]?.count == 400)
    #expect(try await store.check().problems.allSatisfy { $0.contains("dictionary") })
    await store.close()
    #expect(try bed.repair(packBytes: Self.settings.packBytes).remaining == [])
    let after = try bed.openSQL(Self.settings)
    try await base.expectAll(after)
    await after.close()
  }

  @Test func `Half a head that a power cut left behind is told to nobody`() async throws {
    let bed = try StoreBed()
    let (store, _) = try await base.made(bed)
    store.upkeep.noteDamagedHead(9999)
    #expect(store.upkeep.damagedHeads.withLock { $0.told.isEmpty && $0.waiting.isEmpty })
    await store.close()
  }

  /// Lines of a log.
  private struct Lines: LogHandler {
    let lines: Shared
    var metadata: Logger.Metadata = [:]
    var logLevel = Logger.Level.error
    final class Shared: Sendable { let all = Mutex<[String]>([]) }
    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
      get { metadata[key] }
      set { metadata[key] = newValue }
    }
    func log(event: LogEvent) { lines.all.withLock { $0.append("\(event.message)") } }
  }

  @Test func `Mail whose dictionary is gone fills no log`() async throws {
    let (bed, packs) = try await damagedBed(copies: [0, 1])
    let shared = Lines.Shared()
    let store = try bed.openSQL(Self.settings, logger: Logger(label: "test") { _ in Lines(lines: shared) })
    for pack in packs { store.upkeep.noteDamagedHead(pack) }
    _ = try await store.compact()
    let lines = shared.all.withLock { $0 }
    #expect(!lines.isEmpty && lines.count <= 4 * packs.count, "\(lines.count): \(lines.last ?? "")")
    #expect(lines.contains { $0.contains("check --repair") })
    await store.close()
  }

  @Test func `A date of a dictionary that nobody can have written ends nothing`() async throws {
    let bed = try StoreBed()
    let (store, _) = try await base.made(bed)
    for made in [Int64.min, .max] {
      var samples = DictionarySamples(capacity: 64 << 10)
      let places = try store.upkeep.reading { db throws(StoreError) in
        var places: [BlobLocation] = []
        let rows = try db("SELECT pack, offset, frame, size FROM blob WHERE id % 2 = ?")
        rows.bind(1, made < 0 ? 1 : 0)
        try rows.forEach {
          places.append(BlobLocation(pack: $0.int(0), offset: $0.int(1), frameLength: $0.int(2), rawSize: $0.int(3)))
        }
        return places
      }
      for place in places { guard try store.packs.addSample(place, to: &samples) else { break } }
      let found = samples.train(octets: store.packs.wantedDictionary, level: 3, now: made)
      let trained = try #require(found)
      let isNew = store.packs.adopt(trained)
      #expect(isNew)
      try await store.upkeep.run { upkeep throws(StoreError) in try upkeep.trainIfDue() }
    }
    try await base.expectAll(store)
    await store.close()
  }

  @Test func `Numbers of blobs that damage made end nothing`() async throws {
    let bed = try StoreBed()
    let store = try bed.openSQL(Self.settings)
    let budi = try await store.add("budi")
    try await base.deliver(0..<200, to: budi, store)
    await store.close()
    try bed.execute("UPDATE blob SET id = -9223372036854775807 WHERE id = (SELECT MIN(id) FROM blob)")
    let after = try bed.openSQL(Self.settings)
    try await after.upkeep.run { upkeep throws(StoreError) in try upkeep.trainIfDue() }
    #expect(after.packs.dictionary == nil)
    await after.close()
  }

  @Test func `A few messages with numbers far apart are no mail to train from`() async throws {
    let bed = try StoreBed()
    var settings = Self.settings
    settings.packBytes = 128 << 10
    var store = try bed.openSQL(settings)
    let budi = try await store.add("budi")
    try await base.deliver(0..<10, to: budi, store)
    await store.close()
    try bed.execute("UPDATE volume_state SET value = 100000 WHERE name = 'next_blob'")
    store = try bed.openSQL(settings)
    try await base.deliver(10..<22, to: budi, store)
    _ = try await store.compact()
    #expect(store.packs.dictionary == nil)
    try await base.deliver(22..<200, to: budi, store)
    _ = try await store.compact()
    #expect(store.packs.dictionary != nil)
    try await base.expectAll(store, 0..<200)
    await store.close()
  }

  @Test func `Under the floor of free space nothing is compressed anew unasked`() async throws {
    let bed = try StoreBed()
    var settings = Self.settings
    var store = try bed.openSQL(settings)
    let budi = try await store.add("budi")
    try await base.deliver(0..<200, to: budi, store)
    await store.close()
    settings.freeSpaceFloor = .max / 2
    store = try bed.openSQL(settings)
    func round(_ store: SQLStore) async throws -> Int {
      try await store.upkeep.run { upkeep throws(StoreError) in
        try upkeep.trainIfDue()
        var report = CompactionReport()
        try upkeep.compactPacks(&report, all: false)
        return report.rewrittenPacks
      }
    }
    #expect(try await round(store) == 0 && store.packs.dictionary != nil)
    await store.close()
    settings.freeSpaceFloor = 0
    store = try bed.openSQL(settings)
    #expect(try await round(store) > 0)
    try await base.expectAll(store, 0..<200)
    await store.close()
  }

  @Test func `Packs that are mostly dictionary are brought together when they are many`() async throws {
    let bed = try StoreBed()
    let (store, budi) = try await base.made(bed)
    _ = try await store.compact()
    var number = 400
    for many in [7, 1] {
      for _ in 0..<many {
        store.packs.roll()
        try await base.deliver(number..<number + 1, to: budi, store)
        number += 1
      }
      store.packs.roll()
      let before = store.packs.packs().count
      #expect(try await store.compact().rewrittenPacks == (many == 1 ? 8 : 0))
      if many == 1 { #expect(store.packs.packs().count <= before - 7) }
    }
    #expect(try await store.compact().rewrittenPacks == 0)
    try await base.expectAll(store, 0..<number)
    await store.close()
  }

  @Test func `Turned off, compaction is the end of every dictionary`() async throws {
    let bed = try StoreBed()
    let (first, _) = try await base.made(bed)
    await first.close()
    var settings = Self.settings
    settings.usesDictionaries = false
    let store = try bed.openSQL(settings)
    #expect(!base.withDictionary(store).isEmpty)
    #expect(try await store.compact().rewrittenPacks > 0)
    #expect(base.withDictionary(store).isEmpty)
    for pack in store.packs.packs() {
      #expect(try store.packs.scan(pack.number, verify: true) { _ in }.dictionaries.isEmpty)
    }
    #expect(try await store.compact().rewrittenPacks == 0)
    try await base.expectAll(store)
    await store.close()
  }
}
