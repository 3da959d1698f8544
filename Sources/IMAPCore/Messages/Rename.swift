/// `RENAME` (RFC 9051 §6.3.6).
public struct RenameCommand: Hashable, Sendable {
  public var from: MailboxName
  public var to: MailboxName
  public init(from: MailboxName, to: MailboxName) {
    self.from = from
    self.to = to
  }
}

extension CommandReader {
  /// rename = "RENAME" SP mailbox SP mailbox
  mutating func renameCommand() throws(IMAPSyntaxError) -> RenameCommand {
    let from = try spaceAndMailbox()
    return RenameCommand(from: from, to: try spaceAndMailbox())
  }
}

extension CommandPrinter {
  mutating func print(_ command: RenameCommand) {
    space()
    mailbox(command.from)
    space()
    mailbox(command.to)
  }
}
