public import NIOCore

extension Connection {
  public var isCompressed: Bool { compression != nil }

  /// Octets on the wire since compression began, TLS not counted.
  public var compressedOctets: (in: Int, out: Int)? { compression.map { ($0.wireIn, $0.wireOut) } }

  /// Sends what is in `out` as it is; from here on all octets are compressed both ways (RFC 4978 §3).
  ///
  /// - Parameters:
  ///   - pending: octets that the session has been given already and that came behind the client's request: they are
  ///     compressed, as the client MUST compress from there on.
  ///   - allowance: octets that may come out of next to nothing, so that an odd message is not taken for a bomb.
  public func startCompression(pending: ByteBuffer, allowance: Int) {
    eventLoop.assertInEventLoop()
    guard compression == nil, !isClosing else { return }
    flush()
    compression = CompressionLayer(allowance: allowance)
    guard pending.readableBytes > 0 else { return }
    bytesIn -= pending.readableBytes
    var all = pending
    all.writeImmutableBuffer(inbound)
    inbound = all
    if !flags.contains(.delivering) { scheduleTurn() }
  }

  /// Sends what is in `out` compressed; what follows is not. The client's side is plain behind the flush that ended what
  /// the session has been given last (RFC 8437 §4.1).
  public func endCompression() {
    eventLoop.assertInEventLoop()
    guard let layer = compression, !layer.isEnding else { return }
    flush()
    if layer.end() { compression = nil }
  }

  // MARK: Out

  func flushDeflated(_ layer: CompressionLayer, _ context: ChannelHandlerContext) {
    bytesOut += out.readableBytes
    guard let bytes = layer.deflate(out) else {
      out.clear()
      return fail(.error("zlib failed"))
    }
    out.clear()
    restWhenQuiet(layer)
    context.writeAndFlush(ConnectionHandler.wrapOutboundOut(bytes), promise: nil)
    let waiting = waitingOctets
    if waiting > 0 {
      timer.queued += bytes.readableBytes
      watchWrites(waiting)
    }
  }

  private func restWhenQuiet(_ layer: CompressionLayer) {
    guard !layer.willRest else { return }
    layer.willRest = true
    resources.whenQuiet { [weak self, weak layer] in
      guard let self, let layer else { return }
      layer.willRest = false
      if !layer.rest() { self.restWhenQuiet(layer) }
    }
  }

  // MARK: In

  /// As `deliver`, from what is in the compressed octets: one piece after the other, so that a few octets that inflate to
  /// very many neither take memory nor the loop for themselves.
  func deliverInflated(_ layer: CompressionLayer) {
    layer.isYielding = false
    restWhenQuiet(layer)
    var budget = TurnBudget(commands: CompressionLimits.piecesPerTurn)
    while depth == 0, let session,
      flags.isDisjoint(with: [.paused, .closing, .outputEnded, .inactive, .tlsRequested, .handshaking])
    {
      let isAgain = flags.contains(.redeliver) && layer.plain.readableBytes > 0
      flags.remove(.redeliver)
      if !isAgain {
        guard budget.takeOne() else {
          layer.isYielding = true
          if inbound.readableBytes >= NetLimits.pausedInput { setAutoRead(false) }
          return scheduleTurn()
        }
        switch layer.inflate(&inbound) {
        case .piece: break
        case .needsInput: return setAutoRead(true)
        case .ended:
          compression = nil
          return deliver()
        case .failed(let why): return inputFailed(why)
        }
      }
      offer(layer, session)
      if layer.isEnding, layer.plain.readableBytes > 0 { return inputFailed(CompressionLayer.behindTheEnd) }
      // The session has ended it.
      guard compression === layer else { return deliver() }
    }
  }

  private func offer(_ layer: CompressionLayer, _ session: any ConnectionSession) {
    var buffer = layer.plain
    layer.plain = ByteBuffer()
    let offered = buffer.readableBytes
    flags.insert(.delivering)
    depth += 1
    session.received(&buffer)
    depth -= 1
    flags.remove(.delivering)
    layer.plain = buffer
    // A session that resumes without having consumed anything waits for more bytes.
    if buffer.readableBytes == offered { flags.remove(.redeliver) }
    if buffer.readableBytes > core.settings.maxBuffered, !flags.contains(.paused) {
      return fail(.error("\(buffer.readableBytes) octets left unconsumed"))
    }
    afterTurn()
  }

  private func inputFailed(_ why: String) {
    if reason == nil { reason = .error(why) }
    turn { $0.inputFailed(why) }
    if !isClosing { fail(.error(why)) }
  }
}
