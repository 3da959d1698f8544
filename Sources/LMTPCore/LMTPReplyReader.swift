import Bytes
public import NIOCore

/// What a server sent that is no reply.
public enum LMTPReadError: Error, Sendable, Hashable {
  /// A line, or the number of lines, grew past `LMTPLimits.receivedLine` or `receivedLines`.
  case replyTooLong
  /// No three digits in front. What was said, cut to what a person may want to see.
  case notAReply(String)
}

/// A client's reading of replies (RFC 5321 §4.2): lines of the same code, the last without a hyphen behind it.
public struct LMTPReplyReader: Sendable {
  private var input = ByteBuffer()
  private var framer = LineFramer()
  private var lines: [String] = []
  /// Of the reply's first line.
  private var code: Int?
  private var status: EnhancedStatus?

  public init() {}

  /// Hands over what the connection brought.
  public mutating func feed(_ bytes: ByteBuffer) {
    if input.readableBytes == 0 {
      input = bytes
    } else {
      input.writeImmutableBuffer(bytes)
    }
  }

  /// Octets handed over and not read. Those after the answer to STARTTLS must not be believed (RFC 3207 §4.2).
  public var unread: Int { input.readableBytes }

  /// The next whole reply; nil when more is needed. Its lines have neither the code nor the enhanced status, which stand
  /// in `code` and `status`; bytes that are no UTF-8 are replaced.
  public mutating func next() throws(LMTPReadError) -> LMTPReply? {
    while true {
      switch framer.next(from: &input, limit: LMTPLimits.receivedLine) {
      case .incomplete: return nil
      case .tooLong: throw .replyTooLong
      case .line(let line, _):
        // RFC 5321 §4.2.1: every line has the same code. What begins as a refusal must not end as a yes.
        guard let (code, isLast) = take(line), code == self.code ?? code else {
          var start = line
          throw .notAReply(String(buffer: start.readSlice(length: min(line.readableBytes, 80)) ?? ByteBuffer()))
        }
        self.code = code
        guard lines.count <= LMTPLimits.receivedLines else { throw .replyTooLong }
        guard isLast else { continue }
        defer {
          lines = []
          status = nil
          self.code = nil
        }
        return LMTPReply(code, status, lines)
      }
    }
  }

  private mutating func take(_ line: ByteBuffer) -> (code: Int, isLast: Bool)? {
    var cursor = ByteCursor(line.readableBytesSpan)
    guard let code = cursor.takeNumber(maximumDigits: 3), (200...599).contains(code) else { return nil }
    let isLast = !cursor.take(UInt8(ascii: "-"))
    guard !isLast || cursor.isAtEnd || cursor.take(.space) else { return nil }
    let text = cursor.position
    // RFC 2034 §4: the class is that of the code.
    if let found = takeStatus(&cursor), Int64(found.kind) == code / 100 {
      status = found
    } else {
      cursor.position = text
    }
    var rest = line
    rest.moveReaderIndex(forwardBy: cursor.position)
    lines.append(String(buffer: rest))
    return (Int(code), isLast)
  }

  /// `2.1.5` and the blanks behind it (RFC 2034 §3).
  @_lifetime(cursor: copy cursor)
  private func takeStatus(_ cursor: inout ByteCursor) -> EnhancedStatus? {
    guard let kind = cursor.takeNumber(maximumDigits: 1), cursor.take(UInt8(ascii: ".")),
      let subject = cursor.takeNumber(maximumDigits: 3), cursor.take(UInt8(ascii: ".")),
      let detail = cursor.takeNumber(maximumDigits: 3), cursor.isAtEnd || cursor.skip(while: \.isBlank) > 0
    else { return nil }
    return EnhancedStatus(UInt8(kind), UInt16(subject), UInt16(detail))
  }
}

extension LMTPReply {
  /// Enhanced status and lines in one, for an error: `4.2.2 mailbox is full`.
  public var text: String {
    ((status.map { ["\($0)"] } ?? []) + lines.filter { !$0.isEmpty }).joined(separator: " ")
  }
}

extension LMTPPath {
  /// An address as people write it, with or without its angle brackets; nil for what could not be sent in a command.
  /// The empty string is `<>`.
  public init?(address: String) {
    let bracketed = address.hasPrefix("<") && address.hasSuffix(">") ? address : "<\(address)>"
    let bytes = Array(bracketed.utf8)
    var cursor = ByteCursor(bytes.span.bytes)
    guard let path = cursor.takePath(), cursor.isAtEnd else { return nil }
    self = path
  }
}
