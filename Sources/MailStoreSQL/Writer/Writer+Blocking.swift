import MailStore

/// The writer as the store's own threads use it: they wait for the outcome. Never from an event loop or a task.
extension Writer {
  func writeBlocking<Value: Sendable>(
    _ body: @escaping @Sendable (Transaction) throws(StoreError) -> Value
  ) throws(StoreError) -> Value {
    let outcome = Monitor<Result<Value, StoreError>?>(nil)
    let job = BlockingJob(body) { result in outcome.signal { $0 = result } }
    guard enqueue(.write(job)) else { throw .shuttingDown }
    return try outcome.wait { $0 }.get()
  }

  func aloneBlocking<Value: Sendable>(
    _ body: @escaping @Sendable (Writer) throws(StoreError) -> Value
  ) throws(StoreError) -> Value {
    let outcome = Monitor<Result<Value, StoreError>?>(nil)
    let accepted = enqueue(
      .alone { writer in
        let result: Result<Value, StoreError>
        do throws(StoreError) { result = .success(try body(writer)) } catch { result = .failure(error) }
        outcome.signal { $0 = result }
      })
    guard accepted else { throw .shuttingDown }
    return try outcome.wait { $0 }.get()
  }
}

/// `@unchecked`: as `TypedWriteJob`.
private final class BlockingJob<Value: Sendable>: WriteJob, @unchecked Sendable {
  private let body: @Sendable (Transaction) throws(StoreError) -> Value
  private let finished: @Sendable (Result<Value, StoreError>) -> Void
  private var value: Value?

  init(
    _ body: @escaping @Sendable (Transaction) throws(StoreError) -> Value,
    _ finished: @escaping @Sendable (Result<Value, StoreError>) -> Void
  ) {
    self.body = body
    self.finished = finished
  }

  override func run(_ transaction: Transaction) throws(StoreError) { value = try body(transaction) }

  override func finish(_ error: StoreError?) {
    if let value, error == nil { finished(.success(value)) } else { finished(.failure(error ?? .shuttingDown)) }
  }
}
