public import NIOCore
import NIOPosix
import Synchronization

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// A message in a file without a name: it goes with its descriptor, also in a crash.
public final class SpooledMessage: Sendable {
  let descriptor: Int32
  private let folder: String
  private let count = Mutex<Int64>(0)

  /// Octets.
  public var size: Int64 { count.withLock { $0 } }

  /// Blocks.
  init(folder: String) throws {
    try PullFiles.makeFolder(folder)
    let path = "\(folder)/spool.\(UInt64.random(in: .min ... .max))"
    let descriptor = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
    guard descriptor >= 0 else { throw PullFiles.failure("create", path) }
    unlink(path)
    self.descriptor = descriptor
    self.folder = folder
  }

  deinit { Self.end(descriptor) }

  private static func end(_ descriptor: Int32) { close(descriptor) }

  /// Blocks.
  func append(_ bytes: ByteBuffer) throws {
    try bytes.withUnsafeReadableBytes { try PullFiles.writeAll(descriptor, $0, path: folder) }
    count.withLock { $0 += Int64(bytes.readableBytes) }
  }

  /// The octets from `offset`, at most `PullLimits.chunk`; nil at the end. Blocks.
  public func read(at offset: Int64) throws -> ByteBuffer? {
    let bytes = try PullFiles.readAt(descriptor, offset: offset, count: PullLimits.chunk, path: folder)
    return bytes.isEmpty ? nil : ByteBuffer(bytes: bytes)
  }
}

/// A message's bytes as a target holds them until they land, lines ending in CRLF as they came.
public enum HeldContent: Sendable {
  case whole(ByteBuffer)
  case spooled(SpooledMessage)

  public var size: Int64 {
    switch self {
    case .whole(let bytes): Int64(bytes.readableBytes)
    case .spooled(let file): file.size
    }
  }

  /// The first octets, at most `PullLimits.chunk`. Blocks when spooled.
  func beginning() throws -> ByteBuffer {
    switch self {
    case .whole(let bytes): bytes
    case .spooled(let file): try file.read(at: 0) ?? ByteBuffer()
    }
  }

  /// Gives all bytes in pieces. Blocks.
  func forEachPiece(_ body: (ByteBuffer) throws -> Void) throws {
    switch self {
    case .whole(let bytes): try body(bytes)
    case .spooled(let file):
      var offset: Int64 = 0
      while let piece = try file.read(at: offset) {
        offset += Int64(piece.readableBytes)
        try body(piece)
      }
    }
  }
}
