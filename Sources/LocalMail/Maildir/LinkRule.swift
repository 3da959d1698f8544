#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// Links inside a tree. Some people keep a folder elsewhere and link to it; but who can write in a tree that is not his own
/// could also lead us to files of ours by a link, and have mail written over them or sent to a server. So a link counts
/// only if it was made by the user we run as, or by root: the rule that Linux has for links in `/tmp` (proc(5),
/// protected_symlinks).
extension LocalDisk {
  /// The status of what `path` leads to. Throws where it is a link that somebody else made.
  func trustedStatus(of path: String) throws(LocalMailError) -> FileStatus? {
    guard let status = try status(of: path, followingLinks: false) else { return nil }
    guard status.kind == .link else { return status }
    guard status.owner == 0 || status.owner == geteuid() else {
      throw LocalMailError.strangeLink(path, owner: status.owner)
    }
    return try self.status(of: path, followingLinks: true)
  }

  /// Refuses a folder that has a link of somebody else's in place of one of its directories.
  func checkLinks(in directory: String) throws(LocalMailError) {
    for name in ["tmp", "new", "cur"] { _ = try trustedStatus(of: directory + "/" + name) }
  }
}

extension LocalMailError {
  static func strangeLink(_ path: String, owner: UInt32) -> LocalMailError {
    LocalMailError(
      .malformed("is a link that another user made (number \(owner)) and is not followed; look at it and remove it"),
      path: path)
  }
}
