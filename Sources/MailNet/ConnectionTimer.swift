import NIOCore

/// The deadlines of a connection behind one scheduled callback. Moving a deadline later costs nothing: the callback comes
/// at its old time, finds nothing due and is scheduled anew.
struct ConnectionTimer {
  var session: NIODeadline?
  var handshake: NIODeadline?
  var write: NIODeadline?
  var linger: NIODeadline?

  var callback: NIOScheduledCallback?
  var armedFor: NIODeadline?

  /// Octets that waited at the last look, octets handed over since, and looks without progress.
  var waiting = 0
  var queued = 0
  var stalls = 0

  var earliest: NIODeadline? {
    var first: NIODeadline?
    if let session { first = session }
    if let handshake { first = min(first ?? handshake, handshake) }
    if let write { first = min(first ?? write, write) }
    if let linger { first = min(first ?? linger, linger) }
    return first
  }
}

extension Connection {
  /// Looks at a peer that doesn't read, in each write time-out.
  private static let looks = 4

  func rearm() {
    guard let earliest = timer.earliest, !flags.contains(.inactive) else { return }
    if let armed = timer.armedFor {
      if armed <= earliest { return }
      timer.callback?.cancel()
    }
    timer.armedFor = earliest
    // Fails only when the loop is going down, and the connection with it.
    timer.callback = try? eventLoop.scheduleCallback(at: earliest, handler: TimerTarget(connection: self))
  }

  func cancelTimer() {
    timer.callback?.cancel()
    timer = ConnectionTimer()
  }

  func timerFired() {
    timer.callback = nil
    timer.armedFor = nil
    let now = NIODeadline.now()
    if let handshake = timer.handshake, handshake <= now {
      timer.handshake = nil
      fail(.error("TLS handshake took too long"))
    }
    if let linger = timer.linger, linger <= now {
      timer.linger = nil
      closeNow()
    }
    if let write = timer.write, write <= now { lookAtWrites() }
    if let session = timer.session, session <= now {
      timer.session = nil
      turn { $0.deadlineReached() }
      flush()
    }
    rearm()
  }

  func watchWrites(_ waiting: Int) {
    guard timer.write == nil else { return }
    timer.waiting = waiting
    timer.queued = 0
    timer.stalls = 0
    timer.write = .now() + core.settings.writeTimeout / Self.looks
    rearm()
  }

  private func lookAtWrites() {
    timer.write = nil
    let waiting = waitingOctets
    guard waiting > 0 else { return }
    // TLS only adds to what was queued, so less than this means that the peer took something.
    timer.stalls = waiting < timer.waiting + timer.queued ? 0 : timer.stalls + 1
    guard timer.stalls < Self.looks else {
      fail(.writeTimeout)
      return
    }
    timer.waiting = waiting
    timer.queued = 0
    timer.write = .now() + core.settings.writeTimeout / Self.looks
  }
}

private struct TimerTarget: NIOScheduledCallbackHandler, Sendable {
  let connection: Connection
  func handleScheduledCallback(eventLoop: some EventLoop) { connection.timerFired() }
}

extension TimeAmount {
  fileprivate static func / (left: TimeAmount, right: Int) -> TimeAmount {
    .nanoseconds(max(1, left.nanoseconds / Int64(right)))
  }
}
