public import IMAPClient
public import IMAPCore
public import NIOCore

/// What a server can do, as far as a sync chooses its ways by it.
public struct RemoteTraits: Sendable, Hashable {
  /// A message keeps its EMAILID when it is moved (RFC 8474).
  public var hasEmailID = false
  /// APPEND and COPY tell the new UIDs, EXPUNGE takes UIDs (RFC 4315).
  public var hasUIDPlus = false
  /// Messages can be moved without transfer: MOVE, or COPY and UIDPLUS.
  public var canMove = false
  public var hasIdle = false
  /// Of the personal namespace: `INBOX.`, mostly empty.
  public var prefix = ""
  /// Nil: flat names.
  public var delimiter: Character?
  public init() {}
}

/// A message without its bytes.
public struct RemoteMessage: Sendable, Hashable {
  public var uid: UInt32
  public var flags: SyncFlags?
  public var modSeq: UInt64?
  public var size: Int64?
  public var date: IMAPDateTime?
  /// As in the header, without blanks.
  public var messageID: String?
  public var emailID: String?
  public init(uid: UInt32) { self.uid = uid }
}

/// What is wanted to know of messages.
public struct RemoteFacts: OptionSet, Sendable, Hashable {
  public let rawValue: UInt8
  public init(rawValue: UInt8) { self.rawValue = rawValue }
  /// FLAGS, and MODSEQ where there is one.
  public static let flags = RemoteFacts(rawValue: 1)
  /// RFC822.SIZE and INTERNALDATE, and EMAILID where there is one.
  public static let identity = RemoteFacts(rawValue: 2)
  /// BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)].
  public static let messageID = RemoteFacts(rawValue: 4)
}

/// Header and structure, for the replica.
public struct RemoteHeader: Sendable {
  public var uid: UInt32
  public var header: ByteBuffer
  public var structure: BodyStructureValue?
  public init(uid: UInt32, header: ByteBuffer, structure: BodyStructureValue?) {
    self.uid = uid
    self.header = header
    self.structure = structure
  }
}

/// The server's side of a sync: one connection, used by one task. `IMAPRemote` is the real one.
///
/// Errors are `ClientError` where the server or the line is at fault. After `.refused` and `.unsupported` the connection is
/// still good.
public protocol SyncRemote: AnyObject {
  var traits: RemoteTraits { get }
  /// Octets of the protocol.
  var octetsReceived: Int64 { get }

  /// With status: UIDVALIDITY, UIDNEXT, MESSAGES, HIGHESTMODSEQ where the server answers them.
  func mailboxes() async throws -> [RemoteMailbox]
  func status(_ mailbox: String) async throws -> RemoteStatus
  func select(_ mailbox: String, readOnly: Bool, resync: ResyncPoint?) async throws -> SelectedMailbox
  func unselect() async throws
  func create(_ mailbox: String) async throws
  func delete(_ mailbox: String) async throws
  func rename(_ mailbox: String, to newName: String) async throws
  func subscribe(_ mailbox: String, _ subscribed: Bool) async throws

  /// Of the selected mailbox, in any order; a message may come twice, the later one counts.
  func messages(_ set: MessageSet, _ facts: RemoteFacts, changedSince: UInt64?) async throws -> [RemoteMessage]
  func uids() async throws -> [UInt32]
  /// Whole messages, one FETCH a batch with `window` on the way. UIDs that are gone are left out.
  func bodies(_ batches: [[UInt32]], window: Int, _ handle: (UInt32, ByteBuffer) async throws -> Void) async throws
  func headers(_ batches: [[UInt32]], window: Int, _ handle: (RemoteHeader) async throws -> Void) async throws
  /// `BODY.PEEK[section]<offset.count>`: fewer octets than asked for only at the end; nil: no such message or section.
  func piece(_ uid: UInt32, _ section: BodySection, offset: Int64, count: Int) async throws -> ByteBuffer?

  func store(_ changes: [FlagStore]) async throws
  /// An element for each item, in order: the UID with UIDPLUS, nil without.
  func append(_ items: [AppendItem], to mailbox: String) async throws -> [Result<UInt32?, any Error>]
  /// Old UIDs and new ones; empty when the server does not tell. `.unsupported` when it cannot move without transfer.
  func move(_ uids: [UInt32], to mailbox: String) async throws -> [UInt32: UInt32]
  func expunge(_ uids: [UInt32]) async throws

  /// Waits until something happens in the selected mailbox (or in any, after `watchAll`), or `limit` passes.
  func idle(limit: Duration) async throws -> Bool
  /// NOTIFY for all personal mailboxes; false when the server has none.
  func watchAll() async throws -> Bool
  func close() async
}

/// Makes a connection that is logged in.
public typealias RemoteFactory = @Sendable () async throws -> sending any SyncRemote

extension MessageSet {
  /// Sets of at most `limit` elements each.
  static func batches(sorted numbers: [UInt32], limit: Int = SyncLimits.setElements) -> [MessageSet] {
    let elements = MessageSet(sorted: numbers).elements
    return stride(from: 0, to: elements.count, by: limit).map {
      MessageSet(Array(elements[$0..<min($0 + limit, elements.count)]))
    }
  }
}
