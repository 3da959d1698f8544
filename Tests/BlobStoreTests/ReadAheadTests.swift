import MailTestKit
import NIOCore
import Testing

@testable import BlobStore

@Suite struct ReadAheadTests {
  /// The definition, bit by bit.
  private static func plain(_ bytes: ArraySlice<UInt8>, _ seed: UInt32) -> UInt32 {
    var register = ~seed
    for byte in bytes {
      register ^= UInt32(byte)
      for _ in 0..<8 { register = register & 1 == 1 ? register >> 1 ^ 0xEDB8_8320 : register >> 1 }
    }
    return ~register
  }

  @Test func `The fast checksum is CRC-32 at every length and place`() {
    let bytes = Array(noise(1200, seed: 4).readableBytesView)
    for length in Array(0...300) + [511, 512, 513, 1023, 1024, 1100] {
      for start in [0, 1, 7] {
        let part = bytes[start..<start + length]
        for seed in [0, 1, 0xFFFF_FFFF, 0x1234_5678] as [UInt32] {
          let sum = part.withUnsafeBytes { checksum($0, continuing: seed) }
          #expect(sum == Self.plain(part, seed), "\(length) octets from \(start)")
        }
      }
    }
    #expect(Array("123456789".utf8).withUnsafeBytes { checksum($0) } == 0xCBF4_3926)
  }

  @Test(arguments: BlobCodec.allCases, [false, true])
  func `Messages are appended to a buffer as they are read`(codec: BlobCodec, inARun: Bool) throws {
    let settings = PackSettings(maxPackBytes: 1 << 20, codec: codec)
    let store = try PackStore(directory: "/blobs", fileSystem: RecordingFileSystem(), settings: settings)
    let messages = PackStoreTests.sizes.map { text($0) } + PackStoreTests.sizes.map { noise($0, seed: 2) }
    let locations = try store.add(messages)
    // In order, then out of order: the window must not be believed where it does not reach.
    var order = Array(messages.indices)
    order += order.reversed()
    order += [3, 3, 12, 4, 13]
    var scratch = BlobScratch()
    if inARun { scratch.beginRun() }
    var buffer = ByteBuffer(string: "before")
    var expected = ByteBuffer(string: "before")
    for index in order {
      try store.append(locations[index], to: &buffer, scratch: &scratch)
      expected.writeImmutableBuffer(messages[index])
      #expect(try store.read(locations[index], scratch: &scratch) == messages[index].readableBytes)
    }
    #expect(buffer == expected)
  }

  @Test(arguments: BlobCodec.allCases) func `A damaged message leaves the buffer as it was`(codec: BlobCodec) throws {
    let disk = RecordingFileSystem()
    let store = try PackStore(directory: "/blobs", fileSystem: disk, settings: PackSettings(codec: codec))
    let locations = try store.add([text(3000), text(300_000, seed: 2), text(3000, seed: 3)])
    var bytes = try #require(disk.contents("/blobs/000000000001.pack"))
    for location in locations.prefix(2) { bytes[Int(location.offset + location.frameLength) - 3] ^= 4 }
    disk.setContents(bytes, of: "/blobs/000000000001.pack")
    var scratch = BlobScratch()
    scratch.beginRun()
    var buffer = ByteBuffer(string: "before")
    for location in locations.prefix(2) {
      #expect(throws: BlobError.self) { try store.append(location, to: &buffer, scratch: &scratch) }
      #expect(String(buffer: buffer) == "before")
    }
    try store.append(locations[2], to: &buffer, scratch: &scratch)
    #expect(buffer.readableBytes == 3006)
  }

  @Test func `A run reads many messages at once, and nothing of it outlives the run`() throws {
    let disk = RecordingFileSystem()
    let store = try PackStore(directory: "/blobs", fileSystem: disk, settings: PackSettings(codec: .raw))
    let locations = try store.add((0..<8).map { noise(1000, seed: $0 + 1) })
    var scratch = BlobScratch()
    scratch.beginRun()
    try store.read(locations[0], scratch: &scratch)
    try store.read(locations[1], scratch: &scratch)
    // Another frame where the fourth was: what a transaction taken back and the next one may leave on the disk.
    var bytes = try #require(disk.contents("/blobs/000000000001.pack"))
    bytes[Int(locations[3].offset) + 200] ^= 1
    disk.setContents(bytes, of: "/blobs/000000000001.pack")
    try store.read(locations[3], scratch: &scratch)
    scratch.endRun()
    #expect(throws: BlobError.self) { try store.read(locations[3], scratch: &scratch) }
    scratch.beginRun()
    #expect(throws: BlobError.self) { try store.read(locations[3], scratch: &scratch) }
  }
}
