#if canImport(Glibc)
  import CLibc
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// The real disk. Interrupted calls are repeated, short reads and writes are continued.
public struct PosixDisk: LocalDisk {
  /// Mail is nobody else's business.
  private static let filePermissions: mode_t = 0o600
  private static let directoryPermissions: mode_t = 0o700

  public init() {}

  public func open(_ path: String, _ mode: LocalOpenMode) throws(LocalMailError) -> any LocalFile {
    let flags: Int32 =
      switch mode {
      case .read: O_RDONLY
      case .readWrite: O_RDWR
      case .createNew: O_RDWR | O_CREAT | O_EXCL
      case .openOrCreate: O_RDWR | O_CREAT
      }
    var descriptor = retrying { systemOpen(path, flags | O_CLOEXEC | O_NOFOLLOW, Self.filePermissions) }
    if descriptor < 0, errno == ELOOP {
      // A link: followed where it is our own.
      _ = try trustedStatus(of: path)
      descriptor = retrying { systemOpen(path, flags | O_CLOEXEC, Self.filePermissions) }
    }
    guard descriptor >= 0 else { throw failure("open", path, errno) }
    return PosixFile(descriptor: descriptor, path: path)
  }

  public func rename(_ path: String, to target: String, replacing: Bool) throws(LocalMailError) {
    guard !replacing else {
      guard systemRename(path, target) == 0 else { throw failure("rename", path, errno) }
      return
    }
    #if canImport(Glibc)
      // RENAME_NOREPLACE = 1
      let result = renameat2(AT_FDCWD, path, AT_FDCWD, target, 1)
    #else
      let result = renamex_np(path, target, UInt32(RENAME_EXCL))
    #endif
    if result == 0 { return }
    let code = errno
    guard code == EINVAL || code == ENOSYS || code == ENOTSUP else {
      throw failure("rename", code == EEXIST ? target : path, code)
    }
    try renameInSteps(path, to: target)
  }

  /// Old kernels and some network file systems cannot refuse to replace; what cannot be linked either (directories, file
  /// systems without links) has a moment in which another process might take the name.
  private func renameInSteps(_ path: String, to target: String) throws(LocalMailError) {
    do throws(LocalMailError) { try link(path, to: target) } catch {
      guard case .io(_, let code) = error.kind, code == EPERM || code == ENOTSUP || code == ENOSYS || code == EMLINK
      else { throw error }
      guard try status(of: target, followingLinks: false) == nil else { throw failure("rename", target, EEXIST) }
      return try rename(path, to: target, replacing: true)
    }
    do throws(LocalMailError) { try unlink(path) } catch {
      try? unlink(target)
      throw error
    }
  }

  public func link(_ path: String, to target: String) throws(LocalMailError) {
    #if canImport(Glibc)
      let result = Glibc.link(path, target)
    #else
      let result = Darwin.link(path, target)
    #endif
    guard result == 0 else { throw failure("link", errno == EEXIST ? target : path, errno) }
  }

  public func unlink(_ path: String) throws(LocalMailError) {
    #if canImport(Glibc)
      let result = Glibc.unlink(path)
    #else
      let result = Darwin.unlink(path)
    #endif
    guard result == 0 else { throw failure("unlink", path, errno) }
  }

  public func makeDirectory(_ path: String) throws(LocalMailError) -> Bool {
    if mkdir(path, Self.directoryPermissions) == 0 { return true }
    let code = errno
    guard code == EEXIST, try status(of: path, followingLinks: true)?.kind == .directory else {
      throw failure("create directory", path, code)
    }
    return false
  }

  public func removeDirectory(_ path: String) throws(LocalMailError) {
    guard rmdir(path) == 0 else { throw failure("remove directory", path, errno) }
  }

  public func syncDirectory(_ path: String) throws(LocalMailError) {
    let descriptor = retrying { systemOpen(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0) }
    guard descriptor >= 0 else { throw failure("open directory", path, errno) }
    let result = fsync(descriptor)
    let code = errno
    systemClose(descriptor)
    // An interrupted sync says nothing about what reached the disk, so it counts as failed.
    guard result == 0 else { throw failure("sync directory", path, code) }
  }

  public func list(_ directory: String) throws(LocalMailError) -> [String] {
    guard let stream = opendir(directory) else { throw failure("list directory", directory, errno) }
    defer { closedir(stream) }
    var names: [String] = []
    while true {
      errno = 0
      guard let entry = readdir(stream) else {
        guard errno == 0 else { throw failure("list directory", directory, errno) }
        return names
      }
      let name = withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
        String(decoding: UnsafeRawBufferPointer(rebasing: bytes[..<strnlen(bytes)]), as: UTF8.self)
      }
      if name != ".", name != ".." { names.append(name) }
    }
  }

  public func status(of path: String, followingLinks: Bool) throws(LocalMailError) -> FileStatus? {
    var info = stat()
    let result = followingLinks ? stat(path, &info) : lstat(path, &info)
    if result == 0 { return FileStatus(info) }
    let code = errno
    if code == ENOENT || code == ENOTDIR { return nil }
    throw failure("stat", path, code)
  }
}

private func strnlen(_ bytes: UnsafeRawBufferPointer) -> Int {
  guard let base = bytes.baseAddress, let end = memchr(base, 0, bytes.count) else { return bytes.count }
  return UnsafeRawPointer(end) - base
}

func failure(_ operation: String, _ path: String, _ code: Int32) -> LocalMailError {
  switch code {
  case ENOENT: LocalMailError(.missing, path: path)
  case EEXIST: LocalMailError(.exists, path: path)
  default: LocalMailError(.io(operation: operation, errno: code), path: path)
  }
}

/// Repeats a call that a signal interrupted.
func retrying<Value: SignedInteger>(_ call: () -> Value) -> Value {
  while true {
    let result = call()
    if result >= 0 || errno != EINTR { return result }
  }
}

private func systemOpen(_ path: String, _ flags: Int32, _ mode: mode_t) -> Int32 {
  #if canImport(Glibc)
    Glibc.open(path, flags, mode)
  #else
    Darwin.open(path, flags, mode)
  #endif
}

private func systemRename(_ path: String, _ target: String) -> Int32 {
  #if canImport(Glibc)
    Glibc.rename(path, target)
  #else
    Darwin.rename(path, target)
  #endif
}

func systemClose(_ descriptor: Int32) {
  // Not repeated: on Linux the descriptor is gone even when close says EINTR.
  #if canImport(Glibc)
    _ = Glibc.close(descriptor)
  #else
    _ = Darwin.close(descriptor)
  #endif
}

extension FileStatus {
  init(_ info: stat) {
    let kind: Kind =
      switch info.st_mode & S_IFMT {
      case S_IFREG: .file
      case S_IFDIR: .directory
      case S_IFLNK: .link
      default: .other
      }
    #if canImport(Glibc)
      let modified = info.st_mtim
      let changed = info.st_ctim
    #else
      let modified = info.st_mtimespec
      let changed = info.st_ctimespec
    #endif
    self.init(
      kind: kind, size: Int64(info.st_size), modified: Self.nanoseconds(modified),
      changed: Self.nanoseconds(changed), inode: UInt64(info.st_ino), owner: info.st_uid)
  }

  /// Times beyond the year 2262 stay there.
  private static func nanoseconds(_ time: timespec) -> Int64 {
    let (product, overflow) = Int64(time.tv_sec).multipliedReportingOverflow(by: 1_000_000_000)
    return overflow ? (time.tv_sec < 0 ? .min : .max) : product &+ Int64(time.tv_nsec)
  }
}
