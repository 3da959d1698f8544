import Bytes
public import NIOCore

/// Cuts what a client sends into commands, messages of APPEND, and lines that were asked for. A pure state machine:
/// bytes go in by `receive`, `next` says what they are; nothing is read ahead, so what a command changes (`options`,
/// `isLoggedIn`) holds for the one after it.
///
/// Lines end in CRLF. A bare LF is taken for a line end as well: nothing else could be meant, as no command may hold
/// one outside a literal (RFC 9051 §9), and people type at servers.
///
/// Invariants: at most one line and the literals of one command are held, within `limits`; messages of APPEND pass
/// through uncollected; after every refusal the framer is in step with the client again, or says `close`.
public struct CommandFramer: Sendable {
  public var limits: IMAPLimits
  public var options: WireOptions
  /// Chooses between the limits before and after login.
  public var isLoggedIn: Bool

  /// Received and not yet given out. The reader index is the start of the frame being collected.
  var input = ByteBuffer()
  /// Octets from the reader index known to belong to the frame: literals, and lines up to them.
  var collected = 0
  /// Octets behind `collected` in which no LF was found.
  var scanned = 0
  /// Octets of literals thrown away since the command was refused.
  var swallowedInCommand: Int64 = 0
  /// Octets of finished literals in `collected`.
  var literalOctets: Int64 = 0
  var literalCount = 0
  var state = State.command
  /// Events of an APPEND, read and not yet given out.
  var steps: ArraySlice<FramerEvent> = []

  enum State: Hashable, Sendable {
    /// Looking for the end of a line of a command.
    case command
    /// A literal of a command is on its way; `collected` stands behind its header.
    case literal(size: Int)
    /// What was read of an APPEND's line is given out, `steps` first.
    case steps(AppendProgress, StepsEnd)
    /// A literal of such a line that is an argument is on its way; `collected` stands behind its header.
    case argument(AppendProgress, LiteralHeader)
    /// The event was given out; it announces octets.
    case decision(AppendProgress, FramerEvent, LiteralHeader)
    case message(AppendProgress, left: Int64)
    /// Between messages or parts of an APPEND, or before its line end.
    case afterMessage(AppendProgress)
    case line
    /// Throwing away the rest of a command: octets of a literal, then a line.
    case swallow(Int64)
    /// Throwing away the rest of a line that was asked for, which announces no literal however it ends.
    case swallowLine
    case closed(ResponseCode?, Sentence)
  }

  struct AppendProgress: Hashable, Sendable {
    /// The last one announced; its index is -1 before the first.
    var message: AppendMessage
    var place = CommandReader.AppendPlace.message
  }

  /// What follows when all `steps` are given out.
  enum StepsEnd: Hashable, Sendable {
    case command
    case octets(LiteralHeader)
    case argument(LiteralHeader)
  }

  public init(limits: IMAPLimits = .standard, options: WireOptions = .rev1, isLoggedIn: Bool = false) {
    self.limits = limits
    self.options = options
    self.isLoggedIn = isLoggedIn
  }

  /// Takes bytes from the connection.
  public mutating func receive(_ bytes: ByteBuffer) {
    if case .closed = state { return }
    if input.readableBytes == 0 { input = bytes } else { input.writeImmutableBuffer(bytes) }
  }

  /// Octets held. While it is large and a command is being carried out, stop reading from the connection.
  public var bufferedByteCount: Int { input.readableBytes }

  /// Nothing of a command has arrived. STARTTLS may begin only so: bytes that came in clear behind it must not be read
  /// as if they had come under TLS (RFC 9051 §11.1); see `discardInput`.
  public var isIdle: Bool { state == .command && input.readableBytes == 0 }

  /// Forgets all bytes received, and what was begun. Returns how many bytes they were.
  @discardableResult
  public mutating func discardInput() -> Int {
    let count = input.readableBytes
    input.clear()
    resetFrame()
    steps = []
    state = .command
    return count
  }

  /// Hands over what has come behind the last command, unread: octets of another kind (RFC 4978 §3).
  public mutating func takeInput() -> ByteBuffer {
    let bytes = input
    input = ByteBuffer()
    discardInput()
    return bytes
  }

  /// After AUTHENTICATE has been challenged, or IDLE has begun: the next line is not a command but comes as `line`.
  public mutating func expectLine() {
    guard state == .command else { return }
    state = .line
  }

  /// Takes the message or part just announced: its octets follow. Nothing to do for a catenated message as a whole.
  public mutating func acceptMessage() {
    guard case .decision(let progress, _, let literal) = state else { return }
    needsContinuation = literal.isSynchronizing
    state = .message(progress, left: literal.size)
  }

  /// Ends an APPEND that is under way; the caller answers its tag with NO. Octets still on their way are thrown away,
  /// or the connection must be closed if they are too many (RFC 7888 §4).
  public mutating func refuseCommand() {
    steps = []
    switch state {
    case .decision(_, _, let literal), .steps(_, .octets(let literal)):
      refuse(literal: literal)
    case .steps(_, .command):
      state = .command
    case .steps(_, .argument(let literal)), .argument(_, let literal):
      input.moveReaderIndex(forwardBy: min(collected, input.readableBytes))
      resetFrame()
      refuse(literal: literal)
    case .message(_, let left):
      // If the client still waits to be asked for the literal it takes the tagged NO instead (RFC 9051 §4.3).
      if needsContinuation {
        state = .command
      } else {
        startSwallowing(left)
      }
      needsContinuation = false
    case .afterMessage:
      startSwallowing(0)
    default:
      break
    }
  }

  /// `acceptMessage` was called for a synchronizing literal and the client has not been told.
  var needsContinuation = false

  /// What comes next. Call it until it says `needMore` (or until the caller wants no more for now).
  public mutating func next() -> FramerEvent {
    while true {
      switch state {
      case .command:
        if let event = nextInCommand() { return event }
      case .literal(let size):
        guard input.readableBytes - collected >= size else { return .needMore }
        collected += size
        literalOctets += Int64(size)
        state = .command
      case .steps(let progress, let end):
        if let event = nextStep(progress, end) { return event }
      case .argument(let progress, let literal):
        // No more than `limits.url`.
        guard input.readableBytes - collected >= Int(literal.size) else { return .needMore }
        collected += Int(literal.size)
        literalOctets += literal.size
        state = .afterMessage(progress)
      case .decision(_, let event, _):
        return event
      case .message(let progress, let left):
        return nextInMessage(progress, left: left)
      case .afterMessage(let progress):
        if let event = nextAfterMessage(progress) { return event }
      case .line:
        return nextLine()
      case .swallow(let left):
        if !swallow(left) { return .needMore }
      case .swallowLine:
        if !swallowLine() { return .needMore }
      case .closed(let code, let reason):
        return .close(code: code, reason: reason)
      }
    }
  }
}
