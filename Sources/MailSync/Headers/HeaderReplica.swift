import Synchronization

/// What `pull imap --mode headers` brought: mailboxes that can be listed without the server. Bodies and parts are fetched
/// when they are asked for, and kept.
///
/// It works beside a run that holds the folder: each step is one transaction, and one that finds its message changed
/// meanwhile says so.
public struct HeaderReplica: Sendable {
  let state: SyncState
  /// Nil: the server may not be asked.
  let connect: RemoteFactory?
  let counter: OctetCounter

  init(state: SyncState, connect: RemoteFactory?) {
    self.state = state
    self.connect = connect
    counter = OctetCounter()
  }

  /// The replica of a Maildir tree, whether a run is at work there or not. Blocks for some milliseconds.
  /// - connect: makes a connection when something is not at home; nil refuses that.
  /// - Throws: `ReplicaError.noReplica`, `SyncError.state`.
  public static func open(folder: String, connect: RemoteFactory?) throws -> HeaderReplica {
    HeaderReplica(state: try SyncState(sharing: folder), connect: connect)
  }

  /// The same with another way to the server.
  public func connecting(_ connect: RemoteFactory?) -> HeaderReplica {
    HeaderReplica(state: state, connect: connect)
  }

  /// Ends what `open` began.
  public func close() { state.close() }

  /// Octets of the protocol that came for this replica.
  public var octetsReceived: Int64 { counter.value }

  /// The account it is of: its name in the file of accounts, or `user@host`.
  public func account() async throws -> String? { try await state.info("account") }

  /// Where it came from. Nil too where the file is somebody else's, or others may write to it: who says where a password is
  /// sent must be its owner.
  public func server() async throws -> ReplicaServer? {
    guard state.isOwn else { return nil }
    return try await state.info(SyncEngine.serverKey).flatMap(ReplicaServer.init(text:))
  }

  public func mailboxes() async throws -> [ReplicaMailbox] { try await state.replicaMailboxes() }

  /// - name: as the server spells it; INBOX in any case (RFC 9051 §5.1).
  public func mailbox(_ name: String) async throws -> ReplicaMailbox {
    let all = try await mailboxes()
    let isInbox = name.uppercased() == "INBOX"
    guard let found = all.first(where: { $0.name == name || (isInbox && $0.name.uppercased() == "INBOX") }) else {
      throw ReplicaError.noSuchMailbox(name, known: all.prefix(SyncLimits.namesInErrors).map(\.name))
    }
    // Messages with files and without headers are those of another mode.
    guard found.replicatedAt != nil || found.headers > 0 || found.files == 0 else {
      throw ReplicaError.noHeaders(path: state.folder)
    }
    return found
  }

  /// Messages by UID; without the server.
  /// - limit: messages held in memory; the next call begins behind the last UID.
  /// - newestFirst: the highest UIDs, downwards; the next call ends before the last one.
  public func list(
    _ mailbox: String, uids: ClosedRange<UInt32> = 1...UInt32.max, limit: Int = 1000, newestFirst: Bool = false
  ) async throws -> [ReplicaMessage] {
    try await state.replica(of: self.mailbox(mailbox).id, uids: uids, limit: limit, newestFirst: newestFirst)
  }

  public func message(_ mailbox: String, _ uid: UInt32) async throws -> ReplicaMessage {
    let known = try await self.mailbox(mailbox)
    guard uid > 0, let message = try await state.replica(of: known.id, uids: uid...uid, limit: 1).first else {
      throw ReplicaError.noSuchMessage(mailbox: known.name, uid: uid)
    }
    return message
  }
}

/// Octets over all connections of a replica.
final class OctetCounter: Sendable {
  private let sum = Atomic<Int64>(0)
  var value: Int64 { sum.load(ordering: .relaxed) }
  func add(_ octets: Int64) { sum.wrappingAdd(octets, ordering: .relaxed) }
}
