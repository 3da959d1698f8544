public import MailNet

/// Access tokens from a refresh token (RFC 6749 §6). Keeps one until a minute before its end; who asks while one is being
/// fetched gets that one.
public actor RefreshTokenSource: TokenSource {
  private let endpoint: OAuthEndpoint
  private let client: OAuthClient
  private let refreshToken: SecretSource
  private let now: @Sendable () -> ContinuousClock.Instant
  private let changed: (@Sendable (String) async -> Void)?

  /// The server has replaced the refresh token: the one in `refreshToken` may be good no more.
  private var replacement: String?
  private var kept: (token: String, until: ContinuousClock.Instant)?
  private var fetching: Task<String, any Error>?

  /// - refreshTokenChanged: servers may give a new refresh token with each access token; keep it for the next start of
  ///   the program.
  public init(
    endpoint: OAuthEndpoint, client: OAuthClient, refreshToken: SecretSource,
    refreshTokenChanged: (@Sendable (String) async -> Void)? = nil
  ) {
    self.init(
      endpoint: endpoint, client: client, refreshToken: refreshToken, refreshTokenChanged: refreshTokenChanged,
      now: { .now })
  }

  init(
    endpoint: OAuthEndpoint, client: OAuthClient, refreshToken: SecretSource,
    refreshTokenChanged: (@Sendable (String) async -> Void)? = nil,
    now: @escaping @Sendable () -> ContinuousClock.Instant
  ) {
    self.endpoint = endpoint
    self.client = client
    self.refreshToken = refreshToken
    self.now = now
    changed = refreshTokenChanged
  }

  public func accessToken() async throws(ClientError) -> String {
    if let kept, now() < kept.until { return kept.token }
    let task = fetching ?? Task { try await self.fetch() }
    fetching = task
    do {
      return try await task.value
    } catch let error as ClientError {
      throw error
    } catch {
      throw endpoint.failure(.cancelled)
    }
  }

  public func invalidate() { kept = nil }

  private func fetch() async throws(ClientError) -> String {
    defer { fetching = nil }
    let old = try await currentRefreshToken()
    var form = [("grant_type", "refresh_token"), ("client_id", client.id), ("refresh_token", old)]
    if let scope = client.scope { form.append(("scope", scope)) }
    if let secret = try await endpoint.text(of: client.secret) { form.append(("client_secret", secret)) }
    let answer = try await endpoint.post(form)
    guard let grant = TokenGrant(answer) else {
      throw endpoint.refusal(answer, hint: "sign in again to get a new refresh token")
    }
    kept = (grant.accessToken, now() + grant.lifetime - MailClientLimits.tokenMargin)
    // RFC 6749 §6: the client MUST discard the old refresh token and replace it with the new one.
    if let new = grant.refreshToken, new != old {
      replacement = new
      await changed?(new)
    }
    return grant.accessToken
  }

  private func currentRefreshToken() async throws(ClientError) -> String {
    if let replacement { return replacement }
    return try await endpoint.text(of: refreshToken) ?? ""
  }
}

extension OAuthEndpoint {
  /// A secret that is text; nil for none.
  func text(of source: SecretSource?) async throws(ClientError) -> String? {
    guard let source else { return nil }
    guard let text = String(validating: try await source.secret(server: name), as: UTF8.self) else {
      throw failure(.secretUnavailable("a token or client secret is no UTF-8"))
    }
    return text
  }

  /// The error of an answer that grants nothing (RFC 6749 §5.2).
  func refusal(_ answer: OAuthAnswer, hint: String) -> ClientError {
    guard !answer.isSuccess, let code = answer.fields.error else {
      return failure(.protocolViolation("an OAuth answer without a token"))
    }
    switch code {
    case "invalid_grant", "expired_token", "access_denied":
      return failure(.authenticationFailed("\(answer.reason); \(hint)"))
    default:
      return failure(.refused(command: "the token request", code: nil, text: answer.reason))
    }
  }
}
