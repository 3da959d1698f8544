import MailStore
import POP3Core

extension POP3Session {
  /// UIDL (RFC 1939 §7).
  func uidl(_ command: POP3Command) {
    guard let drop, case .uidl(let number) = command else { return }
    guard let number else {
      withOutput { output in
        POP3Response.ok(.uniqueIDsFollow, language, into: &output)
        for (index, message) in drop.messages.enumerated() where !drop.isDeleted(index) {
          POP3Response.uniqueIDListing(number: index + 1, id: message.uidl, into: &output)
        }
        POP3Response.endOfListing(into: &output)
      }
      return
    }
    guard let index = found(number, in: drop) else { return }
    withOutput { POP3Response.uniqueIDListing(number: number, id: drop.messages[index].uidl, asReply: true, into: &$0) }
  }
}
