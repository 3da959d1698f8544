/// What a run did.
public struct PullReport: Sendable, Hashable {
  /// A message that did not come home, or could not be deleted; it is still on the server.
  public struct Failure: Sendable, Hashable {
    public enum Step: String, Sendable, Hashable, Codable { case retrieve, deliver, delete }
    public var number: Int
    public var uidl: String?
    public var octets: Int64
    public var step: Step
    public var reason: String
    public init(number: Int, uidl: String?, octets: Int64, step: Step, reason: String) {
      self.number = number
      self.uidl = uidl
      self.octets = octets
      self.step = step
      self.reason = reason
    }
  }

  public var account: String
  /// Messages in the drop at the first look.
  public var seen = 0
  /// Of these, not known before.
  public var new = 0
  /// Known to be at home when the run came to them, by UIDL or by content.
  public var alreadyThere = 0
  /// Came home: durable, and verified where the target can be read again.
  public var landed = 0
  /// Of the messages that landed.
  public var octets: Int64 = 0
  /// Proved gone from the server.
  public var deleted = 0
  /// On the server at the end, as far as known.
  public var kept = 0
  /// The last failure of each message; at most `PullLimits.failuresNamed`.
  public var failures: [Failure] = []
  /// `failures` and those beyond its bound.
  public var failed = 0
  public var warnings: [String] = []
  public var sessions = 0
  /// Why the run ended before its end. Counts are of what was done until then.
  public var stopped: PullError?

  public init(account: String) { self.account = account }

  /// Everything was done, for every message.
  public var isComplete: Bool { stopped == nil && failed == 0 }

  mutating func warn(_ text: String) {
    if warnings.count < PullLimits.warningsNamed, !warnings.contains(text) { warnings.append(text) }
  }
}
