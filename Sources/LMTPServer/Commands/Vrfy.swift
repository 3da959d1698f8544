import LMTPCore

extension LMTPSession {
  /// VRFY (RFC 5321 §3.5.3): says neither yes nor no.
  func vrfy(_ command: LMTPCommand) { reply(.cannotVerify) }
}
