/// How logins are treated.
public struct AuthSettings: Sendable, Hashable {
  /// Passwords may cross any network in the clear (`--allow-cleartext-login`).
  public var allowCleartext: Bool
  /// A connection from 127.0.0.0/8 or ::1 counts as private. Turn it off where a proxy on this machine brings strangers.
  public var trustsLoopback: Bool
  /// What an address waits after its first failure; it doubles with each further one. Zero: no delays.
  public var failureDelay: Duration
  public var longestFailureDelay: Duration
  /// An address's failures are halved each time this has passed since the last one, and with every login that succeeds.
  public var failureDecay: Duration
  /// Failed logins after which a connection is closed.
  public var maxFailuresPerConnection: Int
  /// Logged-in connections of one account at a time.
  public var maxConnectionsPerAccount: Int
  /// PBKDF2 rounds of new keys (RFC 7677 §4).
  public var scramIterations: Int
  /// Taken off the names in tokens and certificates: anna@example.org is the account anna. Names of other domains are
  /// refused. Empty: they are accounts as they stand.
  public var domain = ""
  /// What of a client's certificate names the account (EXTERNAL).
  public var certificateName = CertificateName.email

  public enum CertificateName: String, Sendable, Hashable {
    /// rfc822Name in subjectAltName (RFC 5280 §4.2.1.6).
    case email
    case commonName = "cn"
  }

  public init(
    allowCleartext: Bool, trustsLoopback: Bool = true, failureDelay: Duration = .seconds(1),
    longestFailureDelay: Duration = .seconds(15), failureDecay: Duration = .seconds(300),
    maxFailuresPerConnection: Int = 5, maxConnectionsPerAccount: Int = 50, scramIterations: Int = 15_000
  ) {
    self.allowCleartext = allowCleartext
    self.trustsLoopback = trustsLoopback
    self.failureDelay = failureDelay
    self.longestFailureDelay = longestFailureDelay
    self.failureDecay = failureDecay
    self.maxFailuresPerConnection = maxFailuresPerConnection
    self.maxConnectionsPerAccount = maxConnectionsPerAccount
    self.scramIterations = scramIterations
  }
}

/// Time, so that tests need not wait.
public struct AuthClock: Sendable {
  public var now: @Sendable () -> ContinuousClock.Instant
  /// Returns when the time is over, or early when the task is cancelled.
  public var sleep: @Sendable (Duration) async -> Void

  public init(
    now: @escaping @Sendable () -> ContinuousClock.Instant, sleep: @escaping @Sendable (Duration) async -> Void
  ) {
    self.now = now
    self.sleep = sleep
  }

  public static let system = AuthClock(now: { .now }, sleep: { try? await Task.sleep(for: $0) })
}
