import NIOCore
import NIOPosix
import Synchronization

/// A server on loopback that answers lines and writes them down: what really crosses the wire.
final class LineServer: Sendable {
  private let channel: any Channel
  private let log: Log

  var port: Int { channel.localAddress?.port ?? 0 }

  /// - answer: the octets to send for a line without its CRLF.
  static func start(
    greeting: String, group: any EventLoopGroup, _ answer: @escaping @Sendable (String) -> String
  ) async throws -> LineServer {
    let log = Log()
    let channel = try await ServerBootstrap(group: group)
      .serverChannelOption(.backlog, value: 4)
      .childChannelInitializer { channel in
        channel.pipeline.addHandler(LineHandler(greeting: greeting, log: log, answer: answer))
      }
      .bind(host: "127.0.0.1", port: 0).get()
    return LineServer(channel, log)
  }

  private init(_ channel: any Channel, _ log: Log) {
    self.channel = channel
    self.log = log
  }

  /// Ends, and gives the lines in the order they came.
  func stop() async throws -> [String] {
    try await channel.close()
    return log.lines.withLock { $0 }
  }

  fileprivate final class Log: Sendable {
    let lines = Mutex<[String]>([])
  }
}

private final class LineHandler: ChannelInboundHandler, Sendable {
  typealias InboundIn = ByteBuffer
  typealias OutboundOut = ByteBuffer

  private let greeting: String
  private let log: LineServer.Log
  private let answer: @Sendable (String) -> String
  private let pending = Mutex("")

  init(greeting: String, log: LineServer.Log, answer: @escaping @Sendable (String) -> String) {
    self.greeting = greeting
    self.log = log
    self.answer = answer
  }

  func channelActive(context: ChannelHandlerContext) { send(greeting, context) }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    let text = String(buffer: unwrapInboundIn(data))
    let lines = pending.withLock { pending in
      pending += text
      var lines = pending.split(separator: "\r\n", omittingEmptySubsequences: false).map(String.init)
      pending = lines.removeLast()
      return lines
    }
    for line in lines {
      log.lines.withLock { $0.append(line) }
      send(answer(line), context)
    }
  }

  private func send(_ text: String, _ context: ChannelHandlerContext) {
    context.writeAndFlush(wrapOutboundOut(ByteBuffer(string: text)), promise: nil)
  }
}
