/// `EXPUNGE` and `UID EXPUNGE` (RFC 9051 §6.4.3, §6.4.9, RFC 4315).
public struct ExpungeCommand: Hashable, Sendable {
  /// Of `UID EXPUNGE`; nil for EXPUNGE.
  public var uids: MessageSet?
  public init(uids: MessageSet? = nil) { self.uids = uids }
}

extension CommandReader {
  /// uid-expunge = "EXPUNGE" SP sequence-set
  mutating func uidExpungeCommand() throws(IMAPSyntaxError) -> ExpungeCommand {
    try space()
    return ExpungeCommand(uids: try messageSet())
  }
}

extension CommandPrinter {
  mutating func print(_ command: ExpungeCommand) {
    guard let uids = command.uids else { return }
    space()
    set(uids)
  }
}
