public import IMAPClient
import IMAPCore
import MailClient
import MailNet
import MailStore
import NIOCore

/// Another server, by IMAP: flags, keywords, INTERNALDATE, folders, subscriptions, special uses, UIDs. Nothing is changed
/// there: mailboxes are opened by EXAMINE, bodies are read by PEEK.
public final class IMAPOrigin: ImportOrigin {
  private let client: IMAPClient
  private let uidlFormat: UIDLFormat?
  public let name: String

  /// - client: logged in. It is the caller's to log out.
  /// - uidlFormat: how the POP3 server beside it makes UIDLs from UIDs; nil: messages get new ones.
  public init(_ client: IMAPClient, name: String, uidlFormat: UIDLFormat?) {
    self.client = client
    self.name = name
    self.uidlFormat = uidlFormat
  }

  public func mailboxes() async throws -> [OriginMailbox] {
    let all = try await client.mailboxes(status: true).filter(\.isSelectable)
    guard all.count <= TransferLimits.mailboxes else {
      throw ClientError(.protocolViolation("more than \(TransferLimits.mailboxes) mailboxes"), server: name)
    }
    var names: Set<String> = []
    return all.compactMap { remote in
      let name = storeName(remote)
      // Two that the store would call the same are brought into one.
      guard names.insert(remote.name).inserted else { return nil }
      return OriginMailbox(
        name: name, path: [remote.name], isSubscribed: remote.attributes.contains("\\subscribed"),
        specialUse: Self.specialUse(remote.attributes) ?? StoreNames.specialUse(name),
        messages: remote.status?.messages)
    }
  }

  /// Servers such as Courier have everything below `INBOX.`; here it stands beside INBOX.
  private func storeName(_ remote: RemoteMailbox) -> String {
    var path = remote.path
    let prefix = client.namespace.prefix
    if !prefix.isEmpty, remote.name.hasPrefix(prefix), remote.name.count > prefix.count,
      let delimiter = remote.delimiter
    {
      path = remote.name.dropFirst(prefix.count).split(separator: delimiter).map(String.init)
    }
    return StoreNames.name(path)
  }

  private static func specialUse(_ attributes: Set<String>) -> SpecialUse? {
    SpecialUse.allCases.first { attributes.contains($0.rawValue.lowercased()) }
  }

  public func list(_ mailbox: OriginMailbox) async throws -> OriginListing {
    let remote = mailbox.path.first ?? mailbox.name
    let state: SelectedMailbox
    do throws(ClientError) {
      state = try await client.select(remote, readOnly: true, resync: nil)
    } catch {
      guard case .refused(_, _, let text) = error.kind else { throw error }
      throw MailboxProblem(description: "the server does not open it: \(text)")
    }
    var messages: [OriginMessage] = []
    guard state.exists > 0 else {
      return OriginListing(uidValidity: state.uidValidity, uidNext: state.uidNext, messages: [])
    }
    messages.reserveCapacity(min(state.exists, 1 << 20))
    try await client.fetch(.everything, [.uid, .flags, .internalDate, .size]) { event in
      guard case .message(let message) = event, message.uid > 0 else { return }
      messages.append(self.message(message, uidValidity: state.uidValidity))
    }
    messages.sort { $0.uid ?? 0 < $1.uid ?? 0 }
    // A server may answer twice for a message whose flags change meanwhile.
    var unique: [OriginMessage] = []
    for message in messages where unique.last?.uid != message.uid { unique.append(message) }
    return OriginListing(
      uidValidity: state.uidValidity > 0 ? state.uidValidity : nil, uidNext: state.uidNext, messages: unique)
  }

  private func message(_ fetched: FetchedMessage, uidValidity: UInt32) -> OriginMessage {
    OriginMessage(
      key: "\(fetched.uid)", uid: fetched.uid,
      uidl: uidlFormat?.uidl(uid: fetched.uid, uidValidity: uidValidity, base: nil, guid: nil),
      // The five system flags have the same bits here and there.
      flags: SystemFlags(rawValue: (fetched.flags?.system.intersection(.storable) ?? []).rawValue),
      keywords: fetched.flags?.keywords ?? [],
      date: fetched.internalDate.map { InternalDate(seconds: $0.seconds, zoneMinutes: $0.zoneMinutes) },
      size: fetched.size.map { Int($0) })
  }

  // MARK: Bytes

  /// Small messages some at a time, by pipelined commands; each large one in pieces, when its turn comes.
  public func bodies(
    _ messages: [OriginMessage], of mailbox: OriginMailbox,
    _ handle: (Int, OriginBody) async throws -> Void
  ) async throws {
    var start = 0
    while start < messages.count {
      try Task.checkCancellation()
      let message = messages[start]
      if (message.size ?? 0) > TransferLimits.wholeMessage {
        try await handle(start, .large { self.pieces(of: message) })
        start += 1
        continue
      }
      var end = start
      var octets = 0
      while end < messages.count, end - start < TransferLimits.readAheadMessages, octets < TransferLimits.readAhead,
        (messages[end].size ?? 0) <= TransferLimits.wholeMessage
      {
        octets += messages[end].size ?? 0
        end += 1
      }
      try await small(messages, start..<end, handle)
      start = end
    }
  }

  private func small(
    _ messages: [OriginMessage], _ range: Range<Int>, _ handle: (Int, OriginBody) async throws -> Void
  ) async throws {
    let uids = messages[range].compactMap(\.uid)
    var found = try await fetch(uids)
    // A server may be slow to show what another session changes: who is missing is asked for once more.
    let missing = uids.filter { found[$0] == nil }
    if !missing.isEmpty { found.merge(try await fetch(missing)) { one, _ in one } }
    for index in range {
      let bytes = messages[index].uid.flatMap { found.removeValue(forKey: $0) }
      try await handle(index, bytes.map { .whole($0) } ?? .gone)
    }
  }

  private func fetch(_ uids: [UID]) async throws -> [UID: ByteBuffer] {
    var batches: [MessageSet] = []
    for start in stride(from: 0, to: uids.count, by: TransferLimits.fetchedAtOnce) {
      batches.append(MessageSet(sorted: uids[start..<min(start + TransferLimits.fetchedAtOnce, uids.count)]))
    }
    let whole = FetchItem.bodySection(BodySection(), partial: nil, peek: true)
    var found: [UID: ByteBuffer] = [:]
    var streamed: ByteBuffer?
    try await client.fetch(
      batches: batches, [.uid, whole], window: TransferLimits.fetchWindow
    ) { event in
      switch event {
      case .sectionBegin: streamed = ByteBuffer()
      case .sectionPiece(let piece): streamed?.writeImmutableBuffer(piece)
      case .sectionEnd, .vanished: break
      case .message(let message):
        if let bytes = streamed ?? message.sections.first(where: { !$0.isBinary })?.bytes { found[message.uid] = bytes }
        streamed = nil
      }
    }
    return found
  }

  /// Asks for one piece after another (RFC 9051 §6.4.5, partial).
  private func pieces(of message: OriginMessage) -> () async throws -> ByteBuffer? {
    var offset: Int64 = 0
    var isOver = false
    return {
      guard !isOver, let uid = message.uid else { return nil }
      let count = Int64(TransferLimits.wholeMessage)
      var piece = ByteBuffer()
      var isThere = false
      let item = FetchItem.bodySection(
        BodySection(), partial: IMAPCore.Partial(offset: offset, count: count), peek: true)
      try await self.client.fetch(MessageSet([.init(uid)]), [.uid, item]) { event in
        switch event {
        case .sectionPiece(let bytes): piece.writeImmutableBuffer(bytes)
        case .message(let fetched):
          guard fetched.uid == uid || fetched.uid == 0 else { return }
          isThere = true
          if let bytes = fetched.sections.first(where: { !$0.isBinary })?.bytes { piece.writeImmutableBuffer(bytes) }
        case .sectionBegin, .sectionEnd, .vanished: break
        }
      }
      guard isThere else { throw MailboxProblem(description: "it went away while it was read") }
      offset += Int64(piece.readableBytes)
      isOver = piece.readableBytes < count
      return piece.readableBytes > 0 ? piece : nil
    }
  }
}
