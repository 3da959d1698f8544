public import NIOCore
import NIOPosix
import Synchronization

extension ClientConnection {
  /// Connects (every address of the name in turn, IPv6 and IPv4, a quarter of a second apart: RFC 8305), and makes the TLS handshake where it is implicit.
  public static func connect(
    to address: ClientAddress, security: TransportSecurity, group: any EventLoopGroup, timeouts: ClientTimeouts
  ) async throws(ClientError) -> ClientConnection {
    let server = address.description
    if let problem = problem(with: address) { throw ClientError(.invalidAddress(problem), server: server) }
    let deadline = NIODeadline.now() + TimeAmount(min(timeouts.connect, ClientNetLimits.longestWait))
    do {
      // Read first: who has no authorities need not bother the server.
      let tls = security.encryption == .implicit ? try await ClientTLS.make(security.trust, address: address) : nil
      let dial = Dial(address: address, security: security, timeouts: timeouts, loop: group.next())
      let connection = try await dial.connect(until: deadline)
      if let tls { try await connection.handshake(tls, until: deadline) }
      return connection
    } catch let error as ClientFailure {
      throw ClientError(error.kind, server: server)
    } catch {
      throw ClientError(.cannotConnect(ConnectFailure.words(error)), server: server)
    }
  }

  private static func problem(with address: ClientAddress) -> String? {
    guard case .host(let host, let port) = address else { return nil }
    guard (1...ClientNetLimits.hostName).contains(host.utf8.count), host.utf8.allSatisfy({ $0 > 0x20 && $0 != 0x7F })
    else { return "\(address): this is no host name" }
    return (1...65535).contains(port) ? nil : "\(address): a port is a number from 1 to 65535"
  }

  /// The handshake of STARTTLS. Bytes received and not asked for yet end the connection (RFC 9051 §11.1).
  ///
  /// What the caller has taken with the server's OK and not used is the caller's to check.
  public func startTLS() async throws(ClientError) {
    do {
      let tls = try await ClientTLS.make(security.trust, address: address)
      try await handshake(tls, until: .now() + TimeAmount(min(timeouts.connect, ClientNetLimits.longestWait)))
    } catch {
      throw failure(error.kind)
    }
  }

  func handshake(_ tls: ClientTLS, until deadline: NIODeadline) async throws(ClientFailure) {
    let promise = channel.eventLoop.makePromise(of: ClientTLSSession.self)
    let left = max(deadline - .now(), .nanoseconds(1))
    onLoop { $0.startTLS(tls, within: left, promise: promise) }
    do {
      let made = try await withTaskCancellationHandler {
        try await promise.futureResult.get()
      } onCancel: {
        onLoop { $0.handshakeFailed(.cancelled) }
      }
      session.withLock { $0.tls = made }
    } catch let error as ClientFailure {
      throw error
    } catch {
      throw ClientFailure(.tls("\(error)"))
    }
  }
}

/// One attempt to connect.
private final class Dial: Sendable {
  private let address: ClientAddress
  private let security: TransportSecurity
  private let timeouts: ClientTimeouts
  private let promise: EventLoopPromise<ClientConnection>
  private let isOver = Atomic<Bool>(false)

  init(address: ClientAddress, security: TransportSecurity, timeouts: ClientTimeouts, loop: any EventLoop) {
    self.address = address
    self.security = security
    self.timeouts = timeouts
    promise = loop.makePromise()
  }

  func connect(until deadline: NIODeadline) async throws -> ClientConnection {
    let loop = promise.futureResult.eventLoop
    let limit = max(deadline - .now(), .milliseconds(1))
    var bootstrap = ClientBootstrap(group: loop)
      .connectTimeout(limit)
      // Nothing is read before the handlers stand.
      .channelOption(.autoRead, value: false)
      .channelOption(.maxMessagesPerRead, value: ClientNetLimits.readsPerBurst)
      .channelOption(
        .recvAllocator,
        value: AdaptiveRecvByteBufferAllocator(
          minimum: ClientNetLimits.smallestRead, initial: ClientNetLimits.firstRead,
          maximum: ClientNetLimits.largestRead))
    let connected: EventLoopFuture<any Channel>
    switch address {
    case .host(let host, let port):
      bootstrap = bootstrap.channelOption(.tcpOption(.tcp_nodelay), value: 1)
        .channelOption(.socketOption(.so_keepalive), value: 1)
      connected = bootstrap.connect(host: host, port: port)
    case .unix(let path):
      connected = bootstrap.connect(unixDomainSocketPath: path)
    }
    connected.whenComplete { result in
      switch result {
      case .success(let channel):
        // In the same turn: a server that greets and closes at once would have its words dropped by an empty pipeline.
        if channel.eventLoop.inEventLoop {
          self.setUp(channel)
        } else {
          channel.eventLoop.execute { self.setUp(channel) }
        }
      case .failure(let error): self.promise.fail(error)
      }
    }
    return try await withTaskCancellationHandler {
      try await promise.futureResult.get()
    } onCancel: {
      isOver.store(true, ordering: .sequentiallyConsistent)
      promise.fail(ClientFailure(.cancelled))
    }
  }

  private func setUp(_ channel: any Channel) {
    guard !isOver.load(ordering: .sequentiallyConsistent) else { return channel.close(promise: nil) }
    let pipe = ClientPipe()
    let handler = ClientHandler(pipe: pipe)
    do {
      try channel.pipeline.syncOperations.addHandlers(WireCounter(pipe: pipe), handler)
      let connection = ClientConnection(
        address: address, security: security, timeouts: timeouts, channel: channel,
        handler: NIOLoopBound(handler, eventLoop: channel.eventLoop), pipe: pipe)
      // With TLS from the first byte nothing is read before TLS stands.
      if security.encryption != .implicit { handler.setReading(true) }
      promise.succeed(connection)
    } catch {
      channel.close(promise: nil)
      promise.fail(error)
    }
  }
}
