import MailAuth
import POP3Core

extension POP3Session {
  /// USER (RFC 1939 §7). The answer is the same for every name: it tells nobody which accounts there are.
  func user(_ command: POP3Command) {
    guard case .user(let name) = command else { return }
    guard server.authenticator.passwordLoginAllowed(on: connection) else { return bad(.privacyRequired) }
    user = name
    ok(.sendPassword)
  }
}
