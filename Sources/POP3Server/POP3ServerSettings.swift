public import POP3Core

/// What a message with UTF-8 in its header is to a client that has not said UTF8 (RFC 6856 §2.1).
public enum UTF8Fallback: String, Sendable, Hashable, CaseIterable {
  /// A surrogate message (RFC 6858): what cannot be shown in ASCII is encoded or left out; the body stays.
  case surrogate
  /// `-ERR [UTF8]`.
  case refuse
  /// The message as it is, against RFC 6856: for clients that have always coped.
  case asIs
}

/// How a POP3 server behaves, and every limit it has.
public struct POP3ServerSettings: Sendable {
  public var hostname: String
  /// CAPA IMPLEMENTATION (RFC 2449 §6.9); no spaces. Empty: not announced.
  public var implementation: String
  /// STLS is offered: the listener has a certificate.
  public var offersSTLS: Bool
  /// Seconds from one login to the next one of the same account (RFC 2449 §6.5). 0: no delay, not announced.
  public var loginDelaySeconds: Int
  /// Seconds without a command before the connection is closed. RFC 1939 §3 wants 600 or more.
  public var idleSeconds: Int
  /// Seconds from the greeting to a login, whatever is said meanwhile.
  public var loginSeconds: Int
  /// A session silent for so many seconds gives its maildrop up to one that asks for it.
  public var lockSilenceSeconds: Int
  /// Commands before login, after which the connection is closed.
  public var commandsBeforeLogin: Int
  /// Commands that failed for their syntax or state, in one session.
  public var badCommands: Int
  public var utf8Fallback: UTF8Fallback
  /// The language of texts before LANG, and of `LANG *` (RFC 6856 §3.2).
  public var language: POP3Language
  /// Seconds since 1970; tests put their own clock here.
  public var now: @Sendable () -> Int64

  public init(
    hostname: String, offersSTLS: Bool, implementation: String = "Merpati", loginDelaySeconds: Int = 0,
    idleSeconds: Int = 600, loginSeconds: Int = 60, lockSilenceSeconds: Int = 60, commandsBeforeLogin: Int = 50,
    badCommands: Int = 20,
    utf8Fallback: UTF8Fallback = .surrogate, language: POP3Language = .english,
    now: @escaping @Sendable () -> Int64
  ) {
    self.hostname = hostname
    self.offersSTLS = offersSTLS
    self.implementation = implementation
    self.loginDelaySeconds = loginDelaySeconds
    self.idleSeconds = idleSeconds
    self.loginSeconds = loginSeconds
    self.lockSilenceSeconds = lockSilenceSeconds
    self.commandsBeforeLogin = commandsBeforeLogin
    self.badCommands = badCommands
    self.utf8Fallback = utf8Fallback
    self.language = language
    self.now = now
  }
}

/// Sizes that the server works in; not configurable.
enum POP3Sizes {
  /// One visit of the store ends when so many octets wait to be sent.
  static let burst = 256 << 10
  /// Messages above this are streamed in pieces.
  static let heldMessage = 256 << 10
  static let piece = 128 << 10
  /// Commands answered by one hop to the store.
  static let batch = 256
  /// Commands carried out one after the other before the loop's other sessions have their turn.
  static let commandsPerTurn = 256
  /// Octets of messages read before they are asked for, in one go; two such at most wait in a session.
  static let ahead = 96 << 10
  /// The same for a session that goes on retrieving in a row, in two reads at a time of half as much: so much that the next are
  /// ready before the client has taken those before.
  static let aheadLong = 256 << 10
  /// Messages above this are read when they are asked for.
  static let aheadMessage = 64 << 10
  /// Sessions that may have some at a time, in the whole process: a client that stops asking leaves them lying.
  static let sessionsAhead = 64
  /// Of those, sessions that may have the larger amount.
  static let sessionsAheadLong = 16
}
