public import NIOCore
import NIOPosix
import Synchronization

/// The server's end of one connection: does what the test's script tells it.
public final class ScriptedPeer: Sendable {
  /// The connection has ended.
  public struct Ended: Error {
    public init() {}
  }

  /// The client said something else. This room knows no test library, so the script's failures are thrown.
  public struct Unexpected: Error, CustomStringConvertible {
    var line: String
    var expected: String
    var place: String
    public var description: String {
      "\(place): \(expected.debugDescription) was expected, and \(line.debugDescription) came"
    }
  }

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

  public let channel: any Channel
  private let handler: Handler

  fileprivate init(channel: any Channel, handler: Handler) {
    self.channel = channel
    self.handler = handler
  }

  /// The next line without its CRLF; `Ended` at the end of the connection.
  public func line() async throws -> String {
    while true {
      let seen = handler.lines
      if let line = handler.takeLine() { return line }
      guard !handler.isEnded else { throw Ended() }
      await handler.more(than: seen)
    }
  }

  public func expect(_ expected: String, file: String = #fileID, at number: Int = #line) async throws {
    let line = try await line()
    guard line == expected else { throw Unexpected(line: line, expected: expected, place: "\(file):\(number)") }
  }

  /// Waits until so many lines have come since the beginning, taken or not.
  public func arrived(_ lines: Int) async throws {
    while handler.lines < lines {
      guard !handler.isEnded else { throw Ended() }
      await handler.more(than: handler.lines)
    }
  }

  /// Lines that have come since the beginning.
  public var lines: Int { handler.lines }

  public func send(_ text: String) async throws { try await send(ByteBuffer(string: text)) }

  public func send(_ bytes: ByteBuffer) async throws {
    do {
      try await channel.writeAndFlush(bytes)
    } catch is ChannelError {
      throw Ended()
    } catch is IOError {
      throw Ended()
    }
  }

  /// Begins to close; NIOSSL waits some seconds for a farewell it may have had already.
  public func close() { channel.close(promise: nil) }

  /// True when the client ended without saying any more.
  public func endsSilently() async -> Bool {
    await handler.more(than: handler.lines)
    return handler.takeLine() == nil && handler.isEnded
  }
}

/// Listens on loopback while `body` runs; each connection is served by `script`. Its errors, all but the end of the
/// connection, are thrown: they tell more than what they led to in `body`.
public func withServer<T>(
  host: String = "127.0.0.1", _ script: @escaping @Sendable (ScriptedPeer) async throws -> Void,
  _ body: (Int) async throws -> T
) async throws -> T {
  let scripts = Mutex<[Task<(any Error)?, Never>]>([])
  let listener = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
    .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
    .childChannelOption(.allowRemoteHalfClosure, value: true)
    .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
    .childChannelInitializer { channel in
      channel.eventLoop.makeCompletedFuture {
        let handler = ScriptedPeer.Handler()
        try channel.pipeline.syncOperations.addHandler(handler)
        let peer = ScriptedPeer(channel: channel, handler: handler)
        let task = Task { () -> (any Error)? in
          defer { peer.close() }
          do { try await script(peer) } catch is ScriptedPeer.Ended { return nil } catch { return error }
          return nil
        }
        scripts.withLock { $0.append(task) }
      }
    }
    .bind(host: host, port: 0).get()
  let port = listener.localAddress?.port ?? 0
  let result: Result<T, any Error>
  do { result = .success(try await body(port)) } catch { result = .failure(error) }
  try? await listener.close()
  for task in scripts.withLock({ $0 }) {
    if let failure = await task.value { throw failure }
  }
  return try result.get()
}
