import NIOCore
import NIOPosix
import NIOSSL
import Synchronization
import Testing

@testable import MailNet

/// A server that does to each connection exactly what a test says.
struct RawServer {
  let channel: any Channel
  private let scripts: Scripts

  /// The scripts that run; they are waited for.
  private final class Scripts: Sendable {
    let tasks = Mutex<[Task<Void, Never>]>([])
  }

  var port: Int { channel.localAddress?.port ?? 0 }
  var address: ClientAddress { .host("127.0.0.1", port: port) }

  /// Runs a server for the time of `body`.
  static func run(
    unix path: String? = nil, tls: NIOSSLContext? = nil, autoRead: Bool = true, receiveBuffer: Int? = nil,
    script: @escaping @Sendable (TestClient) async throws -> Void, _ body: (RawServer) async throws -> Void
  ) async throws {
    let scripts = Scripts()
    var bootstrap = ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
      .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
      .childChannelOption(.allowRemoteHalfClosure, value: true)
      .childChannelOption(.autoRead, value: autoRead)
      .childChannelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
          if let tls { try channel.pipeline.syncOperations.addHandler(NIOSSLServerHandler(context: tls)) }
          let inbox = TestClient.Inbox()
          try channel.pipeline.syncOperations.addHandler(inbox)
          let peer = TestClient(channel: channel, inbox: inbox)
          let task = Task {
            // What a script meets when its client goes away is no failure of the test.
            try? await script(peer)
            channel.close(promise: nil)
          }
          scripts.tasks.withLock { $0.append(task) }
        }
      }
    if let receiveBuffer {
      bootstrap = bootstrap.childChannelOption(.socketOption(.so_rcvbuf), value: .init(receiveBuffer))
    }
    let channel =
      if let path {
        try await bootstrap.bind(unixDomainSocketPath: path).get()
      } else {
        try await bootstrap.bind(host: "127.0.0.1", port: 0).get()
      }
    let result: Result<Void, any Error>
    do {
      try await body(RawServer(channel: channel, scripts: scripts))
      result = .success(())
    } catch {
      result = .failure(error)
    }
    try? await channel.close()
    for task in scripts.tasks.withLock({ $0 }) { task.cancel() }
    try result.get()
  }

  func connect(
    _ encryption: TransportSecurity.Encryption = .none, trust: TransportSecurity.Trust = .system,
    host: String = "127.0.0.1", timeouts: ClientTimeouts = .init()
  ) async throws(ClientError) -> ClientConnection {
    try await .connect(
      to: .host(host, port: port), security: .test(encryption, trust),
      group: MultiThreadedEventLoopGroup.singleton, timeouts: timeouts)
  }
}

extension TransportSecurity {
  static func test(_ encryption: Encryption, _ trust: Trust) -> TransportSecurity {
    TransportSecurity(encryption: encryption, trust: trust, allowsCleartextLogin: false)
  }
}

extension ClientConnection {
  func send(_ text: String) async throws { try await send(ByteBuffer(string: text)) }

  /// All bytes up to this many.
  func read(_ count: Int) async throws -> ByteBuffer {
    var all = ByteBuffer()
    while all.readableBytes < count {
      guard let more = try await receive() else { break }
      all.writeImmutableBuffer(more)
    }
    return all
  }

  /// All bytes up to and with this text.
  func read(until end: String) async throws -> String {
    var all = ByteBuffer()
    while !all.readableBytesView.suffix(end.utf8.count).elementsEqual(end.utf8) {
      guard let more = try await receive() else { break }
      all.writeImmutableBuffer(more)
    }
    return String(buffer: all)
  }
}
