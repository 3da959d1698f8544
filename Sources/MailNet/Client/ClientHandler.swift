import NIOCore
import NIOSSL
import NIOTLS
import Synchronization

/// The last handler of a client's pipeline: brings bytes to the pipe and fetches them there.
final class ClientHandler: ChannelInboundHandler {
  typealias InboundIn = ByteBuffer
  typealias OutboundOut = ByteBuffer

  let pipe: ClientPipe
  private var context: ChannelHandlerContext?
  private var timer: Scheduled<Void>?
  private var handshake: EventLoopPromise<ClientTLSSession>?
  /// Set while `handshake` is.
  private var trust: TransportSecurity.Trust?

  init(pipe: ClientPipe) { self.pipe = pipe }

  func handlerAdded(context: ChannelHandlerContext) { self.context = context }

  func handlerRemoved(context: ChannelHandlerContext) {
    ended()
    self.context = nil
  }

  // MARK: In

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    if pipe.received(Self.unwrapInboundIn(data)) { setReading(false) }
  }

  func channelReadComplete(context: ChannelHandlerContext) { pipe.wakeReader() }

  func channelInactive(context: ChannelHandlerContext) { ended() }

  func setReading(_ reads: Bool) {
    // Fails only on a closed channel, which reads nothing anyway.
    try? context?.channel.syncOptions?.setOption(.autoRead, value: reads)
  }

  private func ended() {
    handshakeFailed(.tls("the server closed the connection during the handshake"))
    timer?.cancel()
    timer = nil
    pipe.finish(.orderly)
  }

  // MARK: Out

  func flushOutbox() {
    var bytes = pipe.takeOutbox()
    guard let context else { return }
    while let piece = bytes.readSlice(length: min(bytes.readableBytes, ClientNetLimits.outgoingPiece)),
      piece.readableBytes > 0
    {
      let count = piece.readableBytes
      let written = context.eventLoop.makePromise(of: Void.self)
      written.futureResult.whenComplete { [pipe] _ in pipe.written(count) }
      context.write(Self.wrapOutboundOut(piece), promise: written)
    }
    context.flush()
  }

  /// Sends what waits, then closes; `done` when the last byte has left, or nobody takes it.
  func close(done: EventLoopPromise<Void>) {
    guard let context else { return done.succeed() }
    flushOutbox()
    pipe.finish(.failed(.disconnected))
    let channel = context.channel
    // An empty write completes behind everything that waits.
    context.writeAndFlush(Self.wrapOutboundOut(ByteBuffer()), promise: done)
    let linger = context.eventLoop.scheduleTask(in: ClientNetLimits.closeLinger) { done.succeed() }
    done.futureResult.whenComplete { _ in
      linger.cancel()
      channel.close(promise: nil)
    }
  }

  // MARK: Time

  func look(at deadline: NIODeadline) {
    timer?.cancel()
    guard let context, !pipe.isEnded else { return }
    timer = context.eventLoop.assumeIsolated().scheduleTask(deadline: deadline) { [weak self] in
      guard let self, let next = self.pipe.checkDeadlines() else { return }
      self.look(at: next)
    }
  }

  // MARK: TLS

  /// Puts TLS in front and begins its handshake.
  func startTLS(
    _ tls: ClientTLS, within limit: TimeAmount, promise: EventLoopPromise<ClientTLSSession>
  ) {
    guard let context, !pipe.isEnded else { return promise.fail(ClientFailure(.disconnected)) }
    // RFC 9051 §11.1, RFC 2595 §2.1: nothing sent before the handshake may be taken for what comes after it.
    guard pipe.isInboxEmpty else {
      pipe.finish(.failed(.protocolViolation("bytes in the clear behind the answer to STARTTLS")))
      context.close(promise: nil)
      return promise.fail(ClientFailure(.protocolViolation("bytes in the clear behind the answer to STARTTLS")))
    }
    handshake = promise
    trust = tls.trust
    let late = context.eventLoop.assumeIsolated().scheduleTask(in: limit) { [weak self] in
      self?.handshakeFailed(.timedOut(waitingFor: "the TLS handshake"))
    }
    promise.futureResult.whenComplete { _ in late.cancel() }
    do {
      let counter = try context.pipeline.syncOperations.context(handlerType: WireCounter.self)
      try context.pipeline.syncOperations.addHandler(try tls.makeHandler(), position: .after(counter.handler))
      setReading(true)
    } catch {
      handshakeFailed(.tls("\(error)"))
    }
  }

  func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
    guard case TLSUserEvent.handshakeCompleted = event, let promise = handshake else { return }
    handshake = nil
    promise.succeed(
      ClientTLSSession(
        version: try? context.pipeline.syncOperations.nioSSL_tlsVersion(),
        certificate: try? context.pipeline.syncOperations.nioSSL_peerCertificate()))
  }

  func handshakeFailed(_ kind: ClientError.Kind) {
    guard let promise = handshake else { return }
    handshake = nil
    pipe.finish(.failed(kind))
    context?.close(promise: nil)
    promise.fail(ClientFailure(kind))
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    if let trust, handshake != nil {
      let certificate = try? context.pipeline.syncOperations.nioSSL_peerCertificate()
      handshakeFailed(.tls(ClientTLS.explain(error, trust: trust, certificate: certificate)))
      return
    }
    switch error {
    case NIOSSLError.uncleanShutdown, is NIOSSLCloseTimedOutError:
      // FIN without close_notify, as many servers do. The end of the channel follows; where a message ends is said by
      // the mail protocols themselves, so nothing cut short passes for whole.
      return
    case let error as IOError where error.isPeerGone:
      pipe.finish(.failed(.disconnected))
    case is NIOSSLError, is BoringSSLError:
      pipe.finish(.failed(.tls("the protected line is broken: \(error)")))
    default:
      pipe.finish(.failed(.protocolViolation("\(error)")))
    }
    context.close(promise: nil)
  }
}

/// A `ClientError` that does not know its server yet.
struct ClientFailure: Error {
  let kind: ClientError.Kind
  init(_ kind: ClientError.Kind) { self.kind = kind }
}

/// The first handler: counts what crosses the wire.
final class WireCounter: ChannelDuplexHandler {
  typealias InboundIn = ByteBuffer
  typealias OutboundIn = ByteBuffer
  private let pipe: ClientPipe

  init(pipe: ClientPipe) { self.pipe = pipe }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    pipe.wireReceived.wrappingAdd(Int64(Self.unwrapInboundIn(data).readableBytes), ordering: .relaxed)
    context.fireChannelRead(data)
  }

  func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
    pipe.wireSent.wrappingAdd(Int64(Self.unwrapOutboundIn(data).readableBytes), ordering: .relaxed)
    context.write(data, promise: promise)
  }
}
