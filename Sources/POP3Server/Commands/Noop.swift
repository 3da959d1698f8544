import POP3Core

extension POP3Session {
  /// NOOP (RFC 1939 §5).
  func noop(_ command: POP3Command) {
    ok(.stillHere)
  }
}
