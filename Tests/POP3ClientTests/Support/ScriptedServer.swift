import NIOCore
import NIOPosix
import NIOSSL
import Synchronization
import Testing

/// The server's end of one connection: does what the test's script tells it.
final class ScriptedPeer: Sendable {
  struct Ended: Error {}

  private struct State {
    var bytes = ByteBuffer()
    var lines = 0
    var isEnded = false
    var waiters: [CheckedContinuation<Void, Never>] = []
  }

  fileprivate final class Handler: ChannelInboundHandler, Sendable {
    typealias InboundIn = ByteBuffer
    private let state = Mutex(State())

    private func change(_ body: (inout State) -> Void) {
      let waiters = state.withLock { state in
        body(&state)
        defer { state.waiters = [] }
        return state.waiters
      }
      for waiter in waiters { waiter.resume() }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
      let bytes = Self.unwrapInboundIn(data)
      change { state in
        state.lines += bytes.readableBytesView.count { $0 == 10 }
        state.bytes.writeImmutableBuffer(bytes)
      }
    }
    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
      if case ChannelEvent.inputClosed = event { change { $0.isEnded = true } }
    }
    func channelInactive(context: ChannelHandlerContext) { change { $0.isEnded = true } }
    func errorCaught(context: ChannelHandlerContext, error: any Error) { change { $0.isEnded = true } }

    var lines: Int { state.withLock { $0.lines } }
    var isEnded: Bool { state.withLock { $0.isEnded } }

    func takeLine() -> String? {
      state.withLock { state in
        let view = state.bytes.readableBytesView
        guard let end = view.firstIndex(of: 10) else { return nil }
        var line = state.bytes.readBytes(length: end - view.startIndex + 1) ?? []
        line.removeLast()
        if line.last == 13 { line.removeLast() } else { line += Array("<bare LF>".utf8) }
        return String(decoding: line, as: UTF8.self)
      }
    }

    /// Returns when more than `lines` lines have come in all, or the end.
    func more(than lines: Int) async {
      await withCheckedContinuation { waiter in
        let isDue = state.withLock { state in
          if state.isEnded || state.lines > lines { return true }
          state.waiters.append(waiter)
          return false
        }
        if isDue { waiter.resume() }
      }
    }
  }

  private let channel: any Channel
  private let handler: Handler

  fileprivate init(channel: any Channel, handler: Handler) {
    self.channel = channel
    self.handler = handler
  }

  /// The next line without its CRLF; `Ended` at the end of the connection.
  func line() async throws -> String {
    while true {
      let seen = handler.lines
      if let line = handler.takeLine() { return line }
      guard !handler.isEnded else { throw Ended() }
      await handler.more(than: seen)
    }
  }

  func expect(_ expected: String, sourceLocation: SourceLocation = #_sourceLocation) async throws {
    let line = try await line()
    #expect(line == expected, sourceLocation: sourceLocation)
    guard line == expected else { throw Ended() }
  }

  /// Waits until so many lines have come since the beginning, taken or not.
  func arrived(_ lines: Int) async throws {
    while handler.lines < lines {
      guard !handler.isEnded else { throw Ended() }
      await handler.more(than: handler.lines)
    }
  }

  /// Lines that have come since the beginning.
  var lines: Int { handler.lines }

  func send(_ text: String) async throws { try await send(ByteBuffer(string: text)) }

  func send(_ bytes: ByteBuffer) async throws {
    do {
      try await channel.writeAndFlush(bytes)
    } catch is ChannelError {
      throw Ended()
    } catch is IOError {
      throw Ended()
    }
  }

  /// Sends the last words in the clear and is ready for the handshake, in one go.
  func startTLS(_ context: NIOSSLContext, saying words: String) async throws {
    let channel = channel
    try await channel.eventLoop.submit {
      channel.writeAndFlush(ByteBuffer(string: words), promise: nil)
      try channel.pipeline.syncOperations.addHandler(NIOSSLServerHandler(context: context), position: .first)
    }.get()
  }

  /// Begins to close; NIOSSL waits some seconds for a farewell it may have had already.
  func close() { channel.close(promise: nil) }

  /// True when the client ended without saying any more.
  func endsSilently() async -> Bool {
    await handler.more(than: handler.lines)
    return handler.takeLine() == nil && handler.isEnded
  }
}

/// Listens on loopback while `body` runs; each connection is served by `script`, whose errors fail the test, all but the end
/// of the connection.
func withServer<T>(
  host: String = "127.0.0.1", _ script: @escaping @Sendable (ScriptedPeer) async throws -> Void,
  _ body: (Int) async throws -> T
) async throws -> T {
  let scripts = Mutex<[Task<Void, Never>]>([])
  let listener = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
    .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
    .childChannelOption(.allowRemoteHalfClosure, value: true)
    .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
    .childChannelInitializer { channel in
      channel.eventLoop.makeCompletedFuture {
        let handler = ScriptedPeer.Handler()
        try channel.pipeline.syncOperations.addHandler(handler)
        let peer = ScriptedPeer(channel: channel, handler: handler)
        let task = Task {
          do {
            try await script(peer)
          } catch is ScriptedPeer.Ended {
            // The client went away, or the expectation that failed has been recorded.
          } catch {
            Issue.record(error)
          }
          peer.close()
        }
        scripts.withLock { $0.append(task) }
      }
    }
    .bind(host: host, port: 0).get()
  let port = listener.localAddress?.port ?? 0
  let result: Result<T, any Error>
  do {
    result = .success(try await body(port))
  } catch {
    result = .failure(error)
  }
  try? await listener.close()
  for task in scripts.withLock({ $0 }) { await task.value }
  return try result.get()
}
