import MailStore
import NIOCore
import Synchronization

/// The directory half of a store, in memory. Everything about mail throws.
final class FakeDirectory: MailStore {
  struct State {
    var accounts: [AccountID: Account] = [:]
    var next: Int64 = 1
    var failing = false
    var lookups = 0
    var updates = 0
  }
  private let state = Mutex(State())

  var now: State { state.withLock { $0 } }
  func setFailing(_ failing: Bool) { state.withLock { $0.failing = failing } }

  @discardableResult
  func add(_ name: String, credentials: String, isEnabled: Bool = true) -> Account {
    state.withLock { state in
      let account = Account(
        id: AccountID(state.next), name: name, isEnabled: isEnabled, credentials: credentials)
      state.next += 1
      state.accounts[account.id] = account
      return account
    }
  }

  private func read<Value>(_ body: (State) -> Value) throws(StoreError) -> Value {
    let (failing, value) = state.withLock { state in
      state.lookups += 1
      return (state.failing, body(state))
    }
    if failing { throw StoreError.database(message: "the disk is on fire") }
    return value
  }

  func account(named name: String) async throws(StoreError) -> Account? {
    try read { state in state.accounts.values.first { $0.name == name.lowercased() } }
  }
  func account(_ id: AccountID) async throws(StoreError) -> Account? { try read { $0.accounts[id] } }
  func accounts() async throws(StoreError) -> [Account] {
    try read { $0.accounts.values.sorted { $0.name < $1.name } }
  }
  func addAccount(_ account: NewAccount) async throws(StoreError) -> Account {
    add(account.name, credentials: account.credentials)
  }
  func updateAccount(_ id: AccountID, _ change: AccountChange) async throws(StoreError) -> Account {
    guard let account = try read({ $0.accounts[id] }) else { throw .noSuchAccount("\(id)") }
    return state.withLock { state in
      var account = account
      if let generation = change.onlyIfGeneration, generation != account.credentialsGeneration { return account }
      state.updates += 1
      if let enabled = change.isEnabled { account.isEnabled = enabled }
      if let credentials = change.credentials {
        account.credentials = credentials
        account.credentialsGeneration += 1
      }
      state.accounts[id] = account
      return account
    }
  }
  func removeAccount(_ id: AccountID) async throws(StoreError) { state.withLock { $0.accounts[id] = nil } }

  // MARK: Not here

  private static let absent = StoreError.database(message: "not in this store")

  func quota(of id: AccountID) async throws(StoreError) -> (usage: QuotaUsage, limits: QuotaLimits) {
    throw Self.absent
  }
  func mailboxes(of account: AccountID) async throws(StoreError) -> MailboxListing { throw Self.absent }
  func mailbox(named name: String, of account: AccountID) async throws(StoreError) -> MailboxInfo? {
    throw Self.absent
  }
  func createMailbox(_ name: String, of account: AccountID, specialUse: SpecialUse?) async throws(StoreError)
    -> MailboxInfo
  { throw Self.absent }
  func deleteMailbox(_ name: String, of account: AccountID) async throws(StoreError) { throw Self.absent }
  func renameMailbox(_ name: String, to newName: String, of account: AccountID) async throws(StoreError) {
    throw Self.absent
  }
  func setSubscribed(_ subscribed: Bool, _ name: String, of account: AccountID) async throws(StoreError) {
    throw Self.absent
  }
  func openMailbox(
    _ name: String, of account: AccountID, onChange: @escaping @Sendable () -> Void
  ) async throws(StoreError) -> any OpenMailbox { throw Self.absent }
  func watch(
    _ account: AccountID, onChange: @escaping @Sendable () -> Void
  ) async throws(StoreError) -> any AccountWatch { throw Self.absent }
  func newIncomingMessage() -> any IncomingMessage { preconditionFailure("no mail in this store") }
  func checkQuota(of account: AccountID, adding size: Int) async throws(StoreError) { throw Self.absent }
  func deliver(_ message: any PreparedMessage, to targets: [DeliveryTarget], date: InternalDate) async
    -> [Result<Delivered, StoreError>]
  { targets.map { _ in .failure(Self.absent) } }
  func append(
    _ messages: [AppendedMessage], to mailbox: String, of account: AccountID, ignoringQuota: Bool
  ) async throws(StoreError) -> AssignedUIDs { throw Self.absent }
  func accessKey(_ use: AccessKeyUse, of ref: MailboxRef) async throws(StoreError) -> [UInt8]? { throw Self.absent }
  func removeAccessKeys(of account: AccountID) async throws(StoreError) { throw Self.absent }
  func replace(
    _ uid: UID, in ref: MailboxRef, with message: AppendedMessage, to mailbox: String
  ) async throws(StoreError) -> AssignedUIDs { throw Self.absent }
  func prepareImport(_ mailbox: ImportedMailbox, of account: AccountID) async throws(StoreError) -> MailboxInfo {
    throw Self.absent
  }
  func changeFlags(_ change: FlagChange, of uids: [UID], in ref: MailboxRef) async throws(StoreError)
    -> FlagOutcome
  { throw Self.absent }
  func copy(_ uids: [UID], from ref: MailboxRef, to name: String) async throws(StoreError) -> AssignedUIDs {
    throw Self.absent
  }
  func move(_ uids: [UID], from ref: MailboxRef, to name: String) async throws(StoreError) -> AssignedUIDs {
    throw Self.absent
  }
  func expunge(_ uids: [UID]?, in ref: MailboxRef) async throws(StoreError) -> [UID] { throw Self.absent }
  func vanished(_ range: ClosedRange<UID>, since modSeq: ModSeq, in ref: MailboxRef) async throws(StoreError)
    -> [UID]?
  { throw Self.absent }
  func visit(
    _ ref: MailboxRef, _ uids: ArraySlice<UID>, needs: ContentNeeds,
    _ visitor: @escaping @Sendable (any MessageRow) throws(StoreError) -> VisitControl
  ) async throws(StoreError) -> Int { throw Self.absent }
  func openMessage(_ uid: UID, in ref: MailboxRef) async throws(StoreError) -> (any MessageReader)? {
    throw Self.absent
  }
  func beginMaildrop(of account: AccountID) async throws(StoreError) -> any Maildrop { throw Self.absent }
  func expireRetrieved(of account: AccountID?, now: Int64) async throws(StoreError) -> Int { throw Self.absent }
  func compact() async throws(StoreError) -> CompactionReport { throw Self.absent }
  func check() async throws(StoreError) -> CheckReport { throw Self.absent }
  func close() async {}
}
