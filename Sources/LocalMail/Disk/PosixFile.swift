import Synchronization

#if canImport(Glibc)
  import CLibc
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// A descriptor.
final class PosixFile: LocalFile {
  let path: String
  private let descriptor: Int32
  private let isClosed = Atomic(false)
  private let isPoisoned = Atomic(false)

  init(descriptor: Int32, path: String) {
    self.descriptor = descriptor
    self.path = path
  }

  deinit { if !isClosed.load(ordering: .relaxed) { systemClose(descriptor) } }

  func pread(into buffer: UnsafeMutableRawBufferPointer, at offset: Int64) throws(LocalMailError) -> Int {
    try checkOpen("read")
    var done = 0
    while done < buffer.count {
      let rest = UnsafeMutableRawBufferPointer(rebasing: buffer[done...])
      #if canImport(Glibc)
        let count = retrying { Glibc.pread(descriptor, rest.baseAddress, rest.count, off_t(offset) + off_t(done)) }
      #else
        let count = retrying { Darwin.pread(descriptor, rest.baseAddress, rest.count, off_t(offset) + off_t(done)) }
      #endif
      guard count >= 0 else { throw failure("read", path, errno) }
      if count == 0 { break }
      done += count
    }
    return done
  }

  func pwrite(_ bytes: UnsafeRawBufferPointer, at offset: Int64) throws(LocalMailError) {
    try checkWritable("write")
    var done = 0
    while done < bytes.count {
      let rest = UnsafeRawBufferPointer(rebasing: bytes[done...])
      #if canImport(Glibc)
        let count = retrying { Glibc.pwrite(descriptor, rest.baseAddress, rest.count, off_t(offset) + off_t(done)) }
      #else
        let count = retrying { Darwin.pwrite(descriptor, rest.baseAddress, rest.count, off_t(offset) + off_t(done)) }
      #endif
      guard count > 0 else { throw failure("write", path, count == 0 ? ENOSPC : errno) }
      done += count
    }
  }

  func sync(dataOnly: Bool) throws(LocalMailError) {
    try checkWritable("sync")
    #if canImport(Glibc)
      let result = dataOnly ? fdatasync(descriptor) : fsync(descriptor)
    #else
      let result = fcntl(descriptor, F_FULLFSYNC)
    #endif
    guard result == 0 else {
      let code = errno
      isPoisoned.store(true, ordering: .sequentiallyConsistent)
      throw failure("sync", path, code)
    }
  }

  func truncate(to size: Int64) throws(LocalMailError) {
    try checkWritable("truncate")
    guard retrying({ ftruncate(descriptor, off_t(size)) }) == 0 else { throw failure("truncate", path, errno) }
  }

  func status() throws(LocalMailError) -> FileStatus {
    try checkOpen("stat")
    var info = stat()
    guard fstat(descriptor, &info) == 0 else { throw failure("stat", path, errno) }
    return FileStatus(info)
  }

  func setModified(_ seconds: Int64) throws(LocalMailError) {
    try checkWritable("set time")
    #if canImport(Glibc)
      // UTIME_OMIT of the kernel's interface; the importer leaves the macro out.
      let omit = (1 << 30) - 2
    #else
      let omit = Int(UTIME_OMIT)
    #endif
    let times = [timespec(tv_sec: 0, tv_nsec: omit), timespec(tv_sec: time_t(seconds), tv_nsec: 0)]
    guard futimens(descriptor, times) == 0 else { throw failure("set time", path, errno) }
  }

  func startWriteback() {
    #if canImport(Glibc)
      guard !isClosed.load(ordering: .relaxed) else { return }
      // SYNC_FILE_RANGE_WRITE = 2; a failure shows again in the sync.
      _ = sync_file_range(descriptor, 0, 0, 2)
    #endif
  }

  func dropCache() {
    #if canImport(Glibc)
      guard !isClosed.load(ordering: .relaxed) else { return }
      _ = posix_fadvise(descriptor, 0, 0, POSIX_FADV_DONTNEED)
    #else
      _ = fcntl(descriptor, F_NOCACHE, 1)
    #endif
  }

  func lock() throws(LocalMailError) -> Bool {
    try checkWritable("lock")
    var lock = flock()
    lock.l_type = Int16(F_WRLCK)
    lock.l_whence = Int16(SEEK_SET)
    #if canImport(Glibc)
      // F_OFD_SETLK: conflicts with other programs' record locks, and is not lost when some other descriptor of this
      // process on the same file is closed.
      let result = retrying { fcntl(descriptor, 37, &lock) }
    #else
      let result = retrying { fcntl(descriptor, F_SETLK, &lock) }
    #endif
    if result == 0 { return true }
    if errno == EAGAIN || errno == EACCES { return false }
    throw failure("lock", path, errno)
  }

  func close() {
    if !isClosed.exchange(true, ordering: .sequentiallyConsistent) { systemClose(descriptor) }
  }

  private func checkOpen(_ operation: String) throws(LocalMailError) {
    if isClosed.load(ordering: .relaxed) { throw failure(operation, path, EBADF) }
  }

  private func checkWritable(_ operation: String) throws(LocalMailError) {
    try checkOpen(operation)
    if isPoisoned.load(ordering: .relaxed) { throw failure(operation, path, EIO) }
  }
}
