/// `LSUB` (RFC 3501 §6.3.9).
public struct LsubCommand: Hashable, Sendable {
  public var reference: String
  public var pattern: String
  public init(reference: String = "", pattern: String) {
    self.reference = reference
    self.pattern = pattern
  }
}

extension CommandReader {
  /// lsub = "LSUB" SP mailbox SP list-mailbox (RFC 3501 §9)
  mutating func lsubCommand() throws(IMAPSyntaxError) -> LsubCommand {
    try space()
    let reference = try listMailbox("reference")
    try space()
    return LsubCommand(reference: reference, pattern: try listMailbox("pattern"))
  }
}

extension CommandPrinter {
  mutating func print(_ command: LsubCommand) {
    space()
    mailbox(command.reference)
    space()
    pattern(command.pattern)
  }
}
