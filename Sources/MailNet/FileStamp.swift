#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// What changes when a file is written or replaced.
struct FileStamp: Hashable, Sendable {
  var seconds = 0
  var nanoseconds = 0
  var size = 0
  var inode: UInt64 = 0
  var device: UInt64 = 0

  /// Nil: the file isn't there or can't be looked at.
  init?(of path: String) {
    var status = stat()
    guard stat(path, &status) == 0 else { return nil }
    #if canImport(Darwin)
      let changed = status.st_mtimespec
    #else
      let changed = status.st_mtim
    #endif
    seconds = Int(changed.tv_sec)
    nanoseconds = Int(changed.tv_nsec)
    size = Int(status.st_size)
    inode = UInt64(status.st_ino)
    device = UInt64(status.st_dev)
  }
}
