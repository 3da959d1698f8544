import MailStore
import Synchronization

/// The accounts as of the last commit. Only the writer's thread changes it, after its commit.
final class DirectoryCache: Sendable {
  private struct State {
    var byID: [Int64: Account] = [:]
    var byName: [String: Int64] = [:]
  }
  private let state = Mutex(State())

  func account(named name: String) -> Account? {
    state.withLock { state in state.byName[Names.account(name)].flatMap { state.byID[$0] } }
  }

  func account(_ id: Int64) -> Account? { state.withLock { $0.byID[id] } }

  func all() -> [Account] {
    state.withLock { Array($0.byID.values) }.sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
  }

  func set(_ account: Account) {
    state.withLock { state in
      if let old = state.byID[account.id.rawValue] { state.byName[old.name] = nil }
      state.byID[account.id.rawValue] = account
      state.byName[account.name] = account.id.rawValue
    }
  }

  func remove(_ id: Int64) {
    state.withLock { state in
      if let old = state.byID.removeValue(forKey: id) { state.byName[old.name] = nil }
    }
  }
}
