import Foundation
import MailPull

/// Where things are on this computer.
enum Places {
  static var home: String? { ProcessInfo.processInfo.environment["HOME"] }

  /// Journals of `pull`: `$XDG_STATE_HOME/merpati/pull`, else `~/.local/state/merpati/pull`.
  static func state() throws -> String {
    if let folder = ProcessInfo.processInfo.environment["XDG_STATE_HOME"], folder.hasPrefix("/") {
      return folder + "/merpati/pull"
    }
    guard let home else {
      throw Refusal.usage("no place for the journal: set HOME or XDG_STATE_HOME")
    }
    return home + "/.local/state/merpati/pull"
  }

  /// A destination of `--to`, its path made absolute: the journal belongs to a place, not to where the shell stands.
  static func destination(_ text: String) throws -> PullDestination {
    try PullDestination(text, home: home, folder: FileManager.default.currentDirectoryPath)
  }

  static func absolute(_ path: String) -> String {
    if let home, path == "~" || path.hasPrefix("~/") { return home + path.dropFirst() }
    return path.hasPrefix("/") ? path : FileManager.default.currentDirectoryPath + "/" + path
  }
}
