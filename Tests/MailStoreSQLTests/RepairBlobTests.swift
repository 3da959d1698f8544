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

/// Damaged frames: isolated, named, mended where there is something to mend them from, and never served as if whole.
@Suite struct RepairBlobTests {
  /// Frames of pack 1 as its headers have it.
  private func frames(_ bed: StoreBed) -> [(offset: Int, length: Int, header: Int)] {
    let bytes = DiskFile.contents(bed.pack(1))
    func number(_ at: Int, _ count: Int) -> Int { (0..<count).reduce(0) { $0 | Int(bytes[at + $1]) << (8 * $1) } }
    var result: [(offset: Int, length: Int, header: Int)] = []
    var at = 0
    while at + 64 <= bytes.count {
      let header = number(at + 8, 4)
      let length = header + number(at + 24, 8)
      result.append((at, length, header))
      at += length
    }
    return result
  }

  private func filledBed(_ bodies: [String]) async throws -> StoreBed {
    let bed = try StoreBed()
    let store = try bed.openSQL()
    let ana = try await store.add("ana")
    for body in bodies { try await store.put(body, of: ana) }
    await store.close()
    return bed
  }

  /// Flips a bit of the data, or of the header, of frame `index`.
  private func damage(_ bed: StoreBed, _ index: Int, inHeader: Bool = false) {
    let frame = frames(bed)[index]
    DiskFile.change(bed.pack(1)) {
      $0[inHeader ? frame.offset + frame.header - 3 : frame.offset + frame.length - 5] ^= 1
    }
  }

  @Test(arguments: [true, false]) func `A damaged message is isolated and named, and the others are as they were`(
    _ isOnline: Bool
  ) async throws {
    let bodies = (1...3).map { Mail.large(2000, seed: UInt64($0)) }
    let bed = try await filledBed(bodies)
    damage(bed, 1)
    var report = RepairReport()
    if !isOnline { report = try bed.repair() }
    let store = try bed.openSQL()
    if isOnline {
      #expect(try await store.check().problems.count == 2)
      report = try await store.repairOnline(RepairOptions())
    }
    #expect(report.damaged == ["ana, INBOX, UID 2: \"Large 2\""], "\(report)")
    #expect(report.remaining == [])
    let check = try await store.check()
    #expect(check.problems == [] && check.damaged == report.damaged)
    let ana = try #require(try await store.account(named: "ana"))
    let ref = try await store.ref("INBOX", of: ana)
    #expect(try await store.body(1, in: ref) == bodies[0])
    #expect(try await store.body(3, in: ref) == bodies[2])
    guard case .corrupt = await thrown({ _ = try await store.openMessage(2, in: ref) }) else {
      Issue.record("it was opened")
      return
    }
    // What is kept beside the bytes is still served.
    _ = try await store.visit(ref, [2], needs: [.envelope]) { row throws(StoreError) in
      var envelope = ByteBuffer()
      row.appendEnvelope(to: &envelope)
      #expect(String(buffer: envelope).contains("Large 2"))
      return .next
    }
    // Compaction leaves it, and what is deleted is forgotten.
    _ = try await store.compact()
    _ = try await store.changeFlags(FlagChange(.add, .deleted), of: [1, 2, 3], in: ref)
    _ = try await store.expunge(nil, in: ref)
    _ = try await store.compact()
    #expect(try await store.check() == CheckReport(accounts: 1, mailboxes: 6, packs: 1))
    await store.close()
  }

  @Test(arguments: [true, false]) func `A message whose header alone is damaged is whole again`(_ isOnline: Bool)
    async throws
  {
    let bodies = (1...3).map { Mail.large(2000, seed: UInt64($0)) }
    let bed = try await filledBed(bodies)
    damage(bed, 1, inHeader: true)
    if !isOnline { try bed.repairClean() }
    let store = try bed.openSQL()
    if isOnline { #expect(try await store.repairOnline(RepairOptions()).remaining == []) }
    let check = try await store.check()
    #expect(check.problems == [] && check.damaged == [])
    #expect(try await everything(store) == ["ana/INBOX": bodies.sorted()])
    await store.close()
    // The new frame says whose it is.
    DiskFile.remove(bed.volume)
    try bed.repairClean()
    let again = try bed.openSQL()
    #expect(try await everything(again) == ["ana/INBOX": bodies.sorted()])
    await again.close()
  }

  @Test(arguments: [true, false]) func `A damaged message is mended from another of the same bytes`(_ isOnline: Bool)
    async throws
  {
    let same = Mail.large(300_000, seed: 7)
    let bed = try await filledBed([same, Mail.text("Between"), same])
    damage(bed, 0)
    if !isOnline {
      let report = try bed.repairClean()
      #expect(report.damaged == [], "\(report)")
    }
    let store = try bed.openSQL()
    if isOnline { #expect(try await store.repairOnline(RepairOptions()).remaining == []) }
    #expect(try await everything(store)["ana/INBOX"] == [same, Mail.text("Between"), same].sorted())
    let check = try await store.check()
    #expect(check.problems == [] && check.damaged == [])
    await store.close()
  }

  @Test func `A copy that compaction left mends a frame whose header is gone`() async throws {
    let bed = try StoreBed()
    let store = try bed.openSQL()
    let ana = try await store.add("ana")
    try await store.put(Mail.large(3000), of: ana)
    let place = BlobLocation(
      pack: 1, offset: 0, frameLength: Int64(frames(bed)[0].length), rawSize: Int64(Mail.large(3000).utf8.count))
    _ = try store.packs.copyFrame(place)
    try store.packs.sync()
    await store.close()
    DiskFile.change(bed.pack(1)) { for index in 0..<200 { $0[index] = 0 } }
    let report = try bed.repairClean()
    #expect(report.damaged == [], "\(report)")
    let again = try bed.openSQL()
    #expect(try await everything(again) == ["ana/INBOX": [Mail.large(3000)]])
    await again.close()
  }

  @Test func `A pack that is gone takes its messages along by name, and brings them back with it`() async throws {
    let bed = try await filledBed([Mail.text("One"), Mail.text("Two")])
    let pack = DiskFile.contents(bed.pack(1))
    unlink(bed.pack(1))
    let report = try bed.repair()
    #expect(report.damaged.count == 2 && report.remaining == [], "\(report)")
    var store = try bed.openSQL()
    let check = try await store.check()
    #expect(check.problems == [] && check.damaged.count == 2)
    let ana = try #require(try await store.account(named: "ana"))
    let inbox = try await store.ref("INBOX", of: ana)
    #expect(await thrown { _ = try await store.body(1, in: inbox) } != nil)
    await store.close()
    DiskFile.write(pack, to: bed.pack(1))
    try bed.repairClean()
    store = try bed.openSQL()
    #expect(try await everything(store) == ["ana/INBOX": [Mail.text("One"), Mail.text("Two")]])
    #expect(try await store.check().damaged == [])
    await store.close()
  }

  @Test func `What is left of a large message is written to a file, its gaps marked`() async throws {
    let body = Mail.large(600_000)
    let bed = try await filledBed([body])
    let frame = frames(bed)[0]
    DiskFile.change(bed.pack(1)) { $0[frame.offset + frame.header + (frame.length - frame.header) / 2] ^= 0x10 }
    let report = try bed.repair(RepairOptions(salvage: "\(bed.path)/left"))
    let file = try #require(report.salvaged.first)
    let text = String(decoding: DiskFile.contents(file), as: UTF8.self)
    #expect(text.hasPrefix(String(body.prefix(120_000))))
    #expect(text.contains("[merpati: 131072 octets of the message are lost here]"))
    #expect(text.hasSuffix(String(body.suffix(70_000))))
  }

  @Test func `Damage that a reader meets is marked and not met twice`() async throws {
    let bed = try await filledBed([Mail.large(600_000)])
    let frame = frames(bed)[0]
    DiskFile.change(bed.pack(1)) { $0[frame.offset + frame.length - 9] ^= 2 }
    let store = try bed.openSQL()
    let ana = try #require(try await store.account(named: "ana"))
    let ref = try await store.ref("INBOX", of: ana)
    // The first one has begun to read when it finds out.
    let reader = try #require(try await store.openMessage(1, in: ref))
    #expect(await thrown { _ = try await reader.read(0..<reader.size) } != nil)
    // Runs after the task that marks it.
    #expect(try await store.scrubStatus().damaged == ["ana, INBOX, UID 1: \"Large 1\""])
    guard case .corrupt = await thrown({ _ = try await store.openMessage(1, in: ref) }) else {
      Issue.record("it was opened again")
      return
    }
    await store.close()
  }

  @Test func `A frame that does not say whose it is gets owners`() async throws {
    let bed = try StoreBed()
    let store = try bed.openSQL()
    let ana = try await store.add("ana")
    try await store.put(Mail.text("Owned"), of: ana)
    let length = Int64(frames(bed)[0].length)
    let place = BlobLocation(pack: 1, offset: 0, frameLength: length, rawSize: Int64(Mail.text("Owned").utf8.count))
    let bare = try store.packs.copyFrame(place, owners: [])
    try store.packs.sync()
    await store.close()
    try bed.execute(
      "UPDATE blob SET pack = \(bare.pack), offset = \(bare.offset), frame = \(bare.frameLength); "
        + "UPDATE pack SET live_bytes = 0, live_frames = 0 WHERE id = 1; "
        + "INSERT OR REPLACE INTO pack VALUES (\(bare.pack), 1, \(bare.frameLength), \(bare.frameLength))")
    var again = try bed.openSQL()
    #expect(try await again.check().problems.contains { $0.contains("does not say whose it is") })
    await again.close()
    try bed.repairClean()
    again = try bed.openSQL()
    #expect(try await again.check().problems == [])
    #expect(try await everything(again) == ["ana/INBOX": [Mail.text("Owned")]])
    await again.close()
  }
}
