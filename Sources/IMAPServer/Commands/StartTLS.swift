import IMAPCore
import Logging
import MailNet
import NIOCore

extension IMAPSession {
  /// STARTTLS (RFC 9051 §6.2.1).
  func startTLS(_ tag: String) throws(CommandError) -> Completion? {
    // RFC 9051 §6.2.1: BAD after TLS has begun.
    guard !connection.isTLS else { throw .bad("TLS is active already") }
    guard connection.canStartTLS else { throw .no(nil, "TLS is not available") }
    // Whatever stands behind STARTTLS in the clear was put there by somebody who wants it read as if inside TLS.
    guard framer.isIdle else {
      framer.discardInput()
      listener.logger.warning("commands in the clear behind STARTTLS", metadata: ["peer": "\(connection.peer)"])
      bye("Commands in the clear behind STARTTLS")
      return nil
    }
    isStartingTLS = true
    say(tag, .ok, nil, "Begin TLS negotiation now")
    connection.startTLS()
    return nil
  }
}
