import Bytes
public import IMAPClient
public import IMAPCore
import MailNet
public import NIOCore

/// `IMAPClient` as the server's side of a sync: the one place where the two meet.
public final class IMAPRemote: SyncRemote {
  private let client: IMAPClient
  /// For errors.
  private let server: String
  public let traits: RemoteTraits

  /// - client: logged in.
  /// - server: `host:port`.
  public init(_ client: IMAPClient, server: String) {
    self.client = client
    self.server = server
    var traits = RemoteTraits()
    traits.hasEmailID = client.has("OBJECTID")
    traits.hasUIDPlus = client.has("UIDPLUS")
    traits.canMove = client.has("MOVE") || client.has("UIDPLUS")
    traits.hasIdle = client.has("IDLE")
    traits.prefix = client.namespace.prefix
    traits.delimiter = client.namespace.delimiter
    self.traits = traits
  }

  public var octetsReceived: Int64 { client.counters.received }

  // MARK: Mailboxes

  public func mailboxes() async throws -> [RemoteMailbox] { try await client.mailboxes(status: true) }
  public func status(_ mailbox: String) async throws -> RemoteStatus { try await client.status(mailbox) }
  public func select(_ mailbox: String, readOnly: Bool, resync: ResyncPoint?) async throws -> SelectedMailbox {
    try await client.select(mailbox, readOnly: readOnly, resync: resync)
  }
  public func unselect() async throws { try await client.unselect() }
  public func create(_ mailbox: String) async throws { try await client.create(mailbox) }
  public func delete(_ mailbox: String) async throws { try await client.delete(mailbox) }
  public func rename(_ mailbox: String, to newName: String) async throws {
    try await client.rename(mailbox, to: newName)
  }
  public func subscribe(_ mailbox: String, _ subscribed: Bool) async throws {
    try await client.subscribe(mailbox, subscribed)
  }

  // MARK: Messages

  private static let messageIDSection = BodySection(.headerFields(["MESSAGE-ID"]))

  public func messages(
    _ set: MessageSet, _ facts: RemoteFacts, changedSince: UInt64?
  ) async throws -> [RemoteMessage] {
    var items: [FetchItem] = [.uid]
    if facts.contains(.flags) {
      items.append(.flags)
      if client.selected?.highestModSeq != nil { items.append(.modSeq) }
    }
    if facts.contains(.identity) {
      items += [.size, .internalDate]
      if traits.hasEmailID { items.append(.emailID) }
    }
    if facts.contains(.messageID) { items.append(.bodySection(Self.messageIDSection, partial: nil, peek: true)) }
    var found: [RemoteMessage] = []
    try await client.fetch(set, items, changedSince: changedSince, vanished: false) { event in
      guard case .message(let message) = event else { return }
      found.append(RemoteMessage(message))
    }
    return found
  }

  public func uids() async throws -> [UInt32] {
    try await client.search(SearchCommand(uid: true, key: .all))
  }

  public func bodies(
    _ batches: [[UInt32]], window: Int, _ handle: (UInt32, ByteBuffer) async throws -> Void
  ) async throws {
    let sets = batches.filter { !$0.isEmpty }.map { MessageSet(sorted: $0.sorted()) }
    if sets.isEmpty { return }
    let whole = FetchItem.bodySection(BodySection(), partial: nil, peek: true)
    var streamed = StreamedSections(server: server)
    try await client.fetch(batches: sets, [.uid, whole], window: window) { event in
      guard let message = try streamed.take(event) else { return }
      let section = message.sections.first { $0.section == BodySection() && $0.origin == nil }
      if let bytes = section?.bytes ?? streamed.bytes(of: BodySection()) { try await handle(message.uid, bytes) }
      streamed.clear()
    }
  }

  public func headers(
    _ batches: [[UInt32]], window: Int, _ handle: (RemoteHeader) async throws -> Void
  ) async throws {
    let sets = batches.filter { !$0.isEmpty }.map { MessageSet(sorted: $0.sorted()) }
    if sets.isEmpty { return }
    let header = BodySection(.header)
    var streamed = StreamedSections(server: server)
    let items: [FetchItem] = [.uid, .bodyStructure, .bodySection(header, partial: nil, peek: true)]
    try await client.fetch(batches: sets, items, window: window) { event in
      guard let message = try streamed.take(event) else { return }
      let section = message.sections.first { $0.section == header }
      if let bytes = section?.bytes ?? streamed.bytes(of: header) {
        try await handle(RemoteHeader(uid: message.uid, header: bytes, structure: message.structure))
      }
      streamed.clear()
    }
  }

  public func piece(_ uid: UInt32, _ section: BodySection, offset: Int64, count: Int) async throws -> ByteBuffer? {
    var result: ByteBuffer?
    var streamed = StreamedSections(server: server)
    let item = FetchItem.bodySection(section, partial: Partial(offset: offset, count: Int64(count)), peek: true)
    try await client.fetch(MessageSet([.init(uid)]), [.uid, item], changedSince: nil, vanished: false) { event in
      guard let message = try streamed.take(event), message.uid == uid else { return }
      let found = message.sections.first { $0.section == section && $0.bytes != nil }
      guard let bytes = found?.bytes ?? streamed.bytes(of: section) else { return }
      result = try placed(bytes, origin: found.map(\.origin) ?? streamed.origin(of: section), offset, count)
    }
    return result
  }

  /// RFC 9051 §7.5.2: what is part of a section says where it begins. What does not say so is the whole of it, from a server
  /// that does not know partial fetches; what begins elsewhere would be put at a wrong place.
  private func placed(_ bytes: ByteBuffer, origin: UInt32?, _ offset: Int64, _ count: Int) throws -> ByteBuffer {
    if let origin {
      guard Int64(origin) == offset else {
        throw ClientError(
          .protocolViolation("octets from \(origin) on, where those from \(offset) on were asked for"), server: server)
      }
      return bytes
    }
    let range = Partial(offset: offset, count: Int64(count)).range(in: bytes.readableBytes)
    return bytes.getSlice(at: bytes.readerIndex + range.lowerBound, length: range.count) ?? ByteBuffer()
  }

  // MARK: Changes

  public func store(_ changes: [FlagStore]) async throws { _ = try await client.store(changes) }

  public func append(_ items: [AppendItem], to mailbox: String) async throws -> [Result<UInt32?, any Error>] {
    try await client.append(items, to: mailbox).map { $0.mapError { $0 as any Error } }
  }

  public func move(_ uids: [UInt32], to mailbox: String) async throws -> [UInt32: UInt32] {
    try await client.move(MessageSet(sorted: uids), to: mailbox)
  }

  public func expunge(_ uids: [UInt32]) async throws { try await client.expunge(MessageSet(sorted: uids)) }

  // MARK: Waiting

  public func idle(limit: Duration) async throws -> Bool {
    try await !client.idle(limit: limit, poll: SyncLimits.poll).isEmpty
  }

  public func watchAll() async throws -> Bool { try await client.notifyPersonal() }

  public func close() async { await client.logOut() }
}

/// Sections that the client hands out in pieces because they are large, put together again.
private struct StreamedSections {
  let server: String
  private var sections: [(section: BodySection, origin: UInt32?, bytes: ByteBuffer)] = []

  init(server: String) { self.server = server }

  /// A message, when it is complete.
  mutating func take(_ event: FetchEvent) throws -> FetchedMessage? {
    switch event {
    case .message(let message): return message
    case .sectionBegin(_, let section, let origin, let size):
      guard size <= SyncLimits.wrongSizeBody else {
        throw ClientError(
          .protocolViolation("a message of \(size) octets, more than it was said to have"), server: server)
      }
      sections.append((section, origin, ByteBuffer()))
    case .sectionPiece(let bytes):
      if !sections.isEmpty { sections[sections.count - 1].bytes.writeImmutableBuffer(bytes) }
    case .sectionEnd, .vanished: break
    }
    return nil
  }

  func bytes(of section: BodySection) -> ByteBuffer? { sections.last { $0.section == section }?.bytes }
  func origin(of section: BodySection) -> UInt32? { sections.last { $0.section == section }?.origin }
  mutating func clear() { sections = [] }
}

extension RemoteMessage {
  fileprivate init(_ message: FetchedMessage) {
    self.init(flagsOf: message)
    size = message.size
    date = message.internalDate
    emailID = message.emailID
    for section in message.sections {
      guard case .headerFields = section.section.text, let bytes = section.bytes else { continue }
      messageID = MessageIDField.read(bytes)
    }
  }
}
