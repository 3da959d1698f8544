import BlobStore
import Synchronization

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// The real disk, whose syncs of files wait until the test lets them go.
final class HeldFileSystem: PassingFileSystem {
  private struct State {
    var isHolding = false
    /// Syncs that may pass though all are held.
    var passes = 0
    var waiting = 0
  }

  private let state = Mutex(State())

  func hold() { state.withLock { $0.isHolding = true } }
  func letOneGo() { state.withLock { $0.passes += 1 } }
  func release() { state.withLock { $0.isHolding = false } }

  /// Until so many syncs are held.
  func waitUntilHeld(_ count: Int) async throws {
    while state.withLock({ $0.waiting < count }) { try await Task.sleep(for: .milliseconds(2)) }
  }

  func before(_ call: FileCall, _ path: String) {
    guard call == .sync else { return }
    state.withLock { $0.waiting += 1 }
    while true {
      let mayPass = state.withLock { state in
        guard state.isHolding else { return true }
        guard state.passes > 0 else { return false }
        state.passes -= 1
        return true
      }
      if mayPass { break }
      usleep(1000)
    }
    state.withLock { $0.waiting -= 1 }
  }
}
