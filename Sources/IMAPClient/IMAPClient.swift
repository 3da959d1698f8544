public import IMAPCore
public import MailClient
public import MailNet
public import NIOCore

/// An IMAP session (RFC 9051, RFC 3501), used by one task. It speaks what the server offers: QRESYNC, CONDSTORE or plain,
/// LITERAL+, COMPRESS, MOVE, UIDPLUS, each with its step down.
public final class IMAPClient {
  /// Upper-case capability names, kept current.
  public private(set) var capabilities: Set<String> = []
  public private(set) var selected: SelectedMailbox?
  /// Personal namespace prefix and delimiter.
  public private(set) var namespace: (prefix: String, delimiter: Character?) = ("", nil)
  public var counters: TransportCounters { fatalError() }
  public var isCompressed: Bool { fatalError() }

  init() {}

  /// Connects, reads the greeting, CAPABILITY, STARTTLS where `security` says so.
  public static func connect(
    to server: RemoteServer, group: any EventLoopGroup, timeouts: ClientTimeouts
  ) async throws(ClientError) -> IMAPClient { fatalError() }

  /// By the best mechanism both know; then CAPABILITY, ID, NAMESPACE, COMPRESS (if `compress` and offered), ENABLE QRESYNC
  /// or CONDSTORE, UTF8=ACCEPT.
  public func logIn(user: String, _ credential: Credential, compress: Bool) async throws(ClientError) { fatalError() }

  public func has(_ capability: String) -> Bool { capabilities.contains(capability) }

  // MARK: Mailboxes

  /// All mailboxes of the personal namespace; with `status`, by LIST-STATUS or pipelined STATUS.
  public func mailboxes(status: Bool) async throws(ClientError) -> [RemoteMailbox] { fatalError() }
  public func status(_ mailbox: String) async throws(ClientError) -> RemoteStatus { fatalError() }
  public func select(_ mailbox: String, readOnly: Bool, resync: ResyncPoint?) async throws(ClientError)
    -> SelectedMailbox
  { fatalError() }
  /// UNSELECT, or CLOSE after EXAMINE: never expunges.
  public func unselect() async throws(ClientError) { fatalError() }
  public func create(_ mailbox: String) async throws(ClientError) { fatalError() }
  public func delete(_ mailbox: String) async throws(ClientError) { fatalError() }
  public func rename(_ mailbox: String, to newName: String) async throws(ClientError) { fatalError() }
  public func subscribe(_ mailbox: String, _ subscribed: Bool) async throws(ClientError) { fatalError() }
  /// GETQUOTAROOT; empty when the server has no QUOTA or the mailbox no root.
  public func quota(_ mailbox: String) async throws(ClientError) -> [RemoteQuota] { fatalError() }

  // MARK: Messages of the selected mailbox

  /// UID FETCH. Messages come as the server sends them; flag changes that nobody asked for go to `events()`.
  public func fetch(
    _ uids: MessageSet, _ items: [FetchItem], changedSince: UInt64? = nil, vanished: Bool = false,
    _ handle: (FetchEvent) async throws -> Void
  ) async throws { fatalError() }

  /// The same for many small sets (one for each batch of bodies) with `window` commands on the way.
  public func fetch(
    batches: [MessageSet], _ items: [FetchItem], window: Int, _ handle: (FetchEvent) async throws -> Void
  ) async throws { fatalError() }

  /// UID SEARCH; ESEARCH where offered.
  public func search(_ command: SearchCommand) async throws(ClientError) -> [UInt32] { fatalError() }

  /// UID STORE of many changes, pipelined. Returns UIDs whose change was refused by UNCHANGEDSINCE (MODIFIED), or which
  /// are gone; and the MODSEQs that came back.
  public func store(_ changes: [FlagStore]) async throws(ClientError) -> StoreResult { fatalError() }

  /// APPEND of each, pipelined where LITERAL+ (or a small LITERAL-) allows. The result has an element for each item, in
  /// order: the UID with UIDPLUS, `.success(nil)` without, or why it was refused.
  public func append(_ items: [AppendItem], to mailbox: String) async throws -> [Result<UInt32?, ClientError>] {
    fatalError()
  }
  /// UID COPY. The map is empty when the server has no UIDPLUS.
  public func copy(_ uids: MessageSet, to mailbox: String) async throws(ClientError) -> [UInt32: UInt32] { fatalError() }
  /// UID MOVE, or COPY, STORE \Deleted and UID EXPUNGE; `.unsupported` when the server has neither MOVE nor UIDPLUS.
  public func move(_ uids: MessageSet, to mailbox: String) async throws(ClientError) -> [UInt32: UInt32] { fatalError() }
  /// STORE +FLAGS.SILENT (\Deleted) and UID EXPUNGE (RFC 4315). Without UIDPLUS: EXPUNGE only if no other message is
  /// \Deleted, else `.unsupported`.
  public func expunge(_ uids: MessageSet) async throws(ClientError) { fatalError() }

  // MARK: Waiting

  public func noop() async throws(ClientError) -> [MailboxEvent] { fatalError() }
  /// What came untold since the last call.
  public func events() -> [MailboxEvent] { fatalError() }
  /// IDLE (RFC 2177), or NOOP each `poll` without it, until something happens or `limit` passes. Empty: nothing happened.
  public func idle(limit: Duration, poll: Duration) async throws(ClientError) -> [MailboxEvent] { fatalError() }
  /// NOTIFY for all personal mailboxes (RFC 5465); false when the server has none.
  public func notifyPersonal() async throws(ClientError) -> Bool { fatalError() }

  public func logOut() async { fatalError() }
  public func abandon() async { fatalError() }
}

public struct FlagStore: Sendable, Hashable {
  public enum Mode: Sendable, Hashable { case add, remove, replace }
  public var uids: MessageSet
  public var mode: Mode
  public var flags: FlagList
  /// CONDSTORE's UNCHANGEDSINCE.
  public var unchangedSince: UInt64?
  public init(uids: MessageSet, mode: Mode, flags: FlagList, unchangedSince: UInt64? = nil) {
    self.uids = uids
    self.mode = mode
    self.flags = flags
    self.unchangedSince = unchangedSince
  }
}

public struct StoreResult: Sendable, Hashable {
  public var modified: [UInt32] = []
  public var modSeqs: [UInt32: UInt64] = [:]
  public init() {}
}
