import Foundation

/// Whose control socket it is. A command hands passwords and mail to whoever answers there.
enum SocketOwner {
  /// The kernel's word on who has opened the socket at the other end (unix(7), SO_PEERCRED).
  static func isTrusted(_ descriptor: Int32, _ path: String) -> Bool {
    #if os(Linux)
      // `struct ucred`: process, user, group.
      var credentials: (process: Int32, user: uid_t, group: gid_t) = (0, .max, .max)
      var size = socklen_t(MemoryLayout.size(ofValue: credentials))
      guard getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, &credentials, &size) == 0 else { return false }
      return isTrusted(user: credentials.user, path)
    #else
      return isTrusted(path)
    #endif
  }

  /// By the owner of its file; true when there is none.
  static func isTrusted(_ path: String) -> Bool {
    guard let owner = FileOwner(of: path, followingLinks: false) else { return true }
    return isTrusted(user: owner.user, path)
  }

  static func refusal(_ path: String) -> ControlFailure {
    ControlFailure(
      .noPermission, "\(path): it is another user who listens there, not the server of this folder; nothing was sent")
  }

  /// Root, ourselves; for root also the user whom the data folder belongs to, as whom the server runs.
  private static func isTrusted(user: uid_t, _ path: String) -> Bool {
    if user == 0 || user == geteuid() { return true }
    guard geteuid() == 0 else { return false }
    let folder = path.lastIndex(of: "/").map { String(path[..<$0]) } ?? "."
    guard let owner = FileOwner(of: folder, followingLinks: true) else { return false }
    return owner.user == user && owner.permissions & 0o022 == 0
  }
}
