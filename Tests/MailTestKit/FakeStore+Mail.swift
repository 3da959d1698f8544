public import MailStore
import MailStoreMemory
import NIOCore
import Synchronization

// MARK: Mailboxes

extension FakeStore {
  public func mailboxes(of account: AccountID) async throws(StoreError) -> MailboxListing {
    try await inner.mailboxes(of: account)
  }

  public func mailbox(named name: String, of account: AccountID) async throws(StoreError) -> MailboxInfo? {
    try await inner.mailbox(named: name, of: account)
  }

  public func createMailbox(
    _ name: String, of account: AccountID, specialUse: SpecialUse?
  ) async throws(StoreError) -> MailboxInfo {
    try await inner.createMailbox(name, of: account, specialUse: specialUse)
  }

  public func deleteMailbox(_ name: String, of account: AccountID) async throws(StoreError) {
    try await inner.deleteMailbox(name, of: account)
  }

  public func renameMailbox(_ name: String, to newName: String, of account: AccountID) async throws(StoreError) {
    try await inner.renameMailbox(name, to: newName, of: account)
  }

  public func setSubscribed(_ subscribed: Bool, _ name: String, of account: AccountID) async throws(StoreError) {
    try await inner.setSubscribed(subscribed, name, of: account)
  }

  public func openMailbox(
    _ name: String, of account: AccountID, onChange: @escaping @Sendable () -> Void
  ) async throws(StoreError) -> any OpenMailbox {
    try await inner.openMailbox(name, of: account, onChange: onChange)
  }

  public func watch(
    _ account: AccountID, onChange: @escaping @Sendable () -> Void
  ) async throws(StoreError) -> any AccountWatch {
    try await inner.watch(account, onChange: onChange)
  }

  public func prepareImport(
    _ mailbox: ImportedMailbox, of account: AccountID
  ) async throws(StoreError) -> MailboxInfo {
    try await inner.prepareImport(mailbox, of: account)
  }
}

// MARK: Messages

extension FakeStore {
  public func newIncomingMessage() -> any IncomingMessage {
    FakeIncoming(store: self, inner: inner.newIncomingMessage())
  }

  public func deliver(_ message: any PreparedMessage, to targets: [DeliveryTarget], date: InternalDate) async
    -> [Result<Delivered, StoreError>]
  {
    do throws(StoreError) { try check(.deliver) } catch { return targets.map { _ in .failure(error) } }
    return await inner.deliver(message, to: targets, date: date)
  }

  public func append(
    _ messages: [AppendedMessage], to mailbox: String, of account: AccountID, ignoringQuota: Bool
  ) async throws(StoreError) -> AssignedUIDs {
    try await pass(.append)
    return try await inner.append(messages, to: mailbox, of: account, ignoringQuota: ignoringQuota)
  }

  public func replace(
    _ uid: UID, in ref: MailboxRef, with message: AppendedMessage, to mailbox: String
  ) async throws(StoreError) -> AssignedUIDs {
    try check(.append)
    return try await inner.replace(uid, in: ref, with: message, to: mailbox)
  }

  public func changeFlags(
    _ change: FlagChange, of uids: [UID], in ref: MailboxRef
  ) async throws(StoreError) -> FlagOutcome {
    try await inner.changeFlags(change, of: uids, in: ref)
  }

  public func copy(_ uids: [UID], from ref: MailboxRef, to name: String) async throws(StoreError) -> AssignedUIDs {
    try await pass(.append)
    return try await inner.copy(uids, from: ref, to: name)
  }

  public func move(_ uids: [UID], from ref: MailboxRef, to name: String) async throws(StoreError) -> AssignedUIDs {
    try await pass(.append)
    return try await inner.move(uids, from: ref, to: name)
  }

  public func expunge(_ uids: [UID]?, in ref: MailboxRef) async throws(StoreError) -> [UID] {
    try await pass(.delete)
    return try await inner.expunge(uids, in: ref)
  }

  public func vanished(
    _ range: ClosedRange<UID>, since modSeq: ModSeq, in ref: MailboxRef
  ) async throws(StoreError) -> [UID]? {
    try await inner.vanished(range, since: modSeq, in: ref)
  }

  public func accessKey(_ use: AccessKeyUse, of ref: MailboxRef) async throws(StoreError) -> [UInt8]? {
    try await inner.accessKey(use, of: ref)
  }

  public func removeAccessKeys(of account: AccountID) async throws(StoreError) {
    try await inner.removeAccessKeys(of: account)
  }

  public func visit(
    _ ref: MailboxRef, _ uids: ArraySlice<UID>, needs: ContentNeeds,
    _ visitor: @escaping @Sendable (any MessageRow) throws(StoreError) -> VisitControl
  ) async throws(StoreError) -> Int {
    try await pass(.visit)
    return try await inner.visit(ref, uids, needs: needs, visitor)
  }

  public func openMessage(_ uid: UID, in ref: MailboxRef) async throws(StoreError) -> (any MessageReader)? {
    try check(.read)
    return try await inner.openMessage(uid, in: ref).map { FakeReader(store: self, inner: $0) }
  }

  public func beginMaildrop(of account: AccountID) async throws(StoreError) -> any Maildrop {
    try check(.openMaildrop)
    let drop = try await inner.beginMaildrop(of: account)
    maildrops.withLock { $0 += 1 }
    return FakeMaildrop(store: self, inner: drop)
  }
}

private final class FakeIncoming: IncomingMessage {
  private let store: FakeStore
  private let inner: any IncomingMessage

  init(store: FakeStore, inner: any IncomingMessage) {
    self.store = store
    self.inner = inner
  }

  var size: Int {
    get async { await inner.size }
  }

  func append(_ bytes: ByteBuffer) async throws(StoreError) {
    try store.check(.spool)
    try await inner.append(bytes)
  }

  func finish() async throws(StoreError) -> any PreparedMessage {
    try store.check(.spool)
    return try await inner.finish()
  }

  func discard() async { await inner.discard() }
}
