import BlobStore
import CLibc
import Crypto
import MailStore

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// File calls of backup and restore. `trace` hears of every one that changes something, before it is made; what it throws
/// stands for a cut at that point.
struct BackupFiles {
  enum Event: Hashable {
    case write(String)
    case sync(String)
    case syncFolder(String)
    case rename(String, to: String)
    case link(String)
    case remove(String)
  }

  var trace: (Event) throws(StoreError) -> Void = { (_) throws(StoreError) in }

  /// What was written, and how.
  struct Copied {
    var octets: Int64
    var sha256: String
  }

  static func failure(_ operation: String, _ path: String) -> StoreError {
    .io(operation: operation, path: path, errno: errno)
  }

  // MARK: Writing

  /// Copies `range` of an open file into a new file, durable when it returns. `each` hears of the octets as they come and
  /// may end the work by throwing.
  func copy(
    _ source: any FileHandle, _ range: Range<Int64>, to path: String, _ each: (Int64) throws(StoreError) -> Void
  ) throws(StoreError) -> Copied {
    try trace(.write(path))
    let target = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
    guard target >= 0 else { throw Self.failure("create", path) }
    defer { close(target) }
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 4096)
    defer { buffer.deallocate() }
    var digest = SHA256()
    var offset = range.lowerBound
    while offset < range.upperBound {
      let wanted = Int(min(Int64(buffer.count), range.upperBound - offset))
      let piece = UnsafeMutableRawBufferPointer(rebasing: buffer[..<wanted])
      let count = try blobCall { () throws(BlobError) in try source.pread(into: piece, at: offset) }
      guard count == wanted else {
        throw .corrupt(
          what: "\(source.path): it ends at \(offset + Int64(count)) and must go on to \(range.upperBound)")
      }
      digest.update(bufferPointer: UnsafeRawBufferPointer(piece))
      try Self.writeAll(target, UnsafeRawBufferPointer(piece), path)
      offset += Int64(count)
      try each(Int64(count))
    }
    try sync(target, path)
    return Copied(octets: Int64(range.count), sha256: Self.hex(digest.finalize()))
  }

  /// Puts files one behind the other, each against its checksum; durable when it returns.
  func concatenate(
    _ parts: [(path: String, octets: Int64, sha256: String)], to path: String,
    _ each: (Int64) throws(StoreError) -> Void
  ) throws(StoreError) {
    try trace(.write(path))
    let target = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
    guard target >= 0 else { throw Self.failure("create", path) }
    defer { close(target) }
    for part in parts {
      var octets: Int64 = 0
      let sha256 = try Self.sha256(part.path) { (bytes) throws(StoreError) in
        try Self.writeAll(target, bytes, path)
        octets += Int64(bytes.count)
        try each(Int64(bytes.count))
      }
      guard octets == part.octets, sha256 == part.sha256 else {
        throw .corrupt(
          what: "\(part.path): its octets are not those that were written; try another generation (--generation)")
      }
    }
    try sync(target, path)
  }

  func own(_ path: String, _ user: uid_t, _ group: gid_t) throws(StoreError) {
    var info = stat()
    guard lstat(path, &info) == 0 else { throw Self.failure("look at", path) }
    if info.st_mode & S_IFMT == S_IFDIR {
      for name in try Self.list(path) { try own("\(path)/\(name)", user, group) }
    }
    guard lchown(path, user, group) == 0 else { throw Self.failure("change the owner of", path) }
  }

  /// A small file, durable when it returns.
  func write(_ bytes: [UInt8], to path: String) throws(StoreError) {
    try trace(.write(path))
    let target = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
    guard target >= 0 else { throw Self.failure("create", path) }
    defer { close(target) }
    let result: Result<Void, StoreError> = bytes.withUnsafeBytes { raw in
      do throws(StoreError) { return .success(try Self.writeAll(target, raw, path)) } catch { return .failure(error) }
    }
    try result.get()
    try sync(target, path)
  }

  private static func writeAll(
    _ target: Int32, _ bytes: UnsafeRawBufferPointer, _ path: String
  ) throws(StoreError) {
    var done = 0
    while done < bytes.count {
      let count = Glibc.write(target, bytes.baseAddress.map { $0 + done }, bytes.count - done)
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { throw failure("write", path) }
      done += count
    }
  }

  private func sync(_ file: Int32, _ path: String) throws(StoreError) {
    try trace(.sync(path))
    guard fdatasync(file) == 0 else { throw Self.failure("sync", path) }
  }

  func sync(_ path: String) throws(StoreError) {
    try trace(.sync(path))
    let file = open(path, O_RDONLY | O_CLOEXEC)
    guard file >= 0 else { throw Self.failure("open", path) }
    defer { close(file) }
    guard fsync(file) == 0 else { throw Self.failure("sync", path) }
  }

  func syncFolder(_ path: String) throws(StoreError) {
    try trace(.syncFolder(path))
    try blobCall { () throws(BlobError) in try PosixFileSystem().syncDirectory(path) }
  }

  func makeFolder(_ path: String) throws(StoreError) {
    guard mkdir(path, 0o700) == 0 || errno == EEXIST else { throw Self.failure("make the folder", path) }
  }

  func move(_ path: String, to target: String) throws(StoreError) {
    try trace(.rename(path, to: target))
    guard rename(path, target) == 0 else { throw Self.failure("rename", path) }
  }

  /// A second name for a file that is never changed again. False where the file system cannot.
  func share(_ path: String, as target: String) throws(StoreError) -> Bool {
    try trace(.link(target))
    return link(path, target) == 0
  }

  func remove(_ path: String) throws(StoreError) {
    try trace(.remove(path))
    guard unlink(path) == 0 || errno == ENOENT else { throw Self.failure("remove", path) }
  }

  /// A folder with everything in it; links in it are removed, not followed.
  func removeTree(_ path: String) throws(StoreError) {
    var info = stat()
    guard lstat(path, &info) == 0 else { return }
    guard info.st_mode & S_IFMT == S_IFDIR else { return try remove(path) }
    for name in try Self.list(path) { try removeTree("\(path)/\(name)") }
    guard rmdir(path) == 0 || errno == ENOENT else { throw Self.failure("remove", path) }
  }

  // MARK: Looking

  static func list(_ folder: String) throws(StoreError) -> [String] {
    try blobCall { () throws(BlobError) in try PosixFileSystem().list(folder) }.sorted()
  }

  static func handle(_ path: String) throws(StoreError) -> any FileHandle {
    try blobCall { () throws(BlobError) in try PosixFileSystem().open(path, .read) }
  }

  /// Octets free for us on the file system of a folder.
  static func free(_ folder: String) throws(StoreError) -> Int64 {
    var info = statvfs()
    guard statvfs(folder, &info) == 0 else { throw failure("look at", folder) }
    return Int64(info.f_bavail) * Int64(info.f_frsize)
  }

  /// Refuses work that would fill a disk.
  static func requireFree(_ octets: Int64, in folder: String, for what: String) throws(StoreError) {
    let free = try free(folder)
    let needed = octets + octets / 50 + BackupLimits.freeAtLeast
    guard free < needed else { return }
    throw .database(
      message: "\(folder): \(needed) octets are needed there for \(what), and \(free) are free; nothing was written")
  }

  static func read(_ path: String, limit: Int) throws(StoreError) -> [UInt8] {
    let handle = try Self.handle(path)
    defer { handle.close() }
    return try blobCall { () throws(BlobError) in
      let size = try handle.size()
      guard size <= Int64(limit) else { throw .corrupt(what: "\(path): longer than \(limit) octets") }
      let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: max(Int(size), 1), alignment: 16)
      defer { buffer.deallocate() }
      let count = try handle.pread(into: UnsafeMutableRawBufferPointer(rebasing: buffer[..<Int(size)]), at: 0)
      return Array(buffer[..<count])
    }
  }

  /// `each` is handed what is read, piece by piece.
  static func sha256(
    _ path: String, _ each: (UnsafeRawBufferPointer) throws(StoreError) -> Void
  ) throws(StoreError) -> String {
    let handle = try Self.handle(path)
    defer { handle.close() }
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 4096)
    defer { buffer.deallocate() }
    var digest = SHA256()
    var offset: Int64 = 0
    while true {
      let at = offset
      let count = try blobCall { () throws(BlobError) in try handle.pread(into: buffer, at: at) }
      if count == 0 { break }
      let piece = UnsafeRawBufferPointer(rebasing: buffer[..<count])
      digest.update(bufferPointer: piece)
      offset += Int64(count)
      try each(piece)
    }
    return hex(digest.finalize())
  }

  static func sha256(of bytes: [UInt8]) -> String { hex(SHA256.hash(data: bytes)) }

  private static func hex(_ digest: some Sequence<UInt8>) -> String {
    let digits = Array("0123456789abcdef".utf8)
    var text: [UInt8] = []
    for byte in digest {
      text.append(digits[Int(byte >> 4)])
      text.append(digits[Int(byte & 15)])
    }
    return String(decoding: text, as: UTF8.self)
  }
}
