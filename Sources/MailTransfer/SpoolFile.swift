import LocalMail
import NIOCore
import Synchronization

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// A message too large to hold, in a temporary file that goes with this object. Calls block. One thread at a time.
final class SpoolFile: Sendable {
  let path: String
  private let file: any LocalFile
  private let size = Atomic<Int64>(0)

  init() throws(LocalMailError) {
    let folder = getenv("TMPDIR").map { String(cString: $0) } ?? ""
    path = "\(folder.isEmpty ? "/tmp" : folder)/merpati-\(getpid())-\(UInt64.random(in: .min ... .max))"
    file = try PosixDisk().open(path, .createNew)
  }

  deinit {
    file.close()
    // Nobody else knows the name; what is left of it in TMPDIR is the system's to clear.
    try? PosixDisk().unlink(path)
  }

  func append(_ bytes: ByteBuffer) throws(LocalMailError) {
    let offset = size.load(ordering: .acquiring)
    try bytes.withUnsafeReadableBytes { bytes throws(LocalMailError) in try file.pwrite(bytes, at: offset) }
    size.store(offset + Int64(bytes.readableBytes), ordering: .releasing)
  }

  /// Nil at the end.
  func read(at offset: Int) throws(LocalMailError) -> ByteBuffer? { try file.piece(at: Int64(offset)) }
}

extension LocalFile {
  /// Up to `TransferLimits.piece` octets; nil at the end.
  func piece(at offset: Int64) throws(LocalMailError) -> ByteBuffer? {
    let target = UnsafeMutableRawBufferPointer.allocate(byteCount: TransferLimits.piece, alignment: 16)
    defer { target.deallocate() }
    let count = try pread(into: target, at: offset)
    return count > 0 ? ByteBuffer(bytes: UnsafeRawBufferPointer(rebasing: target[..<count])) : nil
  }
}
