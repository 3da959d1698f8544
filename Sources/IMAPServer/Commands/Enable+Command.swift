import IMAPCore
import MailNet
import NIOCore

extension IMAPSession {
  /// ENABLE (RFC 9051 §6.3.1). What is not known, or need not be enabled, is passed over.
  func enable(_ command: EnableCommand) -> Completion {
    var enabled: [String] = []
    if command.capabilities.contains("IMAP4REV2"), !isRev2 {
      isRev2 = true
      framer.options = .rev2
      enabled.append("IMAP4rev2")
    }
    // RFC 9051 §6.3.1: sent even if nothing was enabled.
    connection.out.writeEnabled(enabled)
    return .ok("ENABLE completed")
  }
}
