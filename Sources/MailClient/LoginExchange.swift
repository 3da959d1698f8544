public import MailNet
public import NIOCore
import NIOPosix
import SASL

/// One login by SASL, as POP3 and IMAP both drive it: they send `mechanism`, the initial response (with the command or
/// after the first empty challenge) and an answer for each challenge, base64 put on and taken off.
///
/// When the server reports success, `isServerProven` must be asked; data that come along with the success (RFC 4422
/// §3.6) go to `finish` before. When it reports failure, `rejected` makes the error.
public struct LoginExchange: Sendable {
  private enum Exchange: Sendable {
    case password(SASLClientExchange)
    case token(SASLTokenExchange, any TokenSource)
  }

  /// The name for AUTH and AUTHENTICATE.
  public let mechanism: String
  private var exchange: Exchange
  private let server: String

  /// Picks the best mechanism that both know, and asks for the password or the token. Nil: nothing in common; what is
  /// left is the protocol's own login (`password`).
  ///
  /// - Parameters:
  ///   - announced: as the server wrote them, `AUTH=` taken off.
  ///   - isProtected: TLS, or a line that does not leave this machine.
  /// - Throws: `.cleartextRefused` when all that is in common would show the password to others; `.secretUnavailable`.
  public static func choose(
    announced: [String], credential: Credential, user: String, server: RemoteServer, isProtected: Bool
  ) async throws(ClientError) -> LoginExchange? {
    let name = server.address.description
    let maySendSecret = isProtected || server.security.allowsCleartextLogin
    switch credential {
    case .password(let source):
      let known = Set(announced.compactMap { SASLMechanism(name: $0) })
      // From best to worst: in the order of the enumeration.
      let common = SASLMechanism.allCases.filter { known.contains($0) }
      guard let mechanism = common.first(where: { !$0.sendsPassword || maySendSecret }) else {
        if common.isEmpty { return nil }
        throw ClientError(.cleartextRefused, server: name)
      }
      let secret = try await source.secret(server: name)
      return LoginExchange(
        mechanism: mechanism.name,
        exchange: .password(SASLClientExchange(mechanism: mechanism, username: user, password: secret)), server: name)
    case .token(let source):
      let known = Set(announced.compactMap { SASLTokenMechanism(name: $0) })
      guard let mechanism = SASLTokenMechanism.allCases.first(where: { known.contains($0) }) else { return nil }
      guard maySendSecret else { throw ClientError(.cleartextRefused, server: name) }
      let token = try await source.accessToken()
      guard
        let exchange = SASLTokenExchange(
          mechanism: mechanism, username: user, token: token, host: server.host, port: server.port)
      else {
        throw ClientError(
          .secretUnavailable("the access token or the user name holds control characters"), server: name)
      }
      return LoginExchange(mechanism: mechanism.name, exchange: .token(exchange, source), server: name)
    }
  }

  /// The password for LOGIN or USER and PASS, which send it as it is.
  /// - Throws: `.cleartextRefused` over a line that others can read; `.unsupported` when there is a token instead.
  public static func password(
    of credential: Credential, server: RemoteServer, isProtected: Bool
  ) async throws(ClientError) -> [UInt8] {
    let name = server.address.description
    guard case .password(let source) = credential else {
      throw ClientError(.unsupported("a login by token (OAUTHBEARER or XOAUTH2)"), server: name)
    }
    guard isProtected || server.security.allowsCleartextLogin else {
      throw ClientError(.cleartextRefused, server: name)
    }
    return try await source.secret(server: name)
  }

  /// The client's first message, nil where the server speaks first (LOGIN). To be called once, first of all.
  public mutating func initialResponse() -> ByteBuffer? {
    switch exchange {
    case .password(var inner):
      defer { exchange = .password(inner) }
      return inner.initialResponse()
    case .token(var inner, let source):
      defer { exchange = .token(inner, source) }
      return inner.initialResponse()
    }
  }

  /// The answer to a challenge, which may be empty. An error ends the exchange; the command is then to be cancelled with
  /// `*`.
  public mutating func step(_ challenge: ByteBuffer) async throws(ClientError) -> ByteBuffer {
    let before = exchange
    // SCRAM's key takes some milliseconds of arithmetic, more if the server wants it so: not on a thread of the pool
    // that all tasks share.
    let stepped = try? await NIOThreadPool.singleton.runIfActive { Self.step(before, challenge) }
    guard let (after, action) = stepped else { throw ClientError(.cancelled, server: server) }
    exchange = after
    switch action {
    case .respond(let answer): return answer
    case .failed(let why): throw ClientError(Self.kind(why), server: server)
    }
  }

  private static func step(_ exchange: Exchange, _ challenge: ByteBuffer) -> (Exchange, SASLClientAction) {
    switch exchange {
    case .password(var inner):
      let action = inner.step(challenge)
      return (.password(inner), action)
    case .token(var inner, let source):
      let action = inner.step(challenge)
      return (.token(inner, source), action)
    }
  }

  /// Takes data that came with the server's success. False when they don't prove the server.
  public mutating func finish(_ finalData: ByteBuffer) -> Bool {
    guard case .password(var inner) = exchange else { return false }
    defer { exchange = .password(inner) }
    return inner.finish(finalData)
  }

  /// The server has shown that it knows the account, or the mechanism has no means to.
  public var isServerProven: Bool {
    switch exchange {
    case .password(let inner): inner.isServerProven
    case .token: true
    }
  }

  /// The server said no, with this text. Forgets the token, so that the next login asks for a new one.
  public func rejected(_ text: String) async -> ClientError {
    guard case .token(let inner, let source) = exchange else {
      return ClientError(.authenticationFailed(text), server: server)
    }
    await source.invalidate()
    return ClientError(
      .authenticationFailed("\(text)\(inner.refusal.map { " (\($0))" } ?? "")"), server: server)
  }

  private static func kind(_ why: SASLFailure) -> ClientError.Kind {
    switch why {
    case .malformed(let what): .protocolViolation(what)
    case .unsuitableName: .authenticationFailed("the user name or the password holds forbidden characters")
    case .wrongCredentials, .authorizationFailed:
      .authenticationFailed("the server did not prove that it knows the account")
    case .channelBinding, .outOfOrder: .protocolViolation("a challenge that the login has no place for")
    }
  }
}
