import Bytes

/// `STORE` and `UID STORE` (RFC 9051 §6.4.6).
public struct StoreCommand: Hashable, Sendable {
  public enum Mode: Hashable, Sendable {
    /// `+FLAGS`
    case add
    /// `-FLAGS`
    case remove
    /// `FLAGS`
    case replace
  }

  /// `set` holds UIDs.
  public var uid: Bool
  public var set: MessageSet
  public var mode: Mode
  /// `.SILENT`: no FETCH responses are wanted for what this command changes.
  public var silent: Bool
  public var flags: FlagList
  /// RFC 4466 §2.5; here UNCHANGEDSINCE will stand.
  public var modifiers: [CommandModifier]

  public init(
    uid: Bool, set: MessageSet, mode: Mode, silent: Bool = false, flags: FlagList, modifiers: [CommandModifier] = []
  ) {
    self.uid = uid
    self.set = set
    self.mode = mode
    self.silent = silent
    self.flags = flags
    self.modifiers = modifiers
  }
}

extension CommandReader {
  /// store = "STORE" SP sequence-set [store-modifiers] SP store-att-flags (RFC 4466 §6)
  mutating func storeCommand(uid: Bool) throws(IMAPSyntaxError) -> StoreCommand {
    try space()
    let set = try messageSet()
    try space()
    var command = StoreCommand(uid: uid, set: set, mode: .replace, flags: FlagList())
    if cursor.peek == UInt8(ascii: "(") {
      command.modifiers = try modifiers()
      try space()
    }
    if cursor.take(UInt8(ascii: "+")) { command.mode = .add }
    if command.mode == .replace, cursor.take(UInt8(ascii: "-")) { command.mode = .remove }
    guard cursor.takeIgnoringCase("FLAGS") else { throw expected("FLAGS") }
    command.silent = cursor.takeIgnoringCase(".SILENT")
    try space()
    if cursor.peek == UInt8(ascii: "(") {
      command.flags = try flagList()
      return command
    }
    var count = 0
    repeat {
      count += 1
      guard count <= limits.listElements else { throw error("More than \(limits.listElements) flags") }
      try flag(into: &command.flags)
    } while cursor.take(.space)
    return command
  }
}

extension CommandPrinter {
  mutating func print(_ command: StoreCommand) {
    space()
    set(command.set)
    modifiers(command.modifiers)
    space()
    switch command.mode {
    case .add: word("+")
    case .remove: word("-")
    case .replace: break
    }
    word(command.silent ? "FLAGS.SILENT " : "FLAGS ")
    flags(command.flags)
  }
}
