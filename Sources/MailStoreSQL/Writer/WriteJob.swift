import MailStore

/// Work for the writer's thread. `run` is called there, inside a savepoint of the commit under way; `finish` after the
/// commit is on disk and published, or with the error that kept it from it.
class WriteJob {
  func run(_ transaction: Transaction) throws(StoreError) {}
  func finish(_ error: StoreError?) {}
}

/// `@unchecked`: made by the caller, handed over through the queue's lock, and then touched by the writer's thread only.
final class TypedWriteJob<Value: Sendable>: WriteJob, @unchecked Sendable {
  typealias Body = @Sendable (Transaction) throws(StoreError) -> Value
  private let body: Body
  private let continuation: UnsafeContinuation<Result<Value, StoreError>, Never>
  private var value: Value?

  init(_ body: @escaping Body, _ continuation: UnsafeContinuation<Result<Value, StoreError>, Never>) {
    self.body = body
    self.continuation = continuation
  }

  override func run(_ transaction: Transaction) throws(StoreError) { value = try body(transaction) }

  override func finish(_ error: StoreError?) {
    if let value, error == nil {
      continuation.resume(returning: .success(value))
    } else {
      continuation.resume(returning: .failure(error ?? .shuttingDown))
    }
  }
}
