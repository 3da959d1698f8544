/// What the model takes for granted where the mailbox itself does not tell. All of it is in the report.
public struct ModelAssumptions: Sendable, Hashable, Codable {
  /// Looks for new mail a day, by a client that runs all day.
  public var sessionsPerDay = 24.0
  /// Looks into the list of messages a day, in the online way, and messages on a page of it.
  public var onlineLooksPerDay = 8.0
  public var onlinePageMessages = 50.0
  /// Octets of one message in a list: ENVELOPE, flags, size, date.
  public var listOctetsPerMessage = 600.0
  /// Octets of BODYSTRUCTURE.
  public var structureOctetsPerMessage = 400.0
  /// Octets of header, where no message was looked at.
  public var headerOctetsPerMessage = 3000.0
  /// Of the mail that comes: the part of its text that is read, and the part of its attachments that is opened. What POP3
  /// can't tell apart counts as text.
  public var textReadShare = 1.0
  public var attachmentOpenedShare = 0.25
  /// Octets of a line of LIST and one of UIDL.
  public var pop3ListOctetsPerMessage = 40.0
  /// Octets of a FETCH response around a message, and of one that holds flags only.
  public var fetchOverheadOctetsPerMessage = 90.0
  public var flagOctetsPerMessage = 45.0
  /// Octets of a STATUS response.
  public var statusOctetsPerMailbox = 100.0
  /// Commands on the way at a time, where the protocol allows pipelining.
  public var pipelineWindow = 32
  /// Messages of one FETCH of bodies, and such FETCHes on the way at a time.
  public var fetchBatchMessages = 100.0
  public var fetchWindow = 4.0
  /// TCP and TLS, greeting, capabilities, authentication.
  public var loginRoundTrips = 6.0
  /// Renewals of IDLE a day: one in 29 minutes (RFC 2177).
  public var idleRenewalsPerDay = 50.0
  /// The line, where it was not measured.
  public var roundTripSeconds = 0.05
  public var octetsPerSecond = 1_250_000.0

  public init() {}
}
