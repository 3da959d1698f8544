import IMAPCore
import MailNet
import NIOCore

extension IMAPSession {
  /// CAPABILITY (RFC 9051 §6.1.1).
  func capability() -> Completion {
    connection.out.writeCapability(capabilities())
    return .ok("CAPABILITY completed")
  }
}
