public import NIOCore
import NIOPosix
import Synchronization

/// A connection to a server, pulled by one task: `receive` hands over all that has come, and leaves the socket unread
/// while nobody asks.
///
/// One task may receive while another sends; two that receive at a time stop the program.
public final class ClientConnection: Sendable {
  struct Session: Sendable {
    var tls: ClientTLSSession?
    var received: Int64 = 0
    var sent: Int64 = 0
  }

  public let address: ClientAddress
  /// The other end is this machine.
  public let isLoopback: Bool

  let security: TransportSecurity
  let timeouts: ClientTimeouts
  let channel: any Channel
  let handler: NIOLoopBound<ClientHandler>
  let pipe: ClientPipe
  let session = Mutex(Session())
  /// Set by `startCompression`, once.
  let inflater = Mutex<Inflater?>(nil)
  let deflater = Mutex<Deflater?>(nil)
  let isCompressed = Atomic<Bool>(false)

  init(
    address: ClientAddress, security: TransportSecurity, timeouts: ClientTimeouts, channel: any Channel,
    handler: NIOLoopBound<ClientHandler>, pipe: ClientPipe
  ) {
    self.address = address
    self.security = security
    self.timeouts = timeouts
    self.channel = channel
    self.handler = handler
    self.pipe = pipe
    isLoopback = channel.remoteAddress.map { PeerAddress($0).isLocal } ?? false
  }

  deinit {
    pipe.finish(.failed(.disconnected))
    channel.close(promise: nil)
  }

  /// All bytes that have come since the last call, at least one; nil when the server has ended its side.
  /// - within: instead of `ClientTimeouts.silence`; `.timedOut` leaves the connection usable.
  public func receive(within: Duration? = nil) async throws(ClientError) -> ByteBuffer? {
    let limit = within ?? timeouts.silence
    let bytes =
      if isCompressed.load(ordering: .acquiring) {
        try await inflated(within: limit)
      } else {
        try await wireBytes(within: limit)
      }
    if let bytes { session.withLock { $0.received += Int64(bytes.readableBytes) } }
    return bytes
  }

  /// What TLS hands over, or the socket.
  func wireBytes(within limit: Duration) async throws(ClientError) -> ByteBuffer? {
    while true {
      switch pipe.take() {
      case .bytes(let bytes, let resume):
        if resume { onLoop { $0.setReading(true) } }
        return bytes
      case .ended(.orderly): return nil
      case .ended(.failed(let kind)): throw failure(kind)
      case .nothing: try await wait(.reader, limit: limit, for: "the server's answer")
      }
    }
  }

  /// Hands bytes to the socket; suspends while more wait there than `NetLimits.outgoingHighWater`.
  ///
  /// A server that answers nothing while its own output waits for us never reads again: keep the commands on the way
  /// below that mark.
  public func send(_ bytes: ByteBuffer) async throws(ClientError) {
    guard bytes.readableBytes > 0 else { return }
    session.withLock { $0.sent += Int64(bytes.readableBytes) }
    let put =
      if isCompressed.load(ordering: .acquiring) {
        try deflateAndPut(bytes)
      } else {
        pipe.put(bytes)
      }
    switch put {
    case .refused(let kind): throw failure(kind)
    case .taken(let flush, let isFull):
      if flush { onLoop { $0.flushOutbox() } }
      if isFull { try await wait(.writer, limit: timeouts.silence, for: "the server to take what was sent") }
    }
  }

  /// Sends what waits and ends the connection. Idempotent.
  public func close() async {
    let done = channel.eventLoop.makePromise(of: Void.self)
    onLoop { $0.close(done: done) }
    // Fails when the connection was gone already, which is what was asked for.
    try? await done.futureResult.get()
  }

  public var counters: TransportCounters {
    var counters = TransportCounters()
    (counters.received, counters.sent) = session.withLock { ($0.received, $0.sent) }
    counters.wireReceived = pipe.wireReceived.load(ordering: .relaxed)
    counters.wireSent = pipe.wireSent.load(ordering: .relaxed)
    return counters
  }

  /// `TLSv1.2`, `TLSv1.3`, nil without TLS.
  public var tlsVersion: String? { session.withLock { $0.tls?.version } }
  /// SHA-256 of the server's certificate (DER), nil without TLS.
  public var peerFingerprint: [UInt8]? { session.withLock { $0.tls?.fingerprint } }

  // MARK: Inside

  func failure(_ kind: ClientError.Kind) -> ClientError { ClientError(kind, server: address.description) }

  func onLoop(_ body: @escaping @Sendable (ClientHandler) -> Void) {
    let handler = handler
    channel.eventLoop.execute { body(handler.value) }
  }

  private func wait(_ side: ClientPipe.Side, limit: Duration, for what: String) async throws(ClientError) {
    let limit = TimeAmount(min(limit, ClientNetLimits.longestWait))
    let wake = await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        let deadline = pipe.wait(side, limit: limit, continuation)
        if let deadline { onLoop { $0.look(at: deadline) } }
        // Who was cancelled before the continuation stood there is not heard by the handler below.
        if Task.isCancelled { pipe.cancel(side) }
      }
    } onCancel: {
      pipe.cancel(side)
    }
    switch wake {
    case .ready: return
    case .timedOut: throw failure(.timedOut(waitingFor: what))
    case .cancelled: throw failure(.cancelled)
    }
  }
}
