import MailStore
import Synchronization

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// The lock on a data folder: one process holds it (design §4, Durability). It goes with the process, however that ends.
final class FolderLock: Sendable {
  private let descriptor: Int32
  private let isReleased = Atomic(false)

  init(folder: String, name: String = "lock") throws(StoreError) {
    let path = "\(folder)/\(name)"
    let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else { throw .io(operation: "open", path: path, errno: errno) }
    guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
      let code = errno
      let holder = Self.read(descriptor)
      close(descriptor)
      guard code == EWOULDBLOCK else { throw .io(operation: "lock", path: path, errno: code) }
      throw .folderInUse(folder: folder, process: holder.isEmpty ? nil : holder)
    }
    // For people and for the message above; the lock itself is what counts.
    let text = "\(getpid())\n"
    _ = ftruncate(descriptor, 0)
    _ = text.withCString { pwrite(descriptor, $0, strlen($0), 0) }
    self.descriptor = descriptor
  }

  private static func read(_ descriptor: Int32) -> String {
    var bytes = [UInt8](repeating: 0, count: 32)
    let count = pread(descriptor, &bytes, bytes.count, 0)
    guard count > 0 else { return "" }
    return String(decoding: bytes[..<count].filter { (0x30...0x39).contains($0) }, as: UTF8.self)
  }

  /// Idempotent.
  func release() {
    guard !isReleased.exchange(true, ordering: .acquiringAndReleasing) else { return }
    close(descriptor)
  }

  deinit { release() }
}
