public import LocalMail
public import MailClient
public import MailStore
public import NIOCore

/// How mail is exported.
public struct ExportOptions: Sendable, Hashable {
  /// At the end every message is read again, in the store and in the destination, and compared.
  public var verifies = true
  /// Names in the store; nil: all.
  public var mailboxes: Set<String>?
  public init() {}
}

/// Where mail is exported to. Used by one task.
public protocol ExportTarget {
  func open(_ mailbox: StoreMailbox) async throws -> any ExportMailbox
  /// After all mailboxes. `names`: those exported.
  func finish(_ listing: StoreListing, names: [String]) async throws
}

/// One mailbox of an `ExportTarget`.
public protocol ExportMailbox: AnyObject {
  /// UIDs of the messages that are there already, whole. `fingerprints` asks the store.
  func present(
    _ messages: [StoreMessage], fingerprints: ([UID]) async throws -> [UID: Fingerprint]
  ) async throws -> Set<UID>
  /// Ascending by UID. Need not be durable before `commit`.
  func add(_ message: StoreMessage, _ bytes: ByteBuffer) async throws
  /// The same for a message too large to hold.
  func begin(_ message: StoreMessage) async throws
  func append(_ piece: ByteBuffer) async throws
  func end() async throws
  /// The message that has begun is not to be.
  func abandon() async
  func commit() async throws
  /// All messages are there: what else is kept about them is written. Returns notes for the report.
  func finish(_ mailbox: StoreMailbox, _ messages: [StoreMessage]) async throws -> [String]
  /// Read again; messages that cannot be read are left out. After `finish`.
  func fingerprints(_ uids: [UID]) async throws -> [UID: Fingerprint]
  /// Messages that stand for none of the store.
  var others: Int { get }
}

/// Copies an account into a `MaildirTarget` or an `MboxTarget`. What is there already is not copied again, so a run that
/// was interrupted is simply run again, and later runs bring what is new.
public struct MailExport {
  private let source: any ExportSource
  private let target: any ExportTarget
  private let options: ExportOptions

  public init(from source: any ExportSource, to target: any ExportTarget, options: ExportOptions) {
    self.source = source
    self.target = target
    self.options = options
  }

  /// Never throws: what kept it from its end is in the report.
  public func run(account: String, reporter: @escaping JobReporter = { _ in }) async -> TransferReport {
    var report = TransferReport()
    report.isVerified = options.verifies
    let progress = TransferProgress(reporter, account: account)
    do {
      let listing = try await source.listing()
      var mailboxes = listing.mailboxes.filter(\.isSelectable)
      if let wanted = options.mailboxes {
        for name in wanted.subtracting(mailboxes.map(\.name)).sorted() {
          report.problems.append("\(name): the account has no such mailbox")
        }
        mailboxes.removeAll { !wanted.contains($0.name) }
      }
      progress.started(total: mailboxes.reduce(0) { $0 + $1.messages })
      for mailbox in mailboxes {
        progress.enter(mailbox.name)
        try await copy(mailbox, into: &report, progress)
      }
      try await target.finish(listing, names: mailboxes.map(\.name))
    } catch {
      // A call that was cut off by it throws anything.
      report.stopped = ProblemText.of(Task.isCancelled ? CancellationError() : error)
    }
    progress.finished(report)
    return report
  }

  private func copy(
    _ mailbox: StoreMailbox, into report: inout TransferReport, _ progress: TransferProgress
  ) async throws {
    try Task.checkCancellation()
    let work = MailboxExport(mailbox, from: source, options: options, progress: progress)
    defer { report.mailboxes.append(work.report) }
    do {
      try await work.run(target)
    } catch let problem as MailboxProblem {
      work.report.problem(problem.description)
    } catch let error as StoreError where error == .noSuchMailbox(mailbox.name) || error == .mailboxGone {
      work.report.problem("the mailbox was deleted or renamed meanwhile")
    }
  }
}
