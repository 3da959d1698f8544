import BlobStore
import MailTestKit
import NIOCore
import Testing

/// Plays a load and cuts the power at every point of it.
struct Load {
  /// A row that said where a message lies, from one point of the recording to another.
  struct Row {
    var message: ByteBuffer
    var location: BlobLocation
    var from: Int
    var until = Int.max
  }

  let disk = RecordingFileSystem()
  let settings = PackSettings(maxPackBytes: 12_000, spoolThreshold: 4000)
  private(set) var rows: [Row] = []

  /// `transactions` of one to four messages each, synced and acknowledged; with `compacting`, packs are moved along.
  mutating func run(transactions: Int = 10, compacting: Bool) throws {
    var random = SeededRandom(seed: 42)
    let store = try PackStore(directory: "/blobs", fileSystem: disk, settings: settings)
    for number in 0..<transactions {
      var frames: [(blob: EncodedBlob, owners: [FrameOwner])] = []
      var messages: [ByteBuffer] = []
      for _ in 0..<Int.random(in: 1...4, using: &random) {
        let message = noise(Int.random(in: 0...6000, using: &random), seed: random.next())
        let spool = store.newSpool()
        try spool.append(message)
        frames.append((try store.encode(spool), [owner(UInt32(rows.count + frames.count))]))
        messages.append(message)
      }
      let locations = try store.append(frames)
      if number % 4 == 3 {
        store.forgetUnsynced()
        continue
      }
      try store.sync(.appended)
      for (message, location) in zip(messages, locations) {
        rows.append(Row(message: message, location: location, from: disk.point))
      }
      if compacting, number % 3 == 2 { try compact(store) }
    }
  }

  private mutating func compact(_ store: PackStore) throws {
    store.roll()
    guard let pack = store.packs().first(where: { !$0.isActive && $0.bytes > 0 })?.number else { return }
    var moved: [Row] = []
    let live = rows.indices.filter { rows[$0].until == .max && rows[$0].location.pack == pack }
    for index in live {
      moved.append(Row(message: rows[index].message, location: try store.copyFrame(rows[index].location), from: 0))
    }
    try store.sync(.copied)
    for index in live { rows[index].until = disk.point }
    rows += moved.map { Row(message: $0.message, location: $0.location, from: disk.point) }
    try store.remove(pack)
  }

  /// Acknowledged messages that are not there after a cut, over all points and ways of cutting.
  func lost(_ ways: [RecordingFileSystem.KeepUnsynced]) -> Int {
    var lost = 0
    for point in 0...disk.point {
      let expected = rows.filter { $0.from <= point && point <= $0.until }
      for way in ways { lost += Self.lost(expected, after: disk.crash(at: point, keepUnsynced: way), settings) }
    }
    return lost
  }

  private static func lost(_ rows: [Row], after disk: RecordingFileSystem, _ settings: PackSettings) -> Int {
    guard let store = try? PackStore(directory: "/blobs", fileSystem: disk, settings: settings) else {
      return max(rows.count, 1)
    }
    var lost = rows.count { (try? store.bytes($0.location)) != $0.message }
    // Life goes on: what is delivered now survives the next cut, and so does the rest.
    let next = noise(500, seed: 99)
    guard let location = try? store.add([next]).first, (try? store.sync()) != nil,
      let again = try? PackStore(
        directory: "/blobs", fileSystem: disk.crash(keepUnsynced: .none), settings: settings)
    else { return lost + 1 }
    if (try? again.bytes(location)) != next { lost += 1 }
    lost += rows.count { (try? again.bytes($0.location)) != $0.message }
    return lost
  }
}

@Suite struct PowerCutTests {
  static let ways: [RecordingFileSystem.KeepUnsynced] =
    [.none, .all] + (1...4 as ClosedRange<UInt64>).map { .torn(seed: $0) }

  @Test(arguments: [false, true])
  func `What was acknowledged is there after a cut at any point`(compacting: Bool) throws {
    var load = Load()
    try load.run(compacting: compacting)
    #expect(load.rows.count > 10)
    #expect(!compacting || load.rows.contains { $0.until != .max })
    #expect(load.lost(Self.ways) == 0)
  }

  @Test func `The test above fails when syncs do nothing`() throws {
    for kind in [RecordingFileSystem.Kind.sync, .syncDirectory] {
      var load = Load()
      load.disk.drop(kind)
      try load.run(transactions: 3, compacting: false)
      #expect(load.lost([.none]) > 0)
    }
  }

  @Test(arguments: [RecordingFileSystem.Kind.sync, .syncDirectory])
  func `No single sync can be left out`(kind: RecordingFileSystem.Kind) throws {
    var sound = Load()
    try sound.run(transactions: 7, compacting: false)
    let calls = sound.disk.count(kind)
    #expect(calls >= 3)
    for number in 0..<calls {
      var load = Load()
      load.disk.drop(kind, number: number)
      try load.run(transactions: 7, compacting: false)
      #expect(load.lost([.none]) > 0, "\(kind) \(number) of \(calls) made no difference")
    }
  }

  @Test func `Compaction needs its syncs as well`() throws {
    // The last sync of file and directory in a load that ends with copying.
    for kind in [RecordingFileSystem.Kind.sync, .syncDirectory] {
      let disk = RecordingFileSystem()
      let store = try PackStore(directory: "/blobs", fileSystem: disk)
      let location = try store.add([text(100)])[0]
      try store.sync()
      let copy = try store.copyFrame(location)
      disk.drop(kind)
      try store.sync(.copied)
      let after = try PackStore(directory: "/blobs", fileSystem: disk.crash(keepUnsynced: .none))
      #expect(try after.bytes(location) == text(100))
      #expect(throws: BlobError.self) { try after.bytes(copy) }
    }
  }

  @Test func `A pack whose maker was killed before the sync keeps its name once its successor has synced`() throws {
    let disk = RecordingFileSystem()
    disk.failNext(.syncDirectory, errno: 5)
    #expect(throws: BlobError.self) { try PackStore(directory: "/blobs", fileSystem: disk) }
    let killed = try PackStore(directory: "/blobs", fileSystem: disk)
    _ = try killed.add([text(100)])
    let store = try PackStore(directory: "/blobs", fileSystem: disk)
    let location = try store.add([text(200)])[0]
    #expect(location.pack == 1)
    try store.sync(.appended)
    let after = try PackStore(directory: "/blobs", fileSystem: disk.crash(keepUnsynced: .none))
    #expect(try after.bytes(location) == text(200))
  }
}
