import IMAPCore
import MailNet
import NIOCore

extension IMAPSession {
  /// LOGOUT (RFC 9051 §6.1.3): BYE goes before the completion, and the mailbox is left as it is.
  func logout(_ tag: String) -> Completion? {
    say(.bye, nil, "Logging out")
    say(tag, .ok, nil, "LOGOUT completed")
    isOver = true
    connection.flush()
    connection.close()
    return nil
  }
}
