import POP3Core

extension POP3Session {
  /// DELE (RFC 1939 §5): marks; QUIT removes.
  func dele(_ command: POP3Command) {
    guard let drop, case .dele(let number) = command, let index = found(number, in: drop) else { return }
    drop.markDeleted(index)
    ok(.messageDeleted(number))
  }
}
