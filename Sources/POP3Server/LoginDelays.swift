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

  /// True, and the login counts, when the account's last one is `delay` seconds old or older.
  func admit(_ account: AccountID, now: Int64, delay: Int) -> Bool {
    guard delay > 0 else { return true }
    return state.withLock { state in
      if let last = state.last[account], now - last < Int64(delay), now >= last { return false }
      state.last[account] = now
      if state.last.count >= state.sweepAt {
        state.last = state.last.filter { now - $0.value < Int64(delay) }
        state.sweepAt = max(1024, state.last.count * 2)
      }
      return true
    }
  }
}
