import POP3Core

extension POP3Session {
  /// RETR (RFC 1939 §5): goes into the batch that one hop to the store answers.
  func retr(_ command: POP3Command) {
    guard case .retr(let number) = command else { return }
    retrieve(number, lines: nil)
  }
}
