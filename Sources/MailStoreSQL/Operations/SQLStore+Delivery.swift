import BlobStore
public import MailStore
import NIOCore

extension SQLStore {
  public func newIncomingMessage() -> any IncomingMessage {
    IncomingSQLMessage(
      packs: packs, pool: preparers, freeSpace: freeSpace, limit: settings.maximumMessageBytes)
  }

  public func checkQuota(of account: AccountID, adding size: Int) async throws(StoreError) {
    let published = try await published(account)
    let limits = QuotaLimits(of: directory.account(account.rawValue), default: settings.defaultQuota)
    try limits.check(published.usage, addingBytes: Int64(size), messages: 1)
    // Asking the file system may block, so a reader's thread does it; once a second at most.
    if freeSpace.isStale {
      try await readers.run { [freeSpace] _ throws(StoreError) in try freeSpace.check(Int64(size)) }
    } else {
      try freeSpace.check(Int64(size))
    }
  }

  public func deliver(
    _ message: any PreparedMessage, to targets: [DeliveryTarget], date: InternalDate
  ) async -> [Result<Delivered, StoreError>] {
    guard !targets.isEmpty else { return [] }
    do throws(StoreError) {
      let message = try Self.own(message)
      return try await writer.write { transaction throws(StoreError) in
        try transaction.deliver(message, to: targets, date: date)
      }
    } catch {
      return targets.map { _ in .failure(error) }
    }
  }

  /// One hop to a thread of the preparing pool and back: where nobody writes just then, that thread commits as well.
  public func deliver(
    finishing message: any IncomingMessage, to targets: [DeliveryTarget], date: InternalDate
  ) async throws(StoreError) -> [Result<Delivered, StoreError>] {
    guard let message = message as? IncomingSQLMessage, !targets.isEmpty else {
      return await deliver(try await message.finish(), to: targets, date: date)
    }
    try message.checkWhole()
    let result: Result<[Result<Delivered, StoreError>], StoreError> = await withUnsafeContinuation { continuation in
      let accepted = preparers.submit { [writer] _ in
        do throws(StoreError) {
          let job = DeliveryJob(try message.prepare(), to: targets, date: date, continuation)
          if !writer.carryOut(job) { job.finish(.shuttingDown) }
        } catch {
          continuation.resume(returning: .failure(error))
        }
      }
      if !accepted { continuation.resume(returning: .failure(.shuttingDown)) }
    }
    return try result.get()
  }

  public func append(
    _ messages: [AppendedMessage], to mailbox: String, of account: AccountID, ignoringQuota: Bool
  ) async throws(StoreError) -> AssignedUIDs {
    var own: [PreparedSQLMessage] = []
    for message in messages { own.append(try Self.own(message.message)) }
    let prepared = own
    return try await writer.write { transaction throws(StoreError) in
      try transaction.append(messages, prepared, to: mailbox, of: account, ignoringQuota: ignoringQuota)
    }
  }

  public func replace(
    _ uid: UID, in ref: MailboxRef, with message: AppendedMessage, to mailbox: String
  ) async throws(StoreError) -> AssignedUIDs {
    let prepared = try Self.own(message.message)
    return try await writer.write { transaction throws(StoreError) in
      try transaction.replace(uid, in: ref, with: message, prepared, to: mailbox)
    }
  }

  static func own(_ message: any PreparedMessage) throws(StoreError) -> PreparedSQLMessage {
    guard let message = message as? PreparedSQLMessage else {
      throw .database(message: "the message was prepared by another store")
    }
    return message
  }
}

extension Transaction {
  /// Each target stands or falls alone; the bytes are written once for those that stand.
  func deliver(
    _ message: PreparedSQLMessage, to targets: [DeliveryTarget], date: InternalDate
  ) throws(StoreError) -> [Result<Delivered, StoreError>] {
    try freeSpace.take(Int64(message.size))
    let blob = nextBlob
    var owners: [FrameOwner] = []
    var results: [Result<Delivered, StoreError>] = []
    for target in targets {
      do throws(StoreError) {
        let delivered = try deliverOne(message, to: target, date: date, blob: blob)
        owners.append(try owner(delivered, date: date, trace: target.trace))
        results.append(.success(delivered))
      } catch {
        // Whatever is the user's doing is found before anything is written (see `deliverOne`), so there is nothing to
        // take back; everything else ends the whole job.
        guard error.isUsers else { throw error }
        results.append(.failure(error))
      }
    }
    if !owners.isEmpty { _ = addBlob(message.blob, owners: owners) }
    return results
  }

  private func deliverOne(
    _ message: PreparedSQLMessage, to target: DeliveryTarget, date: InternalDate, blob: Int64
  ) throws(StoreError) -> Delivered {
    let account = try account(target.account)
    let mailbox = try place(target.folder, in: account)
    guard target.trace.readableBytes <= StoreLimits.traceBytes else {
      throw .messageTooLarge(limit: StoreLimits.traceBytes)
    }
    // RFC822.SIZE counts what FETCH and RETR send, and they send the trace as well.
    let size = Int64(message.size + target.trace.readableBytes)
    try charge(account, bytes: size, messages: 1)
    // From here on nothing is the user's fault.
    let content = try insertContent(message, trace: target.trace, blob: blob, account: account)
    let row = NewMessage(
      flags: [], date: date, size: size, content: content, instance: nextInstance(account))
    let uid = try insert(row, into: mailbox, of: account)
    return Delivered(ref: account.ref(mailbox), uid: uid)
  }

  /// The folder of a sub-address where there is such a mailbox, else INBOX.
  private func place(_ folder: String?, in account: AccountBox) throws(StoreError) -> MailboxBox {
    if let folder, let mailbox = account.mailbox(named: Names.canonical(folder)), mailbox.state.isSelectable {
      return mailbox
    }
    guard let inbox = account.mailbox(named: Names.inbox) else { throw .noSuchMailbox(Names.inbox) }
    return inbox
  }

  /// What the frame says of the message, for the day the database is gone.
  private func owner(_ delivered: Delivered, date: InternalDate, trace: ByteBuffer) throws(StoreError) -> FrameOwner {
    let (account, mailbox) = try mailbox(delivered.ref)
    return FrameOwner(
      account: account.id, accountName: directory.account(account.id)?.name ?? "", mailbox: mailbox.state.id,
      mailboxName: mailbox.state.name, uid: delivered.uid, uidValidity: mailbox.state.uidValidity,
      internalSeconds: date.seconds, zoneMinutes: date.zoneMinutes, trace: trace)
  }

  /// All or nothing (RFC 3502 §6.3.11).
  func append(
    _ messages: [AppendedMessage], _ prepared: [PreparedSQLMessage], to name: String, of id: AccountID,
    ignoringQuota: Bool = false
  ) throws(StoreError) -> AssignedUIDs {
    let account = try account(id)
    let mailbox = try target(name, in: account)
    return try append(messages, prepared, to: mailbox, of: account, ignoringQuota: ignoringQuota)
  }

  /// Both or neither (RFC 8508 §3.4): what is thrown takes the whole job back.
  func replace(
    _ uid: UID, in ref: MailboxRef, with message: AppendedMessage, _ prepared: PreparedSQLMessage, to name: String
  ) throws(StoreError) -> AssignedUIDs {
    let (account, source) = try mailbox(ref)
    let target = try target(name, in: account)
    let before = account.counters.bytes
    guard try !remove([uid...uid], from: source, of: account, onlyDeleted: false).isEmpty else { throw .expunged(uid) }
    let removed = before - account.counters.bytes
    try checkNet(account, bytes: Int64(prepared.size) - removed, usage: before)
    return try append([message], [prepared], to: target, of: account, ignoringQuota: true)
  }

  func append(
    _ messages: [AppendedMessage], _ prepared: [PreparedSQLMessage], to mailbox: MailboxBox, of account: AccountBox,
    ignoringQuota: Bool
  ) throws(StoreError) -> AssignedUIDs {
    try freeSpace.take(prepared.reduce(0) { $0 + Int64($1.size) })
    var uids: [UID] = []
    try charge(
      account, bytes: prepared.reduce(0) { $0 + Int64($1.size) }, messages: Int64(prepared.count),
      ignoringLimits: ignoringQuota)
    try checkUIDLs(messages.compactMap(\.uidl), of: account)
    for (message, prepared) in zip(messages, prepared) {
      let keywords = try keywordBits(message.keywords, in: mailbox, of: account, adding: true)
      let date = message.date ?? InternalDate(seconds: now)
      let content = try insertContent(prepared, trace: ByteBuffer(), blob: nextBlob, account: account)
      let row = NewMessage(
        flags: message.flags, keywords: keywords, date: date, size: Int64(prepared.size), content: content,
        instance: nextInstance(account), uidl: message.uidl, uid: message.uid)
      let uid = try insert(row, into: mailbox, of: account)
      let delivered = Delivered(ref: account.ref(mailbox), uid: uid)
      _ = addBlob(prepared.blob, owners: [try owner(delivered, date: date, trace: ByteBuffer())])
      uids.append(uid)
    }
    return AssignedUIDs(
      destination: MailboxID(mailbox.state.id), uidValidity: mailbox.state.uidValidity, assigned: uids)
  }
}

extension StoreError {
  /// True for what the caller may have done wrong, false for what went wrong here.
  var isUsers: Bool {
    switch self {
    case .corrupt, .io, .database, .shuttingDown: false
    default: true
    }
  }
}
