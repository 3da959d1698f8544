import IMAPCore
import MailNet
import NIOCore

extension IMAPSession {
  /// ENABLE (RFC 9051 §6.3.1). What is not known, or need not be enabled, is passed over.
  func enable(_ command: EnableCommand, and others: [String] = []) -> Completion {
    var enabled = others
    if command.capabilities.contains("IMAP4REV2"), !isRev2 {
      isRev2 = true
      framer.options = .rev2
      enabled.append("IMAP4rev2")
    }
    // RFC 9051 §6.3.1: sent even if nothing was enabled.
    connection.out.writeEnabled(enabled)
    return .ok("ENABLE completed")
  }

  /// The same with METADATA or METADATA-SERVER among them, for which the store has to be asked (RFC 5464 §4.4).
  func enableWithMetadata(_ command: EnableCommand) async throws(CommandError) -> Completion {
    let isNew = metadata == nil
    try await enableMetadata()
    guard !isOver else { throw .connectionClosed }
    return enable(command, and: isNew ? command.capabilities.filter { $0.hasPrefix("METADATA") } : [])
  }
}

extension EnableCommand {
  var enablesMetadata: Bool { capabilities.contains("METADATA") || capabilities.contains("METADATA-SERVER") }
}
