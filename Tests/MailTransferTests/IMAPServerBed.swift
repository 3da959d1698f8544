import IMAPClient
import Logging
import MailAuth
import MailClient
import MailNet
import MailStore
import NIOCore
import NIOPosix

@testable import MerpatiServer

/// IMAP over a data folder, on a port of loopback, with the server's own parts.
final class IMAPServerBed {
  let store: any MailStore
  private let listener: Listener
  private let running: Task<Void, any Error>
  private let port: Int

  init(data: String) async throws {
    let settings = try Settings(await EffectiveConfig.load(flags: ["data": data]))
    var logger = Logger(label: "test")
    logger.logLevel = .critical
    let quiet = logger
    store = try DataFolder.openStore(data, settings, logger: quiet, upkeep: false)
    let authenticator = Authenticator(
      store: store, settings: AuthSettings(allowCleartext: false, scramIterations: 4096), logger: quiet,
      threads: NIOThreadPool.singleton)
    await authenticator.refresh()
    let sessions = SessionFactories(
      settings: settings, store: store, authenticator: authenticator, makeLogger: { _ in quiet })
    let listener = Listener(
      settings: ListenerSettings(
        name: "imap", address: .tcp(host: "127.0.0.1", port: 0), implicitTLS: false, refusalLine: ""),
      tls: nil, group: MultiThreadedEventLoopGroup.singleton, makeSession: sessions.factory(.imap), logger: quiet)
    try await listener.bind()
    port = listener.boundAddress?.port ?? 0
    running = Task { try await listener.run() }
    self.listener = listener
  }

  func logIn() async throws -> IMAPClient {
    let security = TransportSecurity(encryption: .none, trust: .system, allowsCleartextLogin: false)
    let server = RemoteServer(mailProtocol: .imap, host: "127.0.0.1", port: port, user: "ana", security: security)
    let client = try await IMAPClient.connect(
      to: server, group: MultiThreadedEventLoopGroup.singleton, timeouts: ClientTimeouts())
    try await client.logIn(user: "ana", .password(.value("secret")), compress: false)
    return client
  }

  func stop() async {
    listener.beginShutdown(grace: .zero)
    _ = try? await running.value
    await store.close()
  }
}
