import BlobStore
import MailStore
import MailTestKit
import NIOCore
import Testing

@testable import MailStoreSQL

/// Packs with a dictionary under the whole store: training, repair, backup, compaction.
@Suite struct DictionaryStoreTests {
  /// Small packs, so that little mail is enough for a dictionary.
  static let settings = BedSettings(packBytes: 64 << 10)

  static func text(_ number: Int) -> String {
    var random = SeededRandom(seed: UInt64(number) + 1)
    var body = "Dear Budi,\r\n\r\nthe numbers of week \(number) are below, as agreed with the warehouse.\r\n\r\n"
    for _ in 0..<8 { body += "item \(random.next() % 1_000_000) in stock \(random.next() % 900)\r\n" }
    return Mail.text(
      "Weekly numbers \(number)", id: "\(random.next())@warehouse.example.org",
      body: body + "\r\nKind regards\r\nAna from the warehouse\r\n")
  }

  static func trace(_ number: Int) -> String {
    "Return-Path: <ana@example.org>\r\nDelivered-To: budi@example.org\r\nReceived: from mx.example.org by mail.example.org\r\n"
      + "\twith LMTP id \(number &* 7_368_787) for <budi@example.org>;\r\n"
  }

  func deliver(_ numbers: Range<Int>, to account: Account, _ store: SQLStore) async throws {
    for number in numbers {
      let results = await store.deliver(
        try await store.prepare(Self.text(number)),
        to: [DeliveryTarget(account: account.id, trace: ByteBuffer(string: Self.trace(number)))],
        date: InternalDate(seconds: 1_700_000_000 + Int64(number)))
      for result in results { _ = try result.get() }
    }
  }

  /// 200 messages without a dictionary, which it was trained from, and 200 with it. The first are not written anew.
  func made(_ bed: StoreBed, settings: BedSettings = settings) async throws -> (store: SQLStore, budi: Account) {
    let store = try bed.openSQL(settings)
    let budi = try await store.add("budi")
    try await deliver(0..<200, to: budi, store)
    #expect(store.packs.dictionary == nil)
    try await store.upkeep.run { upkeep throws(StoreError) in try upkeep.trainIfDue() }
    #expect(store.packs.dictionary?.octets ?? 0 > 1000)
    try await deliver(200..<400, to: budi, store)
    return (store, budi)
  }

  func withDictionary(_ store: SQLStore) -> [Int64] {
    store.packs.packs().map(\.number).filter { store.packs.headBytes($0) > 0 }
  }

  private func expected(_ numbers: Range<Int>) -> [String] { numbers.map { Self.trace($0) + Self.text($0) }.sorted() }

  func expectAll(
    _ store: SQLStore, _ numbers: Range<Int> = 0..<400, sourceLocation: SourceLocation = #_sourceLocation
  ) async throws {
    let there = try await everything(store)["budi/INBOX"] ?? []
    #expect(there == expected(numbers), sourceLocation: sourceLocation)
    #expect(try await store.check().problems == [], sourceLocation: sourceLocation)
  }

  @Test func `Mail is whole with it, in this process and the next`() async throws {
    let bed = try StoreBed()
    let (store, budi) = try await made(bed)
    #expect(!withDictionary(store).isEmpty)
    try await expectAll(store)
    let known = store.packs.dictionary
    await store.close()
    let again = try bed.openSQL(Self.settings)
    #expect(again.packs.dictionary == known)
    try await deliver(400..<410, to: budi, again)
    try await expectAll(again, 0..<410)
    await again.close()
  }

  @Test func `Mail that comes brings it about, before the next round of upkeep`() async throws {
    let bed = try StoreBed()
    var settings = Self.settings
    settings.upkeepInterval = 3600
    let store = try bed.openSQL(settings)
    let budi = try await store.add("budi")
    var number = 0
    while store.packs.dictionary == nil {
      try #require(number < 2000)
      try await deliver(number..<number + 20, to: budi, store)
      number += 20
      // Its turn among the tasks.
      try await store.upkeep.run { _ throws(StoreError) in }
    }
    try await deliver(number..<number + 20, to: budi, store)
    #expect(!withDictionary(store).isEmpty)
    try await expectAll(store, 0..<number + 20)
    await store.close()
  }

  @Test func `It is not trained before there is mail, nor where it is turned off`() async throws {
    let bed = try StoreBed()
    let store = try bed.openSQL(Self.settings)
    let budi = try await store.add("budi")
    try await deliver(0..<15, to: budi, store)
    _ = try await store.compact()
    #expect(store.packs.dictionary == nil)
    await store.close()
    var settings = Self.settings
    settings.usesDictionaries = false
    let off = try bed.openSQL(settings)
    try await deliver(15..<300, to: budi, off)
    _ = try await off.compact()
    #expect(off.packs.dictionary == nil && withDictionary(off).isEmpty)
    try await expectAll(off, 0..<300)
    await off.close()
  }

  @Test func `Compaction writes packs of the days before anew, once`() async throws {
    let bed = try StoreBed()
    let (store, _) = try await made(bed)
    let before = store.packs.packs().reduce(0) { $0 + $1.bytes }
    let report = try await store.compact()
    #expect(report.rewrittenPacks > 0)
    #expect(store.packs.packs().reduce(0) { $0 + $1.bytes } < before)
    try await expectAll(store)
    #expect(try await store.compact().rewrittenPacks == 0)
    #expect(store.packs.packs().allSatisfy { $0.bytes == 0 || !store.packs.beginsPlain($0.number) })
    await store.close()
  }

  @Test func `Packs of little mail are not written anew for the dictionary they begin with`() async throws {
    let bed = try StoreBed()
    let (store, budi) = try await made(bed)
    _ = try await store.compact()
    store.packs.roll()
    try await deliver(400..<402, to: budi, store)
    store.packs.roll()
    #expect(try await store.compact().rewrittenPacks == 0)
    try await expectAll(store, 0..<402)
    await store.close()
  }

  @Test func `After ninety days another one is trained, and old packs come to their end`() async throws {
    let bed = try StoreBed()
    let (store, budi) = try await made(bed)
    _ = try await store.compact()
    let first = try #require(store.packs.dictionary)
    bed.clock.advance(89 * 86_400)
    _ = try await store.compact()
    #expect(store.packs.dictionary == first)
    bed.clock.advance(2 * 86_400)
    try await deliver(400..<600, to: budi, store)
    _ = try await store.compact()
    let second = try #require(store.packs.dictionary)
    #expect(second.id != first.id && second.trained == bed.clock.now)
    // What is expunged gives its pack away, and with the last one the dictionary goes.
    let ref = try await store.ref("INBOX", of: budi)
    _ = try await store.changeFlags(FlagChange(.add, .deleted), of: (1...600).filter { $0 % 4 != 0 }, in: ref)
    _ = try await store.expunge(nil, in: ref)
    _ = try await store.compact()
    _ = try await store.compact()
    var ids: Set<UInt32> = []
    for pack in store.packs.packs() {
      _ = try store.packs.scan(pack.number, verify: true) { ids.insert($0.dictionaryID) }
    }
    #expect(ids == [second.id])
    let there = try await everything(store)["budi/INBOX"] ?? []
    #expect(there == (0..<600).filter { $0 % 4 == 3 }.map { Self.trace($0) + Self.text($0) }.sorted())
    #expect(try await store.check().problems == [])
    await store.close()
  }

  @Test func `With the database lost every message comes back, trace lines as well`() async throws {
    let bed = try StoreBed()
    let (store, _) = try await made(bed)
    let before = try await everything(store)
    await store.close()
    DiskFile.remove(bed.volume)
    DiskFile.remove(bed.directory)
    try bed.repairClean()
    let after = try bed.openSQL(Self.settings)
    #expect(try await everything(after) == before)
    try await expectAll(after)
    await after.close()
  }

  // MARK: Damage

  /// Where the copies of a pack's dictionary stand.
  func copies(_ bed: StoreBed, _ pack: Int64) throws -> [Range<Int>] {
    let store = try PackStore(directory: "\(bed.data)/volumes/1/packs", fileSystem: PosixFileSystem())
    defer { store.close() }
    return try store.scan(pack, verify: false) { _ in }.dictionaries.map { Int($0.lowerBound)..<Int($0.upperBound) }
  }

  @Test(arguments: [0, 1], [true, false])
  func `A damaged copy is named, and its pack is written anew from the other`(copy: Int, isOnline: Bool) async throws {
    let bed = try StoreBed()
    let (store, _) = try await made(bed)
    let packs = withDictionary(store)
    await store.close()
    for pack in packs {
      let range = try copies(bed, pack)[copy]
      DiskFile.change(bed.pack(Int(pack))) { $0[range.upperBound - 20] ^= 4 }
    }
    if isOnline {
      let store = try bed.openSQL(Self.settings)
      let problems = try await store.check().problems
      #expect(
        problems.count == packs.count && problems.allSatisfy { $0.contains("a copy of its dictionary is damaged") })
      #expect(problems.allSatisfy { RepairKinds.remedy(for: $0) == .repaired })
      let report = try await store.repairOnline(RepairOptions())
      #expect(report.remaining == [] && report.damaged == [])
      try await expectAll(store)
      await store.close()
    } else {
      let dry = try bed.repair(RepairOptions(dryRun: true), packBytes: 64 << 10)
      #expect(dry.remaining.count == packs.count)
      let report = try bed.repair(packBytes: 64 << 10)
      #expect(report.remaining == [] && report.damaged == [])
      #expect(try bed.repair(packBytes: 64 << 10).actions == [], "a second one finds nothing to do")
    }
    let after = try bed.openSQL(Self.settings)
    try await expectAll(after)
    await after.close()
  }

  @Test func `The background does the same with what readers and the scrubber meet`() async throws {
    let bed = try StoreBed()
    let (store, _) = try await made(bed)
    let packs = withDictionary(store)
    await store.close()
    for pack in packs {
      let range = try copies(bed, pack)[0]
      DiskFile.change(bed.pack(Int(pack))) { for index in range { $0[index] = 0 } }
    }
    let opened = try bed.openSQL(Self.settings)
    let step = try opened.packs.scrub(packs[0], from: 0, bytes: 1000) { _ in }
    #expect(step.lacksDictionary)
    for pack in packs { opened.upkeep.noteDamagedHead(pack) }
    _ = try await opened.compact()
    try await expectAll(opened)
    await opened.close()
  }

  @Test(arguments: [true, false])
  func `With every copy gone messages are isolated and named, and the rest is served`(isOnline: Bool) async throws {
    let bed = try StoreBed()
    let (store, budi) = try await made(bed)
    let packs = withDictionary(store)
    await store.close()
    for pack in packs {
      let ranges = try copies(bed, pack)
      DiskFile.change(bed.pack(Int(pack))) { for range in ranges { $0[range.upperBound - 20] ^= 4 } }
    }
    let opened = try bed.openSQL(Self.settings)
    #expect(opened.packs.dictionary == nil)
    let ref = try await opened.ref("INBOX", of: budi)
    #expect(try await opened.body(200, in: ref) == Self.trace(199) + Self.text(199))
    for uid in [201, 300, 400] as [UID] {
      let error = await thrown { _ = try await opened.body(uid, in: ref) }
      guard case .corrupt = error else {
        throw StoreError.database(message: "UID \(uid): \(String(describing: error))")
      }
    }
    try await deliver(400..<403, to: budi, opened)
    if isOnline {
      let report = try await opened.repairOnline(RepairOptions())
      #expect(report.damaged.count == 200 && report.remaining == [])
      await opened.close()
    } else {
      await opened.close()
      let report = try bed.repair(packBytes: 64 << 10)
      #expect(report.damaged.count == 200 && report.remaining == [], "\(report.remaining.first ?? "")")
    }
    let after = try bed.openSQL(Self.settings)
    #expect(try await after.check().problems.allSatisfy { $0.hasPrefix("DAMAGED") || $0.contains("is damaged") })
    let again = try await after.ref("INBOX", of: budi)
    #expect(try await after.body(403, in: again) == Self.trace(402) + Self.text(402))
    await after.close()

    // The packs come back from a backup, and so does their mail.
    for pack in packs {
      let ranges = try copies(bed, pack)
      DiskFile.change(bed.pack(Int(pack))) { for range in ranges { $0[range.upperBound - 20] ^= 4 } }
    }
    #expect(try bed.repair(packBytes: 64 << 10).damaged == [])
    let whole = try bed.openSQL(Self.settings)
    try await expectAll(whole, 0..<403)
    await whole.close()
  }

  // MARK: Backup

  @Test func `Backups hold it, incremental ones and restored ones too`() async throws {
    let bed = try StoreBed()
    let (store, budi) = try await made(bed)
    #expect(try await bed.backup(store).problems == [])
    try await deliver(400..<420, to: budi, store)
    bed.clock.advance(60)
    // The pack under way was longer than the last generation has of it.
    let report = try await bed.backup(store)
    #expect(report.problems == [] && report.packs > 0 && report.packs < 64 << 10)
    let before = try await store.everything(of: "budi")
    await store.close()
    #expect(try bed.verify().isClean)
    try bed.restore(to: "\(bed.path)/elsewhere")
    let other = try bed.openSQL(at: "\(bed.path)/elsewhere")
    #expect(try await other.everything(of: "budi") == before)
    #expect(try await other.check().problems == [])
    await other.close()
    // One account, read out of the backup.
    let reader = try BackupReader(bed.backups, generation: nil, account: "budi")
    let inbox = try #require(try reader.mailboxes().mailboxes.first { $0.name == "INBOX" })
    for uid in [1, 250, 420] as [UID] {
      guard case .whole(let body) = try reader.body(uid, in: inbox.id) else { continue }
      #expect(String(buffer: body) == Self.trace(Int(uid) - 1) + Self.text(Int(uid) - 1))
    }
    reader.close()
  }

  @Test func `A backup names a damaged copy`() async throws {
    let bed = try StoreBed()
    let (store, _) = try await made(bed)
    let pack = try #require(withDictionary(store).first)
    await store.close()
    let range = try copies(bed, pack)[1]
    DiskFile.change(bed.pack(Int(pack))) { $0[range.upperBound - 20] ^= 4 }
    let opened = try bed.openSQL(Self.settings)
    let report = try await bed.backup(opened)
    #expect(report.problems.count == 1 && report.problems[0].contains("dictionary"))
    await opened.close()
  }
}
