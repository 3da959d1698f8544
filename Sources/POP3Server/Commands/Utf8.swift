import POP3Core

extension POP3Session {
  /// UTF8 (RFC 6856 §2.1): messages come as they are from here on.
  func utf8(_ command: POP3Command) {
    isUTF8 = true
    ok(.utf8Enabled)
  }
}
