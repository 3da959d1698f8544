import Logging
import NIOCore
import NIOPosix
import Synchronization
import Testing

@testable import MailNet

/// A listener of `ToySession`s on the loopback interface.
struct TestServer {
  let listener: Listener
  let log: ToyLog
  let gate: Gate

  func client(autoRead: Bool = true, receiveBuffer: Int? = nil) async throws -> TestClient {
    let address = try #require(listener.boundAddress)
    return try await TestClient.connect(to: address, autoRead: autoRead, receiveBuffer: receiveBuffer)
  }

  /// A client that has heard the greeting.
  func greetedClient() async throws -> TestClient {
    let client = try await client()
    #expect(try await client.line() == "hello")
    return client
  }
}

/// Runs a server for the time of `body`.
func withServer(
  tls: TLSContexts? = nil, implicitTLS: Bool = false, limits: ConnectionLimits = .init(),
  address: ListenAddress = .tcp(host: "127.0.0.1", port: 0), logger: Logger = .silent,
  group: any EventLoopGroup = MultiThreadedEventLoopGroup.singleton,
  change: (inout ListenerSettings) -> Void = { _ in }, body: (TestServer) async throws -> Void
) async throws {
  let (log, gate) = (ToyLog(), Gate())
  var settings = ListenerSettings(
    name: "toy", address: address, implicitTLS: implicitTLS, limits: limits, refusalLine: "full\r\n")
  change(&settings)
  let listener = Listener(
    settings: settings, tls: tls, group: group,
    makeSession: { ToySession($0, log: log, gate: gate) }, logger: logger)
  try await listener.bind()
  let result: Result<Void, any Error>
  do {
    try await body(TestServer(listener: listener, log: log, gate: gate))
    result = .success(())
  } catch {
    result = .failure(error)
  }
  gate.open()
  await listener.shutdown(grace: .zero)
  try result.get()
}

extension Logger {
  static let silent = Logger(label: "silent") { _ in SwiftLogNoOpLogHandler() }
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
  var logLevel: Logger.Level = .debug
  subscript(metadataKey key: String) -> Logger.Metadata.Value? {
    get { metadata[key] }
    set { metadata[key] = newValue }
  }

  func log(event: LogEvent) {
    let details = (event.metadata ?? [:]).sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
    lines.append("\(event.level) \(event.message) \(details.joined(separator: " "))")
  }

  static func make() -> (Logger, Lines) {
    let lines = Lines()
    return (Logger(label: "test") { _ in KeepingLog(lines: lines) }, lines)
  }
}
