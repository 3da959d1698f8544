import POP3Core

extension POP3Session {
  /// QUIT: in AUTHORIZATION it only ends (RFC 1939 §4); in TRANSACTION it removes what is marked (RFC 1939 §6).
  func quit(_ command: POP3Command) {
    guard drop != nil else {
      ok(.goodbye)
      return end("quit")
    }
    whileBusy { await $0.update() }
  }
}
