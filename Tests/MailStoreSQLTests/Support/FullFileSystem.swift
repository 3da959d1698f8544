import BlobStore
import Synchronization

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// The real disk, on which so many more writes to packs find room.
final class FullFileSystem: PassingFileSystem {
  private let room = Mutex<Int?>(nil)
  private let reading = Mutex<Int32?>(nil)

  /// Nil: all.
  func leave(_ writes: Int?) { room.withLock { $0 = writes } }

  /// Reading of packs fails with this; nil: no more.
  func failReads(_ errno: Int32?) { reading.withLock { $0 = errno } }

  func before(_ call: FileCall, _ path: String) throws(BlobError) {
    guard path.hasSuffix(".pack") else { return }
    switch call {
    case .read:
      if let code = reading.withLock({ $0 }) { throw .io(operation: "read", path: path, errno: code) }
    case .write:
      let isFull = room.withLock { room in
        guard let left = room else { return false }
        room = max(left - 1, 0)
        return left == 0
      }
      if isFull { throw .io(operation: "write", path: path, errno: ENOSPC) }
    case .sync: break
    }
  }
}
