import IMAPCore
import MailAuth
import MailNet
import MailStore
import NIOCore

extension IMAPSession {
  /// UNAUTHENTICATE (RFC 8437 §3): back to the state before login. It cannot fail, as the client may have sent the next
  /// AUTHENTICATE already.
  func unauthenticate(_ tag: String) throws(CommandError) -> Completion? {
    guard settings.offersUnauthenticate else { throw .bad("Unknown command") }
    if connection.isCompressed, !framer.isIdle {
      // RFC 8437 §4.1: the client's compression ends with this command, so nothing compressed can follow it.
      framer.discardInput()
      bye("Compressed data behind UNAUTHENTICATE")
      return nil
    }
    forgetLogin()
    say(tag, .ok, nil, "UNAUTHENTICATE completed")
    connection.endCompression()
    return nil
  }

  /// All that a login brings, and all that was enabled since: RFC 8437 §4.1 wants everything reset but TLS, and leaves ID
  /// to us; it stays, as it tells of the client's program. **Whoever adds state to a session resets it here.**
  private func forgetLogin() {
    // The search result variable, and what has been told, go with it. No expunge (RFC 8437 §3).
    leaveMailbox()
    if let account {
      listener.authenticator.sessionEnded(account: account.id, connection: connection)
      tally.log(to: listener.logger, connection, account: account, why: "UNAUTHENTICATE")
    }
    notify?.stop()
    notify = nil
    metadata?.close()
    metadata = nil
    account = nil
    isRev2 = false
    isUTF8 = false
    hasKeyNews = false
    comparator = .default
    language = .neutral
    enabled = []
    enabledByName = []
    hasToldExpunge = false
    framer.options = .rev1
    framer.isLoggedIn = false
    tally = tally.forNextLogin
    connection.setDeadline(settings.loginTimeout)
  }
}
