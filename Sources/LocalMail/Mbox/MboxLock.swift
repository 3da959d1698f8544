#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// An mbox file, open and locked in the ways other mail programs look for: `FILE.lock`, then a record lock.
struct MboxLock {
  let file: any LocalFile
  private let dotLock: DotLock?

  static func acquire(_ path: String, disk: any LocalDisk, usesDotLock: Bool) throws(LocalMailError) -> MboxLock {
    let dotLock = usesDotLock ? try dotLock(path, disk) : nil
    do throws(LocalMailError) {
      let end = WallClock.seconds() + LocalMailLimits.lockWait
      while true {
        let file = try disk.open(path, .openOrCreate)
        // A program may have put another file in its place while we waited; the lock of the old one is worth nothing.
        if try file.lock() {
          if let now = try disk.status(of: path, followingLinks: true), now.inode == (try file.status()).inode {
            return MboxLock(file: file, dotLock: dotLock)
          }
        }
        file.close()
        guard WallClock.seconds() < end else { throw LocalMailError(.locked, path: path) }
        usleep(LocalMailLimits.lockPause)
      }
    } catch {
      dotLock?.release()
      throw error
    }
  }

  func release() {
    file.close()
    dotLock?.release()
  }

  /// Nil where the folder may not be written to, as in a spool of the system.
  private static func dotLock(_ path: String, _ disk: any LocalDisk) throws(LocalMailError) -> DotLock? {
    do throws(LocalMailError) { return try DotLock.acquire(path + ".lock", disk: disk) } catch {
      if case .io(_, let code) = error.kind, code == EACCES || code == EPERM || code == EROFS { return nil }
      throw error
    }
  }
}
