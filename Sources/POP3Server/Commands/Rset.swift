import POP3Core

extension POP3Session {
  /// RSET (RFC 1939 §5). Under EXPIRE 0 it also takes back what was retrieved.
  func rset(_ command: POP3Command) {
    guard let drop else { return }
    drop.reset()
    ok(.maildropHas(messages: drop.count, octets: Int64(drop.octets)))
  }
}
