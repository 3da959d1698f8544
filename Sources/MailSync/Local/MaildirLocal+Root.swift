import LocalMail
import NIOCore

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

extension MaildirLocal {
  // MARK: The root

  public func mark() async throws -> String? {
    try await blocking { local in
      let text = try SmallFile.read("\(local.path)/\(RootMark.fileName)", at: 0, count: 1024)
      let mark = String(buffer: text).split(separator: "\n").first.map(String.init)
      return mark?.isEmpty == false ? mark : nil
    }
  }

  public func setMark(_ mark: String) async throws {
    try await blocking { local in
      try local.tree.create()
      try SmallFile.write("\(mark)\n", to: "\(local.path)/\(RootMark.fileName)", in: local.path)
    }
  }

  // MARK: Waiting

  /// From the modification times of `new`, `cur` and the root: every arrival, removal and change of flags renames a file in
  /// one of them. A look costs three calls a folder, so it is done every few seconds instead of by inotify, which has limits
  /// of its own and misses network file systems.
  public func changeStamp() async throws -> UInt64 {
    let folders = try await folders()
    return try await blocking { local in
      var hasher = Hasher()
      let directories = folders.map { local.tree.folder($0).directory }
      for path in [local.path] + directories.flatMap({ ["\($0)/new", "\($0)/cur"] }) {
        var status = stat()
        guard stat(path, &status) == 0 else { continue }
        hasher.combine(path)
        hasher.combine(status.st_mtim.tv_sec)
        hasher.combine(status.st_mtim.tv_nsec)
      }
      return UInt64(bitPattern: Int64(hasher.finalize()))
    }
  }
}

/// Files of this room.
enum SmallFile {
  static func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }

  /// Empty at the end, and when there is no such file.
  static func read(_ path: String, at offset: Int64, count: Int) throws(SyncError) -> ByteBuffer {
    let file = open(path, O_RDONLY | O_CLOEXEC)
    if file < 0, errno == ENOENT { return ByteBuffer() }
    guard file >= 0 else { throw .state(path: path, String(cString: strerror(errno))) }
    defer { close(file) }
    var buffer = ByteBuffer()
    var failure: Int32 = 0
    buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: count) { target in
      var done = 0
      while done < count {
        let got = pread(file, target.baseAddress.map { $0 + done }, count - done, off_t(offset) + off_t(done))
        if got < 0, errno == EINTR { continue }
        if got < 0 { failure = errno }
        guard got > 0 else { break }
        done += got
      }
      return done
    }
    guard failure == 0 else { throw .state(path: path, String(cString: strerror(failure))) }
    return buffer
  }

  /// Whole or not at all; durable.
  static func write(_ text: String, to path: String, in folder: String) throws(SyncError) {
    let temporary = path + ".tmp"
    let file = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
    guard file >= 0 else { throw .state(path: temporary, String(cString: strerror(errno))) }
    let bytes = Array(text.utf8)
    let isWritten = Glibc.write(file, bytes, bytes.count) == bytes.count && fsync(file) == 0
    let code = errno
    close(file)
    guard isWritten else { throw .state(path: temporary, String(cString: strerror(code))) }
    guard rename(temporary, path) == 0 else { throw .state(path: path, String(cString: strerror(errno))) }
    let directory = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard directory >= 0 else { throw .state(path: folder, String(cString: strerror(errno))) }
    defer { close(directory) }
    guard fsync(directory) == 0 else { throw .state(path: folder, String(cString: strerror(errno))) }
  }
}
