public import Foundation

/// What a mailbox of a backup has beside its messages, for `restore --account`.
public struct RestoredMailbox: Codable, Sendable {
  /// An account as the backup knows it. It is the same here only if its number, which is never given out twice, and the
  /// moment it was made are the same: a name may have passed to somebody else, and a number of another store to anybody.
  public struct Person: Codable, Sendable, Hashable {
    public var number: Int64
    public var created: Int64
    /// For people.
    public var name: String
  }

  /// A line of the access control list.
  public struct Grant: Codable, Sendable {
    /// Nil: anyone.
    public var person: Person?
    public var isNegative: Bool
    /// Bits of `MailboxRights`.
    public var rights: UInt16
  }

  public struct Entry: Codable, Sendable {
    /// Who keeps it for himself; nil: the owner's, or what all see.
    public var viewer: Person?
    public var entry: String
    public var value: Data
  }

  public var account: String
  /// Nil: the account itself, which has entries and no list.
  public var mailbox: String?
  public var specialUse: String?
  /// The whole list of a mailbox that is made by this request, or with the account (`isNew`). One that was there before
  /// keeps its own: rights that were taken since must not come back unasked. Nil: lists stay as they are.
  public var grants: [Grant]?
  public var isNew = false
  /// Those that are not there already.
  public var entries: [Entry] = []
}

/// What came of it.
public struct RestoredMailboxReport: Codable, Sendable {
  public var grants = 0
  public var entries = 0
  /// One sentence for each thing that did not come along.
  public var leftOut: [String] = []
  public init() {}
}

/// What `accountRestore` did.
public struct RestoredAccountReport: Codable, Sendable {
  /// The account was not there, or was set aside, so that all mailboxes are new.
  public var isNew: Bool
  public var sentence: String
}
