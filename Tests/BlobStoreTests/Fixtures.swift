import BlobStore
import MailTestKit
import NIOCore
import Testing

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// A message that compresses like text, the same for the same seed.
func text(_ size: Int, seed: UInt64 = 1) -> ByteBuffer {
  let words = ["nasi ", "goreng ", "burung ", "merpati ", "pos ", "surat ", "selamat ", "pagi\r\n"].map {
    Array($0.utf8)
  }
  var random = SeededRandom(seed: seed)
  var bytes: [UInt8] = []
  bytes.reserveCapacity(size + 8)
  while bytes.count < size { bytes += words[Int(random.next() % 8)] }
  return bytes.withUnsafeBytes { ByteBuffer(bytes: UnsafeRawBufferPointer(rebasing: $0[..<size])) }
}

/// Bytes that don't compress.
func noise(_ size: Int, seed: UInt64 = 1) -> ByteBuffer {
  var random = SeededRandom(seed: seed)
  let numbers = (0..<size / 8 + 1).map { _ in random.next() }
  return numbers.withUnsafeBytes { ByteBuffer(bytes: UnsafeRawBufferPointer(rebasing: $0[..<size])) }
}

func owner(_ uid: UInt32, trace: String = "") -> FrameOwner {
  FrameOwner(
    account: 7, accountName: "siti@contoh.example", mailbox: 12, mailboxName: "Arsip/Größe", uid: uid,
    uidValidity: 1_700_000_001, internalSeconds: 1_750_000_000 + Int64(uid), zoneMinutes: -330,
    trace: ByteBuffer(string: trace))
}

extension PackStore {
  func add(_ messages: [ByteBuffer], firstUID: UInt32 = 1) throws -> [BlobLocation] {
    var frames: [(blob: EncodedBlob, owners: [FrameOwner])] = []
    for (index, message) in messages.enumerated() {
      frames.append((try encode(message), [owner(firstUID + UInt32(index))]))
    }
    return try append(frames)
  }

  func bytes(_ location: BlobLocation) throws -> ByteBuffer {
    var scratch = BlobScratch()
    try read(location, scratch: &scratch)
    return scratch.withBytes { span in
      var buffer = ByteBuffer()
      buffer.writeBytes(span)
      return buffer
    }
  }

  func scanned(_ pack: Int64, verify: Bool = true) throws -> (frames: [FrameInfo], result: ScanResult) {
    var frames: [FrameInfo] = []
    let result = try scan(pack, verify: verify) { frames.append($0) }
    return (frames, result)
  }
}

extension BlobError {
  var isCorrupt: Bool { if case .corrupt = self { true } else { false } }
  var isMissing: Bool { if case .missing = self { true } else { false } }
}

/// A folder of the real disk, removed with the object.
final class TemporaryFolder {
  let path: String

  init() throws {
    var template = Array("/tmp/merpati-blobs.XXXXXX".utf8CString)
    guard mkdtemp(&template) != nil else { throw BlobError.io(operation: "mkdtemp", path: "/tmp", errno: errno) }
    path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  deinit { remove(path) }

  private func remove(_ path: String) {
    let disk = PosixFileSystem()
    for name in (try? disk.list(path)) ?? [] {
      if unlink("\(path)/\(name)") != 0 { remove("\(path)/\(name)") }
    }
    rmdir(path)
  }
}

/// A disk to run a test on: the real one and the recording one must behave alike.
enum Disk: CaseIterable, Sendable {
  case real, recording

  func with(_ body: (any FileSystem, String) throws -> Void) throws {
    switch self {
    case .real:
      let folder = try TemporaryFolder()
      try body(PosixFileSystem(), "\(folder.path)/blobs")
      withExtendedLifetime(folder) {}
    case .recording: try body(RecordingFileSystem(), "/blobs")
    }
  }
}
