public import MailStore

/// The calls of a store that change nothing.
public protocol StoreReading: AnyObject, Sendable {
  func quota() async throws(StoreError) -> (usage: QuotaUsage, limits: QuotaLimits)
  func mailboxes() async throws(StoreError) -> [MailboxInfo]
  /// UIDs in ascending order.
  func uids(of mailbox: String) async throws(StoreError) -> (ref: MailboxRef, uids: [UID])
  func visit(
    _ ref: MailboxRef, _ uids: ArraySlice<UID>, needs: ContentNeeds,
    _ visitor: @escaping @Sendable (any MessageRow) throws(StoreError) -> VisitControl
  ) async throws(StoreError) -> Int
}

/// One account of a `MailStore`, of which only the reading calls can be reached. Mailboxes are opened as EXAMINE does:
/// `\Recent` stays unclaimed.
final class ReadOnlyStore: StoreReading {
  private let store: any MailStore
  private let account: AccountID

  init(_ store: any MailStore, _ account: AccountID) {
    self.store = store
    self.account = account
  }

  func quota() async throws(StoreError) -> (usage: QuotaUsage, limits: QuotaLimits) {
    try await store.quota(of: account)
  }

  func mailboxes() async throws(StoreError) -> [MailboxInfo] { try await store.mailboxes(of: account).mailboxes }

  func uids(of mailbox: String) async throws(StoreError) -> (ref: MailboxRef, uids: [UID]) {
    let open = try await store.openMailbox(mailbox, of: account) {}
    defer { open.close() }
    var uids: [UID] = []
    if let snapshot = open.current { snapshot.forEach(in: 0..<snapshot.count) { uids.append($1.uid) } }
    return (open.ref, uids)
  }

  func visit(
    _ ref: MailboxRef, _ uids: ArraySlice<UID>, needs: ContentNeeds,
    _ visitor: @escaping @Sendable (any MessageRow) throws(StoreError) -> VisitControl
  ) async throws(StoreError) -> Int {
    try await store.visit(ref, uids, needs: needs, visitor)
  }
}
