import NIOCore
import Synchronization

/// What a connection's task and its event loop share: bytes that have come, bytes to go, and who waits.
final class ClientPipe: Sendable {
  enum Wake: Sendable { case ready, timedOut, cancelled }
  enum Side: Sendable { case reader, writer }

  /// Nothing more will come.
  enum End: Sendable {
    /// The server has ended its side between two packets.
    case orderly
    case failed(ClientError.Kind)
  }

  enum Taken {
    /// `resume`: the socket was left unread, and is to be read again.
    case bytes(ByteBuffer, resume: Bool)
    case ended(End)
    case nothing
  }

  enum Put {
    /// `flush`: the loop does not know yet that there is something to write.
    case taken(flush: Bool, isFull: Bool)
    case refused(ClientError.Kind)
  }

  private struct Waiter {
    let continuation: CheckedContinuation<Wake, Never>
    var deadline: NIODeadline
    let limit: TimeAmount
  }

  private struct State {
    var inbox = ByteBuffer()
    var outbox = ByteBuffer()
    /// Octets given to `put` that the socket has not taken.
    var outgoing = 0
    var end: End?
    var reader: Waiter?
    var writer: Waiter?
    var flushIsDue = false
    var socketIsUnread = false
    /// When the loop looks at the deadlines next.
    var timer: NIODeadline?
  }

  private let state = Mutex(State())
  let wireReceived = Atomic<Int64>(0)
  let wireSent = Atomic<Int64>(0)

  // MARK: The task's side

  func take() -> Taken {
    state.withLock { state in
      if state.inbox.readableBytes > 0 {
        var bytes = ByteBuffer()
        swap(&bytes, &state.inbox)
        let resume = state.socketIsUnread && state.end == nil
        state.socketIsUnread = false
        return .bytes(bytes, resume: resume)
      }
      return state.end.map { .ended($0) } ?? .nothing
    }
  }

  func put(_ bytes: ByteBuffer) -> Put {
    state.withLock { state in
      switch state.end {
      case .orderly: return .refused(.disconnected)
      case .failed(let kind): return .refused(kind)
      case nil: break
      }
      state.outgoing += bytes.readableBytes
      if state.outbox.readableBytes == 0 {
        state.outbox = bytes
      } else {
        state.outbox.writeImmutableBuffer(bytes)
      }
      let flush = !state.flushIsDue
      state.flushIsDue = true
      return .taken(flush: flush, isFull: state.outgoing > NetLimits.outgoingHighWater)
    }
  }

  /// Registers a wait, or ends it at once when there is nothing to wait for. Returns when the loop must look at the
  /// deadlines, if it does not already look before.
  func wait(_ side: Side, limit: TimeAmount, _ continuation: CheckedContinuation<Wake, Never>) -> NIODeadline? {
    let deadline = NIODeadline.now() + limit
    let (ready, timer): (Bool, NIODeadline?) = state.withLock { state in
      let ready =
        switch side {
        case .reader: state.end != nil || state.inbox.readableBytes > 0
        case .writer: state.end != nil || state.outgoing <= NetLimits.outgoingLowWater
        }
      if ready { return (true, nil) }
      let waiter = Waiter(continuation: continuation, deadline: deadline, limit: limit)
      switch side {
      case .reader:
        precondition(state.reader == nil, "two tasks receive from one connection")
        state.reader = waiter
      case .writer:
        precondition(state.writer == nil, "two tasks send over one connection")
        state.writer = waiter
      }
      if let timer = state.timer, timer <= deadline { return (false, nil) }
      state.timer = deadline
      return (false, deadline)
    }
    if ready { continuation.resume(returning: .ready) }
    return timer
  }

  func cancel(_ side: Side) {
    let waiter = state.withLock { Self.remove(side, &$0) }
    waiter?.continuation.resume(returning: .cancelled)
  }

  private static func remove(_ side: Side, _ state: inout State) -> Waiter? {
    switch side {
    case .reader:
      defer { state.reader = nil }
      return state.reader
    case .writer:
      defer { state.writer = nil }
      return state.writer
    }
  }

  // MARK: The loop's side

  /// Keeps what has come. True: stop reading the socket.
  func received(_ bytes: ByteBuffer) -> Bool {
    state.withLock { state in
      // After an end of our making nothing is handed over any more.
      guard state.end == nil else { return false }
      // A copy: the reader's large buffer can be filled again, and who keeps a line does not keep all of it.
      state.inbox.writeImmutableBuffer(bytes)
      guard !state.socketIsUnread, state.inbox.readableBytes >= ClientNetLimits.incomingHighWater else { return false }
      state.socketIsUnread = true
      return true
    }
  }

  /// After a burst.
  func wakeReader() {
    let waiter = state.withLock { state in
      state.inbox.readableBytes > 0 || state.end != nil ? Self.remove(.reader, &state) : nil
    }
    waiter?.continuation.resume(returning: .ready)
  }

  var isInboxEmpty: Bool { state.withLock { $0.inbox.readableBytes == 0 } }
  var isEnded: Bool { state.withLock { $0.end != nil } }

  func takeOutbox() -> ByteBuffer {
    state.withLock { state in
      var bytes = ByteBuffer()
      swap(&bytes, &state.outbox)
      state.flushIsDue = false
      return bytes
    }
  }

  /// The socket has taken this many octets.
  func written(_ count: Int) {
    let waiter = state.withLock { state -> Waiter? in
      state.outgoing -= count
      if state.outgoing <= NetLimits.outgoingLowWater { return Self.remove(.writer, &state) }
      // Progress: the wait begins anew.
      if let waiter = state.writer { state.writer?.deadline = .now() + waiter.limit }
      return nil
    }
    waiter?.continuation.resume(returning: .ready)
  }

  /// The first end stays.
  func finish(_ end: End) {
    let waiters = state.withLock { state in
      if state.end == nil { state.end = end }
      return [Self.remove(.reader, &state), Self.remove(.writer, &state)]
    }
    for waiter in waiters { waiter?.continuation.resume(returning: .ready) }
  }

  /// Ends waits that are over. Returns when to look again.
  func checkDeadlines() -> NIODeadline? {
    let now = NIODeadline.now()
    let (late, next) = state.withLock { state in
      var late: [Waiter] = []
      for (side, waiter) in [(Side.reader, state.reader), (.writer, state.writer)] {
        guard let waiter, waiter.deadline <= now else { continue }
        late.append(waiter)
        _ = Self.remove(side, &state)
      }
      state.timer = [state.reader?.deadline, state.writer?.deadline].compactMap(\.self).min()
      return (late, state.timer)
    }
    for waiter in late { waiter.continuation.resume(returning: .timedOut) }
    return next
  }
}
