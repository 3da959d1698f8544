import Crypto
import FoundationEssentials
import Synchronization

/// Remembers which passwords were verified a while ago, so that a client that logs in every minute doesn't cost a key
/// derivation each time. It holds no password, only HMACs under a key that lives as long as the process.
///
/// It answers "this very password was right for this generation of this account's credentials" and nothing else:
/// whether the account may log in now, and every limit, is for the caller to check.
public final class LoginCache: Sendable {
  fileprivate struct Entry {
    var generation: Int64
    var tag: [UInt8]
    var expires: ContinuousClock.Instant
  }

  /// Two generations of entries: what is used moves to `young`; when that is full, `old` is forgotten.
  fileprivate struct State {
    var young: [Int64: Entry] = [:]
    var old: [Int64: Entry] = [:]
  }

  private let key = SymmetricKey(size: .bits256)
  private let capacity: Int
  private let lifetime: Duration
  private let now: @Sendable () -> ContinuousClock.Instant
  private let state = Mutex(State())

  /// - Parameters:
  ///   - capacity: accounts remembered, about; at most this many.
  ///   - lifetime: how long a verified password is taken without being verified again.
  public init(
    capacity: Int = 20_000, lifetime: Duration = .seconds(3600),
    now: @escaping @Sendable () -> ContinuousClock.Instant = { ContinuousClock.now }
  ) {
    self.capacity = max(capacity, 2)
    self.lifetime = lifetime
    self.now = now
  }

  /// Whether `password` was verified for `account` at this `generation` of its credentials and not too long ago.
  public func contains(account: Int64, generation: Int64, password: [UInt8]) -> Bool {
    let tag = tag(account, generation, password)
    let time = now()
    return state.withLock { state in
      guard let entry = state.young[account] ?? state.old[account] else { return false }
      guard entry.generation == generation, entry.expires > time else {
        state.forget(account)
        return false
      }
      guard ConstantTime.equal(entry.tag, tag) else { return false }
      state.keep(account, entry, capacity: capacity)
      return true
    }
  }

  /// Notes that `password` has just been verified.
  public func remember(account: Int64, generation: Int64, password: [UInt8]) {
    let entry = Entry(
      generation: generation, tag: tag(account, generation, password), expires: now().advanced(by: lifetime))
    state.withLock { $0.keep(account, entry, capacity: capacity) }
  }

  /// Forgets an account: its password was changed, or it was removed or disabled.
  public func invalidate(account: Int64) {
    state.withLock { $0.forget(account) }
  }

  public func removeAll() {
    state.withLock { $0 = State() }
  }

  /// Accounts remembered now.
  public var count: Int {
    state.withLock { $0.young.count + $0.old.count }
  }

  private func tag(_ account: Int64, _ generation: Int64, _ password: [UInt8]) -> [UInt8] {
    var code = HMAC<SHA256>(key: key)
    withUnsafeBytes(of: account.littleEndian) { code.update(data: Array($0)) }
    withUnsafeBytes(of: generation.littleEndian) { code.update(data: Array($0)) }
    code.update(data: password)
    return Array(code.finalize())
  }
}

extension LoginCache.State {
  fileprivate mutating func forget(_ account: Int64) {
    young[account] = nil
    old[account] = nil
  }

  fileprivate mutating func keep(_ account: Int64, _ entry: LoginCache.Entry, capacity: Int) {
    old[account] = nil
    if young[account] == nil, young.count >= capacity / 2 {
      old = young
      young = [:]
    }
    young[account] = entry
  }
}
