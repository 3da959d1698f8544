public import MailStore
import Synchronization

/// The store's contract in memory, in the plainest code: what the servers are tested against. Every call leaves the
/// caller's executor, as the real store does, so that sessions meet the same interleavings.
public final class FakeStore: MailStore {
  let state = Mutex(FakeStoreState())
  let maildrops = Mutex(0)
  let defaultQuota: QuotaLimits
  let maxMessageBytes: Int
  /// Seconds since 1970.
  let now: @Sendable () -> Int64

  public init(
    defaultQuota: QuotaLimits = QuotaLimits(), maxMessageBytes: Int = 100 << 20,
    now: @escaping @Sendable () -> Int64 = { 1_790_000_000 }
  ) {
    self.defaultQuota = defaultQuota
    self.maxMessageBytes = maxMessageBytes
    self.now = now
  }

  /// Maildrops opened and not closed; a second `close` of one makes it wrong for good.
  public var openMaildrops: Int { maildrops.withLock { $0 } }

  // MARK: Faults

  /// Makes a kind of call fail until `heal`.
  public func fail(_ fault: FakeFault, with error: StoreError = .io(operation: "write", path: "fake", errno: 5)) {
    state.withLock { $0.faults[fault] = error }
  }

  public func heal(_ fault: FakeFault) {
    state.withLock { $0.faults[fault] = nil }
  }

  /// One transaction: off the caller's executor, under the lock, listeners called after it.
  @concurrent
  func transaction<Value: Sendable>(
    _ fault: FakeFault? = nil, _ body: @Sendable (inout FakeStoreState) throws(StoreError) -> Value
  ) async throws(StoreError) -> Value {
    try transactionNow(fault, body)
  }

  func transactionNow<Value: Sendable>(
    _ fault: FakeFault?, _ body: (inout FakeStoreState) throws(StoreError) -> Value
  ) throws(StoreError) -> Value {
    let (outcome, notify) = state.withLock { state in
      var working = state
      let outcome: Result<Value, StoreError>
      do throws(StoreError) {
        try working.check(fault)
        outcome = .success(try body(&working))
      } catch {
        return (Result<Value, StoreError>.failure(error), [@Sendable () -> Void]())
      }
      let notify = working.notify
      working.notify = []
      state = working
      return (outcome, notify)
    }
    for listener in notify { listener() }
    return try outcome.get()
  }

  // MARK: Directory

  public func account(named name: String) async throws(StoreError) -> Account? {
    let wanted = name.lowercased()
    return try await transaction(.account) { state in
      state.accounts.values.first { $0.account.name == wanted }?.account
    }
  }

  public func account(_ id: AccountID) async throws(StoreError) -> Account? {
    try await transaction(.account) { $0.accounts[id]?.account }
  }

  public func accounts() async throws(StoreError) -> [Account] {
    try await transaction(.account) { state in
      state.accounts.values.map(\.account).sorted { $0.name < $1.name }
    }
  }

  public func addAccount(_ new: NewAccount) async throws(StoreError) -> Account {
    let name = new.name.lowercased()
    let created = now()
    return try await transaction(.account) { state throws(StoreError) in
      if name.isEmpty || name.contains(" ") { throw .invalidAccountName(new.name, reason: "empty or with a space") }
      if state.accounts.values.contains(where: { $0.account.name == name }) { throw .accountExists(name) }
      let id = AccountID(state.nextAccount)
      state.nextAccount += 1
      var account = FakeAccount(
        account: Account(
          id: id, name: name, credentials: new.credentials, quota: new.quota, pop3Expire: new.pop3Expire,
          created: created))
      let uses: [(String, SpecialUse?)] = [
        ("INBOX", nil), ("Archive", .archive), ("Drafts", .drafts), ("Junk", .junk), ("Sent", .sent), ("Trash", .trash),
      ]
      for (name, use) in uses {
        state.addMailbox(name, to: &account)
        if let index = account.index(named: name) {
          account.mailboxes[index].specialUse = use
          account.mailboxes[index].isSubscribed = true
        }
      }
      state.accounts[id] = account
      return account.account
    }
  }

  public func updateAccount(_ id: AccountID, _ change: AccountChange) async throws(StoreError) -> Account {
    try await transaction(.account) { state throws(StoreError) in
      var entry = try state.account(id)
      if let generation = change.onlyIfGeneration, generation != entry.account.credentialsGeneration {
        return entry.account
      }
      if let name = change.name { entry.account.name = name.lowercased() }
      if let isEnabled = change.isEnabled { entry.account.isEnabled = isEnabled }
      if let credentials = change.credentials {
        entry.account.credentials = credentials
        entry.account.credentialsGeneration += 1
      }
      if let quota = change.quota { entry.account.quota = quota }
      if let expire = change.pop3Expire { entry.account.pop3Expire = expire }
      state.accounts[id] = entry
      return entry.account
    }
  }

  public func removeAccount(_ id: AccountID) async throws(StoreError) {
    try await transaction(.account) { state throws(StoreError) in
      let entry = try state.account(id)
      state.accounts[id] = nil
      for mailbox in entry.mailboxes { state.notify.append(contentsOf: mailbox.listeners.values) }
    }
  }

  public func quota(of id: AccountID) async throws(StoreError) -> (usage: QuotaUsage, limits: QuotaLimits) {
    let defaults = defaultQuota
    return try await transaction(.quota) { state throws(StoreError) in
      let entry = try state.account(id)
      let quota = entry.account.quota
      return (
        entry.usage,
        QuotaLimits(bytes: quota.bytes ?? defaults.bytes, messages: quota.messages ?? defaults.messages)
      )
    }
  }

  // MARK: Upkeep

  public func expireRetrieved(of account: AccountID?, now: Int64) async throws(StoreError) -> Int {
    try await transaction(.expire) { state throws(StoreError) in
      var count = 0
      for (id, entry) in state.accounts where account == nil || id == account {
        guard case .days(let days) = entry.account.pop3Expire, let inbox = entry.index(named: "INBOX") else { continue }
        let old = entry.mailboxes[inbox].messages.filter { message in
          message.retrievedAt.map { $0 + Int64(days) * 86_400 <= now } ?? false
        }
        let ref = MailboxRef(account: id, mailbox: entry.mailboxes[inbox].id)
        count += try state.remove(Set(old.map(\.uid)), from: ref).count
      }
      return count
    }
  }

  public func compact() async throws(StoreError) -> CompactionReport {
    try await transaction { state in
      var report = CompactionReport()
      for id in state.accounts.keys {
        for index in state.accounts[id]?.mailboxes.indices ?? 0..<0 {
          report.purgedMessages += state.accounts[id]?.mailboxes[index].expunged.count ?? 0
          state.accounts[id]?.mailboxes[index].expunged = [:]
        }
      }
      return report
    }
  }

  public func check() async throws(StoreError) -> CheckReport {
    try await transaction { state in
      CheckReport(
        accounts: state.accounts.count, mailboxes: state.accounts.values.reduce(0) { $0 + $1.mailboxes.count },
        messages: state.accounts.values.reduce(0) { $0 + Int($1.usage.messages) })
    }
  }

  public func close() async {
    state.withLock { $0.isClosed = true }
  }
}
