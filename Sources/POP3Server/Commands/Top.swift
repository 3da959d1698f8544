import POP3Core

extension POP3Session {
  /// TOP (RFC 1939 §7). It does not count as retrieval: the client has not got the message.
  func top(_ command: POP3Command) {
    guard case .top(let number, let lines) = command else { return }
    retrieve(number, lines: lines)
  }
}
