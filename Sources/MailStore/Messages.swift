public import MailFormat
public import NIOCore

/// A message on its way in: bytes go to memory while they are few and to a spool file beyond that, so that a large
/// message costs bounded memory. Lines must end in CRLF already (see `LineEndNormalizer`).
///
/// One task at a time. Either `finish` or `discard` ends it; a dropped one cleans up after itself.
public protocol IncomingMessage: AnyObject, Sendable {
  /// Octets taken so far.
  var size: Int { get async }
  /// Suspends only when bytes go to disk. Throws `messageTooLarge` once the store's limit is passed; the message is
  /// then discarded and further bytes are ignored.
  func append(_ bytes: ByteBuffer) async throws(StoreError)
  /// Parses, computes everything that is kept beside the bytes, and compresses, off the event loop.
  func finish() async throws(StoreError) -> any PreparedMessage
  func discard() async
}

/// A message ready to be delivered or appended, to as many mailboxes as wanted. Nothing of it is durable yet.
public protocol PreparedMessage: AnyObject, Sendable {
  /// RFC822.SIZE without trace headers.
  var size: Int { get }
}

/// One recipient of a delivery.
public struct DeliveryTarget: Sendable {
  public var account: AccountID
  /// The `+folder` of the address; where no such mailbox exists the message goes to INBOX.
  public var folder: String?
  /// Header lines (each with CRLF) to stand before the message: Return-Path, Delivered-To, Received.
  public var trace: ByteBuffer
  public init(account: AccountID, folder: String? = nil, trace: ByteBuffer = ByteBuffer()) {
    self.account = account
    self.folder = folder
    self.trace = trace
  }
}

/// Where a delivery went.
public struct Delivered: Sendable, Hashable {
  public var ref: MailboxRef
  public var uid: UID
  public init(ref: MailboxRef, uid: UID) {
    self.ref = ref
    self.uid = uid
  }
}

/// One message of an APPEND.
public struct AppendedMessage: Sendable {
  public var message: any PreparedMessage
  public var flags: SystemFlags
  public var keywords: [String]
  /// Nil: now.
  public var date: InternalDate?
  /// For an import: the UID the message had where it comes from. It must be at least UIDNEXT, so within one call UIDs
  /// ascend. Nil: the next one.
  public var uid: UID?
  /// For an import: 1 to 70 octets 0x21–0x7E (RFC 1939 §7), not in use in the account. Nil: a new one.
  public var uidl: String?
  public init(
    message: any PreparedMessage, flags: SystemFlags = [], keywords: [String] = [], date: InternalDate? = nil,
    uid: UID? = nil, uidl: String? = nil
  ) {
    self.message = message
    self.flags = flags
    self.keywords = keywords
    self.date = date
    self.uid = uid
    self.uidl = uidl
  }
}

/// UIDs given to messages: what APPENDUID and COPYUID say (RFC 4315 §3).
public struct AssignedUIDs: Sendable, Hashable {
  public var destination: MailboxID
  public var uidValidity: UInt32
  /// Empty for APPEND; else ascending, each standing for the message at the same place of `assigned`.
  public var source: [UID]
  public var assigned: [UID]
  /// Why the rest of a long MOVE stayed where it was; nil: nothing did.
  public var failure: StoreError?
  public init(destination: MailboxID, uidValidity: UInt32, source: [UID] = [], assigned: [UID]) {
    self.destination = destination
    self.uidValidity = uidValidity
    self.source = source
    self.assigned = assigned
  }
}

/// A change of flags over many messages.
public struct FlagChange: Sendable, Hashable {
  public enum Mode: Sendable, Hashable { case add, remove, replace }
  public var mode: Mode
  public var flags: SystemFlags
  public var keywords: [String]
  /// Messages with a higher MODSEQ are left as they are (RFC 7162 §3.1.3). Nil: none is.
  public var unchangedSince: ModSeq?
  /// What `replace` leaves as it is, as whoever asks may not change it (RFC 4314 §4).
  public var kept: SystemFlags = []
  public var keepsKeywords = false
  public init(_ mode: Mode, _ flags: SystemFlags, keywords: [String] = [], unchangedSince: ModSeq? = nil) {
    self.mode = mode
    self.flags = flags
    self.keywords = keywords
    self.unchangedSince = unchangedSince
  }
}

/// What a change of flags did.
public struct FlagOutcome: Sendable {
  /// The MODSEQ of the change; 0 when nothing changed. Entries carrying it in the new snapshot are this call's doing. A long
  /// change that was made in parts has several: this is the last, `firstModSeq` the first of them.
  public var modSeq: ModSeq
  public var firstModSeq: ModSeq
  /// UIDs asked for that are no longer there.
  public var missing: [UID]
  /// UIDs whose MODSEQ was above `FlagChange.unchangedSince`, ascending.
  public var modified: [UID]
  public init(modSeq: ModSeq, missing: [UID] = [], modified: [UID] = []) {
    self.modSeq = modSeq
    firstModSeq = modSeq
    self.missing = missing
    self.modified = modified
  }
}

/// The columns a visit will read, so that the engine joins and decodes nothing else.
public struct ContentNeeds: OptionSet, Sendable {
  public let rawValue: UInt16
  @inlinable public init(rawValue: UInt16) { self.rawValue = rawValue }
  /// `internalDate`, `size`, `saveDate`: in the message's own row.
  public static let dates = ContentNeeds(rawValue: 1)
  public static let envelope = ContentNeeds(rawValue: 2)
  public static let bodyStructure = ContentNeeds(rawValue: 4)
  /// `withCommonHeaders`, and of `trace` at least what has lines of those fields.
  public static let headers = ContentNeeds(rawValue: 8)
  public static let sortKeys = ContentNeeds(rawValue: 16)
  /// Object identifiers (RFC 8474).
  public static let identifiers = ContentNeeds(rawValue: 32)
  public static let preview = ContentNeeds(rawValue: 64)
  /// `index`, `trace` and `withMessage`: opens the blob.
  public static let message = ContentNeeds(rawValue: 128)
  /// `uidl`: in the message's own row.
  public static let uidl = ContentNeeds(rawValue: 256)
  /// `appendBody`: BODYSTRUCTURE without its extensions.
  public static let body = ContentNeeds(rawValue: 512)
}

/// What to do after a row.
public enum VisitControl: Sendable {
  case next
  /// This row is done; end the visit here (the outgoing buffer is full).
  case stop
  /// End the visit before this row: it must be handled on its own (a message too large to hold).
  case stopBefore
}

/// Keys for SORT and for searching by sent date, computed at delivery (RFC 5256 §2.2, RFC 5957).
public struct SortKeys: Sendable, Hashable {
  /// Unix seconds of Date:; nil when it cannot be read.
  public var sentDate: Int64?
  /// Days since 1970-01-01 in the zone of Date: itself (RFC 9051 §6.4.4, SENTON disregards time and zone).
  public var sentDay: Int32?
  public var baseSubject: String
  public var from: String
  public var to: String
  public var cc: String
  public var displayFrom: String
  public var displayTo: String
  public init(
    sentDate: Int64?, sentDay: Int32?, baseSubject: String, from: String, to: String, cc: String, displayFrom: String,
    displayTo: String
  ) {
    self.sentDate = sentDate
    self.sentDay = sentDay
    self.baseSubject = baseSubject
    self.from = from
    self.to = to
    self.cc = cc
    self.displayFrom = displayFrom
    self.displayTo = displayTo
  }
}

/// One row of a visit. The same object is handed over for every row and is good only inside the visitor's call.
public protocol MessageRow: AnyObject {
  var uid: UID { get }
  var internalDate: InternalDate { get }
  /// Seconds since 1970 when the message came into this mailbox (RFC 8514).
  var saveDate: Int64 { get }
  /// RFC822.SIZE, trace headers included.
  var size: Int { get }
  /// What UIDL shows for the message while it is in INBOX (RFC 1939 §7). Not for rows of a `Maildrop`, which has its own.
  var uidl: String { get }
  /// RFC 8474 §5.1 and §5.2, without the parentheses. A copy has the EMAILID of its original; each delivery and each
  /// message of an APPEND has another. A message joins the thread of the first of its identifiers (its own, then its
  /// references from the last on) that the account knows; all of them lead to that thread from then on.
  var emailID: String { get }
  var threadID: String { get }
  /// Header lines put before the message at delivery. They are the beginning of its header.
  var trace: ByteBuffer { get }
  var sortKeys: SortKeys { get }
  /// One of the sort keys, without making the others.
  var sentDate: Int64? { get }
  func withSortText<Result>(_ text: SortText, _ body: (RawSpan) -> Result) -> Result
  var preview: String { get }

  /// Wire form, parentheses included.
  func appendEnvelope(to buffer: inout ByteBuffer)
  func appendBody(to buffer: inout ByteBuffer)
  func appendBodyStructure(to buffer: inout ByteBuffer)
  /// `trace` without a buffer of its own.
  func withTrace<Result>(_ body: (RawSpan) throws -> Result) rethrows -> Result
  /// Octets that `appendMessage` appends.
  var messageSize: Int { get }
  /// The whole message without `trace`, in one copy. `buffer` is left as it was if this throws. As with `withMessage`, only
  /// for messages that may be held in memory.
  func appendMessage(to buffer: inout ByteBuffer) throws(StoreError)

  /// The common header lines as they stand in the message (see `MessageSummary.commonHeaders`); `trace` not included.
  func withCommonHeaders<Result>(_ body: (RawSpan) throws -> Result) rethrows -> Result
  /// Offsets of parts, relative to the message without `trace`.
  func index() throws(StoreError) -> MessageIndex
  /// The whole message without `trace`, decompressed into a buffer of the visit. Ask only for messages that may be held
  /// in memory (`size`); larger ones are read through `MessageReader`.
  func withMessage<Result>(_ body: (RawSpan) throws(StoreError) -> Result) throws(StoreError) -> Result
}

/// Reads one message in ranges, for those too large to hold. It keeps the bytes readable though the message be expunged.
public protocol MessageReader: AnyObject, Sendable {
  /// RFC822.SIZE, trace headers included.
  var size: Int { get }
  var trace: ByteBuffer { get }
  /// Offsets are relative to the message without `trace`.
  var index: MessageIndex { get }
  /// Bytes of the message with `trace` in front, clipped to its end.
  func read(_ range: Range<Int>) async throws(StoreError) -> ByteBuffer
}
