import NIOCore
import NIOPosix
import NIOSSL
import Synchronization

/// The other end of a real socket. Reads are awaited; the suite's time limit ends a test whose bytes never come.
final class TestClient: Sendable {
  struct Ended: Error {}

  final class Inbox: ChannelInboundHandler, Sendable {
    typealias InboundIn = ByteBuffer
    struct State {
      var bytes = ByteBuffer()
      var ended = false
      var failure: (any Error)?
      var waiters: [CheckedContinuation<Void, Never>] = []
    }
    let state = Mutex(State())

    func change(_ body: (inout State) -> Void) {
      let waiters = state.withLock { state in
        body(&state)
        defer { state.waiters = [] }
        return state.waiters
      }
      for waiter in waiters { waiter.resume() }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
      let buffer = Self.unwrapInboundIn(data)
      change { $0.bytes.writeImmutableBuffer(buffer) }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
      if case ChannelEvent.inputClosed = event { change { $0.ended = true } }
    }

    func channelInactive(context: ChannelHandlerContext) { change { $0.ended = true } }
    func errorCaught(context: ChannelHandlerContext, error: any Error) { change { $0.failure = error } }

    /// Returns when more has come since `seen` octets, or the end.
    func more(than seen: Int) async {
      await withCheckedContinuation { waiter in
        let ready = state.withLock { state in
          if state.ended || state.bytes.readableBytes > seen { return true }
          state.waiters.append(waiter)
          return false
        }
        if ready { waiter.resume() }
      }
    }
  }

  let channel: any Channel
  let inbox: Inbox

  init(channel: any Channel, inbox: Inbox) {
    self.channel = channel
    self.inbox = inbox
  }

  static func connect(
    to address: SocketAddress, autoRead: Bool = true, receiveBuffer: Int? = nil
  ) async throws -> TestClient {
    let inbox = Inbox()
    var bootstrap = ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
      .channelOption(.allowRemoteHalfClosure, value: true)
      .channelOption(.autoRead, value: autoRead)
      .channelInitializer { $0.pipeline.addHandler(inbox) }
    if let receiveBuffer {
      bootstrap = bootstrap.channelOption(.socketOption(.so_rcvbuf), value: .init(receiveBuffer))
    }
    return TestClient(channel: try await bootstrap.connect(to: address).get(), inbox: inbox)
  }

  func send(_ text: String) async throws {
    try await channel.writeAndFlush(ByteBuffer(string: text))
  }

  /// Puts TLS around the connection; the handshake starts at once. Any certificate is taken.
  func startTLS(host: String?, maximum: TLSVersion? = nil) async throws {
    var configuration = TLSConfiguration.makeClientConfiguration()
    configuration.certificateVerification = .none
    configuration.maximumTLSVersion = maximum
    let context = try NIOSSLContext(configuration: configuration)
    let channel = channel
    try await channel.eventLoop.submit {
      let handler = try NIOSSLClientHandler(context: context, serverHostname: host)
      try channel.pipeline.syncOperations.addHandler(handler, position: .first)
    }.get()
  }

  /// The common name of the certificate that the server showed.
  func certificateName() async throws -> String? {
    let certificate = try await channel.nioSSL_peerCertificate().get()
    guard let bytes = try certificate?.toDERBytes() else { return nil }
    // The subject is the last CN (2.5.4.3) of a self-signed certificate's TBS; issuer and subject are the same here.
    let marker: [UInt8] = [0x06, 0x03, 0x55, 0x04, 0x03]
    guard let start = bytes.indices.first(where: { bytes[$0...].starts(with: marker) }) else { return nil }
    let length = Int(bytes[start + 6])
    return String(decoding: bytes[(start + 7)..<(start + 7 + length)], as: UTF8.self)
  }

  /// The next line without its CRLF. Throws at the end of the connection.
  func line() async throws -> String {
    while true {
      let (line, seen, ended) = inbox.state.withLock { state in
        let view = state.bytes.readableBytesView
        guard let end = view.firstIndex(of: 10) else { return (nil as String?, view.count, state.ended) }
        let length = end - view.startIndex + 1
        var text = state.bytes.readString(length: length) ?? ""
        text = String(text.dropLast())
        return (text, 0, false)
      }
      if let line { return line }
      if ended { throw Ended() }
      await inbox.more(than: seen)
    }
  }

  /// Takes this many octets. Throws at the end of the connection.
  func read(_ count: Int) async throws -> ByteBuffer {
    while true {
      let (bytes, seen, ended) = inbox.state.withLock { state in
        (state.bytes.readSlice(length: count), state.bytes.readableBytes, state.ended)
      }
      if let bytes { return bytes }
      if ended { throw Ended() }
      await inbox.more(than: seen)
    }
  }

  /// All that comes until the other side ends.
  func rest() async -> String {
    while true {
      let (text, seen) = inbox.state.withLock { state in
        (state.ended ? state.bytes.readString(length: state.bytes.readableBytes) : nil, state.bytes.readableBytes)
      }
      if let text { return text }
      await inbox.more(than: seen)
    }
  }

  /// What the socket or TLS reported besides bytes.
  var failure: (any Error)? { inbox.state.withLock { $0.failure } }

  func endOutput() async throws { try await channel.close(mode: .output) }
  /// Begins to close; NIOSSL waits some seconds for a farewell it may have had already.
  func close() { channel.close(promise: nil) }
}
