import CProcess
import Foundation

/// Whose a file is and who may do what with it.
struct FileOwner {
  var user: uid_t
  /// Permission bits.
  var permissions: UInt32
  var isDirectory: Bool

  /// Nil when it cannot be looked at; `errno` says why.
  init?(of path: String, followingLinks: Bool) {
    var owner: UInt32 = 0
    var mode: UInt32 = 0
    guard merpati_owner(path, followingLinks ? 1 : 0, &owner, &mode) == 0 else { return nil }
    user = owner
    permissions = mode & 0o7777
    isDirectory = mode & 0o170000 == 0o040000
  }
}
