import Foundation
import Synchronization

/// Work that may wait for a person or a slow disk: on a thread of its own, since it would hold up others on a shared one.
enum BlockingWork {
  /// Whether the task that waits was cancelled.
  final class Cancellation: Sendable {
    private let flag = Atomic<Bool>(false)
    var isCancelled: Bool { flag.load(ordering: .relaxed) }
    func cancel() { flag.store(true, ordering: .relaxed) }
  }

  static func run<Value: Sendable>(_ body: @escaping @Sendable (Cancellation) -> Value) async -> Value {
    let cancellation = Cancellation()
    return await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        Thread.detachNewThread { continuation.resume(returning: body(cancellation)) }
      }
    } onCancel: {
      cancellation.cancel()
    }
  }
}
