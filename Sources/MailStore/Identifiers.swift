/// The permanent number of an account. Renaming an account keeps it; it is never given out twice.
public struct AccountID: Hashable, Sendable, Comparable, CustomStringConvertible {
  public let rawValue: Int64
  @inlinable public init(_ rawValue: Int64) { self.rawValue = rawValue }
  public var description: String { "\(rawValue)" }
  @inlinable public static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }
}

/// The permanent number of a mailbox within its account. It survives RENAME and is never given out twice.
public struct MailboxID: Hashable, Sendable, CustomStringConvertible {
  public let rawValue: Int64
  @inlinable public init(_ rawValue: Int64) { self.rawValue = rawValue }
  public var description: String { "\(rawValue)" }
}

/// Names one mailbox anywhere in the store.
public struct MailboxRef: Hashable, Sendable {
  public let account: AccountID
  public let mailbox: MailboxID
  @inlinable
  public init(account: AccountID, mailbox: MailboxID) {
    self.account = account
    self.mailbox = mailbox
  }
}

/// A message's number in its mailbox; ascending, never used twice while UIDVALIDITY stands (RFC 9051 §2.3.1.1).
public typealias UID = UInt32

/// A modification sequence: one counter per account, raised by every transaction that changes mail (RFC 7162 §3.1).
public typealias ModSeq = UInt64

/// The five system flags that are kept (`\Recent` is a watermark of the mailbox, not a flag of the message).
public struct SystemFlags: OptionSet, Hashable, Sendable, Codable {
  public let rawValue: UInt8
  @inlinable public init(rawValue: UInt8) { self.rawValue = rawValue }
  public static let seen = SystemFlags(rawValue: 1)
  public static let answered = SystemFlags(rawValue: 2)
  public static let flagged = SystemFlags(rawValue: 4)
  public static let deleted = SystemFlags(rawValue: 8)
  public static let draft = SystemFlags(rawValue: 16)
}

/// A moment with the zone it was written in: INTERNALDATE comes back as it was given to APPEND.
public struct InternalDate: Hashable, Sendable, Codable {
  /// Seconds since 1970-01-01 00:00 UTC.
  public var seconds: Int64
  /// Minutes east of UTC.
  public var zoneMinutes: Int16
  @inlinable
  public init(seconds: Int64, zoneMinutes: Int16 = 0) {
    self.seconds = seconds
    self.zoneMinutes = zoneMinutes
  }
}
