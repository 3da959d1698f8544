public import MailClient
import MailStore

/// How mail is imported.
public struct ImportOptions: Sendable, Hashable {
  /// UIDVALIDITY and UIDs go along where the destination mailbox is fresh, so that IMAP clients keep what they have.
  public var keepsUIDs = true
  /// POP3 clients know what they have by UIDL.
  public var keepsUIDLs = true
  /// Subscriptions of the origin are added to those of the account.
  public var subscribes = true
  /// At the end every message is read again, in the origin and from the destination's disk, and compared.
  public var verifies = true
  /// Names in the destination; nil: all.
  public var mailboxes: Set<String>?
  public init() {}
}

/// Brings all mail of an origin into an account. What is there already, by UID and date or by fingerprint, is not brought
/// again, so a run that was interrupted is simply run again.
public struct MailImport {
  private let origin: any ImportOrigin
  private let destination: any ImportDestination
  private let options: ImportOptions

  public init(from origin: any ImportOrigin, to destination: any ImportDestination, options: ImportOptions) {
    self.origin = origin
    self.destination = destination
    self.options = options
  }

  /// Never throws: what kept it from its end is in the report.
  /// - Parameter account: for the events of `reporter`.
  public func run(account: String, reporter: @escaping JobReporter = { _ in }) async -> TransferReport {
    var report = TransferReport()
    report.isVerified = options.verifies
    let progress = TransferProgress(reporter, account: account)
    do {
      var mailboxes = try await origin.mailboxes()
      if let wanted = options.mailboxes {
        for name in wanted.subtracting(mailboxes.map(\.name)).sorted() {
          report.problems.append("\(name): there is no such mailbox in \(origin.name)")
        }
        mailboxes.removeAll { !wanted.contains($0.name) }
      }
      let counts = mailboxes.compactMap(\.messages)
      progress.started(total: counts.count == mailboxes.count ? counts.reduce(0, +) : nil)
      for mailbox in mailboxes {
        progress.enter(mailbox.name)
        try await bring(mailbox, into: &report, progress)
      }
    } catch {
      // A call that was cut off by it throws anything.
      report.stopped = ProblemText.of(Task.isCancelled ? CancellationError() : error)
    }
    progress.finished(report)
    return report
  }

  /// Throws what makes going on with other mailboxes useless.
  private func bring(
    _ mailbox: OriginMailbox, into report: inout TransferReport, _ progress: TransferProgress
  ) async throws {
    try Task.checkCancellation()
    let work = MailboxImport(mailbox, from: origin, to: destination, options: options, progress: progress)
    defer { report.mailboxes.append(work.report) }
    do {
      try await work.run()
    } catch let error as StoreError where error.concernsOneMailbox {
      work.report.problem(ProblemText.of(error))
    } catch let problem as MailboxProblem {
      work.report.problem(problem.description)
    }
  }
}

/// A mailbox of the source cannot be read; others may.
struct MailboxProblem: Error, CustomStringConvertible {
  var description: String
}

extension StoreError {
  fileprivate var concernsOneMailbox: Bool {
    switch self {
    case .invalidMailboxName, .notSelectable, .mailboxGone, .noSuchMailbox, .corrupt, .importRefused: true
    default: false
    }
  }
}
