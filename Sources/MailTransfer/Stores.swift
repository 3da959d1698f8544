public import LocalMail
public import MailStore
public import NIOCore

/// A mailbox of an account in a Merpati store.
public struct StoreMailbox: Sendable, Hashable, Codable {
  /// UTF-8, levels parted by `/`.
  public var name: String
  public var isSelectable: Bool
  public var isSubscribed: Bool
  public var specialUse: SpecialUse?
  public var uidValidity: UInt32
  public var uidNext: UID
  public var messages: Int
  /// Sum of RFC822.SIZE.
  public var bytes: Int64

  public init(_ info: MailboxInfo) {
    name = info.name
    isSelectable = info.isSelectable
    isSubscribed = info.isSubscribed
    specialUse = info.specialUse
    uidValidity = info.uidValidity
    uidNext = info.uidNext
    messages = info.messages
    bytes = info.bytes
  }
}

/// All mailboxes of an account.
public struct StoreListing: Sendable, Hashable, Codable {
  /// In name order, INBOX first.
  public var mailboxes: [StoreMailbox]
  /// Subscribed names that are no mailbox.
  public var subscribedWithoutMailbox: [String]

  public init(mailboxes: [StoreMailbox], subscribedWithoutMailbox: [String] = []) {
    self.mailboxes = mailboxes
    self.subscribedWithoutMailbox = subscribedWithoutMailbox
  }
}

/// What a store keeps of a message beside its bytes.
public struct StoreMessage: Sendable, Hashable, Codable {
  public var uid: UID
  /// RFC822.SIZE.
  public var size: Int
  public var flags: SystemFlags
  public var keywords: [String]
  public var date: InternalDate
  public var uidl: String

  public init(uid: UID, size: Int, flags: SystemFlags, keywords: [String], date: InternalDate, uidl: String) {
    self.uid = uid
    self.size = size
    self.flags = flags
    self.keywords = keywords
    self.date = date
    self.uidl = uidl
  }
}

/// Some messages of a mailbox, ascending by UID.
public struct StorePage: Sendable, Hashable, Codable {
  public var messages: [StoreMessage]
  /// Where the next page begins: `after` of the next call. Nil: this was the last.
  public var next: UID?

  public init(messages: [StoreMessage], next: UID?) {
    self.messages = messages
    self.next = next
  }
}

/// A message on its way into a store. It stays with the task that made it.
public struct NewStoreMessage {
  public var flags: SystemFlags
  public var keywords: [String]
  /// Nil: now.
  public var date: InternalDate?
  /// See `AppendedMessage.uid`.
  public var uid: UID?
  /// See `AppendedMessage.uidl`.
  public var uidl: String?
  /// Gives the bytes until nil, each piece with at least one; used once. Line ends are made CRLF by the store
  /// (`LineEndNormalizer`).
  public var body: () async throws -> ByteBuffer?

  public init(
    flags: SystemFlags = [], keywords: [String] = [], date: InternalDate? = nil, uid: UID? = nil, uidl: String? = nil,
    body: @escaping () async throws -> ByteBuffer?
  ) {
    self.flags = flags
    self.keywords = keywords
    self.date = date
    self.uid = uid
    self.uidl = uidl
    self.body = body
  }

  /// A message that is in memory.
  public init(
    _ bytes: ByteBuffer, flags: SystemFlags = [], keywords: [String] = [], date: InternalDate? = nil, uid: UID? = nil,
    uidl: String? = nil
  ) {
    var rest: ByteBuffer? = bytes.readableBytes > 0 ? bytes : nil
    self.init(flags: flags, keywords: keywords, date: date, uid: uid, uidl: uidl) {
      defer { rest = nil }
      return rest
    }
  }
}

/// What comes when messages are read: `begin`, pieces and `end` for each, or `damaged`. Messages that are gone are passed
/// over.
public enum StoreReadEvent: Sendable {
  case begin(UID, size: Int)
  case piece(ByteBuffer)
  case end
  /// The message cannot be read, or not to its end.
  case damaged(UID, StoreError)
}

/// The account that mail is exported from, and what an import looks at. Errors are `StoreError` for what the store
/// refused, and whatever the way to it throws.
public protocol ExportSource: Sendable {
  func listing() async throws -> StoreListing
  /// Messages with a UID above `after`.
  func describe(_ mailbox: String, after: UID) async throws -> StorePage
  /// Of the messages there are among `uids` (ascending); those that cannot be read are left out. Bytes are read from the
  /// disk, where the store is.
  func fingerprints(_ mailbox: String, of uids: [UID]) async throws -> [UID: Fingerprint]
  /// Events of messages in the order of `uids` (ascending).
  func read(
    _ mailbox: String, _ uids: [UID], _ handle: (StoreReadEvent) async throws -> Void
  ) async throws
}

/// The account that mail is imported into.
public protocol ImportDestination: ExportSource {
  /// See `MailStore.prepareImport`.
  func prepare(_ mailbox: ImportedMailbox) async throws -> StoreMailbox
  /// All or nothing, durable when it returns. At most `TransferLimits.messagesPerAppend` and
  /// `TransferLimits.bytesPerAppend` at a time; a single message may be larger.
  func append(_ messages: [NewStoreMessage], to mailbox: String) async throws -> AssignedUIDs
}
