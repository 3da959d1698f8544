#if canImport(Glibc)
  import Glibc
#endif

/// After a start all clients come at once, each waiting for pages of the database from all over it, one after the other.
enum ReadAhead {
  /// Asks the kernel for the beginning of a file, in one go and in the order of the disk. A hint: what it cannot do is left.
  static func begin(_ path: String) {
    #if canImport(Glibc)
      let descriptor = open(path, O_RDONLY | O_CLOEXEC)
      guard descriptor >= 0 else { return }
      _ = posix_fadvise(descriptor, 0, off_t(StoreLimits.readAhead), POSIX_FADV_WILLNEED)
      close(descriptor)
    #endif
  }
}
