import NIOCore
import Synchronization

/// The bytes of a file in memory, for the rooms' seams to the disk.
public final class MemoryBytes: Sendable {
  private let bytes: Mutex<[UInt8]>

  public init(_ start: ByteBuffer = ByteBuffer()) { bytes = Mutex(Array(start.readableBytesView)) }

  public var size: Int64 { bytes.withLock { Int64($0.count) } }

  /// Fewer octets than asked only at the end. A place before the beginning is a mistake of the caller's.
  public func read(into target: UnsafeMutableRawBufferPointer, at offset: Int64) -> Int {
    must(offset >= 0, "read at \(offset)")
    return bytes.withLock { bytes in
      guard offset < bytes.count else { return 0 }
      let count = min(target.count, bytes.count - Int(offset))
      bytes.withUnsafeBytes {
        target.copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[Int(offset)...].prefix(count)))
      }
      return count
    }
  }

  public func write(_ source: UnsafeRawBufferPointer, at offset: Int64) {
    must(offset >= 0 && offset < 1 << 30, "write at \(offset)")
    bytes.withLock { bytes in
      let end = Int(offset) + source.count
      if bytes.count < end { bytes.append(contentsOf: repeatElement(0, count: end - bytes.count)) }
      bytes.replaceSubrange(Int(offset)..<end, with: source)
    }
  }

  public func truncate(to size: Int64) {
    must(size >= 0 && size < 1 << 30, "truncate to \(size)")
    bytes.withLock { bytes in
      if bytes.count > size {
        bytes.removeLast(bytes.count - Int(size))
      } else {
        bytes.append(contentsOf: repeatElement(0, count: Int(size) - bytes.count))
      }
    }
  }
}
