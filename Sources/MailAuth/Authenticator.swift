public import Logging
public import MailNet
public import MailStore
import NIOCore
public import NIOPosix
public import SASL
import Synchronization

/// Whether the password is the one stored; the number is that of PBKDF2 rounds of new keys.
public typealias PasswordCheck = @Sendable (Credentials, [UInt8], Int) -> VerifyResult

/// Decides who may log in. One for all protocols of a server.
///
/// The asynchronous calls are made from a session, on its connection's loop, and return there; hashing is done on
/// `threads`.
public final class Authenticator: Sendable {
  public let settings: AuthSettings
  let store: any MailStore
  let logger: Logger
  let threads: NIOThreadPool
  let clock: AuthClock
  let delays: FailureDelays
  let readiness: SCRAMReadiness
  let cache: LoginCache
  private let connections = ConnectionLimiter(ConnectionLimits())
  /// Who is logged in, by account number and connection.
  private let sessions = Mutex<[Int64: [UInt64: Connection]]>([:])
  /// Read for names that don't exist.
  let decoyText: String
  let verify: PasswordCheck
  /// Nil: no tokens are taken.
  let tokens: TokenVerifier?
  private let refreshing = Mutex((running: false, again: false))

  /// `refresh()` must be awaited once before SCRAM is offered.
  ///
  /// - Parameters:
  ///   - decoySecret: what the salts of names without an account are derived from; random if nil. Kept from one start to
  ///     the next it makes them stay, as those of accounts do.
  ///   - tokens: nil: OAUTHBEARER and XOAUTH2 are not offered.
  ///   - verify: for tests that count.
  public init(
    store: any MailStore, settings: AuthSettings, logger: Logger, threads: NIOThreadPool, clock: AuthClock = .system,
    decoySecret: [UInt8]? = nil, tokens: TokenVerifier? = nil,
    verify: @escaping PasswordCheck = { $0.verify($1, iterations: $2) }
  ) {
    self.store = store
    self.settings = settings
    self.logger = logger
    self.threads = threads
    self.clock = clock
    delays = FailureDelays(settings)
    cache = LoginCache(now: clock.now)
    let decoy = Credentials.decoy(iterations: settings.scramIterations)
    decoyText = decoy.stored
    readiness = SCRAMReadiness(
      nobody: decoy, decoy: SCRAMDecoy(secret: decoySecret, iterations: settings.scramIterations))
    self.verify = verify
    self.tokens = tokens
  }

  // MARK: What may be offered

  /// Mechanisms to announce now, the best first. SCRAM while every enabled account has keys for it; PLAIN and LOGIN, and
  /// tokens where they are set up, where a secret may be shown; EXTERNAL where a certificate was.
  public func mechanisms(for connection: any LoginOrigin) -> [ServerMechanism] {
    let mayShowSecret = passwordLoginAllowed(on: connection)
    return ServerMechanism.allCases.filter { mechanism in
      switch mechanism {
      case .password(let mechanism): mechanism.scramHash.map { readiness.serves($0) } ?? mayShowSecret
      case .token: tokens != nil && mayShowSecret
      case .external: !certificateAccounts(connection).isEmpty
      }
    }
  }

  /// LOGIN, USER and PASS, PLAIN: inside TLS, on this machine, or by the administrator's leave. Otherwise LOGINDISABLED
  /// (RFC 9051 §6.2.3) or [PRIVACYREQUIRED].
  public func passwordLoginAllowed(on connection: any LoginOrigin) -> Bool {
    connection.isPrivate || settings.allowCleartext
      || (settings.trustsLoopback && connection.peer.isLoopback)
  }

  /// This connection has failed as often as it may: say goodbye.
  public func hasFailedTooOften(_ connection: any LoginOrigin) -> Bool {
    connection.loginFailures >= settings.maxFailuresPerConnection
  }

  // MARK: Logging in

  /// LOGIN, and USER with PASS. Waits out the delay of the address before it looks.
  ///
  /// `method` is for the log.
  public func login(
    user: String, password: [UInt8], connection: any LoginOrigin, method: String = "LOGIN"
  ) async -> LoginOutcome {
    guard passwordLoginAllowed(on: connection) else {
      return conclude(.failed(.privacyRequired), user: user, method: method, connection)
    }
    guard let name = SASLprep.name(Array(user.utf8)) else {
      return conclude(.failed(.wrongCredentials), user: user, method: method, connection)
    }
    await waitOut(connection)
    let outcome = await check(user: name, password: password)
    return conclude(outcome, user: name, method: method, connection)
  }

  /// AUTHENTICATE (RFC 9051 §6.2.2) and AUTH (RFC 5034 §4). `sendsFinalData`: the protocol carries data with its success
  /// reply; IMAP and POP3 don't.
  public func begin(
    _ mechanism: ServerMechanism, connection: any LoginOrigin, sendsFinalData: Bool = false
  ) -> AuthExchange {
    AuthExchange(self, mechanism, connection, sendsFinalData: sendsFinalData)
  }

  /// A session that had logged in is over.
  public func sessionEnded(account: AccountID, connection: Connection) {
    connections.release(account: account.rawValue)
    sessions.withLock { sessions in
      sessions[account.rawValue]?[connection.id] = nil
      if sessions[account.rawValue]?.isEmpty == true { sessions[account.rawValue] = nil }
    }
  }

  /// The account is removed or disabled, or its password is another: sessions under the old state take leave, a running
  /// command first coming to its end. Returns at once.
  public func endSessions(of account: AccountID) {
    for connection in sessions.withLock({ $0[account.rawValue].map { Array($0.values) } ?? [] }) {
      connection.eventLoop.execute { connection.requestShutdown() }
    }
  }

  /// Logged-in connections of the account.
  public func connectionCount(of account: AccountID) -> Int {
    connections.count(account: account.rawValue)
  }

  // MARK: Changes

  /// An account was added, changed or removed. Returns at once.
  public func credentialsChanged() {
    let start = refreshing.withLock { state in
      defer { if state.running { state.again = true } else { state.running = true } }
      return !state.running
    }
    guard start else { return }
    Task {
      repeat {
        await refresh()
      } while refreshing.withLock { state in
        let again = state.again
        state = (running: again, again: false)
        return again
      }
    }
  }

  /// Looks through all accounts for SCRAM keys.
  public func refresh() async {
    do throws(StoreError) {
      let accounts = try await store.accounts()
      await offLoop { self.readiness.replace(by: accounts) }
    } catch {
      logger.error("accounts not read, SCRAM is offered as before", metadata: ["error": "\(error)"])
    }
  }

  // MARK: Inside

  func waitOut(_ connection: any LoginOrigin) async {
    let delay = delays.delay(for: connection.peer, now: clock.now())
    if delay > .zero { await clock.sleep(delay) }
  }

  func lookUp(_ name: String) async -> Result<Account?, StoreError> {
    do throws(StoreError) {
      return .success(try await store.account(named: name))
    } catch {
      logger.error("account not read", metadata: ["error": "\(error)"])
      return .failure(error)
    }
  }

  /// The limits that stand even before a proven account, the books, and the one line in the log.
  func conclude(
    _ outcome: LoginOutcome, user: String, method: String, _ origin: any LoginOrigin, detail: String? = nil
  ) -> LoginOutcome {
    // Whoever asks for somebody else holds no session here.
    let connection = origin as? Connection
    var outcome = outcome
    if case .success(let account) = outcome {
      if !account.isEnabled {
        outcome = .failed(.disabled)
      } else if connection != nil,
        !connections.acquire(account: account.id.rawValue, limit: settings.maxConnectionsPerAccount)
      {
        outcome = .failed(.tooManyConnections)
      }
    }
    var metadata: Logger.Metadata = [
      "listener": "\(origin.listenerName)", "conn": "\(origin.id)", "peer": "\(origin.peer)",
      "method": "\(method)", "tls": "\(origin.tlsVersion ?? "no")",
    ]
    switch outcome {
    case .success(let account):
      if let connection {
        sessions.withLock { $0[account.id.rawValue, default: [:]][connection.id] = connection }
      }
      delays.succeeded(origin.peer)
      metadata["account"] = "\(LogText.name(account.name))"
      logger.info("login", metadata: metadata)
    case .failed(let reason):
      origin.loginFailures += 1
      if reason.isGuess { delays.failed(origin.peer, now: clock.now()) }
      if !user.isEmpty { metadata["account"] = "\(LogText.name(user))" }
      metadata["reason"] = "\(detail ?? reason.name)"
      logger.notice("login failed", metadata: metadata)
    }
    return outcome
  }

  /// Nil: the threads are gone, the server is going down.
  @discardableResult
  func offLoop<Value: Sendable>(_ body: @escaping @Sendable () -> Value) async -> Value? {
    try? await threads.runIfActive(body)
  }
}
