import IMAPCore
import MailAuth
import MailStore
import NIOCore

extension IMAPSession {
  /// LOGIN where the password would cross the wire in the clear is refused before it is looked at (RFC 9051 §6.2.3).
  func checkLoginAllowed() throws(CommandError) -> Completion? {
    guard listener.authenticator.passwordLoginAllowed(on: connection) else {
      throw .no(.privacyRequired, "Passwords are taken only under TLS")
    }
    return nil
  }

  /// LOGIN (RFC 9051 §6.2.3).
  func login(_ command: LoginCommand) async throws(CommandError) -> Completion {
    let outcome = await listener.authenticator.login(
      user: command.user, password: Array(command.password.utf8), connection: connection)
    return try loggedIn(outcome, "LOGIN completed")
  }

  /// The end of LOGIN and AUTHENTICATE alike.
  func loggedIn(_ outcome: LoginOutcome, _ text: Sentence) throws(CommandError) -> Completion {
    switch outcome {
    case .success(let account):
      guard !isOver else {
        listener.authenticator.sessionEnded(account: account.id, connection: connection)
        throw .connectionClosed
      }
      self.account = account
      framer.isLoggedIn = true
      tally.badInARow = 0
      // RFC 9051 §6.2.2, §6.2.3: spares the client a round trip.
      return .ok(text, code: .capability(capabilities()))
    case .failed(let reason):
      switch reason {
      case .wrongCredentials: throw .no(.authenticationFailed, "Authentication failed")
      case .disabled: throw .no(.contactAdmin, "The account is switched off")
      case .privacyRequired: throw .no(.privacyRequired, "Passwords are taken only under TLS")
      case .tooManyConnections: throw .no(.limit, "Too many connections of this account")
      case .temporary: throw .no(.unavailable, "Logins are not possible at the moment")
      case .authorizationFailed: throw .no(.authorizationFailed, "No permission to act as somebody else")
      // RFC 9051 §6.2.2: BAD for what is no exchange of the mechanism, and for `*`.
      case .malformed(let what): throw .bad(Sentence(said: what))
      case .cancelled: throw .bad("Authentication cancelled")
      }
    }
  }
}
