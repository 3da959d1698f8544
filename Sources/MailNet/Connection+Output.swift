import NIOCore
import NIOSSL

extension Connection {
  /// Hands `out` to the socket now.
  public func flush() {
    eventLoop.assertInEventLoop()
    let count = out.readableBytes
    guard count > 0 else { return }
    guard let context, flags.isDisjoint(with: [.outputEnded, .inactive]) else {
      out.clear()
      return
    }
    if let compression, compression.isOutgoing { return flushDeflated(compression, context) }
    bytesOut += count
    var buffer = ByteBuffer()
    swap(&buffer, &out)
    context.writeAndFlush(ConnectionHandler.wrapOutboundOut(buffer), promise: nil)
    let waiting = waitingOctets
    if waiting > 0 {
      timer.queued += count
      watchWrites(waiting)
    } else if out.readableBytes == 0 {
      // The socket took everything: the storage is ours again.
      buffer.clear()
      swap(&buffer, &out)
    }
  }

  /// As `flush`, for what nobody has asked for just now: behind it a connection that waits keeps no storage.
  public func push() {
    flush()
    if out.readableBytes == 0, out.storageCapacity > 0 { resources.giveBack(&out) }
  }

  /// False: more than `NetLimits.outgoingHighWater` octets wait for the socket.
  public var isWritable: Bool {
    guard let context, flags.isDisjoint(with: [.outputEnded, .inactive]) else { return false }
    return context.channel.isWritable && out.readableBytes < NetLimits.outgoingHighWater
  }

  /// Flushes, and returns once the socket has room (at once if it has).
  public func writable() async throws(ConnectionClosed) {
    eventLoop.assertInEventLoop()
    flush()
    if isWritable { return }
    if flags.isDisjoint(with: [.outputEnded, .inactive]) {
      if await withCheckedContinuation({ waiters.append($0) }) { return }
    }
    throw ConnectionClosed(reason: reason ?? .peerClosed)
  }

  /// Flushes, and returns once the socket has taken everything: for what may happen only after the last byte went out.
  public func drained() async throws(ConnectionClosed) {
    eventLoop.assertInEventLoop()
    flush()
    guard flags.isDisjoint(with: [.outputEnded, .inactive]), let context else {
      throw ConnectionClosed(reason: reason ?? .peerClosed)
    }
    guard waitingOctets > 0 else { return }
    // An empty write completes behind everything that waits.
    let promise = context.eventLoop.makePromise(of: Void.self)
    context.writeAndFlush(ConnectionHandler.wrapOutboundOut(ByteBuffer()), promise: promise)
    do { try await promise.futureResult.get() } catch { throw ConnectionClosed(reason: reason ?? .peerClosed) }
  }

  func writabilityChanged() {
    if context?.channel.isWritable == true { resumeWaiters(true) }
  }

  func resumeWaiters(_ room: Bool) {
    guard !waiters.isEmpty else { return }
    let resumed = waiters
    waiters = []
    for waiter in resumed { waiter.resume(returning: room) }
  }

  /// Octets the socket has not taken, TLS included.
  var waitingOctets: Int {
    (try? context?.channel.syncOptions?.getOption(.bufferedWritableBytes)) ?? 0
  }

  // MARK: Closing

  /// Sends what is left, then ends our side.
  func finishClosing() {
    guard flags.isDisjoint(with: [.draining, .outputEnded, .inactive]) else { return }
    flush()
    guard waitingOctets > 0, let context else {
      endOutput()
      return
    }
    flags.insert(.draining)
    // An empty write completes behind everything that waits.
    let drained = context.eventLoop.makePromise(of: Void.self)
    drained.futureResult.whenComplete { _ in self.endOutput() }
    context.writeAndFlush(ConnectionHandler.wrapOutboundOut(ByteBuffer()), promise: drained)
  }

  /// All is sent. The peer reads it even if it is still writing: the socket is drained until the peer ends its side or
  /// the linger is over, since closing on unread bytes would reset the connection and take our last line with it.
  private func endOutput() {
    guard flags.isDisjoint(with: [.outputEnded, .inactive]), let context else { return }
    flags.insert(.outputEnded)
    timer.session = nil
    resumeWaiters(false)
    scheduleEnd()
    if flags.contains(.inputEnded) {
      // Inside TLS this says close_notify (RFC 8446 §6.1); a client that said its own waits for it.
      if flags.contains(.tls) { context.close(mode: .all, promise: nil) }
      closeNow()
    } else {
      timer.linger = .now() + NetLimits.closeLinger
      rearm()
      setAutoRead(true)
      context.close(mode: .output, promise: nil)
    }
  }

  /// Closes the socket, without TLS's farewell.
  func closeNow() {
    guard let context, !flags.contains(.inactive) else { return }
    flags.insert([.closing, .outputEnded])
    resumeWaiters(false)
    if let tls = try? context.pipeline.syncOperations.context(handlerType: NIOSSLServerHandler.self) {
      tls.close(mode: .all, promise: nil)
    } else {
      context.close(mode: .all, promise: nil)
    }
  }
}
