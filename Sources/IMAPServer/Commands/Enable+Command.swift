import IMAPCore
import MailNet
import NIOCore

extension IMAPSession {
  /// ENABLE (RFC 9051 §6.3.1). What is not known, or need not be enabled, is passed over.
  func enable(_ command: EnableCommand) throws(CommandError) -> Completion {
    var enabled: [String] = []
    let wantsUTF8 = command.capabilities.contains("UTF8=ACCEPT")
    // RFC 6855 §3: only valid in the authenticated state.
    guard !wantsUTF8 || view == nil else { throw .bad("UTF8=ACCEPT cannot be enabled while a mailbox is selected") }
    if command.capabilities.contains("IMAP4REV2"), !isRev2 {
      isRev2 = true
      framer.options = .rev2
      enabled.append("IMAP4rev2")
    }
    if wantsUTF8, !isUTF8 {
      isUTF8 = true
      framer.options = .rev2
      enabled.append("UTF8=ACCEPT")
    }
    // RFC 9051 §6.3.1: sent even if nothing was enabled.
    connection.out.writeEnabled(enabled)
    return .ok("ENABLE completed")
  }
}
