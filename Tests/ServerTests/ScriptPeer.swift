import NIOCore
import NIOPosix
import NIOSSL
import Synchronization

/// A client that does only what it is told: sends bytes, hands over what comes back line by line.
final class ScriptPeer: Sendable {
  enum Failure: Error, CustomStringConvertible {
    /// Nothing came for so long that the test is taken to hang.
    case silence
    case closed(rest: String)
    var description: String {
      switch self {
      case .silence: "nothing came for \(ScriptPeer.patience)"
      case .closed(let rest): "the server closed the connection" + (rest.isEmpty ? "" : " after “\(rest)”")
      }
    }
  }

  /// Guards against hanging for ever; no test waits for it when all is well.
  static let patience = TimeAmount.seconds(20)

  private let channel: any Channel
  private let inbox: Inbox

  private init(channel: any Channel, inbox: Inbox) {
    self.channel = channel
    self.inbox = inbox
  }

  static func connect(to address: SocketAddress, tls: Bool = false) async throws -> ScriptPeer {
    let inbox = Inbox()
    let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
      .channelOption(.allowRemoteHalfClosure, value: true)
      .channelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
          if tls { try channel.pipeline.syncOperations.addHandler(makeTLSHandler()) }
          try channel.pipeline.syncOperations.addHandler(InboxHandler(inbox))
        }
      }
      .connect(to: address).get()
    return ScriptPeer(channel: channel, inbox: inbox)
  }

  private static func makeTLSHandler() throws -> NIOSSLClientHandler {
    var configuration = TLSConfiguration.makeClientConfiguration()
    configuration.certificateVerification = .none
    return try NIOSSLClientHandler(
      context: NIOSSLContext(configuration: configuration), serverHostname: "mail.example.id")
  }

  func send(_ bytes: [UInt8]) async throws {
    do {
      try await channel.writeAndFlush(ByteBuffer(bytes: bytes))
    } catch let error as ChannelError where error == .ioOnClosedChannel || error == .outputClosed {
      // The next expectation tells the story.
    } catch is IOError {
      // Reset by the server: the same.
    }
  }

  /// The next line without its line end.
  func line() async throws -> String {
    while true {
      if let line = inbox.takeLine() { return line }
      if inbox.isClosed { throw Failure.closed(rest: inbox.rest) }
      try await wait()
    }
  }

  /// Exactly `count` bytes.
  func bytes(_ count: Int) async throws -> [UInt8] {
    while true {
      if let bytes = inbox.take(count) { return bytes }
      if inbox.isClosed { throw Failure.closed(rest: inbox.rest) }
      try await wait()
    }
  }

  /// Returns what was still to be read when the server closed.
  func untilClosed() async throws -> String {
    while !inbox.isClosed { try await wait() }
    return inbox.rest
  }

  /// Stops or starts taking bytes from the socket, to play a slow reader.
  func setReading(_ isReading: Bool) async throws {
    try await channel.setOption(.autoRead, value: isReading).get()
    if isReading { channel.read() }
  }

  var receivedBytes: Int { inbox.received }

  func startTLS() async throws {
    try await channel.eventLoop.submit { [channel] in
      try channel.pipeline.syncOperations.addHandler(Self.makeTLSHandler(), position: .first)
    }.get()
  }

  /// DEFLATE both ways from here on, or from the server's OK on: one of the two, as nobody may read what is in between.
  func compress(isAhead: Bool) async throws {
    try await channel.eventLoop.submit { [channel] in
      let last = try channel.pipeline.syncOperations.context(handlerType: InboxHandler.self).handler
      try channel.pipeline.syncOperations.addHandler(DeflateHandler(isAhead: isAhead), position: .before(last))
    }.get()
  }

  func endCompression() async throws {
    try await channel.eventLoop.submit { [channel] in
      try channel.pipeline.syncOperations.handler(type: DeflateHandler.self).end()
    }.get()
  }

  func close() async {
    try? await channel.close()
  }

  /// Resets the connection instead of closing it.
  func abort() async {
    _ = try? await (channel as? any SocketOptionProvider)?.setSoLinger(linger(l_onoff: 1, l_linger: 0)).get()
    try? await channel.close()
  }

  private func wait() async throws {
    let inbox = inbox
    let alarm = channel.eventLoop.scheduleTask(in: Self.patience) { inbox.wake(timedOut: true) }
    defer { alarm.cancel() }
    if await inbox.changed() { throw Failure.silence }
  }
}

/// What has come and has not been asked for yet.
private final class Inbox: Sendable {
  private struct State {
    var bytes = ByteBuffer()
    var isClosed = false
    var received = 0
    var hasNews = false
    var waiter: CheckedContinuation<Bool, Never>?
  }
  private let state = Mutex(State())

  var isClosed: Bool { state.withLock { $0.isClosed } }
  var received: Int { state.withLock { $0.received } }
  var rest: String { state.withLock { String(buffer: $0.bytes) } }

  func takeLine() -> String? {
    state.withLock { state in
      guard let length = state.bytes.readableBytesView.firstIndex(of: 10).map({ $0 - state.bytes.readerIndex }) else {
        return nil
      }
      var line = state.bytes.readBytes(length: length + 1) ?? []
      line.removeLast()
      // A bare LF from the server must not pass for a line end.
      if line.last == 13 { line.removeLast() } else { line += Array("<bare LF>".utf8) }
      return String(decoding: line, as: UTF8.self)
    }
  }

  func take(_ count: Int) -> [UInt8]? { state.withLock { $0.bytes.readBytes(length: count) } }

  func add(_ bytes: ByteBuffer?) {
    state.withLock { state in
      if var bytes {
        state.received += bytes.readableBytes
        state.bytes.writeBuffer(&bytes)
      } else {
        state.isClosed = true
      }
    }
    wake(timedOut: false)
  }

  func wake(timedOut: Bool) {
    let waiter = state.withLock { state in
      defer { state.waiter = nil }
      if state.waiter == nil, !timedOut { state.hasNews = true }
      return state.waiter
    }
    waiter?.resume(returning: timedOut)
  }

  /// True when it was the alarm that woke.
  func changed() async -> Bool {
    await withCheckedContinuation { continuation in
      let isDue = state.withLock { state in
        if state.hasNews {
          state.hasNews = false
          return true
        }
        state.waiter = continuation
        return false
      }
      if isDue { continuation.resume(returning: false) }
    }
  }
}

private final class InboxHandler: ChannelInboundHandler {
  typealias InboundIn = ByteBuffer
  private let inbox: Inbox

  init(_ inbox: Inbox) { self.inbox = inbox }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) { inbox.add(unwrapInboundIn(data)) }
  func channelInactive(context: ChannelHandlerContext) { inbox.add(nil) }
  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    inbox.add(nil)
    context.close(promise: nil)
  }
  func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
    if event as? ChannelEvent == .inputClosed { inbox.add(nil) }
    context.fireUserInboundEventTriggered(event)
  }
}
