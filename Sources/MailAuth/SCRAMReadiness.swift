import MailStore
import SASL
import Synchronization

/// What the accounts' stored passwords are like, taken together.
///
/// Which accounts can't be served by SCRAM yet: a SCRAM mechanism is offered while there are none, as a client that picks
/// it doesn't fall back to PLAIN when it fails. And how those who are told nothing can be made to look like the others:
/// what to compute for a name without an account, and what to show of keys it hasn't got.
final class SCRAMReadiness: Sendable {
  private struct State {
    var isKnown = false
    var lacking: [SCRAMHash: Set<AccountID>] = [:]
    /// One of each kind in use, to be verified where the outcome doesn't matter.
    var standIns: [PasswordWork: Credentials]
    var decoy: SCRAMDecoy
  }
  private let state: Mutex<State>
  private let nobody: [PasswordWork: Credentials]

  /// - Parameter nobody: verified while no account has a password.
  init(nobody: Credentials, decoy: SCRAMDecoy) {
    self.nobody = nobody.work.map { [$0: nobody.standIn] } ?? [:]
    state = Mutex(State(standIns: self.nobody, decoy: decoy))
  }

  func serves(_ hash: SCRAMHash) -> Bool {
    state.withLock { $0.isKnown && $0.lacking[hash, default: []].isEmpty }
  }

  var decoy: SCRAMDecoy { state.withLock { $0.decoy } }

  /// Every kind of work that a wrong password of some account costs.
  var standIns: [PasswordWork: Credentials] { state.withLock { $0.standIns } }

  /// Counts anew. Disabled accounts and those without a password can't log in anyway, but a wrong password takes its time
  /// there as well.
  func replace(by accounts: [Account]) {
    var lacking: [SCRAMHash: Set<AccountID>] = [:]
    var standIns: [PasswordWork: Credentials] = [:]
    var shapes: [SCRAMHash: [SCRAMShape: Int]] = [:]
    for account in accounts where !account.credentials.isEmpty {
      let credentials = try? Credentials(stored: account.credentials)
      if let credentials, let work = credentials.work, standIns[work] == nil { standIns[work] = credentials.standIn }
      for hash in SCRAMHash.allCases {
        if let keys = credentials?.keys(for: hash) {
          shapes[hash, default: [:]][SCRAMShape(keys), default: 0] += 1
        } else if account.isEnabled {
          lacking[hash, default: []].insert(account.id)
        }
      }
    }
    state.withLock { state in
      state = State(
        isKnown: true, lacking: lacking, standIns: standIns.isEmpty ? nobody : standIns,
        decoy: state.decoy.with(shapes: shapes))
    }
  }

  /// The account has got both keys. Its old kind of work is done on until the next count, which does no harm.
  func upgraded(_ account: AccountID, _ credentials: Credentials) {
    state.withLock { state in
      for hash in SCRAMHash.allCases { state.lacking[hash]?.remove(account) }
      if let work = credentials.work, state.standIns[work] == nil { state.standIns[work] = credentials.standIn }
    }
  }
}
