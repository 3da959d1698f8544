import BlobStore
import Logging
import MailStore
import MailTestKit
import NIOCore
import Testing

@testable import MailStoreSQL

/// The scrubber finds what has gone bad, names it once, and goes on where it was.
@Suite struct ScrubTests {
  private func open(_ bed: StoreBed, rate: Int64, interval: Int = 0) throws -> SQLStore {
    var logger = Logger(label: "test")
    logger.logLevel = .critical
    var packs = PackSettings()
    packs.maxPackBytes = 20_000
    return try SQLStore.open(
      directory: bed.data,
      settings: StoreSettings(
        packs: packs, upkeepInterval: 0, scrubRate: rate, scrubInterval: interval,
        now: { [clock = bed.clock] in clock.now }),
      logger: logger)
  }

  private func status(_ store: SQLStore, until isDone: (ScrubStatus) -> Bool) async throws -> ScrubStatus {
    while true {
      let status = try await store.scrubStatus()
      if isDone(status) { return status }
      try await Task.sleep(for: .milliseconds(5))
    }
  }

  private func filledBed() async throws -> StoreBed {
    let bed = try StoreBed()
    let store = try open(bed, rate: 0)
    let ana = try await store.add("ana")
    for number in 1...20 { try await store.put(Mail.large(4000, seed: UInt64(number)), of: ana) }
    #expect(store.packs.packs().count > 2)
    await store.close()
    return bed
  }

  @Test func `A flipped bit is found, named and marked; then the store is as clean as it can be`() async throws {
    let bed = try await filledBed()
    DiskFile.change(bed.pack(2)) { $0[$0.count - 20] ^= 4 }
    let store = try open(bed, rate: 1 << 30, interval: 86_400)
    let status = try await status(store) { $0.roundEnded > 0 }
    #expect(status.damaged.count == 1 && status.damaged[0].hasPrefix("ana, INBOX, UID "), "\(status)")
    #expect(status.databaseIsSound && status.databaseChecked > 0 && status.roundBegun == 0)
    let check = try await store.check()
    #expect(check.problems == [] && check.damaged == status.damaged)
    await store.close()
  }

  @Test func `A round goes on after a restart where it was, and one that is over is not begun at once`() async throws {
    let bed = try await filledBed()
    // Two octets a millisecond: it does not come far.
    var store = try open(bed, rate: 2000)
    let begun = try await status(store) { $0.doneBytes > 0 }
    await store.close()
    store = try open(bed, rate: 2000)
    let again = try await store.scrubStatus()
    #expect(again.roundBegun == begun.roundBegun && again.doneBytes >= begun.doneBytes && again.roundEnded == 0)
    await store.close()
    store = try open(bed, rate: 1 << 30, interval: 3600)
    let ended = try await status(store) { $0.roundEnded > 0 }
    #expect(ended.roundBegun == 0)
    await store.close()
    store = try open(bed, rate: 1 << 30, interval: 3600)
    #expect(try await store.scrubStatus().roundBegun == 0)
    #expect(try await store.check().problems == [])
    await store.close()
  }

  @Test func `A damaged database is told of`() async throws {
    let bed = try await filledBed()
    let db = try SQLConnection.reader(path: bed.volume)
    let page = try #require(
      try db("SELECT rootpage FROM sqlite_schema WHERE name = 'thread_reference'").first { $0.int(0) })
    db.close()
    DiskFile.change(bed.volume) { for index in 0..<32 { $0[(Int(page) - 1) * SQLTuning.pageSize + index] = 0xFF } }
    let store = try open(bed, rate: 1 << 30, interval: 86_400)
    let status = try await status(store) { $0.roundEnded > 0 }
    #expect(!status.databaseIsSound)
    await store.close()
    try bed.repairClean()
    let again = try open(bed, rate: 0)
    #expect(try await again.check().problems == [])
    await again.close()
  }

  @Test func `A scrubber that is off does nothing`() async throws {
    let bed = try await filledBed()
    let store = try open(bed, rate: 0)
    #expect(try await store.scrubStatus().roundBegun == 0)
    await store.close()
  }
}
