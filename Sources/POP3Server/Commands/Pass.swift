import MailAuth
import POP3Core

extension POP3Session {
  /// PASS (RFC 1939 §7): may be given only right after a USER that went well.
  func pass(_ command: POP3Command) {
    guard case .pass(let password) = command else { return }
    guard server.authenticator.passwordLoginAllowed(on: connection) else { return bad(.privacyRequired) }
    guard let name = user else { return bad(.userFirst) }
    whileBusy { session in
      let outcome = await session.server.authenticator.login(
        user: name, password: password, connection: session.connection, method: "USER")
      await session.loggedIn(outcome)
    }
  }
}
