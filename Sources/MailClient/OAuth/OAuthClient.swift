/// How an application is known to an OAuth server (RFC 6749 §2).
public struct OAuthClient: Sendable, Hashable {
  public var id: String
  /// Many servers give one to programs on a desktop too, where it is no secret.
  public var secret: SecretSource?
  /// What is asked for, blanks between; nil leaves it to the server, or to what was granted before.
  public var scope: String?

  public init(id: String, secret: SecretSource? = nil, scope: String? = nil) {
    self.id = id
    self.secret = secret
    self.scope = scope
  }
}

/// What an OAuth server granted. Printing it shows no token.
public struct TokenGrant: Sendable, CustomStringConvertible, CustomDebugStringConvertible {
  public var accessToken: String
  /// From the moment of the grant.
  public var lifetime: Duration
  public var refreshToken: String?

  public init(accessToken: String, lifetime: Duration, refreshToken: String?) {
    self.accessToken = accessToken
    self.lifetime = lifetime
    self.refreshToken = refreshToken
  }

  init?(_ answer: OAuthAnswer) {
    guard answer.isSuccess, let token = answer.fields.access_token, !token.isEmpty else { return nil }
    accessToken = token
    // RFC 6749 §5.1: `expires_in` is RECOMMENDED, no more.
    lifetime =
      answer.fields.expires_in?.duration(atMost: MailClientLimits.longestTokenLifetime)
      ?? MailClientLimits.tokenLifetime
    refreshToken = answer.fields.refresh_token
  }

  public var description: String { "a token for \(lifetime.components.seconds) s" }
  public var debugDescription: String { description }
}
