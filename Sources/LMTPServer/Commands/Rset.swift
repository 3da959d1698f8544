import LMTPCore

extension LMTPSession {
  /// RSET (RFC 5321 §4.1.1.5).
  func rset(_ command: LMTPCommand) {
    reply(.ok)
    endTransaction()
  }
}
