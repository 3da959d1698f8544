public import MailClient
public import MailNet
public import NIOCore

/// What CAPA said (RFC 2449); everything false or nil when the server has no CAPA.
public struct POP3Capabilities: Sendable, Hashable {
  public var top = false
  public var uidl = false
  public var pipelining = false
  public var user = false
  public var stls = false
  public var respCodes = false
  public var utf8 = false
  /// SASL mechanism names, upper case.
  public var sasl: [String] = []
  /// Days mail is kept after RETR; 0: RETR deletes at QUIT; nil: NEVER or not said.
  public var expireDays: Int?
  public var loginDelay: Int?
  public var implementation: String?
  public init() {}
}

/// One line of LIST and UIDL together.
public struct POP3Listing: Sendable, Hashable {
  public var number: Int
  public var octets: Int64
  /// Nil when the server has no UIDL.
  public var uidl: String?
  public init(number: Int, octets: Int64, uidl: String?) {
    self.number = number
    self.octets = octets
    self.uidl = uidl
  }
}

/// What RETR and TOP bring, dot-stuffing undone, lines ending in CRLF as sent.
public enum POP3Retrieval: Sendable {
  /// A message that fitted `POP3ClientLimits.whole`.
  case whole(number: Int, ByteBuffer)
  case begin(number: Int)
  case piece(ByteBuffer)
  case end(number: Int)
  /// -ERR to this message's RETR; the others go on.
  case refused(number: Int, ClientError)
}

/// A POP3 session, used by one task. Commands are pipelined where the server allows it (RFC 2449 §6.6), within a window.
public final class POP3Client {
  public private(set) var capabilities = POP3Capabilities()
  public var counters: TransportCounters { fatalError() }

  init() {}

  /// Connects, reads the greeting, asks CAPA, starts TLS where `security` says so (and asks CAPA again).
  public static func connect(
    to server: RemoteServer, group: any EventLoopGroup, timeouts: ClientTimeouts
  ) async throws(ClientError) -> POP3Client { fatalError() }

  /// By the best of SCRAM-SHA-256, SCRAM-SHA-1, PLAIN, LOGIN, USER/PASS, or OAUTHBEARER/XOAUTH2; then CAPA again.
  public func logIn(user: String, _ credential: Credential) async throws(ClientError) { fatalError() }

  public func stat() async throws(ClientError) -> (messages: Int, octets: Int64) { fatalError() }
  /// LIST and UIDL in one go.
  public func listing() async throws(ClientError) -> [POP3Listing] { fatalError() }

  /// RETR of each, in this order, with up to `window` commands and `POP3ClientLimits.windowOctets` on the way.
  /// `octets` are those of the listing, to size buffers; a wrong figure costs nothing but a copy.
  public func retrieve(
    _ messages: [POP3Listing], window: Int, _ handle: (POP3Retrieval) async throws -> Void
  ) async throws { fatalError() }

  /// TOP with `lines` lines of body.
  public func top(
    _ messages: [POP3Listing], lines: Int, window: Int, _ handle: (POP3Retrieval) async throws -> Void
  ) async throws { fatalError() }

  /// DELE of each. Returns the numbers that were refused, with why.
  public func delete(_ numbers: [Int], window: Int) async throws(ClientError) -> [Int: ClientError] { fatalError() }

  public func noop() async throws(ClientError) { fatalError() }
  public func reset() async throws(ClientError) { fatalError() }
  /// QUIT: deletions happen now. Throws `.refused` when the server says that some were not made (RFC 1939 §6).
  public func quit() async throws(ClientError) { fatalError() }
  /// Drops the connection without QUIT: nothing is deleted.
  public func abandon() async { fatalError() }
}
