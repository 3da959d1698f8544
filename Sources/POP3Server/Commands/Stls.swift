import MailNet
import POP3Core

extension POP3Session {
  /// STLS (RFC 2595 §4). What the client sent behind it closes the connection: see `Connection.startTLS`.
  func stls(_ command: POP3Command) {
    if connection.isTLS { return bad(.tlsActive) }
    guard settings.offersSTLS, connection.canStartTLS else { return bad(.tlsUnavailable) }
    // RFC 6856 §2.1: clients MUST NOT send STLS after UTF8; servers may enforce it.
    if isUTF8 { return bad(.tlsAfterUTF8) }
    ok(.beginTLS)
    connection.startTLS()
    // Nothing more is read in the clear.
    isStartingTLS = true
  }
}
