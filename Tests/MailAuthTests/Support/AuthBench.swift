import Logging
import MailNet
import MailStore
import NIOCore
import NIOPosix
import SASL
import Synchronization

@testable import MailAuth

/// Time that passes only when somebody sleeps or the test says so.
final class FakeTime: Sendable {
  private let state = Mutex((now: ContinuousClock.now, slept: [Duration]()))

  var slept: [Duration] { state.withLock { $0.slept } }
  func pass(_ duration: Duration) { state.withLock { $0.now = $0.now.advanced(by: duration) } }

  var clock: AuthClock {
    AuthClock(
      now: { self.state.withLock { $0.now } },
      sleep: { duration in
        self.state.withLock {
          $0.now = $0.now.advanced(by: duration)
          $0.slept.append(duration)
        }
      })
  }
}

/// Keeps what is logged.
struct KeepingLog: LogHandler {
  final class Lines: Sendable {
    private let lines = Mutex<[String]>([])
    var all: [String] { lines.withLock { $0 } }
    func append(_ line: String) { lines.withLock { $0.append(line) } }
  }
  let lines: Lines
  var metadata: Logger.Metadata = [:]
  var logLevel: Logger.Level = .trace
  subscript(metadataKey key: String) -> Logger.Metadata.Value? {
    get { metadata[key] }
    set { metadata[key] = newValue }
  }

  func log(event: LogEvent) {
    let details = (event.metadata ?? [:]).sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
    lines.append("\(event.level) \(event.message) \(details.joined(separator: " "))")
  }
}

/// Hands its connection to the test, and says nothing.
private final class Silent: ConnectionSession {
  init(_ connection: Connection, _ made: AsyncStream<Connection>.Continuation) { made.yield(connection) }
  func opened() {}
  func received(_ buffer: inout ByteBuffer) { buffer.moveReaderIndex(to: buffer.writerIndex) }
  func deadlineReached() {}
  func shutdownRequested() {}
  func closed(_ why: CloseReason) {}
}

/// An authenticator over a directory in memory, and real connections to log in on.
struct AuthBench {
  let store = FakeDirectory()
  let time = FakeTime()
  let lines = KeepingLog.Lines()
  let authenticator: Authenticator
  private let listener: Listener
  private let connections: AsyncStream<Connection>

  private init(
    _ settings: AuthSettings, _ path: String?, _ secret: [UInt8]?, _ tokens: TokenVerifier?,
    _ verify: @escaping PasswordCheck
  ) {
    let lines = lines
    authenticator = Authenticator(
      store: store, settings: settings, logger: Logger(label: "test") { _ in KeepingLog(lines: lines) },
      threads: .singleton, clock: time.clock, decoySecret: secret, tokens: tokens, verify: verify)
    let (stream, continuation) = AsyncStream.makeStream(of: Connection.self)
    connections = stream
    listener = Listener(
      settings: ListenerSettings(
        name: "imap", address: path.map { .unix(path: $0, mode: 0o600) } ?? .tcp(host: "127.0.0.1", port: 0),
        implicitTLS: false, refusalLine: ""),
      tls: nil, group: MultiThreadedEventLoopGroup.singleton, makeSession: { Silent($0, continuation) },
      logger: Logger(label: "silent") { _ in SwiftLogNoOpLogHandler() })
  }

  /// Few rounds, so that a debug build gets through.
  static func with(
    allowCleartext: Bool = false, trustsLoopback: Bool = true, perAccount: Int = 50, unixSocket path: String? = nil,
    decoySecret: [UInt8]? = nil, tokens: TokenVerifier? = nil, domain: String = "",
    certificateName: AuthSettings.CertificateName = .email,
    verify: @escaping PasswordCheck = { $0.verify($1, iterations: $2) },
    _ body: (AuthBench) async throws -> Void
  ) async throws {
    var settings = AuthSettings(
      allowCleartext: allowCleartext, trustsLoopback: trustsLoopback, maxConnectionsPerAccount: perAccount,
      scramIterations: rounds)
    settings.domain = domain
    settings.certificateName = certificateName
    let bench = AuthBench(settings, path, decoySecret, tokens, verify)
    try await bench.listener.bind()
    let result: Result<Void, any Error>
    do {
      try await body(bench)
      result = .success(())
    } catch {
      result = .failure(error)
    }
    await bench.listener.shutdown(grace: .zero)
    try result.get()
  }

  static let rounds = 4096

  static func scram(_ password: String) throws -> String {
    try Credentials.make(password: Array(password.utf8), iterations: rounds).stored
  }

  struct NoConnection: Error {}

  func connection() async throws -> Connection {
    guard let address = listener.boundAddress else { throw NoConnection() }
    _ = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton).connect(to: address).get()
    for await connection in connections { return connection }
    throw NoConnection()
  }

  func login(_ user: String, _ password: String, on connection: Connection? = nil) async throws -> LoginOutcome {
    let connection = if let connection { connection } else { try await self.connection() }
    return await authenticator.login(user: user, password: Array(password.utf8), connection: connection)
  }

  /// Runs a whole exchange with the client half of SASL. Returns what the server said, and whether the client believes it.
  func exchange(
    _ mechanism: SASLMechanism, _ user: String, _ password: String, authorization: String = "",
    initialResponse: Bool = true, on connection: Connection? = nil
  ) async throws -> (outcome: LoginOutcome, serverProven: Bool, challenges: [String]) {
    let connection = if let connection { connection } else { try await self.connection() }
    var client = SASLClientExchange(
      mechanism: mechanism, username: user, authorization: authorization, password: Array(password.utf8))
    let server = authenticator.begin(.password(mechanism), connection: connection)
    let first = client.initialResponse()
    var challenges: [String] = []
    var isFirst = true
    var step = await server.step(initialResponse ? first : nil)
    while true {
      switch step {
      case .done(let outcome, _):
        return (outcome, client.isServerProven, challenges)
      case .challenge(let challenge):
        challenges.append(String(buffer: challenge))
        if isFirst, !initialResponse, let first {
          step = await server.step(first)
        } else {
          switch client.step(challenge) {
          case .respond(let response): step = await server.step(response)
          case .failed: return (server.cancel(), client.isServerProven, challenges)
          }
        }
        isFirst = false
      }
    }
  }
}
