/// Does long work on the common pool: `await offLoop { await scan() }`.
///
/// A session's task prefers its event loop, and with it runs there what is `@concurrent` as well (SE-0417): calling such a
/// function does not leave the loop, this does. The pool has a thread for each core: work that takes more than about a
/// millisecond gives way between its parts (`Task.yield()`).
public func offLoop<Value: Sendable, Failure: Error>(
  _ work: @concurrent @Sendable () async throws(Failure) -> Value
) async throws(Failure) -> Value {
  try await withTaskExecutorPreference(globalConcurrentExecutor) { () async throws(Failure) -> Value in try await work()
  }
}
