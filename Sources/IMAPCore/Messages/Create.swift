import Bytes

/// `CREATE` (RFC 9051 §6.3.4, RFC 6154 §3).
public struct CreateCommand: Hashable, Sendable {
  /// May end in `/`, which only says that children will follow.
  public var mailbox: MailboxName
  /// From `(USE (\Sent ...))`; empty when none was given.
  public var specialUses: MailboxAttributes
  /// Attributes after USE that nobody knows, with the backslash: to be answered `NO [USEATTR]` (RFC 6154 §3).
  public var unknownUses: [String]
  /// Parameters other than USE (RFC 4466 §2.2).
  public var modifiers: [CommandModifier]
  public init(
    _ mailbox: MailboxName, specialUses: MailboxAttributes = [], unknownUses: [String] = [],
    modifiers: [CommandModifier] = []
  ) {
    self.mailbox = mailbox
    self.specialUses = specialUses
    self.unknownUses = unknownUses
    self.modifiers = modifiers
  }
}

extension CommandReader {
  /// create = "CREATE" SP mailbox [create-params] (RFC 4466 §6)
  mutating func createCommand() throws(IMAPSyntaxError) -> CreateCommand {
    var command = CreateCommand(try spaceAndMailbox())
    guard cursor.take(.space) else { return command }
    try list("parameters", allowsEmpty: false) { (reader) throws(IMAPSyntaxError) in
      let name = try reader.atom("a parameter").uppercased()
      if name == "USE" {
        try reader.space()
        try reader.list("uses", allowsEmpty: true) { (reader) throws(IMAPSyntaxError) in
          try reader.specialUse(into: &command)
        }
      } else {
        command.modifiers.append(CommandModifier(name, value: try reader.modifierValue()))
      }
    }
    return command
  }

  /// use-attr of RFC 6154 §6.
  private mutating func specialUse(into command: inout CreateCommand) throws(IMAPSyntaxError) {
    try expect(.backslash, "a special use")
    let name = "\\" + (try atom("a special use"))
    if let attribute = MailboxAttributes(name: name), attribute.isSubset(of: .specialUses) {
      command.specialUses.insert(attribute)
    } else {
      command.unknownUses.append(name)
    }
  }
}

extension CommandPrinter {
  mutating func print(_ command: CreateCommand) {
    space()
    mailbox(command.mailbox)
    let uses = MailboxAttributes.spellings.filter { command.specialUses.contains($0.attribute) }.map { "\($0.name)" }
    let hasUses = !(uses.isEmpty && command.unknownUses.isEmpty)
    guard hasUses || !command.modifiers.isEmpty else { return }
    word(" (")
    if hasUses { text("USE (\((uses + command.unknownUses).joined(separator: " ")))") }
    for (index, modifier) in command.modifiers.enumerated() {
      if hasUses || index > 0 { space() }
      print(modifier)
    }
    word(")")
  }
}
