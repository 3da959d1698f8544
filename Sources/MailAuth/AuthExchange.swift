import MailNet
import MailStore
public import NIOCore
import SASL

/// One AUTHENTICATE or AUTH. `step` is called first with the initial response, or nil if the client sent none (an empty
/// buffer for `=`), then with the client's answer to each challenge, base64 taken off.
///
/// `@unchecked Sendable`: used by one session only, on its connection's loop, one call after the other.
public final class AuthExchange: @unchecked Sendable {
  private enum Work {
    case password(SASLServerExchange)
    case token(SASLTokenMechanism)
    case external
  }

  let authenticator: Authenticator
  let connection: any LoginOrigin
  let mechanism: ServerMechanism
  private var work: Work
  private var hasBegun = false
  private var isOver = false
  /// Known already, while the client has to say one more word (RFC 7628 §3.2.3).
  var refused: LoginOutcome?
  /// For the log, as soon as it is known.
  var user = ""
  /// SCRAM: whose keys it runs on.
  private var account: Account?

  init(
    _ authenticator: Authenticator, _ mechanism: ServerMechanism, _ connection: any LoginOrigin, sendsFinalData: Bool
  ) {
    self.authenticator = authenticator
    self.connection = connection
    self.mechanism = mechanism
    work =
      switch mechanism {
      case .password(let mechanism):
        .password(
          SASLServerExchange(
            mechanism: mechanism, sendsFinalData: sendsFinalData, decoy: authenticator.readiness.decoy))
      case .token(let mechanism): .token(mechanism)
      case .external: .external
      }
  }

  /// Whom the client named, for logs elsewhere; empty as long as it named nobody.
  public var userName: String { LogText.name(user) }

  public func step(_ bytes: ByteBuffer?) async -> AuthStep {
    guard !isOver else { return .done(.failed(.malformed("the exchange is over")), finalData: nil) }
    if let refused {
      isOver = true
      return .done(refused, finalData: nil)
    }
    let isFirst = !hasBegun
    hasBegun = true
    if isFirst, mechanism.sendsSecret, !authenticator.passwordLoginAllowed(on: connection) {
      return finish(.failed(.privacyRequired))
    }
    if case .password(var exchange) = work {
      let action = isFirst ? exchange.start(initialResponse: bytes) : exchange.step(bytes ?? ByteBuffer())
      work = .password(exchange)
      return await act(action)
    }
    guard let bytes else {
      // RFC 4422 §3: a mechanism that begins with the client gets an empty challenge.
      return isFirst ? .challenge(ByteBuffer()) : finish(.failed(.malformed("no answer")))
    }
    if case .token(let mechanism) = work { return await token(Array(buffer: bytes), mechanism) }
    return await external(Array(buffer: bytes))
  }

  /// The client sent `*` (RFC 9051 §6.2.2, RFC 5034 §4).
  public func cancel() -> LoginOutcome {
    guard !isOver else { return .failed(.cancelled) }
    isOver = true
    // A refusal stands in the books already.
    guard refused == nil else { return .failed(.cancelled) }
    return authenticator.conclude(.failed(.cancelled), user: user, method: mechanism.name, connection)
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
      guard case .password(var exchange) = work else { return finish(.failed(.temporary)) }
      let next = exchange.resume(with: found == nil ? nil : stored)
      work = .password(exchange)
      return await act(next)
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

  func finish(_ outcome: LoginOutcome, _ finalData: ByteBuffer? = nil, detail: String? = nil) -> AuthStep {
    isOver = true
    let outcome = authenticator.conclude(outcome, user: user, method: mechanism.name, connection, detail: detail)
    if case .failed = outcome { return .done(outcome, finalData: nil) }
    return .done(outcome, finalData: finalData)
  }

  static func reason(_ why: SASLFailure) -> FailureReason {
    switch why {
    case .wrongCredentials, .unsuitableName: .wrongCredentials
    case .authorizationFailed: .authorizationFailed
    case .malformed(let text): .malformed(text)
    case .channelBinding: .malformed("channel binding is not supported")
    case .outOfOrder: .malformed("out of order")
    }
  }
}
