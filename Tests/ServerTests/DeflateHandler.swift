import NIOCore

@testable import MailNet

/// A client's side of COMPRESS=DEFLATE, in a pipeline before whoever reads lines.
final class DeflateHandler: ChannelDuplexHandler {
  typealias InboundIn = ByteBuffer
  typealias InboundOut = ByteBuffer
  typealias OutboundIn = ByteBuffer
  typealias OutboundOut = ByteBuffer

  private let inflater = Inflater()
  private let deflater = Deflater()
  private var input = ByteBuffer()
  /// This side has ended; the other one does behind its next tagged OK.
  private var isEnding = false
  private var isPlain = false
  private var line = ""
  /// The server's OK is still to come.
  private var isAhead: Bool

  init(isAhead: Bool) { self.isAhead = isAhead }

  func end() {
    isEnding = true
    lookForEnd()
  }

  /// A flush may end in another segment than what it flushes.
  private func lookForEnd() {
    isPlain = isEnding && inflater?.isAtFlush == true && line.contains(" OK UNAUTHENTICATE")
  }

  func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
    let bytes = unwrapOutboundIn(data)
    let sent = isEnding || isAhead ? bytes : deflater?.deflate(bytes) ?? ByteBuffer()
    context.write(wrapOutboundOut(sent), promise: promise)
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    var bytes = unwrapInboundIn(data)
    input.writeBuffer(&bytes)
    while isAhead, let end = input.readableBytesView.firstIndex(of: 10) {
      guard let line = input.readSlice(length: end - input.readerIndex + 1) else { break }
      isAhead = !String(buffer: line).contains(" OK DEFLATE active")
      context.fireChannelRead(wrapInboundOut(line))
    }
    if isAhead { return }
    while !isPlain, input.readableBytes > 0, let inflater {
      var output = ByteBuffer()
      switch inflater.step(&input, &output) {
      case .damaged, .ended: return context.fireErrorCaught(ChannelError.inputClosed)
      case .flush, .full, .needsInput: break
      }
      if output.readableBytes > 0 {
        line = String(buffer: output)
        context.fireChannelRead(wrapInboundOut(output))
      }
      lookForEnd()
    }
    guard isPlain, input.readableBytes > 0 else { return }
    let rest = input
    input = ByteBuffer()
    context.fireChannelRead(wrapInboundOut(rest))
  }
}
