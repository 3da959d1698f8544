import Bytes
public import NIOCore

/// The bytes of one response, literals included, without the line end.
public struct ResponseFrame: Hashable, Sendable {
  public var bytes: ByteBuffer
  /// `{}` stands where a section was handed out in pieces.
  public var hasStreamedSections: Bool
  public init(_ bytes: ByteBuffer, hasStreamedSections: Bool = false) {
    self.bytes = bytes
    self.hasStreamedSections = hasStreamedSections
  }
}

/// What `ResponseFramer.next()` found in the bytes received so far.
public enum ResponseEvent: Hashable, Sendable {
  /// Nothing more without more bytes.
  case needMore
  /// A whole response, to be read by `ResponseFrame.parse`.
  case response(ResponseFrame)
  /// A section of FETCH too large to hold: its octets follow as `sectionBytes`, then `sectionEnd`; more such sections may
  /// come; then the FETCH itself as a `response` that lists them in `streamed`.
  case sectionBegin(FetchResponse, SectionName, size: Int64)
  /// At least one octet.
  case sectionBytes(ByteBuffer)
  case sectionEnd
  /// The server cannot be followed any further. Always followed by the same again.
  case failed(ResponseSyntaxError)
}

/// Cuts what a server sends into responses. A pure state machine: bytes go in by `receive`, `next` says what they are.
///
/// Lines end in CRLF; a bare LF is taken for a line end as well. Literals are counted exactly. Frames are slices of what
/// was received: octets are copied at most once, where a response comes in several pieces.
public struct ResponseFramer: Sendable {
  public let limits: ResponseLimits

  /// Received and not yet given out. The reader index is the start of the frame being collected.
  var input = ByteBuffer()
  /// Nothing else refers to the storage of `input`, so that writing to it copies nothing.
  var isOwned = false
  /// Octets from the reader index known to belong to the frame: literals, and lines up to them.
  var collected = 0
  /// Octets behind `collected` in which no LF was found.
  var scanned = 0
  /// Octets of literals in `collected`.
  var literalOctets = 0
  var literalCount = 0
  var hasStreamed = false
  var state = State.line

  enum State: Sendable {
    /// Looking for the end of a line.
    case line
    /// A literal is on its way; `collected` stands behind its header.
    case literal(size: Int)
    /// A section is handed out; `head` is the response up to it, `{}` included.
    case section(left: Int64, head: ByteBuffer)
    case failed(ResponseSyntaxError)
  }

  public init(limits: ResponseLimits = .standard) { self.limits = limits }

  /// Octets held.
  public var bufferedByteCount: Int { input.readableBytes }

  /// Nothing of a response has arrived. STARTTLS may only go on so (RFC 9051 §11.1).
  public var isIdle: Bool {
    if case .line = state { return input.readableBytes == 0 }
    return false
  }

  /// Takes bytes from the connection.
  public mutating func receive(_ bytes: ByteBuffer) {
    if case .failed = state { return }
    guard input.readableBytes > 0 else {
      input = bytes
      isOwned = false
      return
    }
    if !isOwned { own(capacity: input.readableBytes + bytes.readableBytes) }
    input.writeImmutableBuffer(bytes)
  }

  /// Hands over what was received behind the last response: COMPRESS begins there (RFC 4978 §3).
  public mutating func takeRest() -> ByteBuffer {
    defer { input = ByteBuffer() }
    isOwned = false
    scanned = 0
    return input
  }

  /// Moves `input` to storage of its own with room for `capacity` octets from the reader index.
  mutating func own(capacity: Int) {
    var fresh = ByteBufferAllocator().buffer(capacity: capacity)
    fresh.writeImmutableBuffer(input)
    input = fresh
    isOwned = true
  }

  /// What comes next. Call it until it says `needMore`.
  public mutating func next() -> ResponseEvent {
    while true {
      switch state {
      case .line:
        if let event = nextLine() { return event }
      case .literal(let size):
        guard input.readableBytes - collected >= size else {
          // The size is known: make room once instead of growing.
          let needed = collected + size + Self.roomBehindLiteral
          if !isOwned || input.capacity < needed { own(capacity: needed) }
          return .needMore
        }
        collected += size
        literalOctets += size
        state = .line
      case .section(let left, let head):
        return nextInSection(left, head)
      case .failed(let error):
        return .failed(error)
      }
    }
  }

  /// What mostly follows a literal: `)`, or some short items.
  static let roomBehindLiteral = 4096

  mutating func fail(_ reason: String) -> ResponseEvent {
    let error = ResponseSyntaxError(reason, at: collected)
    state = .failed(error)
    input = ByteBuffer()
    return .failed(error)
  }
}
