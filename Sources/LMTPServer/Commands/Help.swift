import LMTPCore

extension LMTPSession {
  /// HELP (RFC 5321 §4.1.1.8).
  func help(_ command: LMTPCommand) { reply(.help) }
}
