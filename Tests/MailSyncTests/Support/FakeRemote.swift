import Foundation
import IMAPClient
import IMAPCore
import MailNet
import NIOCore

@testable import MailSync

/// A connection to a `FakeServer`.
final class FakeRemote: SyncRemote {
  let server: FakeServer
  let faults: Faults
  private var selected: String?
  private var heard = 0
  /// UIDs from here on came after this connection's SELECT: it has not been told of them.
  private var horizon: UInt32 = 0

  init(_ server: FakeServer, _ faults: Faults) {
    self.server = server
    self.faults = faults
    server.withState { $0.connections += 1 }
  }

  var octetsReceived: Int64 { 0 }

  var traits: RemoteTraits {
    var traits = RemoteTraits()
    traits.hasEmailID = server.kind.hasObjectID
    traits.hasUIDPlus = server.kind.hasUIDPlus
    traits.canMove = server.kind.hasMove || server.kind.hasUIDPlus
    traits.prefix = server.prefix
    traits.delimiter = server.delimiter
    return traits
  }

  func refused(_ command: String) -> ClientError {
    ClientError(.refused(command: command, code: nil, text: "no"), server: "fake")
  }

  /// One command: the line may be cut before the server hears it, or before we hear the server.
  private func command<Value>(_ name: String, _ body: (inout FakeServer.State) throws -> Value) throws -> Value {
    try faults.step("\(name) →")
    let value = try server.withState { try body(&$0) }
    try faults.step("← \(name)")
    return value
  }

  private func box(_ state: FakeServer.State) throws -> FakeServer.Box {
    guard let selected, let box = state.boxes[selected] else { throw refused("no mailbox selected") }
    return box
  }

  // MARK: Mailboxes

  func mailboxes() async throws -> [RemoteMailbox] {
    try command("LIST") { state in
      state.boxes.map { name, box in
        RemoteMailbox(
          name: name, delimiter: server.delimiter, attributes: box.isSubscribed ? ["\\subscribed"] : [],
          status: status(of: box, state))
      }
    }
  }

  private func status(of box: FakeServer.Box, _ state: FakeServer.State) -> RemoteStatus {
    var status = RemoteStatus()
    status.messages = state.showsNothing ? 0 : box.messages.count
    status.uidNext = box.uidNext
    status.uidValidity = box.uidValidity
    if server.kind.hasCondstore { status.highestModSeq = box.modSeq }
    return status
  }

  func status(_ mailbox: String) async throws -> RemoteStatus {
    try command("STATUS") { state in
      guard let box = state.boxes[mailbox] else { throw refused("STATUS") }
      return status(of: box, state)
    }
  }

  func select(_ mailbox: String, readOnly: Bool, resync: ResyncPoint?) async throws -> SelectedMailbox {
    try command("SELECT") { state in
      selected = nil
      guard let box = state.boxes[mailbox] else { throw refused("SELECT") }
      selected = mailbox
      horizon = box.uidNext
      state.selects += 1
      var result = SelectedMailbox(
        name: mailbox, exists: state.showsNothing ? 0 : box.messages.count, uidValidity: box.uidValidity,
        uidNext: box.uidNext, highestModSeq: server.kind.hasCondstore ? box.modSeq : nil,
        isReadOnly: readOnly || box.isReadOnly, permanentFlags: box.permanent,
        acceptsNewKeywords: box.acceptsNewKeywords)
      if let resync, server.kind.hasQResync, resync.uidValidity == box.uidValidity {
        let known = resync.knownUIDs?.resolvedUIDs(last: .max)
        let vanished = box.expunged.filter { $0.modSeq > resync.modSeq }.map(\.uid).filter { uid in
          known?.contains { $0.contains(uid) } ?? true
        }
        let changed = box.messages.filter { $0.modSeq > resync.modSeq }.map { message in
          var fetched = FetchedMessage(sequence: 1, uid: message.uid)
          fetched.flags = message.flags.list
          fetched.modSeq = message.modSeq
          return fetched
        }
        result.resync = .init(vanished: vanished.map { $0...$0 }, changed: state.showsNothing ? [] : changed)
      }
      return result
    }
  }

  func unselect() async throws { selected = nil }

  func create(_ mailbox: String) async throws {
    try faults.step("CREATE →")
    guard server.withState({ $0.boxes[mailbox] == nil }) else { throw refused("CREATE") }
    server.create(mailbox)
    try faults.step("← CREATE")
  }

  func delete(_ mailbox: String) async throws {
    try command("DELETE") { state in
      guard state.boxes.removeValue(forKey: mailbox) != nil else { throw refused("DELETE") }
    }
  }

  func rename(_ mailbox: String, to newName: String) async throws {
    try faults.step("RENAME →")
    guard server.withState({ $0.boxes[mailbox] != nil && $0.boxes[newName] == nil }) else { throw refused("RENAME") }
    server.rename(mailbox, to: newName)
    try faults.step("← RENAME")
  }

  func subscribe(_ mailbox: String, _ subscribed: Bool) async throws {
    try command("SUBSCRIBE") { $0.boxes[mailbox]?.isSubscribed = subscribed }
  }

  // MARK: Messages

  func messages(_ set: MessageSet, _ facts: RemoteFacts, changedSince: UInt64?) async throws -> [RemoteMessage] {
    try command("FETCH") { state in
      if state.showsNothing { return [] }
      let box = try box(state)
      let ranges = set.resolvedUIDs(last: box.messages.last?.uid ?? box.uidNext)
      return box.messages.filter { message in
        ranges.contains { $0.contains(message.uid) } && changedSince.map { message.modSeq > $0 } ?? true
      }.map { message in
        var result = RemoteMessage(uid: message.uid)
        if facts.contains(.flags) {
          result.flags = message.flags
          if server.kind.hasCondstore { result.modSeq = message.modSeq }
        }
        if facts.contains(.identity) {
          result.size = Int64(message.bytes.readableBytes) + state.sizeError
          result.date = IMAPDateTime(seconds: message.seconds)
          if server.kind.hasObjectID { result.emailID = "E\(message.emailID)" }
        }
        if facts.contains(.messageID) { result.messageID = MessageIDField.read(message.bytes) }
        return result
      }
    }
  }

  func uids() async throws -> [UInt32] {
    try command("SEARCH") { state in state.showsNothing ? [] : try box(state).messages.map(\.uid) }
  }

  func bodies(
    _ batches: [[UInt32]], window: Int, _ handle: (UInt32, ByteBuffer) async throws -> Void
  ) async throws {
    for uid in batches.joined() {
      let bytes: ByteBuffer? = try command("FETCH BODY \(uid)") { state in
        if state.spoiled.contains(uid) { throw refused("FETCH") }
        guard let message = try box(state).messages.first(where: { $0.uid == uid }) else { return nil }
        state.bodyOctets += message.bytes.readableBytes
        return message.bytes
      }
      if let bytes { try await handle(uid, bytes) }
    }
  }

  func headers(_ batches: [[UInt32]], window: Int, _ handle: (RemoteHeader) async throws -> Void) async throws {
    for uid in batches.joined() {
      let message = try command("FETCH HEADER") { try box($0).messages.first { $0.uid == uid } }
      guard let message else { continue }
      let text = String(buffer: message.bytes)
      let end = text.range(of: "\r\n\r\n")?.upperBound ?? text.endIndex
      var structure = BodyStructureValue(type: "text", subtype: "plain")
      structure.octets = Int64(text[end...].utf8.count)
      try await handle(RemoteHeader(uid: uid, header: ByteBuffer(string: String(text[..<end])), structure: structure))
    }
  }

  func piece(_ uid: UInt32, _ section: BodySection, offset: Int64, count: Int) async throws -> ByteBuffer? {
    try command("FETCH PIECE") { state in
      guard let message = try box(state).messages.first(where: { $0.uid == uid }) else { return nil }
      let range = Partial(offset: offset, count: Int64(count)).range(in: message.bytes.readableBytes)
      state.bodyOctets += range.count
      return message.bytes.getSlice(at: message.bytes.readerIndex + range.lowerBound, length: range.count)
    }
  }

  // MARK: Changes

  func store(_ changes: [FlagStore]) async throws {
    for change in changes {
      try command("STORE") { state in
        guard let selected else { throw refused("STORE") }
        let ranges = change.uids.resolvedUIDs(last: .max)
        let named = SyncFlags(change.flags)
        if !change.flags.keywords.isEmpty, change.mode == .add, state.refusesKeywords { throw refused("STORE") }
        for message in try box(state).messages
        where message.uid < horizon && ranges.contains(where: { $0.contains(message.uid) }) {
          switch change.mode {
          case .add: state.setFlags(selected, message.uid, message.flags.union(named))
          case .remove: state.setFlags(selected, message.uid, message.flags.subtracting(named))
          case .replace: state.setFlags(selected, message.uid, named)
          }
        }
      }
    }
  }

  func append(_ items: [AppendItem], to mailbox: String) async throws -> [Result<UInt32?, any Error>] {
    var results: [Result<UInt32?, any Error>] = []
    for item in items {
      var bytes = ByteBuffer()
      while let piece = try await item.body() { bytes.writeImmutableBuffer(piece) }
      guard bytes.readableBytes == item.size else { throw ClientError(.protocolViolation("size"), server: "fake") }
      let uid = try command("APPEND") { state -> UInt32 in
        guard state.boxes[mailbox] != nil else { throw refused("APPEND") }
        state.appendOctets += bytes.readableBytes
        if bytes.readableBytes > state.room { return 0 }
        state.nextEmailID += 1
        return state.add(mailbox, SyncFlags(item.flags), item.internalDate?.seconds ?? 0, bytes, state.nextEmailID)
      }
      if uid == 0 {
        results.append(
          .failure(ClientError(.refused(command: "APPEND", code: "OVERQUOTA", text: "full"), server: "fake")))
        continue
      }
      results.append(.success(server.kind.hasUIDPlus ? uid : nil))
    }
    return results
  }

  func move(_ uids: [UInt32], to mailbox: String) async throws -> [UInt32: UInt32] {
    guard traits.canMove else { throw ClientError(.unsupported("MOVE"), server: "fake") }
    if !server.kind.hasMove {
      // COPY, STORE and EXPUNGE, as the client does it then.
      let map: [UInt32: UInt32] = try command("COPY") { state in
        guard state.boxes[mailbox] != nil else { throw refused("COPY") }
        return try state.copy(box(state).messages.filter { uids.contains($0.uid) }, to: mailbox)
      }
      try await store([FlagStore(uids: MessageSet(sorted: uids), mode: .add, flags: FlagList(.deleted))])
      try await expunge(uids)
      return map
    }
    return try command("MOVE") { state in
      guard let selected, state.boxes[mailbox] != nil else { throw refused("MOVE") }
      guard state.movesLeft > 0 else { throw refused("MOVE") }
      state.movesLeft -= 1
      let map = state.move(selected, uids, to: mailbox)
      return server.kind.hasUIDPlus ? map : [:]
    }
  }

  func expunge(_ uids: [UInt32]) async throws {
    try command("EXPUNGE") { state in
      guard let selected else { throw refused("EXPUNGE") }
      let others = try box(state).messages.contains { $0.flags.system.contains(.deleted) && !uids.contains($0.uid) }
      if !server.kind.hasUIDPlus, others { throw ClientError(.unsupported("UIDPLUS"), server: "fake") }
      state.expunge(selected, Set(uids))
    }
  }

  func idle(limit: Duration) async throws -> Bool {
    while server.withState({ $0.rings }) == heard { try await Task.sleep(for: .milliseconds(2)) }
    heard = server.withState { $0.rings }
    return true
  }

  func watchAll() async throws -> Bool { false }
  func close() async {}
}
