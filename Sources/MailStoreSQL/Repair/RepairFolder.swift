import BlobStore
import MailStore
import SearchIndex

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// DATA/repair.work: where a repair works, and from where its results take the place of the originals. The folder is of no
/// value until the file `ready` is in it; from then on the exchange is carried through, by the next opening if need be.
struct RepairFolder {
  let data: String
  var path: String { "\(data)/repair.work" }
  private var ready: String { "\(path)/ready" }

  /// What may be replaced: name in this folder, and the original.
  private var files: [(made: String, original: String)] {
    [
      ("\(path)/mail.sqlite", "\(data)/volumes/1/mail.sqlite"),
      ("\(path)/directory.sqlite", "\(data)/directory.sqlite"),
    ]
  }

  var mail: String { "\(path)/mail.sqlite" }
  var directory: String { "\(path)/directory.sqlite" }
  var scratch: String { "\(path)/scratch.sqlite" }

  /// An empty folder, whatever an earlier repair that did not come to its end left.
  func make() throws(StoreError) {
    try remove()
    guard mkdir(path, 0o700) == 0 else { throw .io(operation: "create directory", path: path, errno: errno) }
  }

  /// Removes what a repair makes, and nothing that somebody else has put there.
  func remove() throws(StoreError) {
    guard FileSizes.exists(path) else { return }
    unlink(ready)
    for name in ["mail", "directory", "scratch", "fresh"] {
      for suffix in ["", "-wal", "-shm", "-journal"] { unlink("\(path)/\(name).sqlite\(suffix)") }
    }
    guard rmdir(path) == 0 else {
      guard errno == ENOTEMPTY || errno == EEXIST || errno == ENOTDIR else {
        throw .io(operation: "remove directory", path: path, errno: errno)
      }
      throw .database(message: "\(path) holds files that are not a repair's; move them away and run this again")
    }
  }

  /// A copy of a database with its WAL. False: there is none, or it is empty.
  func copy(_ original: String, to target: String) throws(StoreError) -> Bool {
    guard FileSizes.of(original) > 0 else { return false }
    for suffix in ["", "-wal"] where FileSizes.exists(original + suffix) {
      try Self.copyFile(original + suffix, to: target + suffix)
    }
    return true
  }

  /// Sectors that cannot be read are zeros in the copy.
  private static func copyFile(_ source: String, to target: String) throws(StoreError) {
    let from = open(source, O_RDONLY | O_CLOEXEC)
    guard from >= 0 else { throw .io(operation: "open", path: source, errno: errno) }
    defer { close(from) }
    let to = open(target, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
    guard to >= 0 else { throw .io(operation: "create", path: target, errno: errno) }
    defer { close(to) }
    let size = Int(lseek(from, 0, SEEK_END))
    var buffer = [UInt8](repeating: 0, count: 1 << 16)
    var offset = 0
    while offset < size {
      let wanted = min(buffer.count, size - offset)
      var count = buffer.withUnsafeMutableBytes { pread(from, $0.baseAddress, wanted, off_t(offset)) }
      if count < 0, errno == EINTR { continue }
      if count <= 0 {
        buffer.withUnsafeMutableBytes { $0.baseAddress.map { _ = memset($0, 0, wanted) } }
        count = wanted
      }
      var done = 0
      while done < count {
        let wrote = buffer.withUnsafeBytes {
          pwrite(to, $0.baseAddress.map { $0 + done }, count - done, off_t(offset + done))
        }
        if wrote < 0, errno == EINTR { continue }
        guard wrote > 0 else { throw .io(operation: "write", path: target, errno: errno) }
        done += wrote
      }
      offset += count
    }
  }

  // MARK: The exchange

  /// Puts what was made in place of the originals, which go aside under `suffix`. Returns where they are.
  func exchange(suffix: String) throws(StoreError) -> [String] {
    for (made, _) in files where FileSizes.exists(made) { try Self.sync(made) }
    try Self.sync(path)
    // From here on there is no way back, and a crash costs nothing.
    let descriptor = open(ready, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else { throw .io(operation: "create", path: ready, errno: errno) }
    let bytes = Array(suffix.utf8)
    let isWritten = write(descriptor, bytes, bytes.count) == bytes.count && fsync(descriptor) == 0
    let code = errno
    close(descriptor)
    guard isWritten else {
      unlink(ready)
      throw .io(operation: "write", path: ready, errno: code)
    }
    try Self.sync(path)
    return try finish()
  }

  /// Carries an exchange through that a crash has cut short. Does nothing when there is none.
  @discardableResult
  func finish() throws(StoreError) -> [String] {
    let descriptor = open(ready, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return [] }
    var buffer = [UInt8](repeating: 0, count: 64)
    let count = read(descriptor, &buffer, buffer.count)
    close(descriptor)
    let suffix = String(decoding: buffer.prefix(max(0, count)), as: UTF8.self)
    // The note was not written to its end: the exchange had not begun.
    guard suffix.hasPrefix("damaged-"), suffix.hasSuffix(".") else {
      unlink(ready)
      return []
    }
    // Made of the old one.
    IndexPlace.remove(SearchIndexer.path("\(data)/volumes/1"))
    var aside: [String] = []
    for (made, original) in files where FileSizes.exists(made) {
      // Linked first, so that no moment is without the old file; the WAL goes before the new file comes, since it must
      // never be read together with that.
      for part in ["", "-wal", "-shm"] where FileSizes.exists(original + part) {
        let target = "\(original).\(suffix.dropLast())\(part)"
        guard link(original + part, target) == 0 || errno == EEXIST else {
          throw .io(operation: "link", path: target, errno: errno)
        }
        aside.append(target)
      }
      let folder = String(original[..<(original.lastIndex(of: "/") ?? original.startIndex)])
      try Self.sync(folder)
      for part in ["-wal", "-shm"] { unlink(original + part) }
      try Self.sync(folder)
      guard rename(made, original) == 0 else { throw .io(operation: "rename", path: made, errno: errno) }
      try Self.sync(folder)
    }
    // What is left of the folder is rubbish, or somebody else's; neither keeps a store from opening.
    unlink(ready)
    try? remove()
    return aside
  }

  private static func sync(_ path: String) throws(StoreError) {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw .io(operation: "open", path: path, errno: errno) }
    let result = fsync(descriptor)
    let code = errno
    close(descriptor)
    guard result == 0 else { throw .io(operation: "sync", path: path, errno: code) }
  }
}
