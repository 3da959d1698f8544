import NIOCore
import NIOTLS

/// The one handler of a connection, last in its pipeline.
final class ConnectionHandler: ChannelInboundHandler {
  typealias InboundIn = ByteBuffer
  typealias OutboundOut = ByteBuffer

  private let connection: Connection

  init(_ connection: Connection) {
    self.connection = connection
  }

  func handlerAdded(context: ChannelHandlerContext) {
    connection.context = context
  }

  func handlerRemoved(context: ChannelHandlerContext) {
    connection.inactivated()
    connection.context = nil
  }

  func channelActive(context: ChannelHandlerContext) {
    connection.activated()
  }

  func channelInactive(context: ChannelHandlerContext) {
    connection.inactivated()
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    connection.read(Self.unwrapInboundIn(data))
  }

  func channelReadComplete(context: ChannelHandlerContext) {
    connection.endBurst()
  }

  func channelWritabilityChanged(context: ChannelHandlerContext) {
    connection.writabilityChanged()
  }

  func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
    switch event {
    case ChannelEvent.inputClosed:
      connection.inputClosed()
    case TLSUserEvent.handshakeCompleted:
      connection.handshakeCompleted()
    default:
      break
    }
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    connection.caught(error)
  }
}
