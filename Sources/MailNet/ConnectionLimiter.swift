import Synchronization

/// Counts connections in total, per address and per account. One may be shared by several listeners.
public final class ConnectionLimiter: Sendable {
  public enum Refusal: Sendable, Hashable { case total, address }

  public let limits: ConnectionLimits

  private struct Counts {
    var total = 0
    var addresses: [PeerAddress.LimitKey: Int] = [:]
    var accounts: [Int64: Int] = [:]
  }
  private let counts = Mutex(Counts())

  public init(_ limits: ConnectionLimits) {
    self.limits = limits
  }

  /// Nil: counted, and `release(_:)` must follow. Otherwise the limit that stands against it, and nothing is counted.
  public func acquire(_ peer: PeerAddress) -> Refusal? {
    counts.withLock { counts in
      guard counts.total < limits.total else { return .total }
      if countsAddress(peer) {
        let count = counts.addresses[peer.limitKey, default: 0]
        guard count < limits.perAddress else { return .address }
        counts.addresses[peer.limitKey] = count + 1
      }
      counts.total += 1
      return nil
    }
  }

  public func release(_ peer: PeerAddress) {
    counts.withLock { counts in
      counts.total -= 1
      if countsAddress(peer) { Self.decrement(&counts.addresses, peer.limitKey) }
    }
  }

  private func countsAddress(_ peer: PeerAddress) -> Bool {
    !peer.isUnixSocket && !(limits.exemptsLoopback && peer.isLoopback)
  }

  /// Counts a logged-in connection of the account unless it has `limit` already. `release(account:)` must follow a true.
  public func acquire(account: Int64, limit: Int) -> Bool {
    counts.withLock { counts in
      let count = counts.accounts[account, default: 0]
      guard count < limit else { return false }
      counts.accounts[account] = count + 1
      return true
    }
  }

  public func release(account: Int64) {
    counts.withLock { Self.decrement(&$0.accounts, account) }
  }

  /// Connections now open.
  public var total: Int { counts.withLock { $0.total } }
  public func count(of peer: PeerAddress) -> Int { counts.withLock { $0.addresses[peer.limitKey, default: 0] } }
  public func count(account: Int64) -> Int { counts.withLock { $0.accounts[account, default: 0] } }

  private static func decrement<Key: Hashable>(_ table: inout [Key: Int], _ key: Key) {
    guard let count = table[key] else { return }
    table[key] = count > 1 ? count - 1 : nil
  }
}
