public import MailStore
import MailStoreMemory

extension FakeStore {
  public func accessList(of ref: MailboxRef) async throws(StoreError) -> [AccessEntry] {
    try await inner.accessList(of: ref)
  }

  public func changeAccess(_ change: AccessChange, of ref: MailboxRef) async throws(StoreError) {
    try await inner.changeAccess(change, of: ref)
  }

  public func rights(of viewer: AccountID, in ref: MailboxRef) -> MailboxRights { inner.rights(of: viewer, in: ref) }

  public func sharedMailboxes(
    with viewer: AccountID, of owner: AccountID?
  ) async throws(StoreError) -> [SharedMailbox] {
    try await inner.sharedMailboxes(with: viewer, of: owner)
  }

  public func mailbox(_ ref: MailboxRef, as viewer: AccountID) async throws(StoreError) -> MailboxInfo? {
    try await inner.mailbox(ref, as: viewer)
  }

  public func openMailbox(
    _ ref: MailboxRef, as viewer: AccountID, onChange: @escaping @Sendable () -> Void
  ) async throws(StoreError) -> any OpenMailbox {
    try await inner.openMailbox(ref, as: viewer, onChange: onChange)
  }

  public func changeFlags(
    _ change: FlagChange, of uids: [UID], in ref: MailboxRef, as viewer: AccountID
  ) async throws(StoreError) -> FlagOutcome {
    try await inner.changeFlags(change, of: uids, in: ref, as: viewer)
  }

  public func append(
    _ messages: [AppendedMessage], to target: MailboxRef, replacing replaced: ReplacedRef?, as viewer: AccountID
  ) async throws(StoreError) -> AssignedUIDs {
    try await pass(.append)
    return try await inner.append(messages, to: target, replacing: replaced, as: viewer)
  }

  public func transfer(
    _ uids: [UID], from ref: MailboxRef, to target: MailboxRef, moving: Bool, _ scope: FlagScope, as viewer: AccountID
  ) async throws(StoreError) -> AssignedUIDs {
    try await pass(.append)
    return try await inner.transfer(uids, from: ref, to: target, moving: moving, scope, as: viewer)
  }

  public func setSubscribed(
    _ subscribed: Bool, toShared name: String, of account: AccountID
  ) async throws(StoreError) {
    try await inner.setSubscribed(subscribed, toShared: name, of: account)
  }

  public func annotations(
    of account: AccountID, as viewer: AccountID
  ) async throws(StoreError) -> [MailboxID?: [Annotation]] {
    try await inner.annotations(of: account, as: viewer)
  }

  public func setAnnotations(
    _ changes: [AnnotationChange], in mailbox: MailboxID?, of account: AccountID, as viewer: AccountID,
    limits: AnnotationLimits, by authors: [WatchID]
  ) async throws(StoreError) -> Bool {
    try await inner.setAnnotations(changes, in: mailbox, of: account, as: viewer, limits: limits, by: authors)
  }

  public func serverAnnotations() async throws(StoreError) -> [Annotation] { try await inner.serverAnnotations() }

  public func setServerAnnotations(
    _ changes: [AnnotationChange], limits: AnnotationLimits
  ) async throws(StoreError) -> Bool {
    try await inner.setServerAnnotations(changes, limits: limits)
  }
}
