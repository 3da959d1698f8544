import BlobStore
import MailTestKit
import NIOCore
import Testing

@Suite struct CompactionTests {
  @Test(arguments: Disk.allCases)
  func `Copies are whole, and who was reading reads on after the pack is removed`(disk: Disk) throws {
    try disk.with { fileSystem, path in
      let store = try PackStore(directory: path, fileSystem: fileSystem)
      let messages = [text(100), noise(400_000), ByteBuffer(), text(2_000_000)]
      let locations = try store.add(messages)
      try store.sync()
      store.roll()
      let reader = try store.reader(locations[3])
      var pin = store.pin(1)
      let copies = try locations.map { try store.copyFrame($0) }
      try store.sync(.copied)
      try store.remove(1)
      #expect(try fileSystem.list(path).sorted() == ["000000000002.pack", "spool"])
      #expect(store.packs().map(\.number) == [2])
      for (message, copy) in zip(messages, copies) { #expect(try store.bytes(copy) == message) }
      #expect(try reader.read(1_999_000..<2_000_000) == messages[3].getSlice(at: 1_999_000, length: 1000))
      #expect(try store.bytes(locations[1]) == messages[1], "pinned")
      #expect(pin?.pack == 1)
      pin = nil
      #expect(try reader.read(0..<2_000_000) == messages[3])
      let (frames, result) = try store.scanned(2)
      #expect(result.isClean)
      #expect(frames.map { $0.owners.map(\.uid) } == [[1], [2], [3], [4]])
    }
  }

  @Test func `Without a pin a removed pack is missing`() throws {
    let store = try PackStore(directory: "/blobs", fileSystem: RecordingFileSystem())
    let location = try store.add([text(100)])[0]
    try store.sync()
    #expect(throws: BlobError.self) { try store.remove(1) }
    store.roll()
    try store.remove(1)
    let error = #expect(throws: BlobError.self) { try store.bytes(location) }
    #expect(error?.isMissing == true)
    #expect(store.pin(1) == nil)
  }

  @Test func `A copy may get new owners`() throws {
    let store = try PackStore(directory: "/blobs", fileSystem: RecordingFileSystem())
    let location = try store.add([text(200_000)])[0]
    let owners = [owner(8, trace: "Received: x\r\n"), owner(9)]
    let copy = try store.copyFrame(location, owners: owners)
    #expect(copy.pack != location.pack)
    #expect(try store.bytes(copy) == text(200_000))
    #expect(try store.scanned(copy.pack).frames.map(\.owners) == [owners])
  }

  @Test func `Forgetting deliveries leaves copies alone`() throws {
    let store = try PackStore(directory: "/blobs", fileSystem: RecordingFileSystem())
    let location = try store.add([text(100)])[0]
    try store.sync()
    let copy = try store.copyFrame(location)
    _ = try store.add([text(300)])
    store.forgetUnsynced()
    #expect(try store.bytes(copy) == text(100))
    #expect(try store.bytes(location) == text(100))
  }

  @Test func `Numbers of packs are never given out again, wherever the power is cut`() throws {
    let disk = RecordingFileSystem()
    let store = try PackStore(directory: "/blobs", fileSystem: disk)
    _ = try store.add([text(100)])
    try store.sync()
    store.roll()
    let start = disk.point
    try store.remove(1)
    try store.remove(2)
    #expect(store.packs().map(\.number) == [2], "the empty pack that keeps the number stays")
    for point in start...disk.point {
      for seed in 0..<20 as Range<UInt64> {
        let after = disk.crash(at: point, keepUnsynced: .torn(seed: seed))
        let opened = try PackStore(directory: "/blobs", fileSystem: after)
        let isGone = !after.paths.contains("/blobs/000000000001.pack")
        #expect(try opened.add([text(10)])[0].pack >= (isGone ? 2 : 1))
        #expect(isGone || point < disk.point, "what was removed doesn't come back")
      }
    }
  }

  @Test func `Readers, a writer and compaction run side by side`() async throws {
    let folder = try TemporaryFolder()
    let settings = PackSettings(maxPackBytes: 50_000, openPacks: 3)
    let store = try PackStore(directory: "\(folder.path)/blobs", fileSystem: PosixFileSystem(), settings: settings)
    let messages = (0..<60).map { text(3000, seed: $0) }
    let locations = try store.add(messages)
    try store.sync()
    store.roll()
    try await withThrowingTaskGroup(of: Void.self) { group in
      for worker in 0..<3 {
        group.addTask {
          for (message, location) in zip(messages, locations) where location.offset % 3 == Int64(worker) {
            // Moved away under us is the one thing that may happen.
            do {
              let bytes = try store.bytes(location)
              #expect(bytes == message)
            } catch {
              #expect((error as? BlobError)?.isMissing == true)
            }
          }
        }
      }
      group.addTask {
        for index in 0..<40 {
          let added = try store.add([text(2000, seed: UInt64(index) + 500)])
          try store.sync(.appended)
          #expect(try store.bytes(added[0]) == text(2000, seed: UInt64(index) + 500))
        }
      }
      group.addTask {
        let copies = try locations.map { try store.copyFrame($0) }
        try store.sync(.copied)
        for pack in Set(locations.map(\.pack)) { try store.remove(pack) }
        for (message, copy) in zip(messages, copies) { #expect(try store.bytes(copy) == message) }
      }
      try await group.waitForAll()
    }
    for pack in store.packs() { #expect(try store.scanned(pack.number).result.isClean) }
  }
}
