import Synchronization

/// Opens once; whoever waits goes through.
final class Latch: Sendable {
  private struct State {
    var result: Result<Void, any Error>?
    var waiters: [CheckedContinuation<Void, any Error>] = []
  }
  private let state = Mutex(State())

  func open(_ result: Result<Void, any Error>) {
    let waiters = state.withLock { state in
      guard state.result == nil else { return [CheckedContinuation<Void, any Error>]() }
      state.result = result
      defer { state.waiters = [] }
      return state.waiters
    }
    for waiter in waiters { waiter.resume(with: result) }
  }

  func wait() async throws {
    try await withCheckedThrowingContinuation { (waiter: CheckedContinuation<Void, any Error>) in
      let result = state.withLock { state in
        if state.result == nil { state.waiters.append(waiter) }
        return state.result
      }
      if let result { waiter.resume(with: result) }
    }
  }
}
