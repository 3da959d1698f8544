/// Every kind of problem that `Checker` names, by a piece of its sentence, and what a repair does about it. A test holds
/// this table against the checker.
enum RepairKinds {
  enum Remedy: Hashable {
    /// Gone after `check --repair` on a closed store.
    case repaired
    /// The message is marked and named; `check` lists it as known from then on.
    case isolated
    /// Not ours to mend; what to do instead.
    case advice(String)
  }

  static let damagedDictionary = "a copy of its dictionary is damaged"

  static let all: [(words: String, remedy: Remedy)] = [
    ("mail.sqlite:", .repaired),
    ("directory.sqlite:", .repaired),
    ("it has mail, and is not in the directory", .repaired),
    ("it is in the directory, and has no mailboxes", .repaired),
    ("its quota counts", .repaired),
    ("it has no INBOX", .repaired),
    ("that was never given out", .repaired),
    ("it counts", .repaired),
    ("are not beyond UID", .repaired),
    ("beyond those of the mailbox", .repaired),
    ("is beyond the account's", .repaired),
    ("the name above it is missing", .repaired),
    ("and no such mailbox", .repaired),
    ("is missing", .repaired),
    ("its size is", .repaired),
    ("and in the expunge log", .repaired),
    ("share a UIDL", .repaired),
    ("it has flags and no row", .repaired),
    ("its flags are kept nowhere", .repaired),
    ("the flags of messages up to UID", .repaired),
    ("a keyword without a name", .repaired),
    ("rights are given in it", .repaired),
    ("messages count as seen by account", .repaired),
    ("has marks of", .repaired),
    ("references are counted, and it", .repaired),
    ("its blob is missing or of", .repaired),
    ("the next blob would be", .repaired),
    ("the next UIDL instance would be", .repaired),
    ("nothing will ever clear it away", .repaired),
    ("nothing will ever clear them away", .repaired),
    ("and no such account", .repaired),
    ("UIDVALIDITY or UIDNEXT is 0", .repaired),
    ("are known to no row and are kept", .repaired),
    ("the frame does not say whose it is", .repaired),
    ("is not what its bytes say", .repaired),
    ("what is kept of the message, in chunk", .repaired),
    ("of contents, and none that is in it", .repaired),
    ("the file is missing, and blobs refer to it", .isolated),
    (damagedDictionary, .repaired),
    ("the frame of blob", .isolated),
    ("is damaged", .isolated),
    ("its name is not one that an account can have", .repaired),
    (
      "pack ",
      .advice("the file cannot be read: look at the disk and the permissions, or put the pack back from a backup")
    ),
  ]

  static func remedy(for problem: String) -> Remedy? { all.first { problem.contains($0.words) }?.remedy }

  /// For a problem that is left after a repair.
  static func advice(for problem: String, isDryRun: Bool) -> String {
    switch remedy(for: problem) {
    case .advice(let text): "\(problem); \(text)"
    case .repaired where isDryRun, .isolated where isDryRun: "\(problem) (to be repaired)"
    case .repaired where problem.contains(damagedDictionary):
      "\(problem); not all of its mail could be written to another pack: make room, look at the disk, then run this again"
    default: "\(problem); keep the files and report this as a bug"
    }
  }

  /// For a problem that is left after a repair with the server running.
  static func onlineAdvice(for problem: String) -> String {
    if problem.contains(damagedDictionary) {
      return "\(problem); the server writes its mail to another pack when no backup holds it and there is room"
    }
    return "\(problem); stop the server first, then run this again"
  }
}
