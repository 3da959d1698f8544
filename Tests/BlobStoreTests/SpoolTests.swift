import BlobStore
import MailTestKit
import NIOCore
import Testing

@Suite struct SpoolTests {
  func bytes(_ spool: Spool) throws -> ByteBuffer {
    try spool.withBytes { span in
      var buffer = ByteBuffer()
      buffer.writeBytes(span)
      return buffer
    }
  }

  @Test(arguments: Disk.allCases)
  func `Bytes stay in memory up to the threshold and come back from either place`(disk: Disk) throws {
    try disk.with { fileSystem, path in
      let store = try PackStore(directory: path, fileSystem: fileSystem, settings: .init(spoolThreshold: 1000))
      let spool = store.newSpool()
      var expected = ByteBuffer()
      for step in 0..<100 {
        let piece = text(step * 7, seed: UInt64(step))
        try spool.append(piece)
        expected.writeImmutableBuffer(piece)
        #expect(spool.size == expected.readableBytes)
        #expect(spool.isOnDisk == (expected.readableBytes > 1000) || step > 20)
        #expect(try bytes(spool) == expected)
      }
      #expect(spool.isOnDisk)
      #expect(try fileSystem.list("\(path)/spool").count == 1)
      spool.discard()
      #expect(try fileSystem.list("\(path)/spool").isEmpty)
      #expect(spool.size == 0)
    }
  }

  @Test(arguments: Disk.allCases)
  func `Bytes that were let go of come back`(disk: Disk) throws {
    try disk.with { fileSystem, path in
      let store = try PackStore(directory: path, fileSystem: fileSystem, settings: .init(spoolThreshold: 1000))
      let spool = store.newSpool()
      let expected = text(200_000)
      try spool.append(expected)
      let (before, after) = try spool.withBytes { (span: RawSpan, forget: (() -> Void)?) in
        var first = ByteBuffer()
        var second = ByteBuffer()
        first.writeBytes(span)
        forget?()
        second.writeBytes(span)
        return (first, second)
      }
      #expect(before == expected && after == expected)
      let small = store.newSpool()
      try small.append(text(10))
      #expect(try small.withBytes { (_: RawSpan, forget: (() -> Void)?) in forget == nil })
    }
  }

  @Test func `A dropped spool takes its file along, a crashed one's goes at the next start`() throws {
    let disk = RecordingFileSystem()
    let store = try PackStore(directory: "/blobs", fileSystem: disk, settings: .init(spoolThreshold: 10))
    do {
      let spool = store.newSpool()
      try spool.append(text(100))
      #expect(disk.paths == ["/blobs/spool/1.spool"])
    }
    #expect(disk.paths.isEmpty)
    let left = store.newSpool()
    try left.append(text(100))
    let restarted = disk.crash(keepUnsynced: .all)
    #expect(!restarted.paths.isEmpty)
    _ = try PackStore(directory: "/blobs", fileSystem: restarted)
    #expect(restarted.paths.isEmpty)
  }

  @Test(arguments: BlobCodec.allCases)
  func `A blob of 30 MB passes through in pieces`(codec: BlobCodec) throws {
    let disk = RecordingFileSystem()
    let store = try PackStore(directory: "/blobs", fileSystem: disk, settings: .init(codec: codec))
    let spool = store.newSpool()
    let piece = text(900_000)
    let piece2 = noise(100_000)
    for _ in 0..<30 {
      try spool.append(piece)
      try spool.append(piece2)
    }
    let blob = try store.encode(spool)
    spool.discard()
    let location = try store.append([(blob, [owner(1)])])[0]
    #expect(blob.rawSize == 30_000_000)
    #expect(disk.count(.map) == 0)
    let reader = try store.reader(location)
    for index in stride(from: 0, to: 30, by: 7) {
      let start = index * 1_000_000
      #expect(try reader.read(start..<start + 900_000) == piece)
      #expect(try reader.read(start + 900_000..<start + 1_000_000) == piece2)
    }
    let copy = try store.copyFrame(location)
    #expect(disk.largestTransfer <= 2 << 20, "no call moves more than a few chunks")
    #expect(try store.scanned(copy.pack).result.isClean)
    #expect(copy.frameLength == location.frameLength)
    #expect(codec == .raw || location.frameLength < 20_000_000)
  }

  @Test func `A blob in a spool file stands between small ones`() throws {
    try Disk.real.with { fileSystem, path in
      let store = try PackStore(directory: path, fileSystem: fileSystem, settings: .init(spoolThreshold: 5000))
      let spool = store.newSpool()
      let large = noise(1_500_000)
      try spool.append(large)
      let frames = [
        (try store.encode(text(100)), [owner(1)]), (try store.encode(spool), [owner(2)]),
        (try store.encode(text(200)), [owner(3)]),
      ]
      let locations = try store.append(frames.map { (blob: $0.0, owners: $0.1) })
      try store.sync()
      #expect(try locations.map { try store.bytes($0) } == [text(100), large, text(200)])
      #expect(try store.scanned(1).frames.flatMap(\.owners).map(\.uid) == [1, 2, 3])
      store.close()
      let again = try PackStore(directory: path, fileSystem: fileSystem)
      #expect(try again.bytes(locations[1]) == large)
    }
  }
}
