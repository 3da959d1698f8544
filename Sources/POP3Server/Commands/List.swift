import MailStore
import POP3Core

extension POP3Session {
  /// LIST (RFC 1939 §5). Sizes are those of the messages as they are; a surrogate may differ (RFC 6858 §4).
  func list(_ command: POP3Command) {
    guard let drop, case .list(let number) = command else { return }
    guard let number else {
      let text = POP3Text.messagesFollow(messages: drop.count, octets: Int64(drop.octets))
      withOutput { output in
        POP3Response.ok(text, language, into: &output)
        for (index, message) in drop.messages.enumerated() where !drop.isDeleted(index) {
          POP3Response.scanListing(number: index + 1, octets: Int64(message.size), into: &output)
        }
        POP3Response.endOfListing(into: &output)
      }
      return
    }
    guard let index = found(number, in: drop) else { return }
    withOutput {
      POP3Response.scanListing(number: number, octets: Int64(drop.messages[index].size), asReply: true, into: &$0)
    }
  }

  /// The index of a message that is there; nil when the client has been told that it is not.
  func found(_ number: Int, in drop: OpenDrop) -> Int? {
    switch drop.find(number) {
    case .found(let index): return index
    case .none: err(.noSuchMessage(number))
    case .deleted: err(.messageIsDeleted(number))
    }
    return nil
  }
}
