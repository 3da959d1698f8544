public import MailNet

/// What the user is shown (RFC 8628 §3.3).
public struct DevicePrompt: Sendable, Hashable {
  /// To be typed there.
  public var userCode: String
  public var verificationURI: String
  /// The same with the code in it, for a QR code or a click.
  public var completeURI: String?
  /// For how long the code is good.
  public var lifetime: Duration
}

/// Signing in on another device (RFC 8628): the user opens a page, types a code and agrees, while this program asks
/// again and again whether it is done.
public struct DeviceCodeFlow: Sendable {
  private let deviceEndpoint: OAuthEndpoint
  private let tokenEndpoint: OAuthEndpoint
  private let client: OAuthClient
  private let sleep: @Sendable (Duration) async throws -> Void

  public init(deviceEndpoint: OAuthEndpoint, tokenEndpoint: OAuthEndpoint, client: OAuthClient) {
    self.init(
      deviceEndpoint: deviceEndpoint, tokenEndpoint: tokenEndpoint, client: client,
      sleep: { try await Task.sleep(for: $0) })
  }

  init(
    deviceEndpoint: OAuthEndpoint, tokenEndpoint: OAuthEndpoint, client: OAuthClient,
    sleep: @escaping @Sendable (Duration) async throws -> Void
  ) {
    self.deviceEndpoint = deviceEndpoint
    self.tokenEndpoint = tokenEndpoint
    self.client = client
    self.sleep = sleep
  }

  /// Returns when the user has agreed. `show` is called once.
  /// - Throws: `.authenticationFailed` when the user said no; `.timedOut` when the code has run out.
  public func run(_ show: (DevicePrompt) async -> Void) async throws(ClientError) -> TokenGrant {
    var form = [("client_id", client.id)]
    if let scope = client.scope { form.append(("scope", scope)) }
    let answer = try await deviceEndpoint.post(form)
    guard answer.isSuccess else { throw deviceEndpoint.refusal(answer, hint: "check the client id and the scope") }
    let fields = answer.fields
    guard let deviceCode = fields.device_code, let userCode = fields.user_code,
      let uri = fields.verification_uri ?? fields.verification_url,
      [userCode, uri, fields.verification_uri_complete ?? ""].allSatisfy({ $0.unicodeScalars.allSatisfy(Self.isPlain) })
    else { throw deviceEndpoint.failure(.protocolViolation("a device authorization without codes")) }
    let lifetime =
      fields.expires_in?.duration(atMost: MailClientLimits.deviceLifetime) ?? MailClientLimits.deviceLifetime
    await show(
      DevicePrompt(
        userCode: userCode, verificationURI: uri, completeURI: fields.verification_uri_complete, lifetime: lifetime))
    return try await poll(deviceCode, interval: fields.interval, lifetime: lifetime)
  }

  /// What a server says goes to a terminal.
  private static func isPlain(_ scalar: Unicode.Scalar) -> Bool {
    scalar.value >= 0x20 && scalar.value != 0x7F && !(0x80...0x9F).contains(scalar.value)
  }

  private func poll(
    _ deviceCode: String, interval: OAuthAnswer.Seconds?, lifetime: Duration
  ) async throws(ClientError) -> TokenGrant {
    // RFC 8628 §3.2: five seconds if the server does not say.
    var pause = max(
      interval?.duration(atMost: MailClientLimits.longestDevicePoll) ?? MailClientLimits.devicePoll, .seconds(1))
    var form = [
      ("grant_type", "urn:ietf:params:oauth:grant-type:device_code"), ("device_code", deviceCode),
      ("client_id", client.id),
    ]
    if let secret = try await tokenEndpoint.text(of: client.secret) { form.append(("client_secret", secret)) }
    var waited = Duration.zero
    while waited < lifetime {
      do { try await sleep(pause) } catch { throw tokenEndpoint.failure(.cancelled) }
      waited += pause
      let answer: OAuthAnswer
      do throws(ClientError) {
        answer = try await tokenEndpoint.post(form)
      } catch {
        guard error.isTemporary else { throw error }
        // RFC 8628 §3.5: on a time-out the client MUST ask less often.
        pause = min(pause * 2, MailClientLimits.longestDevicePoll)
        continue
      }
      if let grant = TokenGrant(answer) { return grant }
      switch answer.fields.error {
      case "authorization_pending": continue
      // RFC 8628 §3.5: slow_down makes it five seconds more, for good.
      case "slow_down": pause = min(pause + .seconds(5), MailClientLimits.longestDevicePoll)
      case "expired_token": throw tokenEndpoint.failure(.timedOut(waitingFor: "the user to agree"))
      default: throw tokenEndpoint.refusal(answer, hint: "the sign-in was not allowed; begin anew")
      }
    }
    throw tokenEndpoint.failure(.timedOut(waitingFor: "the user to agree"))
  }
}
