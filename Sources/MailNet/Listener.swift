public import Logging
public import NIOCore
import NIOPosix
import Synchronization

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// Accepts connections for one protocol on one address.
///
/// `bind()` (optional: `run()` does it), `run()` until shutdown; `beginShutdown(grace:)` from anywhere.
public final class Listener: Sendable {
  private let core: ListenerCore
  private let group: any EventLoopGroup
  private let bound = Mutex<Bound?>(nil)

  private struct Bound: Sendable {
    let channel: any Channel
    let file: UnixSocketFile?
  }

  /// - Parameters:
  ///   - tls: nil offers neither TLS nor STARTTLS.
  ///   - limiter: to count connections together with other listeners; nil counts these by themselves.
  ///   - makeSession: called on the connection's loop when it is ready for its greeting.
  public init(
    settings: ListenerSettings, tls: TLSContexts?, group: any EventLoopGroup, limiter: ConnectionLimiter? = nil,
    makeSession: @escaping @Sendable (Connection) -> any ConnectionSession, logger: Logger
  ) {
    self.group = group
    core = ListenerCore(
      settings: settings, tls: tls, limiter: limiter ?? ConnectionLimiter(settings.limits), group: group,
      logger: logger, makeSession: makeSession)
  }

  /// Where it listens; nil before `bind`. Tells the port that the system chose.
  public var boundAddress: SocketAddress? { bound.withLock { $0?.channel.localAddress } }
  public var name: String { core.settings.name }
  public var connectionCount: Int { core.state.withLock { $0.connections.count } }

  /// Opens the socket; connections are accepted from now on. Throws what the system says: address in use, no permission,
  /// unknown host.
  public func bind() async throws {
    guard bound.withLock({ $0 == nil }) else { return }
    guard core.state.withLock({ !$0.isDraining }) else { throw ListenerError.shutDown(name) }
    if core.settings.implicitTLS, core.tls == nil { throw ListenerError.noCertificate(name) }
    let channel: any Channel
    var file: UnixSocketFile?
    switch core.settings.address {
    case _ where core.settings.descriptor != nil:
      channel = try await bindInherited()
    case .tcp(let host, let port):
      channel = try await bindTCP(host: host, port: port)
    case .unix(let path, let mode):
      try UnixSocketFile.removeStale(path)
      channel = try await bootstrap(tcp: false).bind(unixDomainSocketPath: path).get()
      do {
        file = try UnixSocketFile(path: path, mode: mode, group: core.settings.unixGroup)
      } catch {
        try? await channel.close()
        throw error
      }
    }
    core.state.withLock { $0.channelIsOpen = true }
    bound.withLock { [file] in $0 = Bound(channel: channel, file: file) }
    channel.closeFuture.whenComplete { _ in self.channelClosed() }
    if core.state.withLock({ $0.isDraining }) {
      // Shut down while it was starting.
      try? await channel.close()
      throw ListenerError.shutDown(name)
    }
    core.logger.info(
      "listening",
      metadata: ["listener": "\(name)", "address": "\(core.settings.address)", "tls": "\(core.settings.implicitTLS)"])
  }

  /// Serves until `beginShutdown` and the end of the last connection. Cancelling its task shuts down at once. Throws when
  /// the socket can't be opened, or is closed by a failure.
  public func run() async throws {
    try await bind()
    try await withTaskCancellationHandler {
      try await core.finished.wait()
    } onCancel: {
      beginShutdown(grace: .zero)
    }
  }

  /// Stops accepting, asks every session to take leave, and closes what is left after `grace`. Returns at once; `run()`
  /// returns when it is done. Calling it again only shortens the grace.
  public func beginShutdown(grace: TimeAmount) {
    let first = core.state.withLock { state in
      defer { state.isDraining = true }
      return !state.isDraining
    }
    let channel = bound.withLock { $0?.channel }
    guard let channel else {
      core.finished.open(.success(()))
      return
    }
    if first {
      channel.close(promise: nil)
      for connection in core.connections {
        connection.eventLoop.execute { connection.requestShutdown() }
      }
    }
    let core = core
    group.any().scheduleTask(in: grace) {
      for connection in core.connections {
        connection.eventLoop.execute { connection.fail(.local) }
      }
    }
  }

  /// `beginShutdown`, and waits for its end.
  public func shutdown(grace: TimeAmount) async {
    beginShutdown(grace: grace)
    try? await core.finished.wait()
  }

  /// For tests: what NIO does when accept(2) fails.
  func simulateAcceptError(_ error: any Error) async {
    guard let channel = bound.withLock({ $0?.channel }) else { return }
    _ = try? await channel.eventLoop.submit { channel.pipeline.fireErrorCaught(error) }.get()
  }

  private func channelClosed() {
    bound.withLock { $0?.file }?.remove()
    let (draining, last) = core.state.withLock { state in
      state.channelIsOpen = false
      return (state.isDraining, state.connections.isEmpty)
    }
    if !draining {
      core.logger.error("listening socket closed", metadata: ["listener": "\(name)"])
      core.finished.open(.failure(ListenerError.socketClosed(name)))
    } else if last {
      core.finished.open(.success(()))
    }
  }

  private func bindInherited() async throws -> any Channel {
    guard let descriptor = core.settings.descriptor, let isTCP = BoundSocket.isTCP(descriptor) else {
      throw IOError(errnoCode: ENOTSOCK, reason: "descriptor for \(name)")
    }
    return try await bootstrap(tcp: isTCP).withBoundSocket(descriptor).get()
  }

  /// Where the kernel knows no IPv6, all addresses are all IPv4 addresses.
  private func bindTCP(host: String, port: Int) async throws -> any Channel {
    do {
      return try await bootstrap(tcp: true).bind(host: host, port: port).get()
    } catch let error as IOError where host == "::" && error.isMissingFamily {
      return try await bootstrap(tcp: true).bind(host: "0.0.0.0", port: port).get()
    }
  }

  private func bootstrap(tcp: Bool) -> ServerBootstrap {
    let core = core
    let bootstrap = ServerBootstrap(group: group)
      .serverChannelOption(.backlog, value: NetLimits.backlog)
      .serverChannelOption(.maxMessagesPerRead, value: NetLimits.acceptsPerRound)
      .serverChannelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
          try channel.pipeline.syncOperations.addHandler(AcceptErrors(core))
        }
      }
      .childChannelOption(
        .recvAllocator,
        value: AdaptiveRecvByteBufferAllocator(
          minimum: 512, initial: NetLimits.firstRead, maximum: NetLimits.largestRead)
      )
      .childChannelOption(
        .writeBufferWaterMark, value: .init(low: NetLimits.outgoingLowWater, high: NetLimits.outgoingHighWater)
      )
      .childChannelOption(.maxMessagesPerRead, value: NetLimits.readsPerRound)
      .childChannelOption(.allowRemoteHalfClosure, value: true)
      .childChannelInitializer { channel in
        channel.eventLoop.makeCompletedFuture { try core.accept(channel, tcp: tcp) }
      }
    guard tcp else { return bootstrap }
    return
      bootstrap
      .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
      .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
  }
}

public enum ListenerError: Error, Sendable, Hashable, CustomStringConvertible {
  case noCertificate(String)
  case socketClosed(String)
  /// `bind` or `run` after `beginShutdown`.
  case shutDown(String)
  public var description: String {
    switch self {
    case .noCertificate(let name): "\(name): TLS without a certificate"
    case .shutDown(let name): "\(name): shut down"
    case .socketClosed(let name): "\(name): the listening socket was closed by an error"
    }
  }
}
