/// `MOVE` and `UID MOVE` (RFC 9051 §6.4.8, RFC 6851).
public struct MoveCommand: Hashable, Sendable {
  /// `set` holds UIDs.
  public var uid: Bool
  public var set: MessageSet
  public var mailbox: MailboxName
  public init(uid: Bool, set: MessageSet, mailbox: MailboxName) {
    self.uid = uid
    self.set = set
    self.mailbox = mailbox
  }
}

extension CommandReader {
  /// move = "MOVE" SP sequence-set SP mailbox
  mutating func moveCommand(uid: Bool) throws(IMAPSyntaxError) -> MoveCommand {
    try space()
    let set = try messageSet()
    return MoveCommand(uid: uid, set: set, mailbox: try spaceAndMailbox())
  }
}
