import Bytes

/// `ENABLE` (RFC 5161 §3.1, RFC 9051 §6.3.1).
public struct EnableCommand: Hashable, Sendable {
  /// In upper case, as sent; unknown ones are passed over by the server.
  public var capabilities: [String]
  public init(_ capabilities: [String]) { self.capabilities = capabilities }
}

extension CommandReader {
  /// enable = "ENABLE" 1*(SP capability)
  mutating func enableCommand() throws(IMAPSyntaxError) -> EnableCommand {
    var names: [String] = []
    repeat {
      try space()
      guard names.count < limits.listElements else { throw error("More than \(limits.listElements) capabilities") }
      names.append(try atom("a capability").uppercased())
    } while !cursor.isAtEnd
    return EnableCommand(names)
  }
}

extension CommandPrinter {
  mutating func print(_ command: EnableCommand) { buffer.writeWords(command.capabilities) }
}
