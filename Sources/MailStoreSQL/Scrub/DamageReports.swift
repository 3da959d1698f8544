import BlobStore
import Synchronization

/// Damage that readers meet. They serve others meanwhile; the upkeep's thread marks and names it.
final class DamageReports: Sendable {
  private struct State {
    var waiting: [BlobLocation] = []
    /// Told already in this process.
    var known: Set<BlobLocation> = []
    var wake: (@Sendable () -> Void)?
  }
  private let state = Mutex(State())

  /// Called for every report, from any thread.
  func onReport(_ wake: @escaping @Sendable () -> Void) { state.withLock { $0.wake = wake } }

  func add(_ location: BlobLocation) {
    let wake = state.withLock { state -> (@Sendable () -> Void)? in
      guard state.known.count < StoreLimits.namedProblems, state.known.insert(location).inserted else { return nil }
      state.waiting.append(location)
      return state.wake
    }
    wake?()
  }

  /// The next one who meets it tells of it again.
  func forget(_ location: BlobLocation) { state.withLock { _ = $0.known.remove(location) } }

  func take() -> [BlobLocation] {
    state.withLock { state in
      defer { state.waiting = [] }
      return state.waiting
    }
  }
}
