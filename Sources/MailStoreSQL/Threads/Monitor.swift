#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// A value guarded by a lock, with a condition to wait on. For the store's own threads only: an event loop or a task of
/// the pool must never wait here.
///
/// `@unchecked`: `state` is reached only while `mutex` is held, and the pthread objects live at fixed addresses from
/// `init` to `deinit`.
final class Monitor<State: ~Copyable>: @unchecked Sendable {
  private let mutex: UnsafeMutablePointer<pthread_mutex_t>
  private let condition: UnsafeMutablePointer<pthread_cond_t>
  private var state: State

  init(_ state: consuming State) {
    self.state = state
    mutex = .allocate(capacity: 1)
    mutex.initialize(to: pthread_mutex_t())
    pthread_mutex_init(mutex, nil)
    condition = .allocate(capacity: 1)
    condition.initialize(to: pthread_cond_t())
    #if canImport(Glibc)
      // Waiting with a time-out must not depend on the date, which may jump.
      var attributes = pthread_condattr_t()
      pthread_condattr_init(&attributes)
      pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
      pthread_cond_init(condition, &attributes)
      pthread_condattr_destroy(&attributes)
    #else
      pthread_cond_init(condition, nil)
    #endif
  }

  private static var clock: clockid_t {
    #if canImport(Glibc)
      CLOCK_MONOTONIC
    #else
      CLOCK_REALTIME
    #endif
  }

  deinit {
    pthread_cond_destroy(condition)
    pthread_mutex_destroy(mutex)
    condition.deallocate()
    mutex.deallocate()
  }

  func withLock<Result, Failure: Error>(
    _ body: (inout State) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    pthread_mutex_lock(mutex)
    defer { pthread_mutex_unlock(mutex) }
    return try body(&state)
  }

  // Who is woken wants the lock next: it is let go of first, or the waiter wakes only to wait once more. It may be
  // done and let go of the monitor before the wake-up has returned; the caller holds the monitor too, and until then.

  /// Changes the state and wakes one waiter.
  func signal(_ body: (inout State) -> Void) {
    pthread_mutex_lock(mutex)
    body(&state)
    pthread_mutex_unlock(mutex)
    withExtendedLifetime(self) { _ = pthread_cond_signal(condition) }
  }

  /// Changes the state, and wakes one waiter if `body` says so.
  func signalIf(_ body: (inout State) -> Bool) {
    pthread_mutex_lock(mutex)
    let isDue = body(&state)
    pthread_mutex_unlock(mutex)
    if isDue { withExtendedLifetime(self) { _ = pthread_cond_signal(condition) } }
  }

  /// Changes the state and wakes all waiters.
  func broadcast(_ body: (inout State) -> Void) {
    pthread_mutex_lock(mutex)
    body(&state)
    pthread_mutex_unlock(mutex)
    withExtendedLifetime(self) { _ = pthread_cond_broadcast(condition) }
  }

  /// Blocks until `body` returns a value; it is asked again after each signal.
  func wait<Result>(_ body: (inout State) -> Result?) -> Result {
    pthread_mutex_lock(mutex)
    defer { pthread_mutex_unlock(mutex) }
    while true {
      if let result = body(&state) { return result }
      pthread_cond_wait(condition, mutex)
    }
  }

  /// As `wait`, but gives up after `milliseconds` and returns nil.
  func wait<Result>(milliseconds: Int, _ body: (inout State) -> Result?) -> Result? {
    var deadline = timespec()
    clock_gettime(Self.clock, &deadline)
    deadline.tv_sec += milliseconds / 1000
    deadline.tv_nsec += (milliseconds % 1000) * 1_000_000
    if deadline.tv_nsec >= 1_000_000_000 {
      deadline.tv_sec += 1
      deadline.tv_nsec -= 1_000_000_000
    }
    pthread_mutex_lock(mutex)
    defer { pthread_mutex_unlock(mutex) }
    while true {
      if let result = body(&state) { return result }
      if pthread_cond_timedwait(condition, mutex, &deadline) == ETIMEDOUT { return body(&state) }
    }
  }
}
