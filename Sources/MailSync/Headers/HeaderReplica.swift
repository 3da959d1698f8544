import IMAPClient
public import IMAPCore
public import NIOCore

/// A message of the header replica.
public struct ReplicaMessage: Sendable {
  let row: Int64
  public var uid: UInt32
  /// As the server had them at the last pass.
  public var flags: SyncFlags
  /// RFC822.SIZE.
  public var size: Int64
  /// INTERNALDATE.
  public var date: IMAPDateTime?
  /// All lines up to the empty one, as the server sent them.
  public var header: ByteBuffer
  public var structure: BodyStructureValue?
}

/// A mailbox of the header replica.
public struct ReplicaMailbox: Sendable, Hashable {
  /// As the server spells it.
  public var name: String
  public var uidValidity: UInt32?
  public var uidNext: UInt32?
}

/// What `pull imap --mode headers` brought: mailboxes that can be listed without the server. Bodies and parts are fetched
/// when they are asked for, and kept.
public struct HeaderReplica: Sendable {
  private let state: SyncState
  private let connect: RemoteFactory

  init(state: SyncState, connect: @escaping RemoteFactory) {
    self.state = state
    self.connect = connect
  }

  public func mailboxes() async throws -> [ReplicaMailbox] {
    try await state.mailboxes().map {
      ReplicaMailbox(name: $0.remote, uidValidity: $0.uidValidity, uidNext: $0.uidNext)
    }
  }

  /// Messages by UID; without the server.
  /// - limit: messages held in memory; the next call begins behind the last UID.
  public func list(
    _ mailbox: String, uids: ClosedRange<UInt32> = 1...UInt32.max, limit: Int = 1000
  ) async throws -> [ReplicaMessage] {
    try await state.replica(of: known(mailbox).id, uids: uids, limit: limit)
  }

  /// The whole message, in pieces. From the state where it is kept already.
  public func fetchBody(_ mailbox: String, _ uid: UInt32, _ handle: (ByteBuffer) async throws -> Void) async throws {
    try await fetch(mailbox, uid, BodySection(), handle)
  }

  /// One part as it travels (with its transfer encoding), in pieces: `[2, 1]` is `BODY[2.1]`.
  public func fetchPart(
    _ mailbox: String, _ uid: UInt32, part: [UInt32], _ handle: (ByteBuffer) async throws -> Void
  ) async throws {
    try await fetch(mailbox, uid, BodySection(part: part), handle)
  }

  private func known(_ mailbox: String) async throws -> KnownMailbox {
    guard let known = try await state.mailboxes().first(where: { $0.remote == mailbox }) else {
      throw SyncError.noSuchMessage(mailbox)
    }
    return known
  }

  private func fetch(
    _ mailbox: String, _ uid: UInt32, _ section: BodySection, _ handle: (ByteBuffer) async throws -> Void
  ) async throws {
    let known = try await known(mailbox)
    guard let message = try await state.replica(of: known.id, uids: uid...uid, limit: 1).first else {
      throw SyncError.noSuchMessage("\(mailbox), UID \(uid)")
    }
    let name = section.part.map(String.init).joined(separator: ".")
    var part = try await state.part(of: message.row, section: name)
    if part?.isComplete != true {
      try await load(known, uid, section, name, message.row, from: part?.octets ?? 0)
      part = try await state.part(of: message.row, section: name)
    }
    guard let part, part.isComplete else { throw SyncError.noSuchMessage("\(mailbox), UID \(uid), part \(name)") }
    var number = 0
    while let piece = try await state.piece(number, of: part.id) {
      try await handle(piece)
      number += 1
    }
  }

  /// Goes on where an earlier call ended.
  private func load(
    _ mailbox: KnownMailbox, _ uid: UInt32, _ section: BodySection, _ name: String, _ message: Int64, from start: Int64
  ) async throws {
    let remote = try await connect()
    do {
      let selected = try await remote.select(mailbox.remote, readOnly: true, resync: nil)
      guard selected.uidValidity == mailbox.uidValidity else {
        throw SyncError.mailboxChanged(mailbox: mailbox.remote)
      }
      var offset = start
      while true {
        guard
          let bytes = try await remote.piece(uid, section, offset: offset, count: SyncLimits.partPiece)
        else { throw SyncError.noSuchMessage("\(mailbox.remote), UID \(uid)") }
        let isLast = bytes.readableBytes < SyncLimits.partPiece
        try await state.append(bytes, to: name, of: message, isLast: isLast)
        offset += Int64(bytes.readableBytes)
        if isLast { break }
      }
    } catch {
      await remote.close()
      throw error
    }
    await remote.close()
  }
}
