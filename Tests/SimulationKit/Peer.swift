import NIOCore
import NIOPosix
import Synchronization

/// One client's connection: sends bytes, waits for the end of the answer, and keeps what comes unasked for.
final class Peer: Sendable {
  /// What came, and whether the server has ended the connection.
  struct Answer: Sendable {
    var text: String
    var isOver: Bool
  }

  struct Hang: Error {}

  /// Guards against hanging for ever; nothing waits for it when all is well.
  static let patience = TimeAmount.seconds(60)

  private let channel: any Channel
  private let inbox: PeerInbox

  private init(channel: any Channel, inbox: PeerInbox) {
    self.channel = channel
    self.inbox = inbox
  }

  static func connect(to address: SocketAddress, group: any EventLoopGroup) async throws -> Peer {
    let inbox = PeerInbox()
    let channel = try await ClientBootstrap(group: group)
      .channelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
          try channel.pipeline.syncOperations.addHandler(PeerHandler(inbox))
        }
      }
      .connect(to: address).get()
    return Peer(channel: channel, inbox: inbox)
  }

  /// Sends `bytes` and waits for the answer, or for the connection's end.
  func exchange(_ bytes: ByteBuffer?, _ framing: Framing) async throws -> Answer {
    let inbox = inbox
    let alarm = channel.eventLoop.scheduleTask(in: Self.patience) { inbox.giveUp() }
    defer { alarm.cancel() }
    let channel = channel
    let isThere = await withCheckedContinuation { continuation in
      inbox.wait(for: framing, continuation)
      if let bytes { channel.writeAndFlush(bytes, promise: nil) }
    }
    guard isThere else { throw Hang() }
    return inbox.take()
  }

  /// What has come meanwhile.
  func take() -> Answer { inbox.take() }

  func close() { channel.close(promise: nil) }
}

private final class PeerInbox: Sendable {
  private struct State {
    var bytes = ByteBuffer()
    var isOver = false
    var waiter: (framing: Framing, continuation: CheckedContinuation<Bool, Never>)?

    mutating func ready() -> CheckedContinuation<Bool, Never>? {
      guard let waiter, isOver || waiter.framing.isComplete(bytes.readableBytesView) else { return nil }
      self.waiter = nil
      return waiter.continuation
    }
  }
  private let state = Mutex(State())

  func wait(for framing: Framing, _ continuation: CheckedContinuation<Bool, Never>) {
    let ready = state.withLock { state in
      state.waiter = (framing, continuation)
      return state.ready()
    }
    ready?.resume(returning: true)
  }

  func add(_ bytes: ByteBuffer?) {
    let ready = state.withLock { state in
      if let bytes { state.bytes.writeImmutableBuffer(bytes) } else { state.isOver = true }
      return state.ready()
    }
    ready?.resume(returning: true)
  }

  func giveUp() {
    let waiter = state.withLock { state in
      defer { state.waiter = nil }
      return state.waiter
    }
    waiter?.continuation.resume(returning: false)
  }

  func take() -> Peer.Answer {
    state.withLock { state in
      defer { state.bytes = ByteBuffer() }
      return Peer.Answer(text: String(buffer: state.bytes), isOver: state.isOver)
    }
  }
}

private final class PeerHandler: ChannelInboundHandler {
  typealias InboundIn = ByteBuffer
  private let inbox: PeerInbox

  init(_ inbox: PeerInbox) { self.inbox = inbox }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) { inbox.add(unwrapInboundIn(data)) }
  func channelInactive(context: ChannelHandlerContext) { inbox.add(nil) }
  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    inbox.add(nil)
    context.close(promise: nil)
  }
}
