import NIOCore

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// The file of a listening unix socket.
struct UnixSocketFile: Sendable {
  let path: String
  let stamp: FileStamp?

  /// Sets group and mode of a socket just bound; the group first, so that nobody else's group ever gets in.
  init(path: String, mode: UInt16, group: UInt32?) throws {
    if let group, chown(path, uid_t.max, group) != 0 {
      throw IOError(errnoCode: errno, reason: "chown \(path) to group \(group)")
    }
    guard chmod(path, mode_t(mode)) == 0 else { throw IOError(errnoCode: errno, reason: "chmod \(path)") }
    self.path = path
    stamp = FileStamp(of: path)
  }

  /// Removes the file unless another server has put its own in its place.
  func remove() {
    if let now = FileStamp(of: path), now.inode == stamp?.inode, now.device == stamp?.device { unlink(path) }
  }

  /// Removes a socket that nobody listens on. Throws when somebody does, or when it isn't a socket.
  static func removeStale(_ path: String) throws {
    var status = stat()
    guard lstat(path, &status) == 0 else { return }
    guard status.st_mode & S_IFMT == S_IFSOCK else {
      throw IOError(errnoCode: EEXIST, reason: "\(path) is there and is not a socket")
    }
    guard !answers(path) else { throw IOError(errnoCode: EADDRINUSE, reason: "somebody listens on \(path)") }
    guard unlink(path) == 0 || errno == ENOENT else {
      throw IOError(errnoCode: errno, reason: "remove stale \(path)")
    }
  }

  private static func answers(_ path: String) -> Bool {
    #if canImport(Glibc)
      let stream = Int32(SOCK_STREAM.rawValue)
    #else
      let stream = SOCK_STREAM
    #endif
    let descriptor = socket(AF_UNIX, stream, 0)
    guard descriptor >= 0 else { return true }
    defer { _ = close(descriptor) }
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    let fits = withUnsafeMutableBytes(of: &address.sun_path) { bytes in
      guard path.utf8.count < bytes.count else { return false }
      bytes.copyBytes(from: path.utf8)
      return true
    }
    guard fits else { return true }
    let connected = withUnsafePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
      }
    }
    return connected == 0 || errno != ECONNREFUSED
  }
}
