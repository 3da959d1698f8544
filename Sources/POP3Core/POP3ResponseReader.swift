import Bytes
public import NIOCore

/// What a server sent that is no POP3.
public enum POP3ReadError: Error, Sendable, Hashable {
  /// A line grew past `POP3Limits.receivedLine`.
  case lineTooLong
  /// Neither `+OK` nor `-ERR`. What was said, cut to what a person may want to see.
  case notAResponse(String)
}

/// A client's reading of what a server sends: responses come in the order of the commands, and only who sent the commands
/// knows which of them have more than one line. So it is told: `nextStatus`, and where that says yes to a command with
/// a multi-line response `beginBody`, then `nextBody` until `.whole` or `.end`.
///
/// Put up with: bare LFs, empty lines between responses, blanks anywhere, `+OK` with nothing behind it, NUL, 8-bit, and
/// lines of any length within a body. Nothing is handed out as whole that has not ended; the owner sees by
/// `.needsMore` at the end of the connection that something was cut.
public struct POP3ResponseReader: Sendable {
  private var input = ByteBuffer()
  private var lines = LineFramer()
  private var body: POP3BodyReader?
  private var strays = 0

  public init() {}

  /// Hands over what the connection brought. Cheap when everything before has been read.
  public mutating func feed(_ bytes: ByteBuffer) {
    if input.readableBytes == 0 {
      input = bytes
    } else {
      input.writeImmutableBuffer(bytes)
    }
  }

  /// Octets handed over and not read. Of those after STLS nothing must be believed (RFC 2595 §4).
  public var unread: Int { input.readableBytes }

  /// The next line without its end; nil when more is needed.
  public mutating func nextLine() throws(POP3ReadError) -> ByteBuffer? {
    switch lines.next(from: &input, limit: POP3Limits.receivedLine) {
    case .line(let line, _): return line
    case .tooLong: throw .lineTooLong
    case .incomplete: return nil
    }
  }

  /// The next line that is not empty: the first line of a response, or a challenge.
  public mutating func nextResponseLine() throws(POP3ReadError) -> ByteBuffer? {
    while let line = try nextLine() {
      var cursor = ByteCursor(line.readableBytesSpan)
      cursor.skip(while: \.isBlank)
      guard cursor.isAtEnd else {
        strays = 0
        return line
      }
      strays += 1
      guard strays <= POP3Limits.strayLines else { throw .notAResponse("") }
    }
    return nil
  }

  /// The first line of the next response; nil when more is needed.
  public mutating func nextStatus() throws(POP3ReadError) -> POP3StatusLine? {
    guard let line = try nextResponseLine() else { return nil }
    guard let status = POP3StatusLine(line) else { throw .notAResponse(Self.excerpt(line)) }
    return status
  }

  /// The lines of a multi-line response come next.
  public mutating func beginBody(octets: Int64?, wholeLimit: Int) {
    body = POP3BodyReader(octets: octets, wholeLimit: wholeLimit)
  }

  /// The next event of the body begun last. `.end` when none is open.
  public mutating func nextBody() -> POP3BodyReader.Event {
    guard let event = body?.next(from: &input) else { return .end }
    switch event {
    case .whole, .end: body = nil
    case .begin, .piece, .needsMore: break
    }
    return event
  }

  /// The beginning of a line, for an error.
  static func excerpt(_ line: ByteBuffer) -> String {
    var start = line
    return String(buffer: start.readSlice(length: min(line.readableBytes, 80)) ?? ByteBuffer())
  }
}
