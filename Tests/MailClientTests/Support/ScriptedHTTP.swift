import NIOCore
import NIOPosix
import NIOSSL
import Synchronization

/// An HTTP server on the loopback interface that answers each connection with the next of its answers, byte for byte, and
/// keeps what it was asked.
final class ScriptedHTTP: Sendable {
  /// `ending`: closes the connection behind it.
  struct Answer: Sendable {
    var bytes: String
    var ending = true

    static func json(_ text: String, status: String = "200 OK") -> Answer {
      Answer(
        bytes:
          "HTTP/1.1 \(status)\r\nContent-Type: application/json\r\nContent-Length: \(text.utf8.count)\r\n\r\n\(text)")
    }
  }

  private struct State {
    var answers: [Answer]
    var requests: [String] = []
  }

  private let state: Mutex<State>
  private let channel = Mutex<(any Channel)?>(nil)

  init(_ answers: [Answer]) { state = Mutex(State(answers: answers)) }

  /// Head and body of each.
  var requests: [String] { state.withLock { $0.requests } }

  /// The fields of a request's form, as sent.
  func form(_ index: Int) -> [String: String] {
    let body = requests[index].split(separator: "\r\n\r\n", maxSplits: 1).last ?? ""
    var fields: [String: String] = [:]
    for pair in body.split(separator: "&") {
      let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      fields[String(parts[0])] = parts.count > 1 ? String(parts[1]) : ""
    }
    return fields
  }

  var port: Int { channel.withLock { $0?.localAddress?.port ?? 0 } }
  var url: String { "http://127.0.0.1:\(port)/token" }

  func start(host: String, tls: NIOSSLContext?) async throws {
    let bound = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
      .childChannelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
          if let tls { try channel.pipeline.syncOperations.addHandler(NIOSSLServerHandler(context: tls)) }
          try channel.pipeline.syncOperations.addHandler(Handler(server: self))
        }
      }
      .bind(host: host, port: 0).get()
    channel.withLock { $0 = bound }
  }

  func stop() async { try? await channel.withLock { $0 }?.close() }

  private func next(_ request: String) -> Answer? {
    state.withLock { state in
      state.requests.append(request)
      return state.answers.isEmpty ? nil : state.answers.removeFirst()
    }
  }

  private final class Handler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer
    private let server: ScriptedHTTP
    private var input = ""

    init(server: ScriptedHTTP) { self.server = server }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
      input += String(buffer: Self.unwrapInboundIn(data))
      let parts = input.split(separator: "\r\n\r\n", maxSplits: 1, omittingEmptySubsequences: false)
      guard parts.count == 2,
        let field = parts[0].split(separator: "\r\n").first(where: { $0.hasPrefix("Content-Length: ") }),
        let length = Int(field.dropFirst(16)), parts[1].utf8.count >= length
      else { return }
      guard let answer = server.next(input) else { return context.close(promise: nil) }
      let channel = context.channel
      context.writeAndFlush(Self.wrapOutboundOut(ByteBuffer(string: answer.bytes)))
        .whenComplete { _ in if answer.ending { channel.close(promise: nil) } }
    }
  }
}

/// Runs a server for the time of `body`.
func withHTTP(
  _ answers: [ScriptedHTTP.Answer], host: String = "127.0.0.1", tls: NIOSSLContext? = nil,
  _ body: (ScriptedHTTP) async throws -> Void
) async throws {
  let server = ScriptedHTTP(answers)
  try await server.start(host: host, tls: tls)
  let result: Result<Void, any Error>
  do {
    try await body(server)
    result = .success(())
  } catch {
    result = .failure(error)
  }
  await server.stop()
  try result.get()
}
