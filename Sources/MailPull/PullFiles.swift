import LocalMail

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

let noSpaceCode = ENOSPC
let quotaCode = EDQUOT
let noFileCode = ENOENT
let noFolderCode = ENOTDIR

/// File calls of this room that say what failed. All block.
enum PullFiles {
  static func failure(_ operation: String, _ path: String, _ code: Int32 = errno) -> LocalMailError {
    LocalMailError(.io(operation: operation, errno: code), path: path)
  }

  /// Creates a folder and those above it, for the owner alone.
  static func makeFolder(_ path: String) throws(LocalMailError) {
    if mkdir(path, 0o700) == 0 || errno == EEXIST { return }
    guard errno == ENOENT, let slash = path.lastIndex(of: "/"), slash != path.startIndex else {
      throw failure("mkdir", path)
    }
    try makeFolder(String(path[..<slash]))
    guard mkdir(path, 0o700) == 0 || errno == EEXIST else { throw failure("mkdir", path) }
  }

  static func writeAll(_ descriptor: Int32, _ bytes: UnsafeRawBufferPointer, path: String) throws(LocalMailError) {
    var rest = bytes[...]
    while !rest.isEmpty {
      let count = write(descriptor, UnsafeRawBufferPointer(rebasing: rest).baseAddress, rest.count)
      if count < 0 {
        if errno == EINTR { continue }
        throw failure("write", path)
      }
      rest = rest.dropFirst(count)
    }
  }

  /// At most `count` octets from `offset`; fewer only at the end of the file.
  static func readAt(
    _ descriptor: Int32, offset: Int64, count: Int, path: String
  ) throws(LocalMailError) -> [UInt8] {
    var result = [UInt8](repeating: 0, count: count)
    var filled = 0
    while filled < count {
      let got = result.withUnsafeMutableBytes { raw in
        pread(descriptor, raw.baseAddress.map { $0 + filled }, count - filled, off_t(offset + Int64(filled)))
      }
      if got < 0 {
        if errno == EINTR { continue }
        throw failure("read", path)
      }
      if got == 0 { break }
      filled += got
    }
    result.removeLast(count - filled)
    return result
  }

  static func size(_ descriptor: Int32, path: String) throws(LocalMailError) -> Int64 {
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw failure("stat", path) }
    return Int64(status.st_size)
  }

  static func sync(_ descriptor: Int32, path: String) throws(LocalMailError) {
    guard fsync(descriptor) == 0 else { throw failure("fsync", path) }
  }

  static func syncFolder(of path: String) throws(LocalMailError) {
    let folder = path.lastIndex(of: "/").map { $0 == path.startIndex ? "/" : String(path[..<$0]) } ?? "."
    let descriptor = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard descriptor >= 0 else { throw failure("open", folder) }
    defer { close(descriptor) }
    try sync(descriptor, path: folder)
  }
}

extension PullFiles {
  /// A whole new file, synced; the folder is not.
  static func create(_ path: String, with bytes: [UInt8]) throws(LocalMailError) {
    let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0o600)
    guard descriptor >= 0 else { throw failure("open", path) }
    defer { close(descriptor) }
    try bytes.span.bytes.withUnsafeBytes { bytes throws(LocalMailError) in
      try writeAll(descriptor, bytes, path: path)
    }
    try sync(descriptor, path: path)
  }

  /// A whole text file of at most `limit` octets.
  static func read(_ path: String, limit: Int) throws(LocalMailError) -> [UInt8] {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw failure("open", path) }
    defer { close(descriptor) }
    let bytes = try readAt(descriptor, offset: 0, count: limit + 1, path: path)
    guard bytes.count <= limit else { throw LocalMailError(.malformed("more than \(limit) octets"), path: path) }
    return bytes
  }
}
