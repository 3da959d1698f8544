import MailClient
import MailNet
import POP3Client

/// One run: sessions, one after the other, until all is done or nothing helps. Used by one task.
final class PullRun {
  /// What follows a session.
  enum Next {
    case done
    /// There is more to fetch.
    case step
    /// What may be deleted needs a session without RETR: QUIT would take away mail that must stay.
    case deletions
    /// The target did not take some now.
    case deferred(PullError)
  }

  let pull: POP3Pull
  var report: PullReport
  var meter: ProgressMeter
  /// Of the session under way.
  var drop = Drop()
  var failures: [String: PullReport.Failure] = [:]
  var landedEntries: Set<Int64> = []
  var claimedEntries: Set<Int64> = []
  /// The session under way may only delete.
  var isDeletionOnly = false
  /// What nobody had looked at before this session fetched anything.
  var unread = UnreadBefore.notAsked
  /// Messages that were unread when they were fetched and are not called so any more, perhaps because they were fetched.
  var markedByServer = 0
  private var loginDelay: Int?

  var account: String { pull.account }
  var options: PullOptions { pull.options }

  init(_ pull: POP3Pull) {
    self.pull = pull
    report = PullReport(account: pull.account)
    meter = ProgressMeter(account: pull.account, time: pull.time, report: pull.report)
  }

  func run() async -> PullReport {
    meter.tell(.started, nil)
    do {
      try check()
      try await sessions()
      try await pull.journal.prune(goneBefore: pull.time.now() - PullLimits.goneDays * 86_400)
    } catch { report.stopped = PullError.of(error, account: account) }
    await pull.target.close()
    return finished()
  }

  private func check() throws {
    if case .keepUnder(let percent) = options.policy {
      guard (1...100).contains(percent) else {
        throw PullError(.impossible("keep-under takes a percentage from 1 to 100"), account: account)
      }
      guard pull.knowledge != nil || options.quotaOctets != nil else {
        throw PullError(
          .impossible("POP3 shows no quota: keep-under needs its size (quota, --quota), or the account's IMAP side"),
          account: account)
      }
    }
  }

  private func sessions() async throws {
    var failed = 0
    while true {
      let before = (report.landed, report.deleted)
      let knownFailures = failures.count
      let failure: PullError
      do {
        switch try await session() {
        case .done: return
        case .step:
          isDeletionOnly = false
          // A failure that is new is a step as well: the next session asks for others.
          guard (report.landed, report.deleted) != before || failures.count > knownFailures, try await mayReconnect()
          else { return }
          continue
        case .deletions:
          isDeletionOnly = true
          guard try await mayReconnect() else { return }
          continue
        case .deferred(let why): failure = why
        }
      } catch { failure = PullError.of(error, account: account) }
      if (report.landed, report.deleted) != before { failed = 0 }
      failed += 1
      guard failure.isTemporary, failed <= options.attempts, !Task.isCancelled else { throw failure }
      let pause = pull.time.pause(failed)
      meter.tell(.warning, "\(failure.description); trying again in \(max(1, pause.components.seconds)) s")
      isDeletionOnly = false
      try await pull.time.sleep(pause)
    }
  }

  /// RFC 2449 §6.5: a server with LOGIN-DELAY refuses who comes back too soon.
  private func mayReconnect() async throws -> Bool {
    guard let delay = loginDelay, delay > 0 else { return true }
    if delay > PullLimits.loginDelayWaited {
      warn("the server wants \(delay) s between logins: what may be deleted is deleted by the next run")
      return false
    }
    try await pull.time.sleep(.seconds(delay))
    return true
  }

  private func session() async throws -> Next {
    try Task.checkCancellation()
    try await enterPlace()
    try await recover()
    // While the server is reached, what is at home is read.
    let journal = pull.journal
    async let lines = journal.lines()
    let session = try await pull.connector.connect()
    report.sessions += 1
    loginDelay = session.capabilities.loginDelay
    do {
      return try await work(session, try await lines)
    } catch {
      // Without QUIT nothing is deleted (RFC 1939 §6).
      await session.abandon()
      throw error
    }
  }

  private func work(_ session: any POP3Session, _ lines: [JournalLine]) async throws -> Next {
    let listing = try await session.listing()
    drop = DropMatching.match(listing, lines)
    for warning in drop.warnings { warn(warning) }
    unread = await unreadBefore()
    let claims = try await recognise(session)
    if report.sessions == 1 {
      report.seen = listing.count
      report.alreadyThere += drop.messages.count { $0.entry != nil }
    }
    try await settle()
    var deferred: PullError?
    if !isDeletionOnly { deferred = try await receive(session, claims) }
    try await settle()
    try await noteUnread()
    return try await conclude(session, deferred: deferred)
  }

  // MARK: Telling

  func warn(_ text: String) {
    report.warn(text)
    meter.tell(.warning, text)
  }

  func fail(_ listing: POP3Listing, _ step: PullReport.Failure.Step, _ reason: String) {
    failures[Self.key(listing)] = PullReport.Failure(
      number: listing.number, uidl: listing.uidl, octets: listing.octets, step: step, reason: reason)
  }

  static func key(_ listing: POP3Listing) -> String { listing.uidl ?? "\(listing.number) \(listing.octets)" }

  static func doubt(_ target: String) -> String {
    "an earlier run was cut short while \(target) took it; whether it did is not known, so it is left on the server "
      + "(at-least-once delivers it again)"
  }

  private func finished() -> PullReport {
    let all = failures.values.sorted { ($0.number, $0.octets) < ($1.number, $1.octets) }
    report.failed = all.count
    report.failures = Array(all.prefix(PullLimits.failuresNamed))
    report.new = report.landed + all.count { $0.step != .delete }
    for failure in report.failures {
      meter.tell(.warning, "\(failure.uidl ?? "message \(failure.number)"): \(failure.reason)")
    }
    if let stopped = report.stopped {
      meter.tell(.failed, stopped.description)
    } else {
      meter.tell(
        .finished,
        "\(report.landed) new, \(report.alreadyThere) already there, \(report.deleted) deleted, \(report.kept) kept"
          + (report.failed > 0 ? ", \(report.failed) failed" : ""))
    }
    return report
  }
}
