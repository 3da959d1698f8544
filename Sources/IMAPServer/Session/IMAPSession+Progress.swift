import IMAPCore
import MailNet
import MailStore
import NIOCore

/// How far a command is that takes long (RFC 9585).
///
/// The deadline of the connection, which a running command has no other use for, comes around every so often; a command
/// that ends before costs nothing. A line may go out only where no other has begun: between `beginProgress` and
/// `endProgress` a command writes nothing.
struct Progress: Sendable {
  /// Of things done; nil: nobody counts.
  var done: Int?
  var goal: Int?
  /// For people.
  var what: String
}

extension IMAPSession {
  func beginProgress(_ what: String, done: Int? = nil, of goal: Int? = nil) {
    running?.progress = Progress(done: done, goal: goal, what: what)
  }

  /// So many more are done.
  func progressed(by count: Int) {
    guard let done = running?.progress?.done else { return }
    running?.progress?.done = done + count
  }

  /// From here on the command may write.
  func endProgress() { running?.progress = nil }

  /// A store call that may take long.
  func longStoreCall<Result: Sendable>(
    _ what: String, _ body: (any MailStore) async throws(StoreError) -> Result
  ) async throws(CommandError) -> Result {
    beginProgress(what)
    defer { endProgress() }
    return try await storeCall(body)
  }

  /// The interval is over while a command runs.
  func tellProgress() {
    connection.setDeadline(settings.progressInterval)
    guard let running, let progress = running.progress, !isOver, connection.isWritable else { return }
    let (code, text) = progress.words(tag: running.tag)
    connection.out.writeUntagged(.ok, code, text)
    connection.flush()
  }
}

extension Progress {
  func words(tag: String) -> (ResponseCode, String) {
    guard let done else { return (.inProgress(tag: tag, progress: nil, goal: nil), "\(what)…") }
    guard let goal, goal > 0 else {
      return (.inProgress(tag: tag, progress: UInt32(clamping: done), goal: nil), "\(what): \(done) so far")
    }
    // RFC 9585 §4: the goal MUST be greater than the progress.
    let shown = min(done, goal - 1)
    return (
      .inProgress(tag: tag, progress: UInt32(clamping: shown), goal: UInt32(clamping: goal)),
      "\(what): \(shown) of \(goal)"
    )
  }
}
