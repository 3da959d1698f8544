import MailStore
import NIOCore
import Synchronization

/// One POP3 session for each account (RFC 1939 §4). Shared by all listeners of a server.
///
/// A holder that has been silent for long gives way to a session that asks: a client that lost its network must not keep
/// its owner out until the idle time-out.
public final class MaildropLocks: Sendable {
  private let holders = Mutex<[AccountID: MaildropLease]>([:])

  public init() {}

  /// Nil: another session has it. `evict` is called, from any thread, when the lease is taken away.
  func acquire(
    _ account: AccountID, silence: TimeAmount, evict: @escaping @Sendable () -> Void
  ) -> MaildropLease? {
    let lease = MaildropLease(account: account, evict: evict)
    let (granted, evicted) = holders.withLock { holders in
      if let holder = holders[account] {
        guard holder.revoke(ifSilentFor: silence) else { return (false, MaildropLease?.none) }
        holders[account] = lease
        return (true, holder)
      }
      holders[account] = lease
      return (true, nil)
    }
    evicted?.evict()
    return granted ? lease : nil
  }

  func release(_ lease: MaildropLease) {
    holders.withLock { holders in
      if holders[lease.account] === lease { holders[lease.account] = nil }
    }
  }
}

/// The right to be the one session of an account.
final class MaildropLease: Sendable {
  private enum State { case held(lastSeen: NIODeadline), updating, revoked }

  let account: AccountID
  let evict: @Sendable () -> Void
  private let state = Mutex<State>(.held(lastSeen: .now()))

  init(account: AccountID, evict: @escaping @Sendable () -> Void) {
    self.account = account
    self.evict = evict
  }

  /// The client was heard of, or took what was sent to it.
  func touch() {
    state.withLock { if case .held = $0 { $0 = .held(lastSeen: .now()) } }
  }

  /// From here on the lease cannot be taken away. False: it was already.
  func beginUpdate() -> Bool {
    state.withLock { state in
      if case .revoked = state { return false }
      state = .updating
      return true
    }
  }

  func revoke(ifSilentFor silence: TimeAmount) -> Bool {
    state.withLock { state in
      guard case .held(let lastSeen) = state, NIODeadline.now() - lastSeen >= silence else { return false }
      state = .revoked
      return true
    }
  }
}
