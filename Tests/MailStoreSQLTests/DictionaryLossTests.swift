import BlobStore
import MailStore
import MailTestKit
import NIOCore
import Testing

@testable import MailStoreSQL

/// Dictionaries that one pack has lost and another still has, and disks that fail while that is mended.
@Suite struct DictionaryLossTests {
  private let base = DictionaryStoreTests()
  private static let settings = DictionaryStoreTests.settings

  private func harm(_ bed: StoreBed, _ pack: Int64, copies: [Int]) throws {
    let ranges = try base.copies(bed, pack)
    DiskFile.change(bed.pack(Int(pack))) { for copy in copies { $0[ranges[copy].upperBound - 20] ^= 4 } }
  }

  /// A closed store: messages 0..<200 without a dictionary, 200..<400 with one in packs `first`, and then 30 in each of `others`,
  /// with the same. In `first` copies are harmed.
  private func made(
    others count: Int, harming copies: [Int] = [0, 1], _ disk: any FileSystem = PosixFileSystem()
  ) async throws -> (bed: StoreBed, first: [Int64], others: [Int64]) {
    let bed = try StoreBed(fileSystem: disk)
    let (store, budi) = try await base.made(bed)
    let first = base.withDictionary(store)
    for number in 0..<count {
      store.packs.roll()
      try await base.deliver(400 + number * 30..<430 + number * 30, to: budi, store)
    }
    let others = base.withDictionary(store).filter { !first.contains($0) }
    #expect(!first.isEmpty && others.count == count)
    await store.close()
    for pack in first { try harm(bed, pack, copies: copies) }
    return (bed, first, others)
  }

  private func expunge(_ uids: (UID) -> Bool, _ store: SQLStore) async throws {
    let budi = try #require(try await store.account(named: "budi"))
    let ref = try await store.ref("INBOX", of: budi)
    _ = try await store.changeFlags(FlagChange(.add, .deleted), of: (1...600).filter { uids($0) }, in: ref)
    _ = try await store.expunge(nil, in: ref)
  }

  private func numbers(_ store: SQLStore) -> [Int64] { store.packs.packs().filter { $0.bytes > 0 }.map(\.number) }

  // MARK: Whose turn it is

  @Test func `On a full disk the last good copies stay until the mail that needs them is elsewhere`() async throws {
    let disk = FullFileSystem()
    let (bed, first, others) = try await made(others: 1, disk)
    var store = try bed.openSQL(Self.settings)
    try await expunge({ $0 <= 200 || $0 > 400 }, store)
    for pack in first { store.upkeep.noteDamagedHead(pack) }
    disk.leave(0)
    let error = await thrown { _ = try await store.compact() }
    #expect(error?.isNoRoom == true)
    #expect(numbers(store) == first + others, "the packs without a dictionary are gone, the dead one with it is not")
    disk.leave(nil)
    await store.close()
    // Nothing is in memory any more.
    store = try bed.openSQL(Self.settings)
    for pack in first { store.upkeep.noteDamagedHead(pack) }
    _ = try await store.compact()
    try await base.expectAll(store, 200..<400)
    #expect(Set(numbers(store)).isDisjoint(with: first + others))
    await store.close()
  }

  @Test func `A dead pack goes where a third one has the same dictionary`() async throws {
    let disk = FullFileSystem()
    let (bed, first, others) = try await made(others: 2, disk)
    let store = try bed.openSQL(Self.settings)
    try await expunge({ $0 > 430 }, store)
    for pack in first { store.upkeep.noteDamagedHead(pack) }
    disk.leave(0)
    let error = await thrown { _ = try await store.compact() }
    #expect(error?.isNoRoom == true)
    #expect(numbers(store).contains(others[0]) && !numbers(store).contains(others[1]))
    disk.leave(nil)
    _ = try await store.compact()
    try await base.expectAll(store, 0..<430)
    await store.close()
  }

  @Test func `Packs that live by the copies of others come first`() async throws {
    let (bed, first, others) = try await made(others: 1, harming: [0])
    try harm(bed, others[0], copies: [0, 1])
    let store = try bed.openSQL(Self.settings)
    let live = Dictionary(uniqueKeysWithValues: store.packs.packs().map { ($0.number, Int64(1)) })
    var needed = NeededDictionaries(store.packs, live: live, neededBy: Set(first + others))
    #expect(needed.rank(others[0]) == 1 && first.allSatisfy { needed.rank($0) == 2 } && needed.rank(1) == 3)
    #expect(needed.hold(first[0]) && !needed.hold(others[0]) && !needed.hold(1))
    needed.forget(others[0])
    #expect(needed.hold(first[0]) == (first.count > 1))
    for pack in first + others { store.upkeep.noteDamagedHead(pack) }
    _ = try await store.compact()
    try await base.expectAll(store, 0..<430)
    await store.close()
  }

  // MARK: Dates

  @Test func `A dictionary from days to come is replaced`() async throws {
    let bed = try StoreBed()
    let (store, budi) = try await base.made(bed)
    let first = try #require(store.packs.dictionary)
    try await base.deliver(400..<600, to: budi, store)
    bed.clock.advance(-86_000)
    _ = try await store.compact()
    #expect(store.packs.dictionary == first)
    bed.clock.advance(-1000)
    _ = try await store.compact()
    let second = try #require(store.packs.dictionary)
    #expect(second.id != first.id && second.trained == bed.clock.now)
    try await base.expectAll(store, 0..<600)
    await store.close()
  }

  // MARK: A disk that does not answer

  @Test(arguments: [5, 12, 24] as [Int32])
  func `What could not be read just now is not marked, and is told of again`(code: Int32) async throws {
    let disk = FullFileSystem()
    let bed = try StoreBed(fileSystem: disk)
    let store = try bed.openSQL()
    let ana = try await store.add("ana")
    let uid = try await store.put(Mail.large(4000, seed: 1), of: ana)
    let location = try store.upkeep.reading { db throws(StoreError) in
      try db("SELECT pack, offset, frame, size FROM blob").first {
        BlobLocation(pack: $0.int(0), offset: $0.int(1), frameLength: $0.int(2), rawSize: $0.int(3))
      }
    }
    let place = try #require(location)
    func note() async throws -> [String] {
      store.upkeep.damage.add(place)
      return try await store.upkeep.run { upkeep throws(StoreError) in
        upkeep.noteReportedDamage()
        return try OnlineRepair.damagedMessages(upkeep)
      }
    }
    disk.failReads(code)
    #expect(try await note() == [])
    disk.failReads(nil)
    let ref = try await store.ref("INBOX", of: ana)
    #expect(try await store.body(uid, in: ref) == Mail.large(4000, seed: 1))
    #expect(try await store.check().problems == [])
    DiskFile.change(bed.pack(Int(place.pack))) { $0[$0.count - 20] ^= 4 }
    #expect(try await note().count == 1)
    await store.close()
  }

  // MARK: Backup

  @Test func `A backup reads one pack with the dictionary of another`() async throws {
    let (bed, first, _) = try await made(others: 1)
    let store = try bed.openSQL(Self.settings)
    let report = try await bed.backup(store)
    #expect(report.problems.count == first.count, "\(report.problems)")
    #expect(report.problems.allSatisfy { $0.contains("a copy of its dictionary is damaged") })
    await store.close()
    for uid in [201, 400, 430] as [UID] {
      let reader = try BackupReader(bed.backups, generation: nil, account: "budi")
      let inbox = try #require(try reader.mailboxes().mailboxes.first { $0.name == "INBOX" })
      guard case .whole(let body) = try reader.body(uid, in: inbox.id) else {
        Issue.record("UID \(uid) comes in pieces")
        continue
      }
      #expect(
        String(buffer: body) == DictionaryStoreTests.trace(Int(uid) - 1) + DictionaryStoreTests.text(Int(uid) - 1))
      reader.close()
    }
  }

  // MARK: Owners

  @Test(arguments: [true, false])
  func `A message whose owners alone are lost is not called damaged, and moves`(isOnline: Bool) async throws {
    let bed = try StoreBed()
    let (store, budi) = try await base.made(bed)
    // Octets that nothing makes shorter.
    var random = SeededRandom(seed: 5)
    var noise = ByteBuffer()
    while noise.readableBytes < 900 {
      let octet = UInt8(truncatingIfNeeded: random.next())
      if ![0, 10, 13].contains(octet) { noise.writeInteger(octet) }
    }
    let message = store.newIncomingMessage()
    try await message.append(noise)
    let results = await store.deliver(
      try await message.finish(),
      to: [DeliveryTarget(account: budi.id, trace: ByteBuffer(string: DictionaryStoreTests.trace(7)))],
      date: InternalDate(seconds: 1_700_000_000))
    for result in results { _ = try result.get() }
    let packs = base.withDictionary(store)
    await store.close()
    for pack in packs { try harm(bed, pack, copies: [0, 1]) }

    func expectWhole(_ store: SQLStore) async throws {
      let place = try store.upkeep.reading { db throws(StoreError) in
        try db("SELECT pack, offset, frame, size FROM blob WHERE size = 900").first {
          BlobLocation(pack: $0.int(0), offset: $0.int(1), frameLength: $0.int(2), rawSize: $0.int(3))
        }
      }
      var scratch = BlobScratch()
      let size = try store.packs.read(try #require(place), scratch: &scratch)
      #expect(size == 900 && scratch.withBytes { $0.withUnsafeBytes { ByteBuffer(bytes: $0) } } == noise)
    }
    let opened = try bed.openSQL(Self.settings)
    try await expectWhole(opened)
    let words = "does not say whose it is"
    let problems = try await opened.check().problems
    #expect(problems.count { $0.contains(words) } == 1 && problems.count { $0.contains("the frame of blob") } == 200)
    if isOnline {
      let report = try await opened.repairOnline(RepairOptions())
      #expect(report.damaged.count == 200)
      #expect(report.remaining.count == 1 && report.remaining[0].contains(words), "\(report.remaining)")
      try await expectWhole(opened)
    }
    await opened.close()
    let report = try bed.repair(packBytes: 64 << 10)
    #expect(report.damaged.count == 200 && report.remaining == [], "\(report.remaining)")
    let after = try bed.openSQL(Self.settings)
    try await expectWhole(after)
    var owners: [FrameOwner] = []
    for pack in after.packs.packs() where !packs.contains(pack.number) {
      _ = try after.packs.scan(pack.number, verify: true) { if $0.location.rawSize == 900 { owners += $0.owners } }
    }
    #expect(
      owners.map(\.account) == [budi.id.rawValue]
        && owners.map { String(buffer: $0.trace) } == [DictionaryStoreTests.trace(7)])
    await after.close()
  }
}
