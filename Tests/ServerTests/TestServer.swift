import Logging
import MailAuth
import MailNet
import MailStore
import MailTestKit
import NIOCore
import NIOPosix
import SASL

/// One protocol of the server on a port of loopback.
final class TestServer: Sendable {
  /// How to make the sessions of a protocol. Each protocol's tests extend this with its own (`.pop3`, `.lmtp`, `.imap`).
  struct Kind: Sendable {
    var name: String
    /// Called once; what it returns is called for each connection.
    var makeSessions: @Sendable (Parts) throws -> @Sendable (Connection) -> any ConnectionSession
  }

  /// What a server is made of.
  struct Parts: Sendable {
    var store: any MailStore
    var authenticator: Authenticator
    /// What the transcript's `@set` lines gave.
    var settings: [String: String]
    var clock: TestClock
    var logger: Logger
    var offersTLS: Bool

    func number(_ key: String, or value: Int) -> Int { settings[key].flatMap { Int($0) } ?? value }
  }

  private let listener: Listener
  private let running: Task<Void, any Error>
  let address: SocketAddress
  let authenticator: Authenticator

  private init(listener: Listener, running: Task<Void, any Error>, address: SocketAddress, authenticator: Authenticator)
  {
    self.listener = listener
    self.running = running
    self.address = address
    self.authenticator = authenticator
  }

  /// Settings that hold for every protocol: `tls` (`off`, `starttls`, `implicit`), `cleartext` (`no`: loopback is not
  /// trusted), `failure-delay` (seconds, default 0), `write-timeout` (seconds).
  static func start(
    _ kind: Kind, store: any MailStore, settings: [String: String], clock: TestClock
  ) async throws -> TestServer {
    var logger = Logger(label: "test")
    logger.logLevel = settings["log"].flatMap { Logger.Level(rawValue: $0) } ?? .critical
    let tls = settings["tls"] ?? "starttls"
    var contexts: TLSContexts?
    if tls != "off" {
      guard let files = TestCertificate.files else { throw TranscriptRun.Mismatch(description: "no certificate") }
      contexts = try TLSContexts(TLSSettings(certificate: files, minimum: .tls12), logger: logger)
    }
    let auth = AuthSettings(
      allowCleartext: false, trustsLoopback: settings["cleartext"] != "no",
      failureDelay: .seconds(settings["failure-delay"].flatMap { Int($0) } ?? 0), scramIterations: 4096)
    let authenticator = Authenticator(
      store: store, settings: auth, logger: logger, threads: NIOThreadPool.singleton)
    await authenticator.refresh()
    let makeSession = try kind.makeSessions(
      Parts(
        store: store, authenticator: authenticator, settings: settings, clock: clock, logger: logger,
        offersTLS: contexts != nil))
    let listener = Listener(
      settings: ListenerSettings(
        name: kind.name, address: .tcp(host: "127.0.0.1", port: 0), implicitTLS: tls == "implicit", refusalLine: "",
        writeTimeout: .seconds(settings["write-timeout"].flatMap { Int64($0) } ?? 60)),
      tls: contexts, group: MultiThreadedEventLoopGroup.singleton, makeSession: makeSession, logger: logger)
    try await listener.bind()
    guard let address = listener.boundAddress else { throw TranscriptRun.Mismatch(description: "no address") }
    let running = Task { try await listener.run() }
    return TestServer(listener: listener, running: running, address: address, authenticator: authenticator)
  }

  /// Asks the sessions to take leave; `stop` waits for them.
  func shutDown() { listener.beginShutdown(grace: .seconds(20)) }

  func stop() async {
    listener.beginShutdown(grace: .zero)
    _ = try? await running.value
  }

  /// The stored form of a password, with few rounds.
  static func credentials(password: String) throws -> String {
    try Credentials.make(password: Array(password.utf8), iterations: 4096).stored
  }
}
