import LMTPCore

extension LMTPSession {
  /// QUIT (RFC 5321 §4.1.1.10).
  func quit(_ command: LMTPCommand) {
    reply(.goodbye)
    end("quit")
  }
}
