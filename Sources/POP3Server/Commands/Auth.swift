import MailAuth
import MailNet
import MailStore
import NIOCore
import POP3Core
import SASL

extension POP3Session {
  /// AUTH (RFC 5034 §4).
  func auth(_ command: POP3Command) {
    switch command {
    case .authListing:
      let names = server.authenticator.mechanisms(for: connection).map(\.name)
      withOutput { POP3Response.mechanisms(names, language, into: &$0) }
    case .auth(let name, let initialResponse):
      guard let mechanism = ServerMechanism(name: name) else { return bad(.unknownMechanism) }
      guard server.authenticator.mechanisms(for: connection).contains(mechanism) else {
        let isClear = mechanism.sendsSecret && !server.authenticator.passwordLoginAllowed(on: connection)
        return bad(isClear ? .privacyRequired : .unknownMechanism)
      }
      let exchange = server.authenticator.begin(mechanism, connection: connection)
      step(exchange, initialResponse)
    default: break
    }
  }

  /// A line that answers a challenge.
  func response(_ line: ByteBuffer) {
    guard case .response(let exchange) = expecting else { return }
    expecting = .command
    switch POP3AuthResponse.parse(line) {
    case .response(let bytes): step(exchange, bytes)
    case .cancel:
      // RFC 5034 §4: the server MUST reject the AUTH command.
      _ = exchange.cancel()
      err(.authenticationCancelled)
    case .badBase64:
      // RFC 5034 §4: the server MUST reject what it cannot decode.
      _ = exchange.cancel()
      bad(.syntax(.badBase64))
    }
  }

  private func step(_ exchange: AuthExchange, _ bytes: ByteBuffer?) {
    whileBusy { session in
      switch await exchange.step(bytes) {
      case .challenge(let challenge):
        guard !session.connection.isClosing else { return }
        POP3Response.challenge(challenge, into: &session.connection.out)
        session.expecting = .response(exchange)
      // What a mechanism says last comes as a challenge before: +OK carries no data (RFC 5034 §4).
      case .done(let outcome, _): await session.loggedIn(outcome)
      }
    }
  }
}
