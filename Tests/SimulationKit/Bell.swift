import NIOCore
import NIOPosix
import Synchronization

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// Tells when an event loop has read all that had been written to its sockets before.
///
/// A task on the loop shows only that earlier tasks are done: what they wrote to a socket is read after the loop has polled.
/// The bell is a pipe rung from the loop; its octet becomes readable after theirs, and a poll hands on what is readable in
/// that order.
final class Bell: Sendable {
  private let listener: any Channel
  private let rope: CInt
  private let handler: BellHandler

  static func hang(in group: any EventLoopGroup) async throws -> Bell {
    var ends: [CInt] = [-1, -1]
    guard pipe(&ends) == 0 else { throw IOError(errnoCode: errno, reason: "pipe") }
    let handler = BellHandler()
    do {
      let listener = try await NIOPipeBootstrap(group: group)
        .channelInitializer { channel in
          channel.eventLoop.makeCompletedFuture { try channel.pipeline.syncOperations.addHandler(handler) }
        }
        .takingOwnershipOfDescriptor(input: ends[0]).get()
      return Bell(listener: listener, rope: ends[1], handler: handler)
    } catch {
      close(ends[1])
      throw error
    }
  }

  private init(listener: any Channel, rope: CInt, handler: BellHandler) {
    self.listener = listener
    self.rope = rope
    self.handler = handler
  }

  deinit { close(rope) }

  func ring() async throws {
    let heard = listener.eventLoop.makePromise(of: Void.self)
    listener.eventLoop.execute { [rope, handler] in
      handler.waiting.withLock { $0.append(heard) }
      var octet: UInt8 = 7
      _ = write(rope, &octet, 1)
    }
    try await heard.futureResult.get()
  }

  func takeDown() { listener.close(promise: nil) }
}

private final class BellHandler: ChannelInboundHandler, Sendable {
  typealias InboundIn = ByteBuffer
  let waiting = Mutex<[EventLoopPromise<Void>]>([])

  func channelRead(context: ChannelHandlerContext, data: NIOAny) { hear(nil) }
  func channelInactive(context: ChannelHandlerContext) { hear(ChannelError.ioOnClosedChannel) }

  private func hear(_ error: ChannelError?) {
    let heard = waiting.withLock { waiting in
      defer { waiting = [] }
      return waiting
    }
    for promise in heard { if let error { promise.fail(error) } else { promise.succeed() } }
  }
}
