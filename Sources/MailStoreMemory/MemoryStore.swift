public import MailStore
import Synchronization

/// The store's contract in memory, in the plainest code that is right: the oracle that other engines are compared with,
/// and the store under tests and benchmarks of protocol rooms.
///
/// One lock, one value. A call works on a copy of the value and puts it back if nothing was thrown, so that every call is
/// all or nothing without further thought. Calls leave the caller's executor, as those of an engine with a disk do.
public final class MemoryStore: MailStore {
  /// What is left when a store is closed, as a folder on a disk would be: give it to the next one.
  public final class Disk: Sendable {
    let state = Mutex(MemoryState())
    public init() {}
  }

  public struct Settings: Sendable {
    /// Holds for accounts whose own bound is nil.
    public var defaultQuota: QuotaLimits
    /// Octets of one message without trace headers.
    public var maximumMessageBytes: Int
    /// Days that an expunged message's bytes are kept. 0: until the next compaction.
    public var expungedRetentionDays: Int
    /// A defect on purpose: how a test shows that the simulation finds one.
    public var fault: MemoryFault?
    /// Seconds since 1970.
    public var now: @Sendable () -> Int64

    public init(
      defaultQuota: QuotaLimits = QuotaLimits(), maximumMessageBytes: Int = 100 << 20, expungedRetentionDays: Int = 0,
      fault: MemoryFault? = nil, now: @escaping @Sendable () -> Int64 = { 1_790_000_000 }
    ) {
      self.defaultQuota = defaultQuota
      self.maximumMessageBytes = maximumMessageBytes
      self.expungedRetentionDays = expungedRetentionDays
      self.fault = fault
      self.now = now
    }
  }

  /// What a store holds only while it is open.
  struct Openings {
    /// Sessions of each mailbox, in the order in which they opened it.
    var sessions: [MailboxRef: [MemorySlot]] = [:]
    var watches: [AccountID: [MemoryWatchSlot]] = [:]
    /// For each open maildrop, its account and the MODSEQ at its opening.
    var pins: [ObjectIdentifier: (account: AccountID, modSeq: ModSeq)] = [:]
    var isClosed = false
  }

  public let settings: Settings
  let disk: Disk
  let openings = Mutex(Openings())

  public init(_ settings: Settings = Settings(), disk: Disk = Disk()) {
    self.settings = settings
    self.disk = disk
  }

  func checkOpen() throws(StoreError) {
    if openings.withLock({ $0.isClosed }) { throw .shuttingDown }
  }

  /// A look at the state, off the caller's executor.
  func read<Value: Sendable>(
    _ body: @Sendable (MemoryState) throws(StoreError) -> Value
  ) async throws(StoreError) -> Value {
    try await Self.elsewhere { () async throws(StoreError) -> Value in
      try self.checkOpen()
      return try self.disk.state.withLock { state throws(StoreError) in try body(state) }
    }
  }

  /// One transaction. Sessions of the mailboxes it changed are told when it is done and the lock is free.
  func write<Value: Sendable>(
    _ body: @Sendable (inout MemoryState) throws(StoreError) -> Value
  ) async throws(StoreError) -> Value {
    try await Self.elsewhere { () async throws(StoreError) -> Value in try self.transact(body) }
  }

  /// On the common pool, also for a task that prefers an event loop: a session on that loop is told of a change before the
  /// one that made it goes on, as in a store that has threads of its own.
  private static func elsewhere<Value: Sendable>(
    _ work: @concurrent @Sendable () async throws(StoreError) -> Value
  ) async throws(StoreError) -> Value {
    try await withTaskExecutorPreference(globalConcurrentExecutor) { () async throws(StoreError) -> Value in
      try await work()
    }
  }

  private func transact<Value: Sendable>(
    _ body: @Sendable (inout MemoryState) throws(StoreError) -> Value
  ) throws(StoreError) -> Value {
    try checkOpen()
    let (value, touched, changes) = try disk.state.withLock { state throws(StoreError) in
      var working = state
      working.begin(self.settings)
      let value = try body(&working)
      let touched = working.finish()
      let watched = self.openings.withLock { Array($0.watches.keys) }
      let changes = watched.map { id in
        var change = MemoryAccountChange(
          from: state.accounts[id], to: working.accounts[id], touched: touched.filter { $0.account == id },
          annotated: working.annotated)
        change.rights = { [working] ref in
          working.accounts[ref.account]?.mailboxes[ref.mailbox]?.access.rights(of: id) ?? []
        }
        change.isShared = state.shared(with: id) != working.shared(with: id)
        return (id, change)
      }
      state = working
      return (value, touched, changes)
    }
    let slots = openings.withLock { openings in touched.flatMap { openings.sessions[$0] ?? [] } }
    for slot in slots { slot.tell() }
    for (id, change) in changes {
      for slot in openings.withLock({ $0.watches[id] ?? [] }) { slot.tell(change) }
    }
    return value
  }

  public func close() async { openings.withLock { $0.isClosed = true } }
}

/// What `MemoryStore` can be told to do wrong.
public enum MemoryFault: String, Sendable, Hashable, CaseIterable {
  /// STORE leaves the MODSEQ of the messages as it was.
  case storeKeepsModSeq
  /// When the last message is expunged, its UID is given again.
  case uidReused
  /// What COPY adds is not charged.
  case copyUncharged
  /// DELETE of a mailbox keeps its messages counted.
  case deleteKeepsCharge
  /// MOVE gives a new UIDL.
  case moveChangesUIDL
  /// What MOVE took away is not remembered as gone.
  case moveUnlogged
  /// COPY loses keywords.
  case copyLosesKeywords
  /// A message is `\Recent` to every session that looks.
  case recentForAll
  /// UID EXPUNGE removes what is marked and not named as well.
  case expungeIgnoresUIDs
  /// A deleted mailbox comes back under its old UIDVALIDITY.
  case uidValidityReused
  /// RESETKEY of a mailbox that has an access key leaves it.
  case resetKeepsKey
  /// An annotation that is set to NIL stays.
  case annotationStays
}
