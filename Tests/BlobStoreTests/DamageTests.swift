import BlobStore
import MailTestKit
import NIOCore
import Testing

@Suite struct DamageTests {
  let path = "/blobs/000000000001.pack"

  @Test func `A tail torn at any byte costs only its own frame`() throws {
    let disk = RecordingFileSystem()
    let store = try PackStore(directory: "/blobs", fileSystem: disk)
    let whole = try store.add([text(300), noise(50)])
    let last = try store.add([text(200, seed: 3)], firstUID: 3)[0]
    try store.sync()
    let bytes = try #require(disk.contents(path))
    for cut in Int(last.offset)..<bytes.count {
      let after = disk.crash(keepUnsynced: .all)
      after.setContents(Array(bytes.prefix(cut)), of: path)
      let opened = try PackStore(directory: "/blobs", fileSystem: after)
      #expect(try opened.bytes(whole[0]) == text(300))
      #expect(try opened.bytes(whole[1]) == noise(50))
      #expect(throws: BlobError.self) { try opened.bytes(last) }
      let scan = try opened.scanned(1)
      #expect(scan.frames.map(\.location) == whole)
      #expect(scan.result.tornTail == (cut > Int(last.offset) ? last.offset..<Int64(cut) : nil))
      let next = try opened.add([text(77)])[0]
      #expect(next.pack == (cut > Int(last.offset) ? 2 : 1))
      #expect(try opened.bytes(next) == text(77))
    }
  }

  @Test(arguments: BlobCodec.allCases)
  func `No flipped bit is ever served`(codec: BlobCodec) throws {
    let disk = RecordingFileSystem()
    let store = try PackStore(directory: "/blobs", fileSystem: disk, settings: .init(codec: codec))
    let locations = try store.append([
      (try store.encode(text(60)), [owner(1)]),
      (try store.encode(text(400)), [owner(2, trace: "Return-Path: <a@b>\r\n"), owner(3)]),
      (try store.encode(text(70)), [owner(4)]),
    ])
    let damaged = locations[1]
    let bytes = try #require(disk.contents(path))
    for bit in Int(damaged.offset) * 8..<Int(damaged.offset + damaged.frameLength) * 8 {
      var flipped = bytes
      flipped[bit / 8] ^= 1 << (bit % 8)
      disk.setContents(flipped, of: path)
      let error = #expect(throws: BlobError.self) { try store.bytes(damaged) }
      #expect(error?.isCorrupt == true)
      #expect(throws: BlobError.self) { try store.reader(damaged).read(0..<400) }
      #expect(throws: BlobError.self) { try store.copyFrame(damaged) }
      guard bit % 13 == 0 else { continue }
      let scan = try store.scanned(1)
      #expect(scan.frames.map(\.location) == [locations[0], locations[2]])
      #expect(scan.result.damaged.count + scan.result.garbage.count == 1)
      #expect(scan.result.damaged.allSatisfy { $0.frame.owners.map(\.uid) == [2, 3] && $0.what.contains(path) })
    }
    disk.setContents(bytes, of: path)
    #expect(try store.bytes(damaged) == text(400))
    for pack in store.packs() where pack.number != 1 {
      #expect(pack.bytes == 0, "copies of damaged frames leave nothing behind")
    }
  }

  @Test func `A damaged chunk doesn't keep the others from being read`() throws {
    let disk = RecordingFileSystem()
    let store = try PackStore(directory: "/blobs", fileSystem: disk, settings: .init(codec: .raw))
    let message = text(3 * 131_072)
    let location = try store.add([message])[0]
    var bytes = try #require(disk.contents(path))
    bytes[bytes.count - 131_072 - 10] ^= 1
    disk.setContents(bytes, of: path)
    let reader = try store.reader(location)
    #expect(try reader.read(0..<1000) == message.getSlice(at: 0, length: 1000))
    #expect(throws: BlobError.self) { try reader.read(131_072..<131_073) }
    #expect(throws: BlobError.self) { try reader.read(0..<393_216) }
    #expect(try reader.read(262_144..<393_216) == message.getSlice(at: 262_144, length: 131_072))
  }

  @Test func `A location that points elsewhere is refused before memory is asked for`() throws {
    let store = try PackStore(directory: "/blobs", fileSystem: RecordingFileSystem())
    let good = try store.add([text(5000), text(5000)])[0]
    let wrong = [
      BlobLocation(pack: 1, offset: 1, frameLength: good.frameLength, rawSize: good.rawSize),
      BlobLocation(pack: 1, offset: -1, frameLength: good.frameLength, rawSize: good.rawSize),
      BlobLocation(pack: 1, offset: .max, frameLength: .max, rawSize: .max),
      BlobLocation(pack: 1, offset: 0, frameLength: good.frameLength + 1, rawSize: good.rawSize),
      BlobLocation(pack: 1, offset: 0, frameLength: 0, rawSize: good.rawSize),
      BlobLocation(pack: 1, offset: 0, frameLength: .max, rawSize: good.rawSize),
      BlobLocation(pack: 1, offset: 0, frameLength: good.frameLength, rawSize: .max),
    ]
    for location in wrong {
      let error = #expect(throws: BlobError.self) { try store.bytes(location) }
      #expect(error?.isCorrupt == true)
      #expect(throws: BlobError.self) { try store.reader(location) }
    }
    let gone = BlobLocation(pack: 9, offset: 0, frameLength: 100, rawSize: 1)
    #expect(#expect(throws: BlobError.self) { try store.bytes(gone) }?.isMissing == true)
  }

  @Test func `A frame inside a mailed pack is not taken for one of ours`() throws {
    let disk = RecordingFileSystem()
    let other = try PackStore(directory: "/other", fileSystem: disk, settings: .init(codec: .raw))
    _ = try other.add([text(500), text(600)], firstUID: 100)
    let mailed = ByteBuffer(bytes: try #require(disk.contents("/other/000000000001.pack")))
    let store = try PackStore(directory: "/blobs", fileSystem: disk, settings: .init(codec: .raw))
    _ = try store.add([text(10), mailed, text(20)])
    var bytes = try #require(disk.contents(path))
    let second = try store.scanned(1).frames[1].location
    bytes[Int(second.offset)] ^= 0xFF
    disk.setContents(bytes, of: path)
    let scan = try store.scanned(1)
    #expect(scan.frames.flatMap(\.owners).map(\.uid) == [1, 3])
    #expect(scan.result.garbage == [second.offset..<second.offset + second.frameLength])
  }

  @Test func `Noise instead of a pack is garbage, nothing more`() throws {
    for seed in 0..<5 as Range<UInt64> {
      let disk = RecordingFileSystem()
      let store = try PackStore(directory: "/blobs", fileSystem: disk)
      _ = try store.add([text(200_000)])
      var bytes = Array(noise(200_000, seed: seed).readableBytesView)
      var random = SeededRandom(seed: seed)
      for _ in 0..<100 {
        let at = Int.random(in: 0..<bytes.count - 5, using: &random)
        bytes.replaceSubrange(at..<at + 5, with: [0xB7, 0x4D, 0x72, 0xF3, 1])
      }
      disk.setContents(bytes, of: path)
      let opened = try PackStore(directory: "/blobs", fileSystem: disk)
      let scan = try opened.scanned(1)
      #expect(scan.frames.isEmpty && scan.result.tornTail == 0..<200_000)
    }
  }
}
