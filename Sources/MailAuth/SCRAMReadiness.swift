import MailStore
import SASL
import Synchronization

/// Which accounts can't be served by SCRAM yet. A SCRAM mechanism is offered while there are none: a client that picks it
/// doesn't fall back to PLAIN when it fails.
final class SCRAMReadiness: Sendable {
  private struct State {
    var isKnown = false
    var lacking: [SCRAMHash: Set<AccountID>] = [:]
  }
  private let state = Mutex(State())

  func serves(_ hash: SCRAMHash) -> Bool {
    state.withLock { $0.isKnown && $0.lacking[hash, default: []].isEmpty }
  }

  /// Counts anew. Disabled accounts and those without a password can't log in anyway.
  func replace(by accounts: [Account]) {
    var lacking: [SCRAMHash: Set<AccountID>] = [:]
    for account in accounts where account.isEnabled && !account.credentials.isEmpty {
      let credentials = try? Credentials(stored: account.credentials)
      for hash in SCRAMHash.allCases where credentials?.keys(for: hash) == nil {
        lacking[hash, default: []].insert(account.id)
      }
    }
    state.withLock { $0 = State(isKnown: true, lacking: lacking) }
  }

  /// The account has got both keys.
  func upgraded(_ account: AccountID) {
    state.withLock { state in
      for hash in SCRAMHash.allCases { state.lacking[hash]?.remove(account) }
    }
  }
}
