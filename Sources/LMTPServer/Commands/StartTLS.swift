import LMTPCore
import MailNet

extension LMTPSession {
  /// STARTTLS (RFC 3207 §4). What the client sent behind it closes the connection: see `Connection.startTLS`.
  func startTLS(_ command: LMTPCommand) {
    if connection.isTLS { return bad(.tlsActive) }
    guard settings.offersSTARTTLS, connection.canStartTLS else { return bad(.tlsUnavailable) }
    dropTransaction()
    reply(.beginTLS)
    connection.startTLS()
    isStartingTLS = true
  }
}
