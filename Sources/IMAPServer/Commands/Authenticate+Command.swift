import IMAPCore
import MailAuth
import MailNet
import MailStore
import NIOCore
import SASL

extension IMAPSession {
  /// AUTHENTICATE (RFC 9051 §6.2.2, RFC 4959).
  func authenticate(_ command: AuthenticateCommand) async throws(CommandError) -> Completion {
    let authenticator = listener.authenticator
    guard let mechanism = ServerMechanism(name: command.mechanism) else {
      throw .no(nil, "Unsupported authentication mechanism")
    }
    guard authenticator.mechanisms(for: connection).contains(mechanism) else {
      if mechanism.sendsSecret, !authenticator.passwordLoginAllowed(on: connection) {
        throw .no(.privacyRequired, "Passwords are taken only under TLS")
      }
      throw .no(nil, "Unsupported authentication mechanism")
    }
    let exchange = authenticator.begin(mechanism, connection: connection)
    var response = command.initialResponse
    while true {
      let step = await exchange.step(response)
      guard !isOver else {
        if case .done(.success(let account), _) = step {
          authenticator.sessionEnded(account: account.id, connection: connection)
        }
        throw .connectionClosed
      }
      switch step {
      case .challenge(let bytes):
        response = try await challenge(bytes, exchange)
      case .done(let outcome, let finalData):
        // RFC 4422 §3.6 by way of RFC 9051: no additional data with success, so it goes as one more challenge.
        if let finalData { _ = try await challenge(finalData, exchange) }
        return try loggedIn(outcome, "AUTHENTICATE completed")
      }
    }
  }

  private func challenge(_ bytes: ByteBuffer, _ exchange: AuthExchange) async throws(CommandError) -> ByteBuffer {
    connection.out.writeChallenge(bytes)
    framer.expectLine()
    let event = try await nextEvent()
    switch event {
    case .line(let line):
      switch AuthenticateLine(line) {
      case .response(let bytes): return bytes
      case .cancel:
        _ = exchange.cancel()
        throw .bad("Authentication cancelled")
      case nil:
        // RFC 9051 §6.2.2: anything but base64 is BAD.
        _ = exchange.cancel()
        throw .bad("Not base64")
      }
    case .rejected(let error): throw .rejected(error)
    case .close(let code, let reason):
      bye(reason, code: code)
      throw .connectionClosed
    default: throw .bad("Authentication cancelled")
    }
  }
}
