import Bytes
public import NIOCore

/// `IDLE` (RFC 2177, RFC 9051 §6.3.13) has no arguments; what ends it is a line of its own.
public enum Idle {
  /// The line is DONE. Anything else is answered BAD to the tag of the IDLE.
  public static func isDone(_ line: ByteBuffer) -> Bool { line.equalsIgnoringCase("DONE") }
}
