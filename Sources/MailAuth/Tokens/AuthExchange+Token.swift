import MailStore
import SASL

extension AuthExchange {
  /// OAUTHBEARER (RFC 7628) and XOAUTH2.
  func token(_ bytes: [UInt8], _ mechanism: SASLTokenMechanism) async -> AuthStep {
    guard let tokens = authenticator.tokens else { return finish(.failed(.temporary)) }
    let message: TokenMessage
    switch TokenMessage.parse(bytes, mechanism) {
    case .success(let parsed): message = parsed
    case .failure(let why): return finish(.failed(Self.reason(why)))
    }
    user = message.authorization
    await authenticator.waitOut(connection)
    // RFC 7628 §3.2: what is known from elsewhere MUST match. The name in TLS is; ports may be mapped, and are not.
    if let host = message.host, let known = connection.serverName, host.lowercased() != known {
      return refuse(.malformed("for another host"), tokens, mechanism)
    }
    let name: String
    switch await tokens.verify(message.token) {
    case .success(let found): name = found
    case .failure(.keysUnavailable):
      return finish(.failed(.temporary), detail: TokenRefusal.keysUnavailable.reason)
    case .failure(let refusal): return refuse(refusal, tokens, mechanism)
    }
    guard let account = authenticator.account(of: name) else {
      return refuse(.account("its name is not of our domain"), tokens, mechanism)
    }
    // As with passwords nobody may act as somebody else. The name may be given as the token has it, too.
    let wanted = message.authorization
    guard wanted.isEmpty || LoginNames.areSame(wanted, account) || LoginNames.areSame(wanted, name) else {
      return finish(.failed(.authorizationFailed))
    }
    user = account
    switch await authenticator.lookUp(account) {
    case .failure: return finish(.failed(.temporary))
    case .success(nil): return refuse(.account("no such account"), tokens, mechanism)
    case .success(let found?): return finish(.success(found))
    }
  }

  /// The client hears why, and has to answer that before it hears the verdict (RFC 7628 §3.2.3). The books are kept now:
  /// it may go away instead.
  private func refuse(_ why: TokenRefusal, _ tokens: TokenVerifier, _ mechanism: SASLTokenMechanism) -> AuthStep {
    refused = authenticator.conclude(
      .failed(.wrongCredentials), user: user, method: mechanism.name, connection, detail: why.reason)
    return .challenge(tokens.challenge(why, mechanism))
  }
}
