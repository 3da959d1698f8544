import Bytes
public import NIOCore

/// Cuts the client's bytes into lines. A bare LF ends a line too: people type at this protocol by hand.
public struct POP3LineFramer: Sendable {
  public enum Mode: Sendable, Hashable {
    case command
    /// Between a challenge and its answer.
    case authentication
  }

  public enum Frame: Sendable, Hashable {
    /// A line without its end.
    case line(ByteBuffer)
    /// To be answered with an error, once; the rest of the line is dropped silently.
    case tooLong
    case incomplete
  }

  private var framer = LineFramer()

  public init() {}

  /// Takes the next line off the front of `buffer`.
  public mutating func next(from buffer: inout ByteBuffer, mode: Mode = .command) -> Frame {
    let frame = framer.next(from: &buffer) { line in
      mode == .authentication || Self.startsWithAuth(line) ? POP3Limits.authenticationLine : POP3Limits.commandLine
    }
    switch frame {
    case .line(let line, _): return .line(line)
    case .tooLong: return .tooLong
    case .incomplete: return .incomplete
    }
  }

  /// Forgets an unfinished line, as after STLS.
  public mutating func reset() { framer.reset() }

  /// AUTH may carry an initial response of any length; RFC 5034 §4 forbids that to clients, some do it all the same.
  private static func startsWithAuth(_ buffer: ByteBuffer) -> Bool {
    var cursor = ByteCursor(buffer.readableBytesSpan)
    return cursor.takeIgnoringCase("AUTH") && cursor.peek?.isBlank == true
  }
}
