import Bytes

/// `SELECT` and `EXAMINE` (RFC 9051 §6.3.2, §6.3.3).
public struct SelectCommand: Hashable, Sendable {
  public var mailbox: MailboxName
  /// EXAMINE.
  public var readOnly: Bool
  /// RFC 4466 §2.1; here CONDSTORE and QRESYNC will stand.
  public var modifiers: [CommandModifier]
  public init(_ mailbox: MailboxName, readOnly: Bool = false, modifiers: [CommandModifier] = []) {
    self.mailbox = mailbox
    self.readOnly = readOnly
    self.modifiers = modifiers
  }
}

extension CommandReader {
  /// select = "SELECT" SP mailbox [select-params] (RFC 4466 §6)
  mutating func selectCommand(readOnly: Bool) throws(IMAPSyntaxError) -> SelectCommand {
    let name = try spaceAndMailbox()
    let parameters = cursor.take(.space) ? try modifiers() : []
    return SelectCommand(name, readOnly: readOnly, modifiers: parameters)
  }
}

extension CommandPrinter {
  mutating func print(_ command: SelectCommand) {
    space()
    mailbox(command.mailbox)
    modifiers(command.modifiers)
  }
}
