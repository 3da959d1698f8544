import CLibc

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// A thread of the store: blocking work (SQLite, files, zstd) never runs on an event loop (design §5).
final class StoreThread: Sendable {
  private let handle: pthread_t

  /// Nil when the system refuses another thread.
  /// - name: as tools like top show it on Linux; the first 15 octets.
  init?(_ name: String, _ body: @escaping @Sendable () -> Void) {
    let box = Unmanaged.passRetained(Start(name: name, body: body))
    var created = pthread_t()
    let result = pthread_create(&created, nil, startThread, box.toOpaque())
    guard result == 0 else {
      box.release()
      return nil
    }
    handle = created
  }

  /// Waits for the end of the thread. Must be called exactly once, never from the thread itself.
  func join() { pthread_join(handle, nil) }
}

private final class Start {
  let name: String
  let body: @Sendable () -> Void
  init(name: String, body: @escaping @Sendable () -> Void) {
    self.name = name
    self.body = body
  }
}

private func startThread(_ context: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
  guard let context else { return nil }
  let start = Unmanaged<Start>.fromOpaque(context).takeRetainedValue()
  #if canImport(Glibc)
    _ = pthread_setname_np(pthread_self(), String(start.name.prefix(15)))
  #endif
  start.body()
  return nil
}
