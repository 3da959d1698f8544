import MailNet
import MailStore
public import NIOCore
import SASL

/// One AUTHENTICATE or AUTH. `step` is called first with the initial response, or nil if the client sent none (an empty
/// buffer for `=`), then with the client's answer to each challenge, base64 taken off.
///
/// `@unchecked Sendable`: used by one session only, on its connection's loop, one call after the other.
public final class AuthExchange: @unchecked Sendable {
  private let authenticator: Authenticator
  private let connection: Connection
  private var exchange: SASLServerExchange
  private var hasBegun = false
  private var isOver = false
  /// For the log, as soon as it is known.
  private var user = ""
  /// SCRAM: whose keys it runs on.
  private var account: Account?

  init(_ authenticator: Authenticator, _ mechanism: SASLMechanism, _ connection: Connection, sendsFinalData: Bool) {
    self.authenticator = authenticator
    self.connection = connection
    exchange = SASLServerExchange(
      mechanism: mechanism, sendsFinalData: sendsFinalData, decoy: authenticator.readiness.decoy)
  }

  public func step(_ bytes: ByteBuffer?) async -> AuthStep {
    guard !isOver else { return .done(.failed(.malformed("the exchange is over")), finalData: nil) }
    guard hasBegun else {
      hasBegun = true
      if exchange.mechanism.sendsPassword, !authenticator.passwordLoginAllowed(on: connection) {
        return finish(.failed(.privacyRequired))
      }
      return await act(exchange.start(initialResponse: bytes))
    }
    return await act(exchange.step(bytes ?? ByteBuffer()))
  }

  /// The client sent `*` (RFC 9051 §6.2.2, RFC 5034 §4).
  public func cancel() -> LoginOutcome {
    guard !isOver else { return .failed(.cancelled) }
    isOver = true
    return authenticator.conclude(.failed(.cancelled), user: user, method: exchange.mechanism.name, connection)
  }

  private func act(_ action: SASLAction) async -> AuthStep {
    switch action {
    case .challenge(let challenge):
      return .challenge(challenge)
    case .verify(let request):
      user = request.username
      await authenticator.waitOut(connection)
      return finish(await authenticator.check(user: request.username, password: request.password))
    case .needCredentials(let username):
      user = username
      await authenticator.waitOut(connection)
      guard case .success(let found) = await authenticator.lookUp(username) else {
        return finish(.failed(.temporary))
      }
      account = found
      // Read for unknown names as well: that takes a while, too.
      let stored = try? Credentials(stored: found?.credentials ?? authenticator.decoyText)
      return await act(exchange.resume(with: found == nil ? nil : stored))
    case .succeeded(_, _, let finalData):
      return await proven(finalData)
    case .failed(let why):
      return finish(.failed(Self.reason(why)))
    }
  }

  /// The account may have changed between the challenge and its answer.
  private func proven(_ finalData: ByteBuffer?) async -> AuthStep {
    guard let account else { return finish(.failed(.wrongCredentials)) }
    guard case .success(let now) = await authenticator.lookUp(user) else { return finish(.failed(.temporary)) }
    guard let now, now.id == account.id, now.credentialsGeneration == account.credentialsGeneration else {
      return finish(.failed(.wrongCredentials))
    }
    return finish(.success(now), finalData)
  }

  private func finish(_ outcome: LoginOutcome, _ finalData: ByteBuffer? = nil) -> AuthStep {
    isOver = true
    let outcome = authenticator.conclude(outcome, user: user, method: exchange.mechanism.name, connection)
    if case .failed = outcome { return .done(outcome, finalData: nil) }
    return .done(outcome, finalData: finalData)
  }

  private static func reason(_ why: SASLFailure) -> FailureReason {
    switch why {
    case .wrongCredentials, .unsuitableName: .wrongCredentials
    case .authorizationFailed: .authorizationFailed
    case .malformed(let text): .malformed(text)
    case .channelBinding: .malformed("channel binding is not supported")
    case .outOfOrder: .malformed("out of order")
    }
  }
}
