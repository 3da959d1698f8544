public import MailStore
import MailStoreMemory
import Synchronization

/// Calls that a test can make fail.
public enum FakeFault: String, Sendable, Hashable, CaseIterable {
  case account, quota, deliver, append, openMaildrop, list, delete, read, visit, markRetrieved, spool, expire
}

/// `MemoryStore` with calls that fail when a test says so: what the servers are tested against.
public final class FakeStore: MailStore {
  let inner: MemoryStore
  private let faults = Mutex<[FakeFault: StoreError]>([:])
  let maildrops = Mutex(0)
  /// While it is closed, maildrops have their totals and not their messages.
  public let listing = Gate()
  private let readCount = Mutex(0)
  private let held = Mutex<[FakeFault: [CheckedContinuation<Void, Never>]]>([:])

  public init(
    defaultQuota: QuotaLimits = QuotaLimits(), maxMessageBytes: Int = 100 << 20,
    now: @escaping @Sendable () -> Int64 = { 1_790_000_000 }
  ) {
    inner = MemoryStore(
      MemoryStore.Settings(defaultQuota: defaultQuota, maximumMessageBytes: maxMessageBytes, now: now))
  }

  /// Maildrops opened and not closed; a second `close` of one makes it wrong for good.
  public var openMaildrops: Int { maildrops.withLock { $0 } }

  /// How often octets of opened messages were read.
  public var reads: Int { readCount.withLock { $0 } }
  func read() { readCount.withLock { $0 += 1 } }

  /// Makes a kind of call fail until `heal`.
  public func fail(_ fault: FakeFault, with error: StoreError = .io(operation: "write", path: "fake", errno: 5)) {
    faults.withLock { $0[fault] = error }
  }

  public func heal(_ fault: FakeFault) { faults.withLock { $0[fault] = nil } }

  /// Makes calls of a kind wait until `release`: those that append, copy, move, expunge and visit.
  public func hold(_ fault: FakeFault) { held.withLock { $0[fault] = [] } }

  public func release(_ fault: FakeFault) {
    for waiter in held.withLock({ $0.removeValue(forKey: fault) }) ?? [] { waiter.resume() }
  }

  /// `check`, behind whoever holds it up.
  func pass(_ fault: FakeFault) async throws(StoreError) {
    await withCheckedContinuation { waiter in
      let isHeld = held.withLock { held in
        guard held[fault] != nil else { return false }
        held[fault]?.append(waiter)
        return true
      }
      if !isHeld { waiter.resume() }
    }
    try check(fault)
  }

  func check(_ fault: FakeFault) throws(StoreError) {
    if let error = faults.withLock({ $0[fault] }) { throw error }
  }

  public func close() async { await inner.close() }
}

// MARK: Directory and upkeep

extension FakeStore {
  public func account(named name: String) async throws(StoreError) -> Account? {
    try check(.account)
    return try await inner.account(named: name)
  }

  public func account(_ id: AccountID) async throws(StoreError) -> Account? {
    try check(.account)
    return try await inner.account(id)
  }

  public func accounts() async throws(StoreError) -> [Account] {
    try check(.account)
    return try await inner.accounts()
  }

  public func addAccount(_ account: NewAccount) async throws(StoreError) -> Account {
    try check(.account)
    return try await inner.addAccount(account)
  }

  public func updateAccount(_ id: AccountID, _ change: AccountChange) async throws(StoreError) -> Account {
    try check(.account)
    return try await inner.updateAccount(id, change)
  }

  public func removeAccount(_ id: AccountID) async throws(StoreError) {
    try check(.account)
    try await inner.removeAccount(id)
  }

  public func quota(of id: AccountID) async throws(StoreError) -> (usage: QuotaUsage, limits: QuotaLimits) {
    try check(.quota)
    return try await inner.quota(of: id)
  }

  public func checkQuota(of account: AccountID, adding size: Int) async throws(StoreError) {
    try check(.quota)
    try await inner.checkQuota(of: account, adding: size)
  }

  public func expireRetrieved(of account: AccountID?, now: Int64) async throws(StoreError) -> Int {
    try check(.expire)
    return try await inner.expireRetrieved(of: account, now: now)
  }

  public func compact() async throws(StoreError) -> CompactionReport { try await inner.compact() }
  public func check() async throws(StoreError) -> CheckReport { try await inner.check() }
}
