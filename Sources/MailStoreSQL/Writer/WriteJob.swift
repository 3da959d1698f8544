import MailStore

/// Work for the writer's thread. `run` is called there, inside a savepoint of the commit under way; `finish` after the
/// commit is on disk and published, or with the error that kept it from it.
class WriteJob {
  /// May be run a second time when the commit was rolled back. Such jobs go without a savepoint, which costs SQLite a copy
  /// of every page that the job changes; should one of them fail after all, everything is done again with savepoints.
  var isRepeatable: Bool { false }
  /// Short, and without message bytes: may join a commit that is on its way to the disk with the bytes of others.
  var joinsLate: Bool { false }
  func run(_ transaction: Transaction) throws(StoreError) {}
  func finish(_ error: StoreError?) {}
}

/// A delivery that its preparing thread hands in.
///
/// `@unchecked`: as `TypedWriteJob`.
final class DeliveryJob: WriteJob, @unchecked Sendable {
  typealias Outcome = [Result<Delivered, StoreError>]
  private let message: PreparedSQLMessage
  private let targets: [DeliveryTarget]
  private let date: InternalDate
  private let continuation: UnsafeContinuation<Result<Outcome, StoreError>, Never>
  private var outcome: Outcome = []

  init(
    _ message: PreparedSQLMessage, to targets: [DeliveryTarget], date: InternalDate,
    _ continuation: UnsafeContinuation<Result<Outcome, StoreError>, Never>
  ) {
    self.message = message
    self.targets = targets
    self.date = date
    self.continuation = continuation
  }

  override var isRepeatable: Bool { true }

  override func run(_ transaction: Transaction) throws(StoreError) {
    outcome = try transaction.deliver(message, to: targets, date: date)
  }

  override func finish(_ error: StoreError?) {
    continuation.resume(returning: .success(error.map { error in targets.map { _ in .failure(error) } } ?? outcome))
  }
}

/// `@unchecked`: made by the caller, handed over through the queue's lock, and then touched by the writer's thread only.
final class TypedWriteJob<Value: Sendable>: WriteJob, @unchecked Sendable {
  typealias Body = @Sendable (Transaction) throws(StoreError) -> Value
  private let body: Body
  private let continuation: UnsafeContinuation<Result<Value, StoreError>, Never>
  private var value: Value?
  private let isShort: Bool

  init(
    isShort: Bool, _ body: @escaping Body, _ continuation: UnsafeContinuation<Result<Value, StoreError>, Never>
  ) {
    self.isShort = isShort
    self.body = body
    self.continuation = continuation
  }

  override var joinsLate: Bool { isShort }

  override func run(_ transaction: Transaction) throws(StoreError) { value = try body(transaction) }

  override func finish(_ error: StoreError?) {
    if let value, error == nil {
      continuation.resume(returning: .success(value))
    } else {
      continuation.resume(returning: .failure(error ?? .shuttingDown))
    }
  }
}
