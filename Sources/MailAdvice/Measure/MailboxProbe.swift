/// What the measurement asks of a mailbox, wherever it lives. Nothing here can change mail.
///
/// Calls come one after another, from one task.
public protocol MailboxProbe: AnyObject {
  var source: MeasuredSource { get }
  /// `budi@mail.example.org`, for the head of the report.
  var account: String { get }
  /// How the throughput is measured, in words.
  var throughputMethod: String { get }
  /// Messages whose content may be looked at.
  var contentSampleLimit: Int { get }

  /// What this server offers.
  func service() async throws -> ServiceFacts
  /// All mailboxes with messages in them, and their counters where the server tells.
  func mailboxes() async throws -> [ProbedMailbox]
  /// Quota of the INBOX; empty: none known.
  func quotas() async throws -> [QuotaFacts]
  /// At most `limit` messages of a mailbox, the newest, in any order.
  func messages(of mailbox: ProbedMailbox, limit: Int, _ take: (ProbedMessage) -> Void) async throws
  /// What some messages consist of. Those that are gone or can't be told are left out.
  func contents(of mailbox: ProbedMailbox, _ messages: [ProbedMessage], _ take: (ProbedContent) -> Void) async throws
  /// One exchange that does nothing; false: there is no line to measure.
  func ping() async throws -> Bool
  /// Brings about so many octets of the large messages, without marking them read. 0: there is nothing (more) to bring.
  func transfer(octets: Int, of largest: [ProbedLocation]) async throws -> Transferred
  /// What this probe left out or reckoned, a sentence each; asked for at the end.
  var remarks: [String] { get }
  /// Ends the session. Nothing is deleted.
  func close() async
}

extension MailboxProbe {
  public var remarks: [String] { [] }
}

public enum MeasuredSource: String, Sendable, Hashable, Codable {
  case imap
  case pop3
  /// A Merpati store on this machine.
  case store
}

public struct ProbedMailbox: Sendable, Hashable {
  public var name: String
  public var isInbox: Bool
  public var messages: Int?
  public var unseen: Int?
  public var octets: Int64?
  /// A view of messages that lie elsewhere (`\All`, `\Flagged`, RFC 6154): counting them would count them twice.
  public var isView: Bool
  public init(
    name: String, isInbox: Bool, messages: Int? = nil, unseen: Int? = nil, octets: Int64? = nil, isView: Bool = false
  ) {
    self.name = name
    self.isInbox = isInbox
    self.messages = messages
    self.unseen = unseen
    self.octets = octets
    self.isView = isView
  }
}

/// A message as the measurement knows it.
public struct ProbedMessage: Sendable, Hashable {
  /// UID, or the message number of POP3.
  public var id: UInt32
  public var octets: Int64
  /// Seconds since 1970 when it came; nil: not known.
  public var seconds: Int64?
  public init(id: UInt32, octets: Int64, seconds: Int64?) {
    self.id = id
    self.octets = octets
    self.seconds = seconds
  }
}

public struct ProbedContent: Sendable, Hashable {
  public var id: UInt32
  public var octets: ContentOctets
  public init(id: UInt32, octets: ContentOctets) {
    self.id = id
    self.octets = octets
  }
}

/// Where a large message is.
public struct ProbedLocation: Sendable, Hashable {
  public var mailbox: ProbedMailbox
  public var message: ProbedMessage
  public init(mailbox: ProbedMailbox, message: ProbedMessage) {
    self.mailbox = mailbox
    self.message = message
  }
}

/// What one `transfer` brought.
public struct Transferred: Sendable, Hashable {
  public var octets: Int
  /// Commands that were waited for one after another.
  public var roundTrips: Int
  public static let nothing = Transferred(octets: 0, roundTrips: 0)
  public init(octets: Int, roundTrips: Int) {
    self.octets = octets
    self.roundTrips = roundTrips
  }
}
