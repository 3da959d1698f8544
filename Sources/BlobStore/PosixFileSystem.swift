import CLibc
import NIOCore
import Synchronization

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// The real disk. Interrupted calls are repeated, short reads and writes are continued.
public struct PosixFileSystem: FileSystem {
  /// Mail is nobody else's business.
  private static let permissions: mode_t = 0o600

  public init() {}

  public func open(_ path: String, _ mode: OpenMode) throws(BlobError) -> any FileHandle {
    let flags: Int32 =
      switch mode {
      case .read: O_RDONLY
      case .readWrite: O_RDWR
      case .createNew: O_RDWR | O_CREAT | O_EXCL
      }
    let descriptor = retrying {
      #if canImport(Glibc)
        Glibc.open(path, flags | O_CLOEXEC, Self.permissions)
      #else
        Darwin.open(path, flags | O_CLOEXEC, Self.permissions)
      #endif
    }
    guard descriptor >= 0 else {
      let code = errno
      if code == ENOENT { throw .missing(what: path) }
      throw .io(operation: "open", path: path, errno: code)
    }
    return PosixFileHandle(descriptor: descriptor, path: path)
  }

  public func rename(_ path: String, to target: String) throws(BlobError) {
    #if canImport(Glibc)
      let result = Glibc.rename(path, target)
    #else
      let result = Darwin.rename(path, target)
    #endif
    guard result == 0 else { throw .io(operation: "rename", path: path, errno: errno) }
  }

  public func unlink(_ path: String) throws(BlobError) {
    #if canImport(Glibc)
      let result = Glibc.unlink(path)
    #else
      let result = Darwin.unlink(path)
    #endif
    guard result == 0 else { throw .io(operation: "unlink", path: path, errno: errno) }
  }

  public func syncDirectory(_ path: String) throws(BlobError) {
    #if canImport(Glibc)
      let descriptor = retrying { Glibc.open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) }
    #else
      let descriptor = retrying { Darwin.open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) }
    #endif
    guard descriptor >= 0 else { throw .io(operation: BlobError.openDirectory, path: path, errno: errno) }
    let result = fsync(descriptor)
    let code = errno
    closeDescriptor(descriptor)
    // An interrupted sync says nothing about what reached the disk, so it counts as failed.
    guard result == 0 else { throw .io(operation: "sync directory", path: path, errno: code) }
  }

  public func list(_ directory: String) throws(BlobError) -> [String] {
    guard let stream = opendir(directory) else {
      throw .io(operation: "list directory", path: directory, errno: errno)
    }
    defer { closedir(stream) }
    var names: [String] = []
    while true {
      errno = 0
      guard let entry = readdir(stream) else {
        guard errno == 0 else { throw .io(operation: "list directory", path: directory, errno: errno) }
        return names
      }
      let name = withUnsafeBytes(of: &entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
      if name != ".", name != ".." { names.append(name) }
    }
  }

  public func createDirectory(_ path: String) throws(BlobError) -> Bool {
    if mkdir(path, 0o700) == 0 { return true }
    let code = errno
    var info = stat()
    guard code == EEXIST, stat(path, &info) == 0, info.st_mode & S_IFMT == S_IFDIR else {
      throw .io(operation: "create directory", path: path, errno: code)
    }
    return false
  }

  public func size(of path: String) throws(BlobError) -> Int64? {
    var info = stat()
    if stat(path, &info) == 0 { return Int64(info.st_size) }
    if errno == ENOENT { return nil }
    throw .io(operation: "stat", path: path, errno: errno)
  }
}

/// Repeats a call that a signal interrupted.
private func retrying<Value: SignedInteger>(_ call: () -> Value) -> Value {
  while true {
    let result = call()
    if result >= 0 || errno != EINTR { return result }
  }
}

private func closeDescriptor(_ descriptor: Int32) {
  // Not repeated: on Linux the descriptor is gone even when close says EINTR.
  #if canImport(Glibc)
    _ = Glibc.close(descriptor)
  #else
    _ = Darwin.close(descriptor)
  #endif
}

final class PosixFileHandle: FileHandle, CacheAdvising {
  let path: String
  private let descriptor: Int32
  private let isClosed = Atomic(false)
  private let isPoisoned = Atomic(false)

  init(descriptor: Int32, path: String) {
    self.descriptor = descriptor
    self.path = path
  }

  deinit { if !isClosed.load(ordering: .relaxed) { closeDescriptor(descriptor) } }

  func pread(into buffer: UnsafeMutableRawBufferPointer, at offset: Int64) throws(BlobError) -> Int {
    try checkOpen("read")
    var done = 0
    while done < buffer.count {
      let rest = UnsafeMutableRawBufferPointer(rebasing: buffer[done...])
      #if canImport(Glibc)
        let count = retrying { Glibc.pread(descriptor, rest.baseAddress, rest.count, off_t(offset) + off_t(done)) }
      #else
        let count = retrying { Darwin.pread(descriptor, rest.baseAddress, rest.count, off_t(offset) + off_t(done)) }
      #endif
      guard count >= 0 else { throw .io(operation: "read at \(offset)", path: path, errno: errno) }
      if count == 0 { break }
      done += count
    }
    return done
  }

  func pwrite(_ bytes: UnsafeRawBufferPointer, at offset: Int64) throws(BlobError) {
    try checkWritable("write")
    var done = 0
    while done < bytes.count {
      let rest = UnsafeRawBufferPointer(rebasing: bytes[done...])
      #if canImport(Glibc)
        let count = retrying { Glibc.pwrite(descriptor, rest.baseAddress, rest.count, off_t(offset) + off_t(done)) }
      #else
        let count = retrying { Darwin.pwrite(descriptor, rest.baseAddress, rest.count, off_t(offset) + off_t(done)) }
      #endif
      guard count > 0 else {
        throw .io(operation: "write at \(offset)", path: path, errno: count == 0 ? 0 : errno)
      }
      done += count
    }
  }

  func pwritev(_ buffers: [ByteBuffer], at offset: Int64) throws(BlobError) {
    try checkWritable("write")
    // Linux takes 1,024 pieces a call.
    let limit = 1024
    var offset = offset
    var start = 0
    while start < buffers.count {
      let end = min(start + limit, buffers.count)
      let written = try writePieces(buffers[start..<end], at: offset)
      offset += Int64(written)
      start = end
    }
  }

  private func writePieces(_ buffers: ArraySlice<ByteBuffer>, at offset: Int64) throws(BlobError) -> Int {
    var total = 0
    for buffer in buffers { total += buffer.readableBytes }
    var pieces: [iovec] = []
    pieces.reserveCapacity(buffers.count)
    let count = withPointers(buffers, &pieces) { pieces in
      retrying { systemWritev(descriptor, pieces, offset) }
    }
    guard count >= 0 else { throw .io(operation: "write at \(offset)", path: path, errno: errno) }
    // A short vectored write is rare (full disk, signal): what is left goes out piece by piece.
    var skip = count
    var position = offset + Int64(count)
    if count < total {
      for buffer in buffers {
        let length = buffer.readableBytes
        if skip >= length {
          skip -= length
          continue
        }
        let from = skip
        skip = 0
        let at = position
        try buffer.withUnsafeReadableBytes { bytes throws(BlobError) in
          try pwrite(UnsafeRawBufferPointer(rebasing: bytes[from...]), at: at)
        }
        position += Int64(length - from)
      }
    }
    return total
  }

  /// Collects the pointers of all buffers by recursion, since each is good only within its own closure.
  private func withPointers(
    _ buffers: ArraySlice<ByteBuffer>, _ pieces: inout [iovec], _ body: ([iovec]) -> Int
  ) -> Int {
    guard let first = buffers.first else { return body(pieces) }
    return first.withUnsafeReadableBytes { bytes in
      if !bytes.isEmpty {
        pieces.append(iovec(iov_base: UnsafeMutableRawPointer(mutating: bytes.baseAddress), iov_len: bytes.count))
      }
      return withPointers(buffers.dropFirst(), &pieces, body)
    }
  }

  func startWriting(at offset: Int64, count: Int64) {
    #if canImport(Glibc)
      // 2 is SYNC_FILE_RANGE_WRITE.
      _ = sync_file_range(descriptor, offset, count, 2)
    #endif
  }

  func fdatasync() throws(BlobError) {
    try checkWritable("sync")
    #if canImport(Glibc)
      let result = Glibc.fdatasync(descriptor)
    #else
      let result = fcntl(descriptor, F_FULLFSYNC)
    #endif
    guard result == 0 else {
      let code = errno
      isPoisoned.store(true, ordering: .sequentiallyConsistent)
      throw .io(operation: "sync", path: path, errno: code)
    }
  }

  func truncate(to size: Int64) throws(BlobError) {
    try checkWritable("truncate")
    let result = retrying { ftruncate(descriptor, off_t(size)) }
    guard result == 0 else { throw .io(operation: "truncate to \(size)", path: path, errno: errno) }
  }

  func size() throws(BlobError) -> Int64 {
    try checkOpen("stat")
    var info = stat()
    guard fstat(descriptor, &info) == 0 else { throw .io(operation: "stat", path: path, errno: errno) }
    return Int64(info.st_size)
  }

  func forgetCached(_ range: Range<Int64>) {
    #if canImport(Glibc)
      _ = posix_fadvise(descriptor, off_t(range.lowerBound), off_t(range.count), POSIX_FADV_DONTNEED)
    #endif
  }

  func map(size: Int) throws(BlobError) -> any FileMapping {
    try checkOpen("map")
    guard size > 0 else { return PosixMapping(UnsafeRawBufferPointer(start: nil, count: 0)) }
    let address = mmap(nil, size, PROT_READ, MAP_SHARED, descriptor, 0)
    guard address != MAP_FAILED, let address else { throw .io(operation: "map", path: path, errno: errno) }
    return PosixMapping(UnsafeRawBufferPointer(start: address, count: size))
  }

  func close() {
    if !isClosed.exchange(true, ordering: .sequentiallyConsistent) { closeDescriptor(descriptor) }
  }

  private func checkOpen(_ operation: String) throws(BlobError) {
    if isClosed.load(ordering: .relaxed) { throw .io(operation: operation, path: path, errno: EBADF) }
  }

  private func checkWritable(_ operation: String) throws(BlobError) {
    try checkOpen(operation)
    if isPoisoned.load(ordering: .relaxed) { throw .io(operation: operation, path: path, errno: EIO) }
  }
}

private func systemWritev(_ descriptor: Int32, _ pieces: [iovec], _ offset: Int64) -> Int {
  #if canImport(Glibc)
    Glibc.pwritev(descriptor, pieces, Int32(pieces.count), off_t(offset))
  #else
    Darwin.pwritev(descriptor, pieces, Int32(pieces.count), off_t(offset))
  #endif
}

/// The mapping ends with the object.
///
/// `@unchecked Sendable`: the pointer is constant and the pages are read-only from construction to `deinit`.
private final class PosixMapping: FileMapping, @unchecked Sendable {
  let bytes: UnsafeRawBufferPointer

  init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

  func forget() {
    // Of a shared mapping that nobody writes to, nothing is lost.
    if let address = bytes.baseAddress {
      _ = madvise(UnsafeMutableRawPointer(mutating: address), bytes.count, Int32(MADV_DONTNEED))
    }
  }

  deinit {
    if let address = bytes.baseAddress { munmap(UnsafeMutableRawPointer(mutating: address), bytes.count) }
  }
}
