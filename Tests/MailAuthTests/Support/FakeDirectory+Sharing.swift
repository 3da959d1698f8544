import MailStore

/// Nothing is shared here.
extension FakeDirectory {
  private static let unshared = StoreError.database(message: "not in this store")

  func accessList(of ref: MailboxRef) async throws(StoreError) -> [AccessEntry] { throw Self.unshared }
  func changeAccess(_ change: AccessChange, of ref: MailboxRef) async throws(StoreError) { throw Self.unshared }
  func rights(of viewer: AccountID, in ref: MailboxRef) -> MailboxRights { [] }
  func sharedMailboxes(with viewer: AccountID, of owner: AccountID?) async throws(StoreError) -> [SharedMailbox] {
    throw Self.unshared
  }
  func mailbox(_ ref: MailboxRef, as viewer: AccountID) async throws(StoreError) -> MailboxInfo? {
    throw Self.unshared
  }
  func openMailbox(
    _ ref: MailboxRef, as viewer: AccountID, onChange: @escaping @Sendable () -> Void
  ) async throws(StoreError) -> any OpenMailbox { throw Self.unshared }
  func changeFlags(
    _ change: FlagChange, of uids: [UID], in ref: MailboxRef, as viewer: AccountID
  ) async throws(StoreError) -> FlagOutcome { throw Self.unshared }
  func append(
    _ messages: [AppendedMessage], to target: MailboxRef, replacing replaced: ReplacedRef?, as viewer: AccountID
  ) async throws(StoreError) -> AssignedUIDs { throw Self.unshared }
  func transfer(
    _ uids: [UID], from ref: MailboxRef, to target: MailboxRef, moving: Bool, _ scope: FlagScope, as viewer: AccountID
  ) async throws(StoreError) -> AssignedUIDs { throw Self.unshared }
  func setSubscribed(_ subscribed: Bool, toShared name: String, of account: AccountID) async throws(StoreError) {
    throw Self.unshared
  }
  func annotations(
    of account: AccountID, as viewer: AccountID
  ) async throws(StoreError) -> [MailboxID?: [Annotation]] { throw Self.unshared }
  func setAnnotations(
    _ changes: [AnnotationChange], in mailbox: MailboxID?, of account: AccountID, as viewer: AccountID,
    limits: AnnotationLimits, by authors: [WatchID]
  ) async throws(StoreError) -> Bool { throw Self.unshared }
  func serverAnnotations() async throws(StoreError) -> [Annotation] { throw Self.unshared }
  func setServerAnnotations(
    _ changes: [AnnotationChange], limits: AnnotationLimits
  ) async throws(StoreError) -> Bool { throw Self.unshared }
}
