#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// A lock by a file that exists, as mail programs keep it beside each other (`dovecot-uidlist.lock`, `mbox.lock`).
struct DotLock {
  let path: String
  private let identity: FileStatus
  private let disk: any LocalDisk

  /// Waits up to `LocalMailLimits.lockWait` seconds, then throws `.locked`. A lock whose holder is certainly dead is removed
  /// at once, any other when it is older than `LocalMailLimits.staleLock` seconds.
  static func acquire(
    _ path: String, disk: any LocalDisk, wait: Int64 = LocalMailLimits.lockWait
  ) throws(LocalMailError) -> DotLock {
    let end = WallClock.seconds() + wait
    while true {
      do throws(LocalMailError) { return try DotLock(path, disk) } catch {
        guard error.isExisting else { throw error }
      }
      if try removeStale(path, disk) { continue }
      guard WallClock.seconds() < end else { throw LocalMailError(.locked, path: path) }
      usleep(LocalMailLimits.lockPause)
    }
  }

  private init(_ path: String, _ disk: any LocalDisk) throws(LocalMailError) {
    let file = try disk.open(path, .createNew)
    defer { file.close() }
    do throws(LocalMailError) {
      // Who looks at a lock that is in the way wants to know whose it is.
      try file.pwrite(LockHolder.text, at: 0)
      identity = try file.status()
    } catch {
      try? disk.unlink(path)
      throw error
    }
    self.path = path
    self.disk = disk
  }

  /// A lock that has become stale and was taken by another is left alone.
  func release() {
    do throws(LocalMailError) {
      // Numbers of inodes are given out again.
      guard let status = try disk.status(of: path, followingLinks: false), status.inode == identity.inode,
        status.modified == identity.modified
      else { return }
    } catch {}
    try? disk.unlink(path)
  }

  private static func removeStale(_ path: String, _ disk: any LocalDisk) throws(LocalMailError) -> Bool {
    guard let status = try disk.status(of: path, followingLinks: false) else { return true }
    let isOld = WallClock.seconds() - status.modifiedSeconds > LocalMailLimits.staleLock
    // Whoever finds it stale as well must not remove the fresh lock that another has put in its place meanwhile: the stale
    // file itself is locked first. While it is open its inode is given to no other file, so the name still is its own.
    if status.kind == .file {
      do throws(LocalMailError) {
        let file = try disk.open(path, .readWrite)
        defer { file.close() }
        let isStale = isOld ? true : try isHolderDead(file)
        guard isStale else { return false }
        guard try file.lock() else { return false }
        guard let now = try disk.status(of: path, followingLinks: false) else { return true }
        if now.inode == (try file.status()).inode, now.inode == status.inode, now.modified == status.modified {
          try disk.unlink(path)
        }
        return true
      } catch {
        if error.isMissing { return true }
      }
    }
    // It is somebody else's, or the file system knows no locks.
    return isOld ? try removeAside(path, status, disk) : false
  }

  private static func isHolderDead(_ file: any LocalFile) throws(LocalMailError) -> Bool {
    var bytes = [UInt8](repeating: 0, count: LocalMailLimits.lockText)
    var count = 0
    var failure: LocalMailError?
    bytes.withUnsafeMutableBytes { buffer in
      do throws(LocalMailError) { count = try file.pread(into: buffer, at: 0) } catch { failure = error }
    }
    if let failure { throw failure }
    return LockHolder(Array(bytes[..<count]))?.isDead(seenBy: .current) ?? false
  }

  /// By way of another name: two who find it stale must not remove the fresh lock of the first.
  private static func removeAside(
    _ path: String, _ status: FileStatus, _ disk: any LocalDisk
  ) throws(LocalMailError) -> Bool {
    let aside = path + "." + UniqueName.next()
    do throws(LocalMailError) { try disk.rename(path, to: aside, replacing: false) } catch {
      if error.isMissing { return true }
      throw error
    }
    if let moved = try disk.status(of: aside, followingLinks: false), moved.inode != status.inode {
      try? disk.link(aside, to: path)
    }
    try disk.unlink(aside)
    return true
  }
}
