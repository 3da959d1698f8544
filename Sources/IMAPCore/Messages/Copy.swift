/// `COPY` and `UID COPY` (RFC 9051 §6.4.7).
public struct CopyCommand: Hashable, Sendable {
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
  /// copy = "COPY" SP sequence-set SP mailbox
  mutating func copyCommand(uid: Bool) throws(IMAPSyntaxError) -> CopyCommand {
    try space()
    let set = try messageSet()
    return CopyCommand(uid: uid, set: set, mailbox: try spaceAndMailbox())
  }
}
