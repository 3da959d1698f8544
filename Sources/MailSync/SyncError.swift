/// Why a sync, or one mailbox of it, stopped; says what to do next.
public enum SyncError: Error, Sendable, Hashable, CustomStringConvertible {
  /// More would be deleted than is sound.
  case brake(BrakeReport)
  /// The local folder has been synced before, and now its mark is missing: another disk may be there, or none.
  case rootLost(path: String)
  /// Another run holds the folder.
  case locked(path: String, process: String?)
  /// The state belongs to another account.
  case otherAccount(path: String, account: String)
  case state(path: String, String)
  /// UIDVALIDITY changed between looking and acting.
  case mailboxChanged(mailbox: String)
  /// Two mailboxes of the server would have the same local folder.
  case nameClash(mailbox: String, other: String)
  /// The name cannot be expressed on the other side.
  case unusableName(String)
  /// The bytes that came are not as many as the server announced.
  case wrongSize(mailbox: String, uid: UInt32, announced: Int64, received: Int64)
  /// Gone on the server while it was fetched.
  case messageGone(mailbox: String, uid: UInt32)
  case noSuchMessage(String)

  public var description: String {
    switch self {
    case .brake(let report): report.description
    case .rootLost(let path):
      "\(path): this folder has been synced before, but the mark \(RootMark.fileName) is missing: is its disk mounted? "
        + "To begin anew, remove the state file"
    case .locked(let path, let process):
      "\(path): another run\(process.map { " (process \($0))" } ?? "") is at work on this folder; wait for it to end"
    case .otherAccount(let path, let account):
      "\(path): the state there belongs to \(account); give each account a folder of its own"
    case .state(let path, let why): "\(path): the state cannot be used: \(why)"
    case .mailboxChanged(let mailbox): "\(mailbox): replaced on the server while it was synced; run again"
    case .nameClash(let mailbox, let other):
      "\(mailbox): would have the same local folder as \(other); rename one of them on the server"
    case .unusableName(let name): "\(name): this name cannot be expressed on the other side; rename it"
    case .wrongSize(let mailbox, let uid, let announced, let received):
      "\(mailbox), UID \(uid): the server announced \(announced) octets and sent \(received); run again"
    case .messageGone(let mailbox, let uid): "\(mailbox), UID \(uid): no longer on the server"
    case .noSuchMessage(let what): "\(what): no such message here"
    }
  }
}

/// What the brake held back.
public struct BrakeReport: Error, Sendable, Hashable, Codable, CustomStringConvertible {
  public enum Side: String, Sendable, Hashable, Codable { case local, remote }
  public var mailbox: String
  /// Where messages would have been deleted.
  public var side: Side
  public var deletions: Int
  public var of: Int
  /// The whole mailbox is missing on the other side.
  public var isWholeMailbox: Bool

  public var description: String {
    let cause =
      switch (side, isWholeMailbox) {
      case (.local, true): "the mailbox is gone from the server"
      case (.local, false): "messages are gone from the server"
      case (.remote, true): "the local folder is gone"
      case (.remote, false): "messages are gone from the local folder"
      }
    let place = side == .local ? "locally" : "on the server"
    return "\(mailbox): stopped before deleting \(deletions) of \(of) messages \(place), because \(cause); "
      + "if that is meant, run again with --allow-delete \(deletions)"
  }
}
