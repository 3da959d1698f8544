public import MailStore
import NIOCore
import Synchronization

extension FakeStoreState {
  /// The keyword names of each of these messages, ready for another mailbox.
  func keywordNames(of messages: [FakeMessage], in mailbox: FakeMailbox) -> [[String]] {
    messages.map { mailbox.names(of: $0.keywords) }
  }

  func mailbox(_ ref: MailboxRef) throws(StoreError) -> FakeMailbox {
    let entry = try account(ref.account)
    guard let index = entry.index(of: ref.mailbox) else { throw .mailboxGone }
    return entry.mailboxes[index]
  }

  func destination(_ name: String, of account: AccountID) throws(StoreError) -> FakeMailbox {
    let entry = try self.account(account)
    guard let index = entry.index(named: name) else { throw .noSuchMailbox(name) }
    guard entry.mailboxes[index].isSelectable else { throw .notSelectable(name) }
    return entry.mailboxes[index]
  }

  @discardableResult
  mutating func moveMessages(_ uids: [UID], from source: MailboxRef, to target: MailboxRef) throws(StoreError) -> (
    source: [UID], assigned: [UID]
  ) {
    let wanted = Set(uids)
    let from = try mailbox(source)
    let messages = from.messages.filter { wanted.contains($0.uid) }
    let names = keywordNames(of: messages, in: from)
    let moved = messages.map { message in
      var message = message
      message.uid = 0
      return message
    }
    let assigned = try insert(moved, keywordNames: names, into: target)
    _ = try remove(Set(messages.map(\.uid)), from: source)
    return (messages.map(\.uid), assigned)
  }
}

extension FakeStore {
  public func newIncomingMessage() -> any IncomingMessage { FakeIncoming(store: self) }

  public func checkQuota(of account: AccountID, adding size: Int) async throws(StoreError) {
    let defaults = defaultQuota
    try await transaction(.quota) { state throws(StoreError) in
      try state.checkRoom(in: try state.account(account), bytes: size, messages: 1, defaults: defaults)
    }
  }

  public func deliver(_ message: any PreparedMessage, to targets: [DeliveryTarget], date: InternalDate) async
    -> [Result<Delivered, StoreError>]
  {
    guard let prepared = message as? FakePrepared else {
      return targets.map { _ in .failure(.corrupt(what: "a message of another store")) }
    }
    let defaults = defaultQuota
    let saved = now()
    var results: [Result<Delivered, StoreError>] = []
    for target in targets {
      do throws(StoreError) {
        let delivered = try await transaction(.deliver) { state throws(StoreError) in
          let entry = try state.account(target.account)
          let wanted = target.folder.flatMap { entry.index(named: $0) }.flatMap { index in
            entry.mailboxes[index].isSelectable ? index : nil
          }
          guard let index = wanted ?? entry.index(named: "INBOX") else { throw .noSuchMailbox("INBOX") }
          let size = target.trace.readableBytes + prepared.size
          try state.checkRoom(in: entry, bytes: size, messages: 1, defaults: defaults)
          let ref = MailboxRef(account: target.account, mailbox: entry.mailboxes[index].id)
          let new = FakeMessage(
            uid: 0, modSeq: 0, flags: [], keywords: 0, content: prepared.content, trace: target.trace, date: date,
            saveDate: saved, uidl: "")
          let uids = try state.insert([new], keywordNames: [[]], into: ref)
          return Delivered(ref: ref, uid: uids.first ?? 0)
        }
        results.append(.success(delivered))
      } catch {
        results.append(.failure(error))
      }
    }
    return results
  }

  public func append(
    _ messages: [AppendedMessage], to mailbox: String, of account: AccountID, ignoringQuota: Bool
  ) async throws(StoreError) -> AssignedUIDs {
    let defaults = defaultQuota
    let saved = now()
    return try await transaction(.append) { state throws(StoreError) in
      let target = try state.destination(mailbox, of: account)
      let bytes = messages.reduce(0) { $0 + $1.message.size }
      if !ignoringQuota {
        try state.checkRoom(in: try state.account(account), bytes: bytes, messages: messages.count, defaults: defaults)
      }
      try state.checkUIDLs(messages.compactMap(\.uidl), of: account)
      var new: [FakeMessage] = []
      for message in messages {
        guard let prepared = message.message as? FakePrepared else {
          throw .corrupt(what: "a message of another store")
        }
        new.append(
          FakeMessage(
            uid: message.uid ?? 0, modSeq: 0, flags: message.flags, keywords: 0, content: prepared.content,
            trace: ByteBuffer(), date: message.date ?? InternalDate(seconds: saved), saveDate: saved,
            uidl: message.uidl ?? ""))
      }
      let uids = try state.insert(
        new, keywordNames: messages.map(\.keywords), into: MailboxRef(account: account, mailbox: target.id))
      return AssignedUIDs(destination: target.id, uidValidity: target.uidValidity, assigned: uids)
    }
  }

  public func changeFlags(_ change: FlagChange, of uids: [UID], in ref: MailboxRef) async throws(StoreError)
    -> FlagOutcome
  {
    try await transaction { state throws(StoreError) in
      try state.change(ref) { (mailbox, account) throws(StoreError) -> (FlagOutcome, ModSeq) in
        let names = mailbox.keywords
        let bits = try mailbox.bits(for: change.keywords)
        let modSeq = account.modSeq + 1
        var outcome = FlagOutcome(modSeq: 0)
        for uid in uids {
          guard let index = mailbox.messages.firstIndex(where: { $0.uid == uid }) else {
            outcome.missing.append(uid)
            continue
          }
          let old = mailbox.messages[index]
          var new = old
          switch change.mode {
          case .add:
            new.flags.formUnion(change.flags)
            new.keywords |= bits
          case .remove:
            new.flags.subtract(change.flags)
            new.keywords &= ~bits
          case .replace:
            new.flags = change.flags
            new.keywords = bits
          }
          guard new.flags != old.flags || new.keywords != old.keywords else { continue }
          new.modSeq = modSeq
          mailbox.messages[index] = new
          outcome.modSeq = modSeq
        }
        if outcome.modSeq > 0 { account.modSeq = modSeq } else { mailbox.keywords = names }
        return (outcome, outcome.modSeq)
      }
    }
  }

  public func copy(_ uids: [UID], from ref: MailboxRef, to name: String) async throws(StoreError) -> AssignedUIDs {
    let defaults = defaultQuota
    let saved = now()
    return try await transaction(.append) { state throws(StoreError) in
      let source = try state.mailbox(ref)
      let target = try state.destination(name, of: ref.account)
      let wanted = Set(uids)
      let messages = source.messages.filter { wanted.contains($0.uid) }
      let bytes = messages.reduce(0) { $0 + $1.size }
      try state.checkRoom(
        in: try state.account(ref.account), bytes: bytes, messages: messages.count, defaults: defaults)
      let copies = messages.map { message in
        var copy = message
        copy.uid = 0
        copy.uidl = ""
        copy.saveDate = saved
        copy.retrievedAt = nil
        return copy
      }
      let assigned = try state.insert(
        copies, keywordNames: state.keywordNames(of: messages, in: source),
        into: MailboxRef(account: ref.account, mailbox: target.id))
      return AssignedUIDs(
        destination: target.id, uidValidity: target.uidValidity, source: messages.map(\.uid), assigned: assigned)
    }
  }

  public func move(_ uids: [UID], from ref: MailboxRef, to name: String) async throws(StoreError) -> AssignedUIDs {
    try await transaction(.append) { state throws(StoreError) in
      let target = try state.destination(name, of: ref.account)
      let (source, assigned) = try state.moveMessages(
        uids, from: ref, to: MailboxRef(account: ref.account, mailbox: target.id))
      return AssignedUIDs(
        destination: target.id, uidValidity: target.uidValidity, source: source, assigned: assigned)
    }
  }

  public func expunge(_ uids: [UID]?, in ref: MailboxRef) async throws(StoreError) -> [UID] {
    try await transaction(.delete) { state throws(StoreError) in
      let wanted = uids.map { Set($0) }
      let gone = try state.mailbox(ref).messages.filter { message in
        message.flags.contains(.deleted) && wanted?.contains(message.uid) ?? true
      }
      return try state.remove(Set(gone.map(\.uid)), from: ref)
    }
  }

  public func visit(
    _ ref: MailboxRef, _ uids: ArraySlice<UID>, needs: ContentNeeds,
    _ visitor: @escaping @Sendable (any MessageRow) throws(StoreError) -> VisitControl
  ) async throws(StoreError) -> Int {
    let messages = try await transaction(.visit) { state throws(StoreError) in
      let mailbox = try state.mailbox(ref)
      return uids.map { mailbox.message($0) }
    }
    return try await Self.walk(messages) { _, row throws(StoreError) in try visitor(row) }
  }

  @concurrent
  static func walk(
    _ messages: [FakeMessage?], _ visitor: @Sendable (Int, any MessageRow) throws(StoreError) -> VisitControl
  ) async throws(StoreError) -> Int {
    var done = 0
    for (index, message) in messages.enumerated() {
      if let message {
        switch try visitor(index, FakeRow(message)) {
        case .next: break
        case .stop: return done + 1
        case .stopBefore: return done
        }
      }
      done += 1
    }
    return done
  }

  public func openMessage(_ uid: UID, in ref: MailboxRef) async throws(StoreError) -> (any MessageReader)? {
    try await transaction(.read) { state throws(StoreError) in
      try state.mailbox(ref).message(uid).map { FakeReader(store: self, message: $0) }
    }
  }
}

final class FakeIncoming: IncomingMessage {
  let store: FakeStore
  private let taken = Mutex<(bytes: ByteBuffer, isOver: Bool)>((ByteBuffer(), false))

  init(store: FakeStore) { self.store = store }

  var size: Int {
    get async { taken.withLock { $0.bytes.readableBytes } }
  }

  func append(_ bytes: ByteBuffer) async throws(StoreError) {
    _ = try await store.transaction(.spool) { _ in 0 }
    let limit = store.maxMessageBytes
    let isTooLarge = taken.withLock { taken in
      guard !taken.isOver else { return false }
      var bytes = bytes
      taken.bytes.writeBuffer(&bytes)
      guard taken.bytes.readableBytes > limit else { return false }
      taken.isOver = true
      taken.bytes = ByteBuffer()
      return true
    }
    if isTooLarge { throw .messageTooLarge(limit: limit) }
  }

  func finish() async throws(StoreError) -> any PreparedMessage {
    let (bytes, isOver) = taken.withLock { ($0.bytes, $0.isOver) }
    if isOver { throw .messageTooLarge(limit: store.maxMessageBytes) }
    return try await store.transaction(.spool) { state in
      let number = state.nextContent
      state.nextContent += 1
      return FakePrepared(FakeContent(bytes: bytes, emailID: "E\(number)"))
    }
  }

  func discard() async { taken.withLock { $0 = (ByteBuffer(), true) } }
}

final class FakePrepared: PreparedMessage {
  let content: FakeContent
  init(_ content: FakeContent) { self.content = content }
  var size: Int { content.bytes.readableBytes }
}
