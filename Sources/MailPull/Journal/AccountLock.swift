#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// The lock on an account: one run at a time, whatever its target. It goes with the process, however that ends.
final class AccountLock: Sendable {
  private let descriptor: Int32

  init(path: String, account: String) throws(PullError) {
    let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
    guard descriptor >= 0 else { throw JournalDatabase.failure(path, errno: errno) }
    guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
      let code = errno
      let holder = Self.holder(descriptor)
      close(descriptor)
      guard code == EWOULDBLOCK else { throw JournalDatabase.failure(path, errno: code) }
      throw PullError(.inUse(process: holder), account: account)
    }
    // For people and for the error above; the lock itself is what counts.
    let text = "\(getpid())\n"
    _ = ftruncate(descriptor, 0)
    _ = text.withCString { pwrite(descriptor, $0, strlen($0), 0) }
    self.descriptor = descriptor
  }

  private static func holder(_ descriptor: Int32) -> String? {
    var bytes = [UInt8](repeating: 0, count: 32)
    let count = pread(descriptor, &bytes, bytes.count, 0)
    guard count > 0 else { return nil }
    let digits = bytes[..<count].prefix { (0x30...0x39).contains($0) }
    return digits.isEmpty ? nil : String(decoding: digits, as: UTF8.self)
  }

  deinit { close(descriptor) }
}
