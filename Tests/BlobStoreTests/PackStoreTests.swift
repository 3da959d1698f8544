import BlobStore
import MailTestKit
import NIOCore
import Testing

@Suite struct PackStoreTests {
  static let sizes = [0, 1, 2, 100, 4096, 131_071, 131_072, 131_073, 262_144, 700_000]

  @Test(arguments: Disk.allCases, BlobCodec.allCases)
  func `What is appended is read back, also after opening anew`(disk: Disk, codec: BlobCodec) throws {
    try disk.with { fileSystem, path in
      let settings = PackSettings(maxPackBytes: 1 << 20, codec: codec)
      let messages = Self.sizes.map { text($0) } + Self.sizes.map { noise($0, seed: 2) }
      let store = try PackStore(directory: path, fileSystem: fileSystem, settings: settings)
      let locations = try store.add(messages)
      try store.sync()
      for (message, location) in zip(messages, locations) {
        #expect(location.rawSize == message.readableBytes)
        #expect(try store.bytes(location) == message)
      }
      store.close()
      let again = try PackStore(directory: path, fileSystem: fileSystem, settings: settings)
      for (message, location) in zip(messages, locations) { #expect(try again.bytes(location) == message) }
      #expect(again.packs().count > 1)
    }
  }

  @Test func `Text shrinks, noise costs no more than its size and the header`() throws {
    let store = try PackStore(directory: "/blobs", fileSystem: RecordingFileSystem())
    let locations = try store.add([text(50_000), noise(50_000)])
    #expect(locations[0].frameLength < 25_000)
    #expect(locations[1].frameLength < 50_000 + 300)
  }

  @Test func `Many small messages go out with one system call`() throws {
    let disk = RecordingFileSystem()
    let store = try PackStore(directory: "/blobs", fileSystem: disk)
    _ = try store.add((0..<100).map { text(3000, seed: $0) })
    #expect(disk.count(.write) == 1)
    try store.sync(.appended)
    #expect(disk.count(.sync) == 1)
    // The parent at creation, the directory for the new pack.
    #expect(disk.count(.syncDirectory) == 2)
    _ = try store.add([text(10)])
    try store.sync(.appended)
    #expect(disk.count(.syncDirectory) == 2)
    try store.sync()
    #expect(disk.count(.sync) == 2)
  }

  @Test(arguments: [BlobCodec.raw, .zstd])
  func `Ranges at the edges of chunks are exact`(codec: BlobCodec) throws {
    let store = try PackStore(directory: "/blobs", fileSystem: RecordingFileSystem(), settings: .init(codec: codec))
    let message = text(3 * 131_072 + 17)
    let reader = try store.reader(try #require(store.add([message]).first))
    #expect(reader.size == message.readableBytes)
    let edges = [0, 1, 131_071, 131_072, 131_073, 262_143, 262_144, 393_215, 393_216, 393_232, 393_233]
    for start in edges {
      for end in edges where end >= start {
        #expect(try reader.read(start..<end) == message.getSlice(at: start, length: end - start))
      }
    }
    let slice = try reader.read(5..<20)
    _ = try reader.read(300_000..<300_001)
    #expect(slice == message.getSlice(at: 5, length: 15), "a slice handed out stays as it is")
    #expect(try reader.read(393_230..<500_000) == message.getSlice(at: 393_230, length: 3))
    #expect(try reader.read(500_000..<500_001).readableBytes == 0)
  }

  @Test func `A pack is closed before it grows beyond its limit, and a larger frame has one to itself`() throws {
    let disk = RecordingFileSystem()
    let settings = PackSettings(maxPackBytes: 10_000, codec: .raw)
    let store = try PackStore(directory: "/blobs", fileSystem: disk, settings: settings)
    let messages = [noise(3000), noise(3000), noise(3000), noise(3000), noise(40_000), noise(10)]
    let locations = try store.add(messages)
    #expect(locations.map(\.pack) == [1, 1, 1, 2, 3, 4])
    for (message, location) in zip(messages, locations) { #expect(try store.bytes(location) == message) }
    #expect(store.packs().map(\.isActive) == [false, false, false, true])
    #expect(store.packs().allSatisfy { disk.contents("/blobs/00000000000\($0.number).pack")?.count == Int($0.bytes) })
  }

  @Test func `Forgetting cuts back to what was synced`() throws {
    let disk = RecordingFileSystem()
    let store = try PackStore(directory: "/blobs", fileSystem: disk, settings: .init(maxPackBytes: 10_000, codec: .raw))
    let kept = try store.add([noise(2000)])
    try store.sync()
    let before = store.packs().map(\.bytes)
    _ = try store.add([noise(3000), noise(9000), noise(5000)])
    #expect(store.packs().count == 3)
    store.forgetUnsynced()
    #expect(store.packs().map(\.bytes).prefix(1) == before[...])
    #expect(store.packs().map(\.bytes).reduce(0, +) == before[0])
    #expect(try store.bytes(kept[0]) == noise(2000))
    let next = try store.add([noise(100, seed: 9)])
    #expect(try store.bytes(next[0]) == noise(100, seed: 9))
    for pack in store.packs() { #expect(try store.scanned(pack.number).result.isClean) }
  }

  @Test func `A scan names every owner`() throws {
    let store = try PackStore(directory: "/blobs", fileSystem: RecordingFileSystem())
    let long = FrameOwner(
      account: -1, accountName: String(repeating: "ä", count: 40_000), mailbox: .max, mailboxName: "", uid: .max,
      uidValidity: 0, internalSeconds: .min, zoneMinutes: .max, trace: noise(70_000))
    let owners = [owner(1, trace: "Return-Path: <>\r\n"), owner(2), long]
    let locations = try store.append([
      (try store.encode(text(5000)), owners), (try store.encode(ByteBuffer()), []),
    ])
    var clipped = long
    clipped.accountName = String(repeating: "ä", count: 32_767) + "\u{FFFD}"
    let (frames, result) = try store.scanned(1)
    #expect(frames.map(\.location) == locations)
    #expect(frames.map(\.owners) == [[owners[0], owners[1], clipped], []])
    #expect(frames.allSatisfy { $0.codec == .zstd && $0.dictionaryID == 0 })
    #expect(result.isClean && result.frames == 2)
    #expect(result.frameBytes == store.packs()[0].bytes)
  }

  @Test func `Few descriptors serve many packs`() throws {
    try Disk.real.with { fileSystem, path in
      let settings = PackSettings(maxPackBytes: 1, openPacks: 2)
      let store = try PackStore(directory: path, fileSystem: fileSystem, settings: settings)
      let messages = (0..<20).map { text(500, seed: $0) }
      let locations = try store.add(messages)
      for _ in 0..<2 {
        for (message, location) in zip(messages, locations) { #expect(try store.bytes(location) == message) }
      }
    }
  }

  @Test func `A closed store refuses, but those who read go on`() throws {
    let store = try PackStore(directory: "/blobs", fileSystem: RecordingFileSystem())
    let location = try store.add([text(100)])[0]
    let reader = try store.reader(location)
    store.close()
    #expect(throws: BlobError.self) { try store.add([text(1)]) }
    #expect(throws: BlobError.self) { try store.sync() }
    #expect(try reader.read(0..<100) == text(100))
  }

  @Test func `A scratch is good for message after message and gives memory back`() throws {
    let store = try PackStore(directory: "/blobs", fileSystem: RecordingFileSystem())
    let messages = [text(2_000_000), text(10), noise(3_000_000), ByteBuffer(), text(9_000)]
    let locations = try store.add(messages)
    var scratch = BlobScratch()
    for (message, location) in zip(messages, locations) {
      #expect(try store.read(location, scratch: &scratch) == message.readableBytes)
      let bytes = scratch.withBytes { span in
        var buffer = ByteBuffer()
        buffer.writeBytes(span)
        return buffer
      }
      #expect(bytes == message)
    }
    scratch.trim(to: 1000)
    #expect(scratch.count == 0)
    #expect(try store.read(locations[4], scratch: &scratch) == 9_000)
  }
}
