import MailStore
import Synchronization

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// A thread of the store's own with one long task, which is told elsewhere when to end.
final class BackgroundThread: Sendable {
  private let name: String
  private let niceness: Int32
  private let thread = Mutex<StoreThread?>(nil)

  /// - Parameters:
  ///   - name: in errors, and as tools like top show it.
  ///   - niceness: as of nice(1), 0 to 19. On Linux it is the thread's own, and the disk's scheduler follows it.
  init(_ name: String, niceness: Int32 = 0) {
    self.name = name
    self.niceness = niceness
  }

  func start(_ body: @escaping @Sendable () -> Void) throws(StoreError) {
    let started = StoreThread(name) { [niceness] in
      #if canImport(Glibc)
        if niceness > 0 { _ = setpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0, niceness) }
      #endif
      body()
    }
    guard let started else { throw .io(operation: "start a thread", path: name, errno: 0) }
    thread.withLock { $0 = started }
  }

  /// Begun, and not waited for yet.
  var isRunning: Bool { thread.withLock { $0 != nil } }

  /// Waits for the end of the thread, if there is one. Never from the thread itself.
  func join() {
    thread.withLock { thread in
      defer { thread = nil }
      return thread
    }?.join()
  }
}
