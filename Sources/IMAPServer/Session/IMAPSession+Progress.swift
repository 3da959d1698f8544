import IMAPCore
import MailNet
import MailStore
import NIOCore

/// How far a command is that takes long (RFC 9585).
///
/// It is looked at about once a second, together with what the loop's other connections have to look at
/// (`Connection.whenQuiet`): a command that ends before has no timer of its own. A line may go out only where no other has
/// begun: between `beginProgress` and `endProgress` a command writes nothing. A command may have several such steps; the
/// time that passes and the numbers that are told are those of the whole command.
struct Progress: Sendable {
  /// What this step has done; nil: nobody counts.
  private var done: Int?
  private var goal: Int?
  /// For people.
  private(set) var what: Sentence
  /// A step is under way, so a line may go out.
  private(set) var isOpen = false
  /// When the first step began, or the client heard of the command last.
  private(set) var since: NIODeadline
  /// What all steps have to do together, where that was known before; and what those have done that are over.
  private let total: Int?
  private var before = 0
  /// The numbers that the client heard last.
  private var told: (done: Int, goal: Int?)?

  init(_ what: Sentence, of total: Int? = nil, since: NIODeadline = .now()) {
    self.what = what
    self.total = total
    self.since = since
  }

  mutating func begin(_ what: Sentence, done: Int?, of goal: Int?) {
    (self.what, self.done, self.goal, isOpen) = (what, done, goal, true)
  }

  mutating func advance(by count: Int) { if let done { self.done = done + count } }

  mutating func end() { isOpen = false }

  /// One of several parts is done.
  mutating func endPart(of count: Int) {
    before += count
    done = nil
  }

  /// What the client is told now. RFC 9585 §4: PROGRESS SHOULD NOT fall and GOAL SHOULD NOT change as long as the command
  /// lasts, and the goal MUST be greater than the progress.
  mutating func tell(at now: NIODeadline) -> (done: Int, goal: Int?)? {
    since = now
    guard let done else { return told }
    let goal = told != nil ? told?.goal : total ?? goal
    let sum = max(told?.done ?? 0, before + done)
    if let goal, goal > 0 { told = (min(sum, goal - 1), goal) } else { told = (sum, nil) }
    return told
  }
}

extension IMAPSession {
  func beginProgress(_ what: Sentence, done: Int? = nil, of goal: Int? = nil) {
    // What is sent unasked has no tag that the client would know.
    guard let running, running.tag != "*" else { return }
    if running.progress == nil { self.running?.progress = Progress(what) }
    self.running?.progress?.begin(what, done: done, of: goal)
    watchProgress()
  }

  /// There will be several parts, `total` things together; see `endProgressPart`.
  func expectProgress(_ what: Sentence, of total: Int) { running?.progress = Progress(what, of: total) }

  func endProgressPart(of count: Int) { running?.progress?.endPart(of: count) }

  /// So many more are done.
  func progressed(by count: Int) {
    running?.progress?.advance(by: count)
  }

  /// From here on the command may write.
  func endProgress() { running?.progress?.end() }

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
    guard let running, var progress = running.progress, !isOver else { return }
    // Also between two steps.
    watchProgress()
    let now = NIODeadline.now()
    guard progress.isOpen, now - progress.since >= settings.progressInterval, connection.isWritable else { return }
    let (code, text) = progress.words(tag: running.tag, at: now)
    self.running?.progress = progress
    say(.ok, code, text)
    connection.flush()
  }
}

extension Progress {
  mutating func words(tag: String, at now: NIODeadline) -> (ResponseCode, Sentence) {
    guard let (done, goal) = tell(at: now) else {
      return (.inProgress(tag: tag, progress: nil, goal: nil), "\(what)...")
    }
    guard let goal else {
      return (.inProgress(tag: tag, progress: UInt32(clamping: done), goal: nil), "\(what): \(done) so far")
    }
    return (
      .inProgress(tag: tag, progress: UInt32(clamping: done), goal: UInt32(clamping: goal)),
      "\(what): \(done) of \(goal)"
    )
  }
}
