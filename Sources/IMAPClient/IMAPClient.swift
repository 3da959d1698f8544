public import IMAPCore
import MailClient
public import MailNet
import NIOCore

/// An IMAP session (RFC 9051, RFC 3501), used by one task. It speaks what the server offers: QRESYNC, CONDSTORE or plain,
/// LITERAL+, COMPRESS, MOVE, UIDPLUS, each with its step down.
///
/// A command that the server refuses (`.refused`) leaves the connection as good as it was. After any other error, and
/// after an error thrown by a handler or a message's body, only `abandon()` is left: answers may be half read.
public final class IMAPClient {
  /// Upper-case capability names, kept current. A server of IMAP4rev2 alone has what that includes (RFC 9051
  /// appendix E) listed here too.
  public internal(set) var capabilities: Set<String> = []
  public internal(set) var selected: SelectedMailbox?
  /// Personal namespace prefix and delimiter.
  public internal(set) var namespace: (prefix: String, delimiter: Character?) = ("", nil)
  /// What the server said when it ended the connection.
  public internal(set) var farewell: String?
  /// ID of the server (RFC 2971).
  public internal(set) var serverID: IDParameters?
  /// NOTIFY is on (RFC 5465); it goes off when the server cannot keep up.
  public internal(set) var isNotifying = false
  public internal(set) var isCompressed = false
  public internal(set) var isLoggedIn = false

  let server: RemoteServer
  let connection: ClientConnection
  var framer = ResponseFramer(limits: IMAPClientLimits.responses)
  /// How names are written and read.
  var options = WireOptions.rev1
  /// What ENABLE switched on, in upper case.
  var enabled: Set<String> = []
  var otherNamespaces: [String] = []
  /// Octets that name a mailbox whose name is no valid modified UTF-7, by the name as it is shown.
  var wireNames: [String: ByteBuffer] = [:]

  var lastTag = 0
  /// Tags of commands that are on the way.
  var running: Set<String> = []
  /// Their completions, until they are asked for.
  var completions: [String: StatusLine] = [:]
  var noticed: [MailboxEvent] = []
  /// What LIST said that went out with the login.
  var listed: Result<[RemoteMailbox], ClientError>?
  var isBroken = false
  var isLeaving = false

  init(server: RemoteServer, connection: ClientConnection) {
    self.server = server
    self.connection = connection
  }

  /// Octets of this connection.
  public var counters: TransportCounters { connection.counters }
  /// SHA-256 of the server's certificate (DER), nil without TLS.
  public var peerFingerprint: [UInt8]? { connection.peerFingerprint }
  public var tlsVersion: String? { connection.tlsVersion }

  public func has(_ capability: String) -> Bool { capabilities.contains(capability) }

  /// What came untold since the last call.
  public func events() -> [MailboxEvent] {
    defer { noticed = [] }
    return noticed
  }

  public func noop() async throws(ClientError) -> [MailboxEvent] {
    _ = try await run("NOOP")
    return events()
  }

  /// LOGOUT, and the end of the connection.
  public func logOut() async {
    isLeaving = true
    if !isBroken {
      do {
        let command = try await begin("LOGOUT") { $0.word("LOGOUT") }
        while completions[command.tag] == nil { try await step(within: IMAPClientLimits.logout) }
      } catch {
        // The connection ends either way.
      }
    }
    await abandon()
  }

  /// Ends the connection without a word.
  public func abandon() async {
    isBroken = true
    selected = nil
    await connection.close()
  }
}
