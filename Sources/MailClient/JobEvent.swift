/// What long work tells the terminal, the log or `--json`, a line each.
public struct JobEvent: Sendable, Codable, Hashable {
  public enum Kind: String, Sendable, Codable { case started, progress, warning, finished, failed }
  public var event: Kind
  /// The account's name in the configuration, or the URL's `user@host`.
  public var account: String
  public var mailbox: String?
  public var done: Int
  public var total: Int?
  public var bytes: Int64
  public var bytesTotal: Int64?
  /// One sentence, for people.
  public var text: String?

  public init(
    _ event: Kind, account: String, mailbox: String? = nil, done: Int = 0, total: Int? = nil, bytes: Int64 = 0,
    bytesTotal: Int64? = nil, text: String? = nil
  ) {
    self.event = event
    self.account = account
    self.mailbox = mailbox
    self.done = done
    self.total = total
    self.bytes = bytes
    self.bytesTotal = bytesTotal
    self.text = text
  }
}

/// Called from any task; must not block. Progress comes at most a few times a second.
public typealias JobReporter = @Sendable (JobEvent) -> Void
