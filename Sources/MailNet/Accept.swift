import Logging
import NIOCore

/// The peer was gone before it was accepted.
private struct PeerVanished: Error {}

extension ListenerCore {
  /// Sets up an accepted connection, or its refusal. On the connection's loop.
  func accept(_ channel: any Channel, tcp: Bool) throws {
    let peer: PeerAddress
    if tcp {
      guard let address = channel.remoteAddress else { throw PeerVanished() }
      peer = PeerAddress(address)
    } else {
      peer = .unixSocket
    }
    if settings.admitsOwnUserOnly, !UnixPeer.isOwnUserOrRoot(channel) {
      logger.warning("connection refused: another user", metadata: ["listener": "\(settings.name)"])
      return try refuse(channel, "")
    }
    if let refusal = limiter.acquire(peer) {
      logger.notice(
        "connection refused",
        metadata: ["listener": "\(settings.name)", "peer": "\(peer)", "limit": "\(refusal)"])
      return try refuse(channel, settings.refusalLine)
    }
    let connection = Connection(core: self, peer: peer, eventLoop: channel.eventLoop)
    guard connectionBegan(connection) else {
      limiter.release(peer)
      return try refuse(channel, settings.refusalLine)
    }
    try channel.pipeline.syncOperations.addHandler(ConnectionHandler(connection))
  }

  private func refuse(_ channel: any Channel, _ line: String) throws {
    let line = settings.implicitTLS ? "" : line
    try channel.pipeline.syncOperations.addHandler(Refusal(line))
  }
}

/// Says one line and closes.
private final class Refusal: ChannelInboundHandler {
  typealias InboundIn = ByteBuffer
  typealias OutboundOut = ByteBuffer
  private let line: String

  init(_ line: String) { self.line = line }

  func channelActive(context: ChannelHandlerContext) {
    if !line.isEmpty {
      context.writeAndFlush(Self.wrapOutboundOut(ByteBuffer(string: line)), promise: nil)
    }
    context.close(promise: nil)
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {}
  func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
}

/// When accepting fails (no file descriptor left, no memory), waits a second and tries again, and tells the log: once, until
/// connections are accepted again.
///
/// NIO's `AcceptBackoffHandler` does not do: it holds back the next read, and after an error that is not fatal the channel
/// asks for none, since it still wants the last one. The socket stays readable and the loop spins.
final class AcceptErrors: ChannelInboundHandler {
  typealias InboundIn = any Channel
  private let core: ListenerCore
  private var failures = 0
  private var isPausing = false

  init(_ core: ListenerCore) { self.core = core }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    guard error is IOError else { return }
    pause(context)
    failures += 1
    guard failures == 1 else { return }
    core.logger.error(
      "cannot accept connections", metadata: ["listener": "\(core.settings.name)", "error": "\(error)"])
  }

  private func pause(_ context: ChannelHandlerContext) {
    guard !isPausing, let options = context.channel.syncOptions, context.channel.isActive else { return }
    isPausing = true
    // Fails only on a channel that is closed.
    try? options.setOption(.autoRead, value: false)
    _ = context.eventLoop.assumeIsolated().scheduleTask(in: NetLimits.acceptPause) {
      self.isPausing = false
      try? options.setOption(.autoRead, value: true)
    }
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    if failures > 0 {
      core.logger.notice(
        "accepting connections again",
        metadata: ["listener": "\(core.settings.name)", "failures": "\(failures)"])
      failures = 0
    }
    context.fireChannelRead(data)
  }
}
