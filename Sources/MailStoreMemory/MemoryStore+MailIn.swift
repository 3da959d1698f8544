import MailFormat
public import MailStore
import NIOCore
import Synchronization

extension MemoryStore {
  public func newIncomingMessage() -> any IncomingMessage { MemoryIncoming(store: self) }

  public func deliver(_ message: any PreparedMessage, to targets: [DeliveryTarget], date: InternalDate) async
    -> [Result<Delivered, StoreError>]
  {
    guard !targets.isEmpty else { return [] }
    do throws(StoreError) {
      let message = try Self.own(message)
      return try await write { state in
        let blob = state.nextBlob
        state.nextBlob += 1
        var results: [Result<Delivered, StoreError>] = []
        for target in targets {
          // Each stands or falls alone.
          let before = state
          do throws(StoreError) {
            results.append(.success(try state.deliver(message, to: target, date: date, blob: blob)))
          } catch {
            state = before
            results.append(.failure(error))
          }
        }
        return results
      }
    } catch {
      return targets.map { _ in .failure(error) }
    }
  }

  public func append(
    _ messages: [AppendedMessage], to name: String, of id: AccountID, ignoringQuota: Bool
  ) async throws(StoreError) -> AssignedUIDs {
    var own: [MemoryPrepared] = []
    for message in messages { own.append(try Self.own(message.message)) }
    let prepared = own
    let defaults = settings.defaultQuota
    return try await write { state throws(StoreError) in
      let ref = try state.target(name, of: id)
      if !ignoringQuota {
        try state.checkRoom(
          id, bytes: prepared.reduce(0) { $0 + Int64($1.size) }, messages: Int64(prepared.count), defaults)
      }
      return try state.append(messages, prepared, to: ref)
    }
  }

  public func replace(
    _ uid: UID, in ref: MailboxRef, with message: AppendedMessage, to name: String
  ) async throws(StoreError) -> AssignedUIDs {
    let prepared = try Self.own(message.message)
    let defaults = settings.defaultQuota
    return try await write { state throws(StoreError) in
      let source = try state.mailbox(ref)
      guard let index = source.index(of: uid) else { throw .expunged(uid) }
      let target = try state.target(name, of: ref.account)
      let added = Int64(prepared.size) - source.messages[index].size
      try state.checkNet(ref.account, bytes: added, defaults)
      _ = try state.remove([uid], from: ref)
      return try state.append([message], [prepared], to: target)
    }
  }

  static func own(_ message: any PreparedMessage) throws(StoreError) -> MemoryPrepared {
    guard let message = message as? MemoryPrepared else {
      throw .database(message: "the message was prepared by another store")
    }
    return message
  }
}

extension MemoryState {
  mutating func append(
    _ messages: [AppendedMessage], _ prepared: [MemoryPrepared], to ref: MailboxRef
  ) throws(StoreError) -> AssignedUIDs {
    let id = ref.account
    try checkUIDLs(messages.compactMap(\.uidl), of: id)
    var uids: [UID] = []
    for (message, bytes) in zip(messages, prepared) {
      let content = try content(bytes, trace: ByteBuffer(), blob: nextBlob, of: id)
      nextBlob += 1
      var new = MemoryMessage(
        uid: message.uid ?? 0, flags: message.flags, content: content,
        date: message.date ?? InternalDate(seconds: now), uidl: message.uidl ?? "")
      if message.uidl == nil { new.uidl = try newUIDL(id) }
      uids.append(try insert(new, keywords: message.keywords, into: ref))
    }
    return AssignedUIDs(destination: ref.mailbox, uidValidity: try mailbox(ref).uidValidity, assigned: uids)
  }

  fileprivate mutating func deliver(
    _ message: MemoryPrepared, to target: DeliveryTarget, date: InternalDate, blob: Int64
  ) throws(StoreError) -> Delivered {
    let account = try account(target.account)
    var mailbox = target.folder.flatMap { account.mailbox(named: $0) }
    if mailbox?.isSelectable != true { mailbox = account.mailbox(named: "INBOX") }
    guard let mailbox else { throw .noSuchMailbox("INBOX") }
    let trace = target.trace.readableBytes
    guard trace <= MemoryBounds.traceBytes else { throw .messageTooLarge(limit: MemoryBounds.traceBytes) }
    try checkRoom(target.account, bytes: Int64(message.size + trace), messages: 1, settings.defaultQuota)
    let content = try content(message, trace: target.trace, blob: blob, of: target.account)
    let ref = account.ref(mailbox)
    let new = MemoryMessage(content: content, date: date, uidl: try newUIDL(target.account))
    return Delivered(ref: ref, uid: try insert(new, keywords: [], into: ref))
  }

  /// Puts a message at the end of a mailbox.
  mutating func insert(
    _ message: MemoryMessage, keywords: [String], into ref: MailboxRef
  ) throws(StoreError) -> UID {
    var mailbox = try mailbox(ref)
    var message = message
    message.keywords = try mailbox.bits(for: keywords, adding: true)
    if message.uid == 0 { message.uid = mailbox.uidNext }
    // RFC 9051 §2.3.1.1: a message that comes later has a higher UID than all that were ever there.
    guard message.uid >= mailbox.uidNext else {
      throw .importRefused(.uidNotAbove(message.uid, uidNext: mailbox.uidNext))
    }
    guard message.uid < UID.max else { throw .database(message: "mailbox \(ref.mailbox) has no more UIDs") }
    message.modSeq = modSeq(ref.account)
    message.saved = now
    mailbox.uidNext = message.uid + 1
    mailbox.messages.append(message)
    put(mailbox, ref)
    return message.uid
  }

  mutating func content(
    _ message: MemoryPrepared, trace: ByteBuffer, blob: Int64, of id: AccountID
  ) throws(StoreError) -> MemoryContent {
    var account = try account(id)
    let number = account.nextContent
    account.nextContent += 1
    // RFC 8474 §5.2: the thread that one of the identifiers leads to; from now on all of them lead there.
    let identifiers = message.identifiers
    let thread = identifiers.lazy.compactMap { account.threads[$0] }.first ?? number
    for identifier in identifiers where account.threads[identifier] == nil { account.threads[identifier] = thread }
    accounts[id] = account
    return MemoryContent(number: number, thread: thread, blob: blob, trace: trace, message: message)
  }

  // MARK: UIDL

  private func uidlPrefix(_ id: AccountID) -> String { "a\(id)." }

  mutating func newUIDL(_ id: AccountID) throws(StoreError) -> String {
    let number = try account(id).nextUIDL
    accounts[id]?.nextUIDL += 1
    return uidlPrefix(id) + String(number, radix: 36)
  }

  /// Refuses UIDLs that cannot be, that are taken, or that later mail could get (RFC 1939 §7).
  func checkUIDLs(_ wanted: [String], of id: AccountID) throws(StoreError) {
    let account = try account(id)
    var taken = Set(account.mailboxes.values.flatMap { $0.messages.map(\.uidl) })
    for uidl in wanted {
      guard (1...70).contains(uidl.utf8.count), uidl.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) else {
        throw .importRefused(.malformedUIDL(uidl))
      }
      let number = uidl.hasPrefix(uidlPrefix(id)) ? Int64(uidl.dropFirst(uidlPrefix(id).count), radix: 36) : nil
      guard taken.insert(uidl).inserted, number ?? 0 < account.nextUIDL else {
        throw .importRefused(.uidlInUse(uidl))
      }
    }
  }
}

final class MemoryIncoming: IncomingMessage {
  private let store: MemoryStore
  private let taken = Mutex<(bytes: ByteBuffer, size: Int, failure: StoreError?)>((ByteBuffer(), 0, nil))

  init(store: MemoryStore) { self.store = store }

  var size: Int {
    get async { taken.withLock { $0.size } }
  }

  func append(_ bytes: ByteBuffer) async throws(StoreError) {
    let limit = store.settings.maximumMessageBytes
    try taken.withLock { taken throws(StoreError) in
      guard taken.failure == nil else { return }
      taken.size += bytes.readableBytes
      guard taken.size <= limit else {
        taken.failure = .messageTooLarge(limit: limit)
        taken.bytes = ByteBuffer()
        throw .messageTooLarge(limit: limit)
      }
      taken.bytes.writeImmutableBuffer(bytes)
    }
  }

  func finish() async throws(StoreError) -> any PreparedMessage {
    let (bytes, _, failure) = taken.withLock { $0 }
    if let failure { throw failure }
    return try await store.read { _ in MemoryPrepared(bytes) }
  }

  func discard() async {
    taken.withLock {
      $0.failure = $0.failure ?? .shuttingDown
      $0.bytes = ByteBuffer()
    }
  }
}

final class MemoryPrepared: PreparedMessage {
  let bytes: ByteBuffer
  let summary: MessageSummary

  init(_ bytes: ByteBuffer) {
    self.bytes = bytes
    summary = MessageSummary.make(bytes.readableBytesSpan)
  }

  var size: Int { bytes.readableBytes }

  /// Its own and those it refers to, newest first, each once.
  var identifiers: [String] {
    var result: [String] = []
    for identifier in [summary.messageID].compactMap({ $0 }) + summary.references.reversed()
    where result.count < MemoryBounds.threadReferences && !result.contains(identifier) { result.append(identifier) }
    return result
  }
}
