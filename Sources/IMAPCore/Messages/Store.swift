import Bytes
import NIOCore

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
  /// Messages with a higher MODSEQ are left as they are (RFC 7162 §3.1.3).
  public var unchangedSince: UInt64?
  /// Parameters that nobody here knows (RFC 4466 §2.5).
  public var modifiers: [CommandModifier]

  public init(
    uid: Bool, set: MessageSet, mode: Mode, silent: Bool = false, flags: FlagList, unchangedSince: UInt64? = nil,
    modifiers: [CommandModifier] = []
  ) {
    self.uid = uid
    self.set = set
    self.mode = mode
    self.silent = silent
    self.flags = flags
    self.unchangedSince = unchangedSince
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
      try list("parameters", allowsEmpty: false) { (reader) throws(IMAPSyntaxError) in
        let range = try reader.atomRange("a parameter")
        if reader.bytes(range).equalsIgnoringCase("UNCHANGEDSINCE") {
          // RFC 7162 §7: only one may be given.
          guard command.unchangedSince == nil else {
            throw reader.error("UNCHANGEDSINCE is given twice", at: range.lowerBound)
          }
          try reader.space()
          command.unchangedSince = UInt64(try reader.number64("a MODSEQ"))
        } else {
          let name = reader.string(range).uppercased()
          command.modifiers.append(CommandModifier(name, value: try reader.modifierValue()))
        }
      }
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
    var modifiers = command.modifiers
    if let modSeq = command.unchangedSince {
      modifiers.insert(CommandModifier("UNCHANGEDSINCE", value: ByteBuffer(string: "\(modSeq)")), at: 0)
    }
    self.modifiers(modifiers)
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
