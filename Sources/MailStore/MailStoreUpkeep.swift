/// What only a store with files of its own can do: backups, and mail that was deleted and is kept. Apart from `MailStore`,
/// so that the contract stays what protocols need and what every engine can keep.
public protocol MailStoreUpkeep: MailStore {
  /// Takes a copy of the databases as of one moment, and from then on keeps every pack that it refers to, until `end`.
  /// One at a time: while one is held, another call throws `database` with a sentence.
  /// - Parameter folder: where the copies are put; nil: in the data folder, gone with `end`. It must exist.
  func beginBackup(into folder: String?) async throws(StoreError) -> any BackupHold

  /// What is kept of deleted mail: it counts in no quota.
  func keptForUndelete(of account: AccountID) async throws(StoreError) -> QuotaUsage
  /// Deleted messages whose bytes are still there, the latest first.
  func deletedMessages(of account: AccountID, _ filter: DeletedFilter) async throws(StoreError) -> DeletedListing
  /// Brings them back with new UIDs, into the mailbox they were in; one that was deleted is made anew, with its annotations
  /// and shared with nobody. Flags, keywords, dates and UIDL are as they were, without `\Deleted`. Throws `overQuota` before
  /// anything is done when they do not fit.
  func undelete(
    of account: AccountID, _ filter: DeletedFilter, ignoringQuota: Bool
  ) async throws(StoreError) -> UndeleteReport
}

/// A copy of the databases, and the promise that the packs it refers to stay.
public protocol BackupHold: AnyObject, Sendable {
  var snapshot: BackupSnapshot { get }
  /// Lets go. Must be called once; a dropped hold lets go by itself.
  func end() async
}

/// Copies of the databases of one moment.
public struct BackupSnapshot: Sendable, Hashable, Codable {
  /// `mail.sqlite` and `directory.sqlite` are there.
  public var folder: String
  /// Where the packs are.
  public var packs: String
  /// Whose marks know of this backup, and its number there.
  public var store: Int64
  public var epoch: Int64
  /// Seconds since 1970.
  public var taken: Int64
  public init(folder: String, packs: String, store: Int64, epoch: Int64, taken: Int64) {
    self.folder = folder
    self.packs = packs
    self.store = store
    self.epoch = epoch
    self.taken = taken
  }
}

/// Which deleted messages are meant; nil: all.
public struct DeletedFilter: Sendable, Hashable, Codable {
  /// The name it has, or had when it was deleted.
  public var mailbox: String?
  /// Deleted at this moment or later, seconds since 1970.
  public var since: Int64?
  /// Only together with a mailbox.
  public var uids: [UID]?
  public init(mailbox: String? = nil, since: Int64? = nil, uids: [UID]? = nil) {
    self.mailbox = mailbox
    self.since = since
    self.uids = uids
  }
}

public struct DeletedMessage: Sendable, Hashable, Codable {
  public var mailbox: String
  /// It went with its mailbox.
  public var mailboxDeleted: Bool
  public var uid: UID
  /// When it was deleted, seconds since 1970.
  public var deleted: Int64
  /// INTERNALDATE.
  public var date: InternalDate
  /// RFC822.SIZE.
  public var size: Int64
  public var subject: String
  public var from: String
  public init(
    mailbox: String, mailboxDeleted: Bool, uid: UID, deleted: Int64, date: InternalDate, size: Int64, subject: String,
    from: String
  ) {
    self.mailbox = mailbox
    self.mailboxDeleted = mailboxDeleted
    self.uid = uid
    self.deleted = deleted
    self.date = date
    self.size = size
    self.subject = subject
    self.from = from
  }
}

public struct DeletedListing: Sendable, Hashable, Codable {
  public var messages: [DeletedMessage]
  /// How many there are; more than `messages` when the list was cut.
  public var total: Int
  public init(messages: [DeletedMessage], total: Int) {
    self.messages = messages
    self.total = total
  }
}

public struct UndeleteReport: Sendable, Hashable, Codable {
  public var messages: Int
  public var octets: Int64
  /// Messages by the mailbox they are in now.
  public var mailboxes: [String: Int]
  /// Their UIDL was given to another message meanwhile, so POP3 clients will download them again.
  public var newUIDLs: Int
  public init(messages: Int = 0, octets: Int64 = 0, mailboxes: [String: Int] = [:], newUIDLs: Int = 0) {
    self.messages = messages
    self.octets = octets
    self.mailboxes = mailboxes
    self.newUIDLs = newUIDLs
  }
}
