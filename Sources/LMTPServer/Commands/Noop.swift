import LMTPCore

extension LMTPSession {
  /// NOOP (RFC 5321 §4.1.1.9).
  func noop(_ command: LMTPCommand) { reply(.ok) }
}
