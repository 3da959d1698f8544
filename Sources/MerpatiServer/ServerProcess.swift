import AuthServer
import Foundation
import IMAPServer
import LMTPServer
import Logging
import MailAuth
import MailNet
import MailStore
import NIOCore
import NIOPosix
import POP3Server
import ServiceLifecycle
import UnixSignals

/// `merpati serve`: opens the store, binds every listener, says so, and serves until it is told to stop.
public struct ServerProcess: Sendable {
  let settings: Settings

  public init(settings: Settings) { self.settings = settings }

  /// - Throws: `ControlFailure` or `ConfigError` with a sentence for the administrator.
  public func run() async throws {
    ProcessHardening.narrowFileModes()
    // Until `Reloads` listens for it: by default it ends a process, and there is nothing to read anew yet.
    signal(SIGHUP, SIG_IGN)
    try settings.oauth.check()
    let identity = try ProcessIdentity.wanted(user: settings.processUser, group: settings.processGroup)
    let inherited = try InheritedSockets.take()
    // The log belongs to the user we become.
    let sink = try LogSink(path: settings.logFile, json: settings.logJSON, opensNow: identity == nil)
    let level = Logger.Level(rawValue: settings.logLevel) ?? .info
    let makeLogger: @Sendable (String) -> Logger = { label in
      Logger(label: label) { LineLogHandler(label: $0, sink: sink, level: level) }
    }
    let logger = makeLogger("merpati")
    raiseDescriptorLimit(logger)
    let doors: Doors
    do {
      doors = try Doors(settings, inherited: inherited, privileged: identity != nil)
    } catch {
      throw ControlFailure(.unavailable, bindProblem(error))
    }
    // Keys that only root can read are read before, too.
    let contexts = identity == nil ? nil : try givenContexts(makeLogger("tls"), logger)
    if let identity {
      try FolderOwner.make(settings.dataDirectory, for: identity)
      try identity.assume()
      try sink.reopen()
      logger.notice("became another user", metadata: ["user": "\(identity.name)", "uid": "\(identity.user)"])
    } else if geteuid() == 0, settings.processUser.isEmpty {
      logger.warning("serving as root: set process.user (process.user=root says that this is meant)")
    }

    let store: any MailStore
    let (failures, failed) = AsyncStream.makeStream(of: StoreError.self, bufferingPolicy: .bufferingOldest(1))
    do {
      store = try DataFolder.openStore(
        settings.dataDirectory, settings, logger: makeLogger("store"), upkeep: true, onFailure: { failed.yield($0) })
    } catch {
      throw ControlFailure(error)
    }
    do {
      try await serve(store, doors, contexts, failures, sink, logger, makeLogger)
    } catch {
      await store.close()
      throw error
    }
    await store.close()
    logger.info("stopped")
  }

  private func serve(
    _ store: any MailStore, _ doors: Doors, _ given: TLSContexts?, _ failures: AsyncStream<StoreError>,
    _ sink: LogSink, _ logger: Logger,
    _ makeLogger: @Sendable (String) -> Logger
  ) async throws {
    let contexts = if let given { given } else { try tlsContexts(makeLogger("tls"), logger) }
    let threads = NIOThreadPool(numberOfThreads: max(2, System.coreCount))
    threads.start()
    let group = MultiThreadedEventLoopGroup(numberOfThreads: System.coreCount)
    let authenticator = Authenticator(
      store: store, settings: authSettings(), logger: makeLogger("auth"), threads: threads,
      decoySecret: DecoySecret.load(from: settings.dataDirectory, logger),
      tokens: try settings.oauth.verifier(group: group, logger: makeLogger("oauth")))
    await authenticator.refresh()

    var listeners: [Listener] = []
    let sessions = SessionFactories(
      settings: settings, store: store, authenticator: authenticator, makeLogger: makeLogger)
    for door in doors.all {
      var settings = listenerSettings(door.kind, door.address)
      settings.descriptor = door.descriptor
      listeners.append(
        Listener(
          settings: settings, tls: contexts, group: group, makeSession: sessions.factory(door.kind),
          logger: makeLogger(door.kind.rawValue)))
    }
    let mta = try authListener(authenticator, group, makeLogger).map { [$0] } ?? []
    let control = controlListener(store, authenticator, group, makeLogger)
    do {
      for listener in listeners + mta + [control] { try await listener.bind() }
    } catch {
      for listener in listeners + mta + [control] { await listener.shutdown(grace: .zero) }
      throw ControlFailure(.unavailable, bindProblem(error))
    }

    var services: [ServiceGroupConfiguration.ServiceConfiguration] = []
    services.append(
      .init(
        service: ListenersService(
          listeners: listeners + mta + [control], grace: .seconds(Int64(settings.shutdownGraceSeconds))),
        successTerminationBehavior: .gracefullyShutdownGroup, failureTerminationBehavior: .gracefullyShutdownGroup))
    services.append(
      .init(
        service: StoreWatch(failures: failures, logger: logger),
        failureTerminationBehavior: .gracefullyShutdownGroup))
    services.append(.init(service: Upkeep(store: store, seconds: settings.expireIntervalSeconds, logger: logger)))
    services.append(.init(service: Reloads(contexts: contexts, sink: sink, logger: logger)))
    services.append(.init(service: MemoryTrimmer()))
    // Services start when signals are waited for: whoever reads 'ready' may send one.
    services.append(
      .init(
        service: Announcement { [listeners, doors] in
          announce(zip(listeners, doors.all).map { ($0, $1.address) })
          SystemdNotify.send("READY=1")
        }))
    let serviceGroup = ServiceGroup(
      configuration: .init(services: services, gracefulShutdownSignals: [.sigterm, .sigint], logger: logger))
    if !settings.pidFile.isEmpty { try writePid() }
    defer { if !settings.pidFile.isEmpty { unlink(settings.pidFile) } }
    try await serviceGroup.run()
    SystemdNotify.send("STOPPING=1")
    // The store first: what it still owes an answer resumes on these loops.
    await store.close()
    try await group.shutdownGracefully()
    try await threads.shutdownGracefully()
  }

  // MARK: Parts

  /// Nil: the certificate has to be made first, in the data folder.
  private func givenContexts(_ tlsLogger: Logger, _ logger: Logger) throws -> TLSContexts? {
    settings.tlsCertificate.isEmpty ? nil : try tlsContexts(tlsLogger, logger)
  }

  private func tlsContexts(_ tlsLogger: Logger, _ logger: Logger) throws -> TLSContexts {
    var certificate = settings.tlsCertificate
    var key = settings.tlsKey
    if certificate.isEmpty {
      let folder = settings.dataDirectory + "/tls"
      try FileManager.default.createDirectory(
        atPath: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
      certificate = folder + "/self-signed.crt"
      key = folder + "/self-signed.key"
      if try SelfSigned.ensure(certificate: certificate, key: key, hostname: settings.hostname) {
        logger.notice(
          "made a self-signed certificate; clients will warn until tls.certificate names a real one",
          metadata: ["file": "\(certificate)"])
      }
    }
    let tls = TLSSettings(
      certificate: CertificateFiles(chain: certificate, key: key), hosts: try hostCertificates(), minimum: .tls12,
      clientAuthorities: settings.tlsClientAuthorities.isEmpty ? nil : settings.tlsClientAuthorities)
    KeyModes.warn([tls.certificate] + tls.hosts.map(\.files), logger)
    do { return try TLSContexts(tls, logger: tlsLogger) } catch {
      throw ConfigError("TLS: \(error.description)")
    }
  }

  /// NAME.crt and NAME.key pairs; `_.example.org` stands for `*.example.org`.
  private func hostCertificates() throws -> [HostCertificate] {
    guard !settings.tlsDirectory.isEmpty else { return [] }
    let folder = settings.tlsDirectory
    let files: [String]
    do { files = try FileManager.default.contentsOfDirectory(atPath: folder).sorted() } catch {
      throw ConfigError("tls.directory: \(folder): cannot be read")
    }
    return try files.filter { $0.hasSuffix(".crt") }.map { file in
      let name = String(file.dropLast(4))
      guard files.contains(name + ".key") else { throw ConfigError("tls.directory: \(folder)/\(name).key is missing") }
      let host = name.hasPrefix("_.") ? "*" + name.dropFirst() : name
      return HostCertificate(
        names: [host], files: CertificateFiles(chain: "\(folder)/\(file)", key: "\(folder)/\(name).key"))
    }
  }

  private func authSettings() -> AuthSettings {
    var auth = AuthSettings(allowCleartext: settings.allowCleartextLogin)
    auth.trustsLoopback = settings.trustsLoopback
    auth.failureDelay = .seconds(Int64(settings.failureDelaySeconds))
    auth.maxFailuresPerConnection = settings.failuresPerConnection
    auth.maxConnectionsPerAccount = settings.connectionsPerAccount
    auth.scramIterations = settings.scramIterations
    auth.domain = settings.authDomain
    auth.certificateName = AuthSettings.CertificateName(rawValue: settings.certificateName) ?? .email
    return auth
  }

  private func listenerSettings(_ kind: Settings.ListenerKind, _ address: ListenAddress) -> ListenerSettings {
    let refusal =
      switch kind {
      case .imap, .imaps: "* BYE [LIMIT] Too many connections; try again later\r\n"
      case .pop3, .pop3s: "-ERR [SYS/TEMP] Too many connections; try again later\r\n"
      case .lmtp: "421 4.7.0 Too many connections; try again later\r\n"
      }
    return ListenerSettings(
      name: kind.rawValue, address: address, implicitTLS: kind == .imaps || kind == .pop3s,
      limits: ConnectionLimits(
        total: settings.maximumConnections, perAddress: settings.connectionsPerAddress,
        exemptsLoopback: settings.trustsLoopback),
      refusalLine: refusal, writeTimeout: .seconds(Int64(settings.writeTimeoutSeconds)))
  }

  /// For an MTA that has passwords checked here; nil: none is configured.
  private func authListener(
    _ authenticator: Authenticator, _ group: any EventLoopGroup, _ makeLogger: @Sendable (String) -> Logger
  ) throws -> Listener? {
    guard !settings.authSocket.isEmpty else { return nil }
    var wanted = ListenerSettings(
      name: "auth", address: .unix(path: settings.authSocket, mode: settings.authSocketMode), implicitTLS: false,
      limits: ConnectionLimits(total: settings.maximumConnections), refusalLine: "",
      maxBuffered: 2 * AuthServerLimits.line)
    if !settings.authSocketGroup.isEmpty {
      wanted.unixGroup = try ProcessIdentity.group(settings.authSocketGroup, key: "auth.socket-group")
    }
    let server = AuthServer(authenticator: authenticator, process: getpid(), logger: makeLogger("auth"))
    return Listener(
      settings: wanted, tls: nil, group: group, makeSession: { server.makeSession($0) }, logger: makeLogger("auth"))
  }

  private func controlListener(
    _ store: any MailStore, _ authenticator: Authenticator, _ group: any EventLoopGroup,
    _ makeLogger: @Sendable (String) -> Logger
  ) -> Listener {
    let administration = Administration(
      store: store, defaultQuota: settings.defaultQuota, scramIterations: settings.scramIterations,
      credentialsChanged: { ended in
        authenticator.credentialsChanged()
        if let ended { authenticator.endSessions(of: ended) }
      })
    let deliveries = LocalDeliveries(store: store, settings: settings, logger: makeLogger("deliver"))
    return Listener(
      settings: ControlSession.listenerSettings(directory: settings.dataDirectory), tls: nil, group: group,
      makeSession: { ControlSession(connection: $0, administration: administration, deliveries: deliveries) },
      logger: makeLogger("control"))
  }

  /// For people and scripts: `imap 127.0.0.1:1143`, then `ready`.
  private func announce(_ listeners: [(Listener, wanted: ListenAddress)]) {
    for (listener, wanted) in listeners {
      switch listener.boundAddress {
      case .some(.v4(let address)):
        print("\(listener.name) \(address.host.isEmpty ? "0.0.0.0" : address.host):\(listener.boundAddress?.port ?? 0)")
      case .some(.v6):
        print("\(listener.name) [\(listener.boundAddress?.ipAddress ?? "::")]:\(listener.boundAddress?.port ?? 0)")
      default: print("\(listener.name) \(wanted)")
      }
    }
    print("ready")
    // Not `stdout`: a global variable of C. All streams are flushed.
    fflush(nil)
  }

  private func bindProblem(_ error: any Error) -> String {
    if let error = error as? IOError {
      switch error.errnoCode {
      case EADDRINUSE: return "an address to listen on is in use already; is another server running? (\(error))"
      case EACCES:
        return
          "no permission to listen there; ports below 1024 need root or CAP_NET_BIND_SERVICE, or choose others: --imap 127.0.0.1:1143"
      default: break
      }
    }
    return "cannot listen: \(error)"
  }

  private func writePid() throws(ConfigError) {
    do {
      try "\(getpid())\n".write(toFile: settings.pidFile, atomically: true, encoding: .utf8)
    } catch { throw ConfigError("pid-file: \(settings.pidFile): \(error.localizedDescription)") }
  }

  /// A connection is a descriptor: take what the system lets us have.
  private func raiseDescriptorLimit(_ logger: Logger) {
    var limit = rlimit()
    guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return }
    limit.rlim_cur = limit.rlim_max
    _ = setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    if limit.rlim_cur < rlim_t(settings.maximumConnections) {
      logger.warning(
        "fewer file descriptors than connections allowed",
        metadata: ["descriptors": "\(limit.rlim_cur)", "limits.connections": "\(settings.maximumConnections)"])
    }
  }
}
