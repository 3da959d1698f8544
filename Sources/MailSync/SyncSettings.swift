/// What `pull imap` does with the two sides.
public enum SyncMode: String, Sendable, Hashable, Codable {
  /// One way: the server is right. What is only local is left alone and reported.
  case mirror
  /// Two ways.
  case sync
  /// Headers, structure and flags into the state's database; no message files.
  case headers
}

/// How many deletions an owner allows in one mailbox: `--allow-delete N|all`.
public enum DeletionAllowance: Sendable, Hashable {
  case none
  case upTo(Int)
  case all

  func covers(_ count: Int) -> Bool {
    switch self {
    case .none: false
    case .upTo(let limit): count <= limit
    case .all: true
    }
  }
}

/// When the brake stops a mailbox: see `Brake`.
public struct BrakeSettings: Sendable, Hashable {
  /// Both must be exceeded: messages, and percent of the mailbox.
  public var messages = 50
  public var percent = 25
  /// Emptying a mailbox with more messages than this stops too.
  public var emptied = 5
  public var allowance = DeletionAllowance.none
  public init() {}
}

public struct SyncSettings: Sendable {
  public var mode: SyncMode
  /// Remote names to take, `*` and `%` as in LIST; empty: all.
  public var mailboxes: [String] = []
  public var connections = SyncLimits.connections
  public var window = SyncLimits.window
  public var brake = BrakeSettings()
  /// Before a message is expunged on the server its bytes are fetched into the quarantine.
  public var quarantinesRemoteDeletions = true
  /// Days that the quarantine keeps.
  public var quarantineDays = 30
  /// Messages larger than this are fetched in pieces and resumed.
  public var bigMessage = SyncLimits.bigMessage
  public var piece = SyncLimits.piece
  /// Between two passes over all mailboxes, as a daemon.
  public var interval: Duration = .seconds(300)
  /// Between two looks at the local folders, as a daemon.
  public var localPoll: Duration = .seconds(5)
  public init(mode: SyncMode) { self.mode = mode }
}
