import Dispatch
import Foundation
import Synchronization

/// What comes from outside a command's work: signals, and standard files that are not there.
enum Interruption {
  private static let count = Atomic(0)

  /// Runs `work`; SIGINT, SIGTERM and SIGHUP cancel it, so that what has come home is written down and the line is ended in
  /// order. A second signal ends the process at once, which costs nothing but time.
  static func ending<Value: Sendable>(
    _ work: @escaping @Sendable () async throws -> Value
  ) async throws -> Value {
    let task = Task { try await work() }
    let sources = [SIGINT, SIGTERM, SIGHUP].compactMap { number -> (any DispatchSourceSignal)? in
      var old = sigaction()
      sigaction(number, nil, &old)
      // nohup(1): who started us wants it ignored.
      if isIgnored(old), number == SIGHUP { return nil }
      signal(number, SIG_IGN)
      let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
      source.setEventHandler {
        if count.wrappingAdd(1, ordering: .relaxed).oldValue > 0 { _exit(128 + number) }
        task.cancel()
      }
      source.resume()
      return source
    }
    defer { for source in sources { source.cancel() } }
    return try await task.value
  }

  private static func isIgnored(_ action: sigaction) -> Bool {
    #if canImport(Glibc)
      unsafeBitCast(action.__sigaction_handler.sa_handler, to: Int.self) == 1
    #else
      unsafeBitCast(action.__sigaction_u.__sa_handler, to: Int.self) == 1
    #endif
  }

  /// A standard file that was closed would be given to the next file that is opened, and what is meant for the terminal
  /// would be written into mail.
  static func holdStandardFiles() {
    for file in STDIN_FILENO...STDERR_FILENO where fcntl(file, F_GETFD) < 0 { _ = open("/dev/null", O_RDWR) }
  }
}
