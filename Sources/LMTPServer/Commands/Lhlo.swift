import LMTPCore

extension LMTPSession {
  /// LHLO (RFC 2033 §4.1). Like EHLO it clears the transaction (RFC 5321 §4.1.4).
  func lhlo(_ command: LMTPCommand) {
    guard case .lhlo(let name) = command else { return }
    dropTransaction()
    client = name
    let list = Capability.table.compactMap { $0.announced(self) }
    reply(.capabilities(host: settings.hostname, list))
    leaveIfShuttingDown()
  }
}
