/// What `list` and `read` can refuse.
public enum BrowseError: Error, Sendable, Hashable, CustomStringConvertible {
  /// What the server said.
  case cannotOpen(mailbox: String, String)
  case noSuchMessage(mailbox: String, uid: UInt32)
  /// `parts`: those the message has.
  case noSuchPart(uid: UInt32, part: String, parts: [String])
  case unknownEncoding(uid: UInt32, part: String, encoding: String)
  case notAPart(String)
  /// No BODYSTRUCTURE that makes sense.
  case noStructure(uid: UInt32)
  /// The server's literal and its structure disagree, or it left the body out.
  case incomplete(uid: UInt32)

  public var description: String {
    switch self {
    case .cannotOpen(let mailbox, let text):
      "\(mailbox): the server does not open it: \(text); 'merpati list --mailboxes' shows what there is"
    case .noSuchMessage(let mailbox, let uid): "\(mailbox) has no message \(uid); 'merpati list' shows what is there"
    case .noSuchPart(let uid, let part, let parts):
      "message \(uid) has no part \(part); it has \(parts.joined(separator: ", "))"
    case .unknownEncoding(let uid, let part, let encoding):
      "part \(part) of message \(uid) is encoded as '\(encoding)', which is not known here; --raw gives it as it is"
    case .notAPart(let text): "'\(text)' is no part number; part numbers look like 2 or 1.3"
    case .noStructure(let uid):
      "the server told no structure of message \(uid) that makes sense; --raw reads it as it is"
    case .incomplete(let uid): "the server did not send all of message \(uid)"
    }
  }
}
