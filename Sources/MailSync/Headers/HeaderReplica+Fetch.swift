import Bytes
import IMAPClient
import IMAPCore
import MailClient
import MailFormat
import MailNet
public import NIOCore

extension HeaderReplica {
  /// The whole message, in pieces. From home where it is kept already.
  public func fetchBody(_ mailbox: String, _ uid: UInt32, _ handle: (ByteBuffer) async throws -> Void) async throws {
    try await fetch(mailbox, uid, BodySection(), handle)
  }

  /// One part as it travels (with its transfer encoding), in pieces: `[2, 1]` is `BODY[2.1]`.
  public func fetchPart(
    _ mailbox: String, _ uid: UInt32, part: [UInt32], _ handle: (ByteBuffer) async throws -> Void
  ) async throws {
    try await fetch(mailbox, uid, BodySection(part: part), handle)
  }

  /// The header up to its empty line. It came with the table, unless it is larger than what is kept of one.
  public func fetchHeader(_ mailbox: String, _ uid: UInt32, _ handle: (ByteBuffer) async throws -> Void) async throws {
    let message = try await message(mailbox, uid)
    if message.header.readableBytes < SyncLimits.replicaHeader { return try await handle(message.header) }
    try await fetch(mailbox, uid, BodySection(part: [], .header), handle)
  }

  private func fetch(
    _ mailbox: String, _ uid: UInt32, _ section: BodySection, _ handle: (ByteBuffer) async throws -> Void
  ) async throws {
    let known = try await self.mailbox(mailbox)
    let message = try await message(mailbox, uid)
    let wanted = WantedSection(section, of: message, in: known)
    var part = try await state.part(of: wanted.owner, section: wanted.key)
    if part?.isComplete != true {
      if let bytes = try await cutFromWhole(wanted, message) { return try await handle(bytes) }
      part = try await load(wanted, message, known, from: part?.octets ?? 0)
    }
    guard let part, part.isComplete else { throw wanted.owner.changed }
    var number = 0
    while let piece = try await state.piece(number, of: part, section: wanted.key, message: wanted.owner) {
      try await handle(piece)
      number += 1
    }
  }

  /// A part of a message that is at home as a whole. Only where our reading of it and the server's agree about the part's
  /// octets: elsewhere the server's numbers may mean something else.
  private func cutFromWhole(_ wanted: WantedSection, _ message: ReplicaMessage) async throws -> ByteBuffer? {
    guard !wanted.section.part.isEmpty, message.size <= SyncLimits.wrongSizeBody, let octets = wanted.octets,
      let whole = try await state.part(of: wanted.owner, section: ""), whole.isComplete
    else { return nil }
    var bytes = ByteBuffer()
    var number = 0
    while let piece = try await state.piece(number, of: whole, section: "", message: wanted.owner) {
      bytes.writeImmutableBuffer(piece)
      number += 1
    }
    let index = MessageIndex.parse(bytes.readableBytesSpan)
    let path = SectionPath(wanted.section.part.map(Int.init))
    guard let range = index.range(of: path), Int64(range.count) == octets else { return nil }
    return bytes.getSlice(at: bytes.readerIndex + range.lowerBound, length: range.count)
  }

  /// Goes on where an earlier call ended.
  private func load(
    _ wanted: WantedSection, _ message: ReplicaMessage, _ mailbox: ReplicaMailbox, from start: Int64
  ) async throws -> StoredPart {
    guard let connect else {
      throw ReplicaError.notHere(
        mailbox: mailbox.name, uid: message.uid, what: wanted.name, octets: wanted.octets.map { max(0, $0 - start) })
    }
    let remote = try await connect()
    do {
      try await check(remote, message, mailbox, wanted)
      let part = try await receive(remote, wanted, message, mailbox, from: start)
      await end(remote)
      return part
    } catch {
      await end(remote)
      throw error
    }
  }

  private func end(_ remote: any SyncRemote) async {
    await remote.close()
    counter.add(remote.octetsReceived)
  }

  /// The UID still means the message that it meant when the table was made.
  private func check(
    _ remote: any SyncRemote, _ message: ReplicaMessage, _ mailbox: ReplicaMailbox, _ wanted: WantedSection
  ) async throws {
    let selected: SelectedMailbox
    do { selected = try await remote.select(mailbox.name, readOnly: true, resync: nil) } catch let error as ClientError
    {
      guard case .refused(_, _, let text) = error.kind else { throw error }
      throw ReplicaError.mailboxGone(mailbox: mailbox.name, text)
    }
    guard selected.uidValidity == mailbox.uidValidity else { throw ReplicaError.renumbered(mailbox: mailbox.name) }
    let found = try await remote.messages(MessageSet([.init(message.uid)]), .identity, changedSince: nil)
    guard let there = found.first(where: { $0.uid == message.uid }) else {
      throw ReplicaError.gone(mailbox: mailbox.name, uid: message.uid, what: wanted.name)
    }
    // UIDVALIDITY should tell; a server that was restored from a backup gives numbers again without it.
    let isSame =
      (there.size ?? message.size) == message.size
      && (there.date == nil || message.date == nil || there.date?.seconds == message.date?.seconds)
    guard isSame else { throw ReplicaError.replaced(mailbox: mailbox.name, uid: message.uid) }
  }

  private func receive(
    _ remote: any SyncRemote, _ wanted: WantedSection, _ message: ReplicaMessage, _ mailbox: ReplicaMailbox,
    from start: Int64
  ) async throws -> StoredPart {
    var offset = start
    while true {
      let piece: ByteBuffer?
      do {
        piece = try await remote.piece(message.uid, wanted.section, offset: offset, count: SyncLimits.partPiece)
      } catch let error as ClientError {
        guard case .refused = error.kind else { throw error }
        throw ReplicaError.noSuchPart(mailbox: wanted.owner.mailbox, uid: message.uid, what: wanted.name)
      }
      guard let bytes = piece else {
        // Expunged between two pieces, or there is no such part.
        try await check(remote, message, mailbox, wanted)
        throw ReplicaError.noSuchPart(mailbox: wanted.owner.mailbox, uid: message.uid, what: wanted.name)
      }
      guard bytes.readableBytes <= SyncLimits.partPiece else {
        throw ReplicaError.wrongAnswer(mailbox: wanted.owner.mailbox, uid: message.uid, what: wanted.name)
      }
      let end = offset + Int64(bytes.readableBytes)
      // Fewer octets than asked for mean the end. Before the end that the structure names only none at all do: a server
      // may send less than it was asked for.
      let isShort = bytes.readableBytes < SyncLimits.partPiece
      let isLast = isShort && (bytes.readableBytes == 0 || wanted.octets.map { end >= $0 } ?? true)
      let part = try await state.append(bytes, at: offset, to: wanted.key, of: wanted.owner, isLast: isLast)
      if part.isComplete { return part }
      // Where another reader was faster, its octets count.
      offset = part.octets
    }
  }
}

/// A section of a message of the replica.
private struct WantedSection: Sendable {
  var section: BodySection
  var owner: PartOwner
  /// In the state: `2.1`, empty for the whole message.
  var key: String
  /// For people.
  var name: String
  /// As the server told them; nil: not told.
  var octets: Int64?

  init(_ section: BodySection, of message: ReplicaMessage, in mailbox: ReplicaMailbox) {
    self.section = section
    owner = PartOwner(row: message.row, uid: message.uid, mailbox: mailbox.name, uidValidity: mailbox.uidValidity)
    let number = section.part.map(String.init).joined(separator: ".")
    if section.text != .whole {
      (key, name) = ("HEADER", "the header")
    } else if section.part.isEmpty {
      (key, name, octets) = ("", "the whole message", message.size > 0 ? message.size : nil)
    } else {
      (key, name, octets) = (number, "part \(number)", message.structure?.part(at: section.part)?.octets)
    }
  }
}
