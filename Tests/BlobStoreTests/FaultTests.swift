import BlobStore
import MailTestKit
import NIOCore
import Testing

@Suite struct FaultTests {
  let noSpace: Int32 = 28

  @Test(arguments: [RecordingFileSystem.Kind.sync, .syncDirectory])
  func `After a failed sync nothing is written any more, but mail is read`(kind: RecordingFileSystem.Kind) throws {
    let disk = RecordingFileSystem()
    let store = try PackStore(directory: "/blobs", fileSystem: disk)
    let location = try store.add([text(100)])[0]
    disk.failNext(kind, errno: 5)
    #expect(throws: BlobError.self) { try store.sync() }
    #expect(store.hasFailed)
    let calls = disk.count(kind)
    #expect(throws: BlobError.self) { try store.sync() }
    #expect(throws: BlobError.self) { try store.add([text(1)]) }
    #expect(throws: BlobError.self) { try store.copyFrame(location) }
    #expect(disk.count(kind) == calls, "a failed sync is not tried again")
    #expect(try store.bytes(location) == text(100))
    let again = try PackStore(directory: "/blobs", fileSystem: disk.crash(keepUnsynced: .none))
    #expect(!again.hasFailed)
    _ = try again.add([text(1)])
    try again.sync()
  }

  @Test func `The real handle is poisoned by a failed sync`() throws {
    // A pipe's descriptor cannot be synced; /dev/stdin and the like neither. /dev/null says EINVAL.
    let handle = try PosixFileSystem().open("/dev/null", .readWrite)
    #expect(throws: BlobError.self) { try handle.fdatasync() }
    #expect(throws: BlobError.self) { try handle.pwritev([ByteBuffer(string: "x")], at: 0) }
    let error = #expect(throws: BlobError.self) { try handle.fdatasync() }
    #expect(error == .io(operation: "sync", path: "/dev/null", errno: 5))
  }

  @Test func `A full disk fails the call and leaves the pack as it was`() throws {
    let disk = RecordingFileSystem()
    let store = try PackStore(directory: "/blobs", fileSystem: disk)
    let kept = try store.add([text(500)])[0]
    let bytes = store.packs()[0].bytes
    for keeping in [0, 1, 64, 200, 300] {
      disk.failNext(.write, errno: noSpace, keeping: keeping)
      #expect(throws: BlobError.self) { try store.add([text(700, seed: 5), text(900)]) }
      #expect(store.packs()[0].bytes == bytes)
      #expect(disk.contents("/blobs/000000000001.pack")?.count == Int(bytes))
    }
    let next = try store.add([text(900)])[0]
    #expect(next.offset == bytes)
    #expect(try store.bytes(kept) == text(500))
    #expect(try store.scanned(1).result.isClean)
  }

  @Test func `Where the tail cannot be cut off, writing goes on in another pack`() throws {
    let disk = RecordingFileSystem()
    let store = try PackStore(directory: "/blobs", fileSystem: disk)
    _ = try store.add([text(500)])
    disk.failNext(.write, errno: noSpace, keeping: 100)
    disk.failNext(.truncate, errno: 5)
    #expect(throws: BlobError.self) { try store.add([text(700)]) }
    let next = try store.add([text(900)])[0]
    #expect(next.pack == 2)
    try store.sync()
    let after = try PackStore(directory: "/blobs", fileSystem: disk.crash(keepUnsynced: .none))
    #expect(try after.bytes(next) == text(900))
  }

  @Test func `A spool on a full disk says so`() throws {
    let disk = RecordingFileSystem()
    let store = try PackStore(directory: "/blobs", fileSystem: disk, settings: .init(spoolThreshold: 100))
    disk.failNext(.write, errno: noSpace)
    let spool = store.newSpool()
    #expect(throws: BlobError.io(operation: "write", path: "/blobs/spool/1.spool", errno: noSpace)) {
      try spool.append(text(200))
    }
    spool.discard()
    #expect(disk.paths.isEmpty)
  }

  @Test func `Vectored writes longer than the kernel takes at once arrive whole`() throws {
    let folder = try TemporaryFolder()
    let handle = try PosixFileSystem().open("\(folder.path)/file", .createNew)
    let pieces = (0..<2500).map { text($0 % 50, seed: UInt64($0)) }
    var expected = ByteBuffer()
    for piece in pieces { expected.writeImmutableBuffer(piece) }
    try handle.pwritev(pieces, at: 3)
    #expect(try handle.size() == Int64(expected.readableBytes + 3))
    let mapping = try handle.map(size: expected.readableBytes + 3)
    #expect(mapping.bytes.dropFirst(3).elementsEqual(expected.readableBytesView))
    handle.close()
    #expect(throws: BlobError.self) { try handle.size() }
  }
}
