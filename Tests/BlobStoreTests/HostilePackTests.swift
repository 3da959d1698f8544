import MailTestKit
import NIOCore
import Testing

@testable import BlobStore

/// Files that somebody else put among the packs: they cost no memory, and stop neither the store nor its check.
@Suite struct HostilePackTests {
  private func disk(_ name: String, _ bytes: ByteBuffer) throws -> RecordingFileSystem {
    let disk = RecordingFileSystem()
    _ = try disk.createDirectory("/packs")
    let file = try disk.open("/packs/\(name)", .createNew)
    try file.pwritev([bytes], at: 0)
    try file.fdatasync()
    return disk
  }

  @Test(arguments: [
    "9223372036854775807.pack", "9223372036854775806.pack", "99999999999999999999.pack", "-00000000001.pack",
  ])
  func `A name behind which there is no number is no pack`(name: String) throws {
    let store = try PackStore(directory: "/packs", fileSystem: disk(name, ByteBuffer(string: "x")))
    #expect(store.packs().isEmpty)
    let place = try store.add([text(100)])[0]
    #expect(place.pack == 1)
    #expect(try store.bytes(place) == text(100))
  }

  /// A header that is right in every field, of a message of a terabyte.
  @Test func `A frame that claims more than there is is no frame`() throws {
    var header = ByteBuffer()
    header.writeBytes([0xB7, 0x4D, 0x72, 0xF3, 1, 1, 0, 0])
    let count: UInt32 = 65_536
    header.writeInteger(UInt32(64 + 8 * 65_536 + 4), endianness: .little)
    header.writeInteger(UInt32(0))
    header.writeInteger(Int64(1) << 40, endianness: .little)
    header.writeInteger(Int64(count) * 600, endianness: .little)
    header.writeInteger(UInt32(1) << 24, endianness: .little)
    header.writeInteger(count, endianness: .little)
    header.writeInteger(UInt64(0))
    header.writeInteger(Int64(1), endianness: .little)
    header.writeInteger(Int64(0), endianness: .little)
    header.writeRepeatingByte(0x11, count: 4000)
    let store = try PackStore(directory: "/packs", fileSystem: disk("000000000001.pack", header))
    let (frames, result) = try store.scanned(1)
    #expect(frames.isEmpty)
    #expect(result.tornTail == 0..<Int64(header.readableBytes))
    #expect(throws: BlobError.self) {
      try store.bytes(BlobLocation(pack: 1, offset: 0, frameLength: 4064, rawSize: 1 << 40))
    }
  }
}

/// Senders who stop in the middle, and many messages that wait for each other: memory does not grow with their number.
@Suite struct CrowdedSpoolTests {
  @Test func `When much is in memory, messages under way go to disk early`() throws {
    let spools = try SpoolDirectory(path: "/spool", fileSystem: RecordingFileSystem(), threshold: 256 << 10)
    let piece = noise(200 << 10)
    var all: [Spool] = []
    while !spools.isCrowded {
      let spool = spools.makeSpool()
      try spool.append(piece)
      #expect(!spool.isOnDisk)
      all.append(spool)
      try #require(all.count < 1000)
    }
    #expect(spools.currentThreshold == SpoolDirectory.crowdedThreshold)
    let late = spools.makeSpool()
    try late.append(piece)
    try late.spill()
    #expect(late.isOnDisk && late.size == piece.readableBytes)
    // A prepared message waits on the disk as well, and is what it was.
    let waiting = spools.makeSpool()
    try waiting.append(piece)
    let blob = try BlobEncoder().encode(waiting)
    guard case .spool = blob.payload else { throw BlobError.corrupt(what: "in memory") }
    for spool in all { spool.discard() }
    #expect(!spools.isCrowded && spools.currentThreshold == 256 << 10)
  }

  @Test func `What prepared messages hold is counted as long as they are there`() throws {
    let spools = try SpoolDirectory(path: "/spool", fileSystem: RecordingFileSystem(), threshold: 256 << 10)
    let piece = noise(200 << 10)
    func prepared() throws -> EncodedBlob {
      let spool = spools.makeSpool()
      defer { spool.discard() }
      try spool.append(piece)
      return try BlobEncoder().encode(spool)
    }
    func isInMemory(_ blob: EncodedBlob) -> Bool { if case .memory = blob.payload { true } else { false } }
    var blobs = [try prepared()]
    while let last = blobs.last, isInMemory(last) {
      blobs.append(try prepared())
      try #require(blobs.count < 1000)
    }
    #expect(blobs.count * piece.readableBytes > SpoolDirectory.heldLimit)
    blobs.removeAll()
    #expect(isInMemory(try prepared()))
  }

  @Test func `A message that shrinks does not keep the room it had`() throws {
    let spools = try SpoolDirectory(path: "/spool", fileSystem: RecordingFileSystem(), threshold: 256 << 10)
    let spool = spools.makeSpool()
    try spool.append(ByteBuffer(repeating: 0x30, count: 250 << 10))
    guard case .memory(let stored) = try BlobEncoder().encode(spool).payload else {
      throw BlobError.corrupt(what: "not in memory")
    }
    #expect(stored.capacity < 8 << 10)
  }
}
