import LMTPCore

extension LMTPSession {
  /// MAIL (RFC 5321 §4.1.1.2).
  func mail(_ command: LMTPCommand) {
    guard case .mail(let sender) = command else { return }
    guard transaction == nil else { return bad(.mailTwice) }
    // RFC 1870 §6.1: what is declared too big is refused before it is sent.
    if let size = sender.size, size > Int64(settings.maxMessageBytes) {
      return reply(.tooBig(limit: Int64(settings.maxMessageBytes)))
    }
    transaction = Transaction(sender: sender, queueID: server.newQueueID())
    counts.transactions += 1
    reply(.senderOK)
  }
}
