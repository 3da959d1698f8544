/// The uses a mailbox can be marked with (RFC 6154 §2, RFC 8457).
public enum SpecialUse: String, Sendable, Hashable, CaseIterable, Codable {
  case all = "\\All"
  case archive = "\\Archive"
  case drafts = "\\Drafts"
  case flagged = "\\Flagged"
  case important = "\\Important"
  case junk = "\\Junk"
  case sent = "\\Sent"
  case trash = "\\Trash"
}

/// A mailbox and its counters, as they stand in one transaction. LIST, STATUS and SELECT read nothing else.
public struct MailboxInfo: Sendable, Hashable {
  public var id: MailboxID
  /// UTF-8, levels parted by `/`. `INBOX` is always spelt so.
  public var name: String
  /// False for a name that only has children (`\Noselect`).
  public var isSelectable: Bool
  public var isSubscribed: Bool
  public var specialUse: SpecialUse?
  public var uidValidity: UInt32
  public var uidNext: UID
  public var highestModSeq: ModSeq
  public var messages: Int
  public var unseen: Int
  public var deleted: Int
  /// UIDs from here on are `\Recent` to the next session that selects for writing (RFC 3501 §2.3.2).
  public var recentFloor: UID
  /// Sum of RFC822.SIZE (STATUS SIZE, RFC 8438).
  public var bytes: Int64

  public init(
    id: MailboxID, name: String, isSelectable: Bool = true, isSubscribed: Bool = false, specialUse: SpecialUse? = nil,
    uidValidity: UInt32, uidNext: UID = 1, highestModSeq: ModSeq = 1, messages: Int = 0, unseen: Int = 0,
    deleted: Int = 0, recentFloor: UID = 1, bytes: Int64 = 0
  ) {
    self.id = id
    self.name = name
    self.isSelectable = isSelectable
    self.isSubscribed = isSubscribed
    self.specialUse = specialUse
    self.uidValidity = uidValidity
    self.uidNext = uidNext
    self.highestModSeq = highestModSeq
    self.messages = messages
    self.unseen = unseen
    self.deleted = deleted
    self.recentFloor = recentFloor
    self.bytes = bytes
  }
}

/// All mailboxes of an account, and subscribed names that have no mailbox (RFC 9051 §6.3.7 allows them).
public struct MailboxListing: Sendable {
  /// In name order (by octets), INBOX first.
  public var mailboxes: [MailboxInfo]
  public var subscribedWithoutMailbox: [String]
  public init(mailboxes: [MailboxInfo], subscribedWithoutMailbox: [String] = []) {
    self.mailboxes = mailboxes
    self.subscribedWithoutMailbox = subscribedWithoutMailbox
  }
}
