import Foundation
import MailStore

/// Whose the data folder is. Who can write in it can read and change all mail, and can lead a server that runs as another
/// user to files of that user's.
enum FolderOwner {
  /// A folder that is not there yet is fine: it will be ours, mode 0700.
  static func check(_ directory: String) throws(StoreError) {
    for folder in [directory, directory + "/volumes", directory + "/volumes/1"] {
      guard let owner = FileOwner(of: folder, followingLinks: true) else {
        if errno == ENOENT { return }
        throw .io(operation: "look at", path: folder, errno: errno)
      }
      guard owner.isDirectory else {
        throw .folderRefused(folder: folder, reason: "it is no folder; name another by --data")
      }
      guard owner.user == geteuid() else { throw .folderRefused(folder: folder, reason: anotherOwner(owner.user)) }
      guard owner.permissions & 0o022 == 0 else {
        throw .folderRefused(
          folder: folder, reason: "others than its owner can write in it; mend it by: chmod 700 '\(folder)'")
      }
    }
  }

  private static func anotherOwner(_ owner: uid_t) -> String {
    let name = ProcessIdentity.name(of: owner)
    guard geteuid() == 0 else {
      return "it belongs to \(name), and this is \(ProcessIdentity.name(of: geteuid())); run this as \(name)"
    }
    // What root writes there its owner could not read any more, and its owner could lead root anywhere.
    return "it belongs to \(name); run this as that user, or set process.user=\(name) for 'merpati serve'"
  }

  /// Makes the folder for the user that root is about to become.
  static func make(_ directory: String, for identity: ProcessIdentity) throws(ControlFailure) {
    if mkdir(directory, 0o700) == 0 {
      guard lchown(directory, identity.user, identity.group) == 0 else { throw failure("chown", directory) }
    } else if errno != EEXIST {
      throw failure("mkdir", directory)
    }
  }

  private static func failure(_ call: String, _ path: String) -> ControlFailure {
    ControlFailure(.cannotCreate, "\(path): \(call): \(String(cString: strerror(errno)))")
  }
}
