import Bytes
public import NIOCore

/// Cuts the client's bytes into command lines, which end with CRLF and with nothing else (RFC 5321 §2.3.8).
public struct LMTPLineFramer: Sendable {
  public enum Frame: Sendable, Hashable {
    /// A line without its end.
    case line(ByteBuffer)
    /// A line ended with LF alone, or grew too long: to be answered with the error's reply and not to be obeyed. The
    /// line is gone from the buffer; what is left of a long one will go silently.
    case refused(LMTPSyntaxError)
    case incomplete
  }

  private var framer = LineFramer()

  public init() {}

  /// Takes the next line off the front of `buffer`.
  public mutating func next(from buffer: inout ByteBuffer) -> Frame {
    switch framer.next(from: &buffer, limit: LMTPLimits.commandLine) {
    case .line(let line, endedByBareLF: false): .line(line)
    case .line(_, endedByBareLF: true): .refused(.bareLF)
    case .tooLong: .refused(.lineTooLong)
    case .incomplete: .incomplete
    }
  }

  /// Forgets an unfinished line, as after STARTTLS.
  public mutating func reset() { framer.reset() }
}
