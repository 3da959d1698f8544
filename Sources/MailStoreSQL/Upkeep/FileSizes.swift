#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

enum FileSizes {
  static func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }

  /// 0 if there is no such file.
  static func of(_ path: String) -> Int64 {
    var info = stat()
    return stat(path, &info) == 0 ? Int64(info.st_size) : 0
  }

  static func device(_ path: String) -> UInt64? {
    var info = stat()
    return stat(path, &info) == 0 ? UInt64(info.st_dev) : nil
  }

  /// The same for all names of one file.
  static func inode(_ path: String) -> UInt64? {
    var info = stat()
    return stat(path, &info) == 0 ? UInt64(info.st_ino) : nil
  }
}
