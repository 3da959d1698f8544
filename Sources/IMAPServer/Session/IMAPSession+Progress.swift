import IMAPCore
import MailNet
import MailStore
import NIOCore

/// How far a command is that takes long (RFC 9585).
///
/// It is looked at about once a second, together with what the loop's other connections have to look at
/// (`Connection.whenQuiet`): a command that ends before has no timer of its own. A line may go out only where no other has
/// begun: between `beginProgress` and `endProgress` a command writes nothing.
struct Progress: Sendable {
  /// Of things done; nil: nobody counts.
  var done: Int?
  var goal: Int?
  /// For people.
  var what: Sentence
  /// When it began, or the client heard of it last.
  var since = NIODeadline.now()
}

extension IMAPSession {
  func beginProgress(_ what: Sentence, done: Int? = nil, of goal: Int? = nil) {
    // What is sent unasked has no tag that the client would know.
    guard let running, running.tag != "*" else { return }
    self.running?.progress = Progress(done: done, goal: goal, what: what)
    watchProgress()
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
    _ what: Sentence, _ body: (any MailStore) async throws(StoreError) -> Result
  ) async throws(CommandError) -> Result {
    beginProgress(what)
    defer { endProgress() }
    return try await storeCall(body)
  }

  private func watchProgress() {
    guard !isWatchingProgress else { return }
    isWatchingProgress = true
    connection.whenQuiet { [weak self] in self?.assumeIsolated { $0.lookAtProgress() } }
  }

  private func lookAtProgress() {
    isWatchingProgress = false
    guard let running, let progress = running.progress, !isOver else { return }
    watchProgress()
    guard NIODeadline.now() - progress.since >= settings.progressInterval, connection.isWritable else { return }
    self.running?.progress?.since = .now()
    let (code, text) = progress.words(tag: running.tag)
    say(.ok, code, text)
    connection.flush()
  }
}

extension Progress {
  func words(tag: String) -> (ResponseCode, Sentence) {
    guard let done else { return (.inProgress(tag: tag, progress: nil, goal: nil), "\(what)...") }
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
