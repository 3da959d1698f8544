import MailStore
import Synchronization

/// When each account logged in last, for LOGIN-DELAY (RFC 2449 §6.5). Shared by all listeners of a server.
public final class LoginDelays: Sendable {
  private struct State {
    var last: [AccountID: Int64] = [:]
    /// The table is swept when it has grown to this.
    var sweepAt = 1024
  }
  private let state = Mutex(State())

  public init() {}

  /// Whether the account's last login is `delay` seconds old or older. A clock that was set back locks nobody out.
  func admits(_ account: AccountID, now: Int64, delay: Int) -> Bool {
    guard delay > 0, let last = state.withLock({ $0.last[account] }) else { return true }
    return now - last >= Int64(delay) || now < last
  }

  /// The account was told +OK: its delay begins (RFC 2449 §6.5).
  func note(_ account: AccountID, now: Int64, delay: Int) {
    guard delay > 0 else { return }
    state.withLock { state in
      state.last[account] = now
      if state.last.count >= state.sweepAt {
        state.last = state.last.filter { now - $0.value < Int64(delay) }
        state.sweepAt = max(1024, state.last.count * 2)
      }
    }
  }
}
