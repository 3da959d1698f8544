import Logging
import MailStore
import MailTestKit
import NIOCore
import Synchronization
import Testing

@testable import MailStoreSQL

/// The floor of free space under which no new mail is taken.
@Suite struct FreeSpaceTests {
  private final class Disk: Sendable {
    let free = Mutex<Int64>(1 << 30)
    let looks = Atomic(0)
    let time = Atomic<Int64>(0)
  }

  private func space(_ disk: Disk, floor: Int64) -> FreeSpace {
    FreeSpace(
      path: "/disk", floor: floor, logger: Logger(label: "test"),
      measure: { _ in
        disk.looks.wrappingAdd(1, ordering: .relaxed)
        return disk.free.withLock { $0 }
      }, clock: { disk.time.load(ordering: .relaxed) })
  }

  @Test func `Under the floor mail is refused as on a full disk, and taken again above it`() {
    let disk = Disk()
    let space = space(disk, floor: 1 << 20)
    #expect(throws: Never.self) { try space.take(1000) }
    disk.free.withLock { $0 = 1 << 19 }
    disk.time.add(1000, ordering: .relaxed)
    let error = #expect(throws: StoreError.self) { try space.take(1) }
    #expect(error?.isNoRoom == true)
    disk.free.withLock { $0 = 1 << 30 }
    disk.time.add(1000, ordering: .relaxed)
    #expect(throws: Never.self) { try space.take(1000) }
  }

  @Test func `The file system is asked once a second, and again after so many octets`() {
    let disk = Disk()
    let space = space(disk, floor: 1 << 20)
    for _ in 0..<1000 { try? space.take(1000) }
    #expect(disk.looks.load(ordering: .relaxed) == 1)
    try? space.take(StoreLimits.freeSpaceOctets)
    try? space.take(1)
    #expect(disk.looks.load(ordering: .relaxed) == 2)
    disk.time.add(StoreLimits.freeSpaceInterval, ordering: .relaxed)
    #expect(space.isStale)
    try? space.check(1)
    #expect(disk.looks.load(ordering: .relaxed) == 3 && !space.isStale)
  }

  @Test func `What was taken since the last look counts`() {
    let disk = Disk()
    disk.free.withLock { $0 = 3 << 20 }
    let space = space(disk, floor: 1 << 20)
    #expect(throws: Never.self) { try space.take(1 << 20) }
    #expect(throws: Never.self) { try space.check(1 << 20) }
    #expect(throws: Never.self) { try space.take(1 << 20) }
    #expect(throws: StoreError.self) { try space.take(1) }
  }

  @Test func `A floor above all there is keeps mail out, and lets everything else go on`() async throws {
    let bed = try StoreBed()
    let open: (Int64) throws -> SQLStore = { floor in
      try SQLStore.open(
        directory: bed.data,
        settings: StoreSettings(upkeepInterval: 0, freeSpaceFloor: floor, now: { [clock = bed.clock] in clock.now }))
    }
    var store = try open(0)
    let ana = try await store.add("ana")
    try await store.fill(4, of: ana)
    let ref = try await store.ref("INBOX", of: ana)
    await store.close()
    store = try open(.max / 2)
    #expect(await thrown { try await store.checkQuota(of: ana.id, adding: 1) }?.isNoRoom == true)
    #expect(await thrown { try await store.put(of: ana) }?.isNoRoom == true)
    #expect(await thrown { _ = try await store.copy([1], from: ref, to: "Archive") }?.isNoRoom == true)
    let message = store.newIncomingMessage()
    let large = ByteBuffer(repeating: 0x41, count: 300_000)
    #expect(await thrown { try await message.append(large) }?.isNoRoom == true)
    await message.discard()
    // What makes room, or costs none, is not kept from it.
    _ = try await store.changeFlags(FlagChange(.add, .deleted), of: [1], in: ref)
    #expect(try await store.expunge(nil, in: ref) == [1])
    #expect(try await store.move([2], from: ref, to: "Trash").source == [2])
    let drop = try await store.openMaildrop(of: ana.id)
    try await drop.delete([0])
    drop.close()
    #expect(try await store.compact().purgedMessages == 2)
    #expect(try await store.createMailbox("New", of: ana.id, specialUse: nil).name == "New")
    _ = try await store.add("budi")
    #expect(try await store.check().problems == [])
    await store.close()
  }
}
