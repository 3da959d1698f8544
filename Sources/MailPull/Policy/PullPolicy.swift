/// What becomes of a message on the server once it is proved to be at home.
public enum PullPolicy: Sendable, Hashable {
  /// Deleted, as POP3 is meant (RFC 1939 §8).
  case delete
  case keep
  /// Deleted this many days after it came home.
  case keepDays(Int)
  /// The oldest are deleted until what is left takes less than this part of the quota; unseen ones never.
  case keepUnder(percent: Int)
}

/// What is known of the account by other means than POP3, which shows neither quota nor flags: from its IMAP side.
public protocol DropKnowledge: Sendable {
  /// Nil when the server tells none.
  func quota() async throws -> DropQuota?
  /// Message-IDs, without angle brackets, of messages that nobody has looked at. These are never deleted to make room.
  func unseenMessageIDs() async throws -> Set<String>
}

/// Octets.
public struct DropQuota: Sendable, Hashable {
  public var limit: Int64
  /// Of all mailboxes that share the limit; nil: what the drop itself holds.
  public var used: Int64?
  public init(limit: Int64, used: Int64?) {
    self.limit = limit
    self.used = used
  }
}

/// How a pull goes about it.
public struct PullOptions: Sendable {
  public var policy = PullPolicy.delete
  /// For `keepUnder` where no `DropKnowledge` tells it.
  public var quotaOctets: Int64?
  public var window = PullLimits.window
  public var batchMessages = PullLimits.batchMessages
  public var batchOctets = PullLimits.batchOctets
  /// Failed attempts in a row before the run gives up.
  public var attempts = PullLimits.attempts
  /// At most so many messages are fetched and deleted in one session; then QUIT makes the deletions happen, and another
  /// session goes on. For big drops on servers that drop the line. Nil: all in one.
  public var commitEvery: Int?
  /// What an LMTP server, a command or a store without `contains` may or may not have taken when a run was cut short is
  /// delivered again: at least once, perhaps twice. Without it such a message stays on the server and is reported.
  public var deliversDoubtfulAgain = false
  /// RETR makes the server hide or delete a message at QUIT. Nil: as CAPA says with `EXPIRE 0` (Gmail says it too).
  public var retrievalDeletes: Bool?

  public init() {}
}
