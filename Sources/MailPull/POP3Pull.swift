public import MailClient

/// Brings the mail of one POP3 account home, and deletes on the server what is proved to be there.
///
/// At any moment the line may be cut and the process may end: the next run goes on from there, nothing is lost, and nothing
/// comes twice where the target can tell what it has (`PullTargetTraits.recovers`).
public struct POP3Pull: Sendable {
  public var account: String
  public var connector: any POP3Connector
  public var target: any PullTarget
  public var journal: PullJournal
  public var options: PullOptions
  public var knowledge: (any DropKnowledge)?
  public var time: PullTime
  public var report: JobReporter?

  /// - account: the name in events and errors.
  public init(
    account: String, connector: any POP3Connector, target: any PullTarget, journal: PullJournal,
    options: PullOptions = PullOptions(), knowledge: (any DropKnowledge)? = nil, time: PullTime = .system,
    report: JobReporter? = nil
  ) {
    self.account = account
    self.connector = connector
    self.target = target
    self.journal = journal
    self.options = options
    self.knowledge = knowledge
    self.time = time
    self.report = report
  }

  /// One run, over as many sessions as it takes. What stopped it, if anything did, is in the report.
  public func run() async -> PullReport { await PullRun(self).run() }
}
