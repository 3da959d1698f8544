import Logging
import NIOCore

/// A session's turns: every call to it goes through here, one at a time, and what it asked for is done afterwards.
extension Connection {
  /// Calls the session, then does what it asked for.
  func turn(_ body: (any ConnectionSession) -> Void) {
    guard depth == 0, let session, !flags.contains(.ended) else { return }
    depth += 1
    body(session)
    depth -= 1
    afterTurn()
  }

  /// What was asked for during a turn, or by a session's task between turns.
  func afterTurn() {
    if flags.contains(.inactive) {
      endSession()
    } else if flags.contains(.closing) {
      finishClosing()
    } else if flags.contains(.tlsRequested) {
      beginTLS()
    }
  }

  /// Requests made outside a turn are carried out in the loop's next round, so that a session is never called from
  /// within its own call to the connection.
  func scheduleTurn() {
    guard !flags.contains(.scheduled) else { return }
    flags.insert(.scheduled)
    eventLoop.execute {
      self.flags.remove(.scheduled)
      self.afterTurn()
      self.deliver()
      self.endBurst()
    }
  }

  // MARK: Bytes in

  func read(_ buffer: ByteBuffer) {
    guard flags.isDisjoint(with: [.closing, .outputEnded, .inactive]) else { return }
    bytesIn += buffer.readableBytes
    resources.prompt.heard(id, sent: bytesOut, at: LoopResources.now())
    if inbound.readableBytes == 0 {
      inbound = buffer
      deliver()
      // What is left moves to storage of its own, so that the channel reads into the same buffer each time.
      if inbound.readableBytes > 0 { inbound = ByteBuffer(bytes: inbound.readableBytesView) }
    } else {
      inbound.writeImmutableBuffer(buffer)
      deliver()
    }
    if flags.contains(.paused) {
      if inbound.readableBytes >= NetLimits.pausedInput { setAutoRead(false) }
    } else if inbound.readableBytes > core.settings.maxBuffered {
      fail(.error("\(inbound.readableBytes) octets left unconsumed"))
    }
  }

  func deliver() {
    guard depth == 0, let session else { return }
    if out.storageCapacity == 0, inbound.readableBytes > 0 { out = resources.takeBuffer() }
    if let compression { return deliverInflated(compression) }
    repeat {
      guard inbound.readableBytes > 0,
        flags.isDisjoint(with: [.paused, .closing, .outputEnded, .inactive, .tlsRequested, .handshaking])
      else { return }
      flags.remove(.redeliver)
      flags.insert(.delivering)
      // The session gets the buffer itself, not a copy; should bytes come in meanwhile, they go behind the rest.
      var buffer = inbound
      inbound = ByteBuffer()
      let offered = buffer.readableBytes
      depth += 1
      session.received(&buffer)
      depth -= 1
      flags.remove(.delivering)
      // A session that resumes without having consumed anything waits for more bytes.
      if buffer.readableBytes == offered { flags.remove(.redeliver) }
      if inbound.readableBytes == 0 {
        if buffer.readableBytes > 0 { inbound = buffer }
      } else {
        buffer.writeImmutableBuffer(inbound)
        inbound = buffer
      }
      afterTurn()
      // What is left came behind the request to compress.
      if let compression { return deliverInflated(compression) }
    } while flags.contains(.redeliver)
  }

  /// End of a read burst: flush, keep little.
  func endBurst() {
    guard depth == 0 else { return }
    turn { $0.readBurstEnded() }
    flush()
    defer { awaitIfPrompt() }
    if out.readableBytes == 0, out.storageCapacity > 0 { resources.giveBack(&out) }
    if inbound.readableBytes == 0 {
      if inbound.storageCapacity > 0 { inbound = ByteBuffer() }
    } else if inbound.readableBytes < inbound.storageCapacity / 4 {
      // A few octets of an unfinished command don't hold on to a whole read buffer.
      inbound = ByteBuffer(bytes: inbound.readableBytesView)
    }
    endOfInput()
  }

  /// The peer has sent its last byte.
  func inputClosed() {
    flags.insert(.inputEnded)
    resources.prompt.gone(id)
    if flags.contains(.outputEnded) || flags.contains(.handshaking) || !flags.contains(.opened) {
      closeNow()
    } else {
      scheduleTurn()
    }
  }

  /// After the peer's FIN the answers to what it sent before still go out; a paused session is still at it.
  private func endOfInput() {
    guard flags.contains(.inputEnded), flags.isDisjoint(with: [.paused, .closing, .outputEnded, .inactive]),
      compression?.isYielding != true
    else { return }
    if reason == nil { reason = .peerClosed }
    flags.insert(.closing)
    finishClosing()
  }

  func setAutoRead(_ on: Bool) {
    guard on == flags.contains(.autoReadOff), let context else { return }
    if on { flags.remove(.autoReadOff) } else { flags.insert(.autoReadOff) }
    // Fails only on a closed channel, which reads nothing anyway.
    try? context.channel.syncOptions?.setOption(.autoRead, value: on)
  }

  // MARK: Life

  /// The channel is up. With implicit TLS the session comes after the handshake.
  func activated() {
    resources.prompt.seen(id)
    if flags.contains(.implicitTLS) {
      flags.insert(.tlsRequested)
      beginTLS()
    } else {
      open()
    }
  }

  func open() {
    guard !flags.contains(.opened) else { return }
    flags.insert(.opened)
    session = core.makeSession(self)
    turn { $0.opened() }
    flush()
  }

  public func requestShutdown() {
    if flags.contains(.opened) {
      guard !isClosing else { return }
      turn { $0.shutdownRequested() }
      flush()
    } else {
      fail(.local)
    }
  }

  /// The channel is gone.
  func inactivated() {
    guard !flags.contains(.inactive) else { return }
    flags.insert([.inactive, .outputEnded])
    resources.prompt.gone(id)
    cancelTimer()
    resumeWaiters(false)
    core.connectionEnded(self)
    scheduleEnd()
  }

  /// The session hears `closed` in a round of the loop of its own: this may be within its own call to `flush()`.
  func scheduleEnd() {
    eventLoop.execute { self.endSession() }
  }

  /// The session hears `closed`, once.
  func endSession() {
    guard !flags.contains(.ended) else { return }
    flags.insert(.ended)
    let ending = session
    session = nil
    inbound = ByteBuffer()
    out = ByteBuffer()
    timer.session = nil
    ending?.closed(reason ?? .peerClosed)
  }

  func caught(_ error: any Error) {
    switch Self.severity(of: error) {
    case .ignored: return
    case .peerGone: fail(.peerClosed)
    case .failure(let text):
      if flags.contains(.handshaking) {
        core.logger.debug("TLS handshake failed", metadata: ["peer": "\(peer)", "conn": "\(id)", "error": "\(text)"])
      }
      fail(.error(text))
    }
  }

  /// Ends the connection without further words.
  func fail(_ why: CloseReason) {
    guard !flags.contains(.inactive) else { return }
    if reason == nil || reason == .local { reason = why }
    flags.insert([.closing, .outputEnded])
    closeNow()
  }
}
