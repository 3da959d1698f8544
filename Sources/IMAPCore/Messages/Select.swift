import Bytes

/// `SELECT` and `EXAMINE` (RFC 9051 §6.3.2, §6.3.3).
public struct SelectCommand: Hashable, Sendable {
  public var mailbox: MailboxName
  /// EXAMINE.
  public var readOnly: Bool
  /// RFC 7162 §3.1.8.
  public var condStore: Bool
  /// RFC 7162 §3.2.5.
  public var resync: Resync?
  /// Parameters that nobody here knows (RFC 4466 §2.1).
  public var modifiers: [CommandModifier]
  public init(
    _ mailbox: MailboxName, readOnly: Bool = false, condStore: Bool = false, resync: Resync? = nil,
    modifiers: [CommandModifier] = []
  ) {
    self.mailbox = mailbox
    self.readOnly = readOnly
    self.condStore = condStore
    self.resync = resync
    self.modifiers = modifiers
  }
}

/// The QRESYNC parameter: what a client knew of the mailbox when it was last connected (RFC 7162 §3.2.5).
public struct Resync: Hashable, Sendable {
  public var uidValidity: UInt32
  /// The last HIGHESTMODSEQ, or 0.
  public var modSeq: UInt64
  /// Nil: all UIDs up to UIDNEXT.
  public var knownUIDs: MessageSet?
  /// A sample of sequence numbers and the UIDs they had, of the same length, both ascending (§3.2.5.2).
  public var match: Match?

  public struct Match: Hashable, Sendable {
    public var numbers: MessageSet
    public var uids: MessageSet
    public init(numbers: MessageSet, uids: MessageSet) {
      self.numbers = numbers
      self.uids = uids
    }
  }

  public init(uidValidity: UInt32, modSeq: UInt64, knownUIDs: MessageSet? = nil, match: Match? = nil) {
    self.uidValidity = uidValidity
    self.modSeq = modSeq
    self.knownUIDs = knownUIDs
    self.match = match
  }
}

extension CommandReader {
  /// select = "SELECT" SP mailbox [select-params] (RFC 4466 §6)
  mutating func selectCommand(readOnly: Bool) throws(IMAPSyntaxError) -> SelectCommand {
    var command = SelectCommand(try spaceAndMailbox(), readOnly: readOnly)
    guard cursor.take(.space) else { return command }
    try list("parameters", allowsEmpty: false) { (reader) throws(IMAPSyntaxError) in
      let range = try reader.atomRange("a parameter")
      if reader.bytes(range).equalsIgnoringCase("CONDSTORE") {
        command.condStore = true
      } else if reader.bytes(range).equalsIgnoringCase("QRESYNC") {
        guard command.resync == nil else { throw reader.error("QRESYNC is given twice", at: range.lowerBound) }
        try reader.space()
        command.resync = try reader.resync()
      } else {
        let name = reader.string(range).uppercased()
        command.modifiers.append(CommandModifier(name, value: try reader.modifierValue()))
      }
    }
    return command
  }

  /// "(" uidvalidity SP mod-sequence-value [SP known-uids] [SP seq-match-data] ")" (RFC 7162 §7)
  private mutating func resync() throws(IMAPSyntaxError) -> Resync {
    try openParenthesis()
    let validity = try nonZeroNumber("UIDVALIDITY")
    try space()
    var resync = Resync(uidValidity: validity, modSeq: UInt64(try number64("a MODSEQ")))
    var hasSpace = cursor.take(.space)
    if hasSpace, cursor.peek != UInt8(ascii: "(") {
      resync.knownUIDs = try knownSet(ascending: false).set
      hasSpace = cursor.take(.space)
    }
    if hasSpace {
      let start = cursor.position
      try openParenthesis()
      let numbers = try knownSet(ascending: true)
      try space()
      let uids = try knownSet(ascending: true)
      try closeParenthesis()
      guard numbers.count == uids.count else {
        throw error("There are \(numbers.count) message numbers and \(uids.count) UIDs", at: start)
      }
      resync.match = .init(numbers: numbers.set, uids: uids.set)
    }
    try closeParenthesis()
    return resync
  }

  /// A sequence-set without `*` and `$` (RFC 7162 §7), and how many numbers are in it.
  private mutating func knownSet(ascending: Bool) throws(IMAPSyntaxError) -> (set: MessageSet, count: UInt64) {
    let start = cursor.position
    let set = try messageSet()
    guard !set.containsStar, !set.includesSavedResult else { throw error("Only numbers may stand here", at: start) }
    var count: UInt64 = 0
    var last: UInt32 = 0
    for element in set.elements {
      if ascending {
        guard element.first > last, element.first <= element.last else {
          throw error("The numbers must ascend", at: start)
        }
        last = element.last
      }
      count += UInt64(max(element.first, element.last) - min(element.first, element.last)) + 1
    }
    return (set, count)
  }
}

extension CommandPrinter {
  mutating func print(_ command: SelectCommand) {
    space()
    mailbox(command.mailbox)
    guard command.condStore || command.resync != nil || !command.modifiers.isEmpty else { return }
    word(" (")
    var isFirst = true
    func part(_ printer: inout CommandPrinter) {
      if !isFirst { printer.space() }
      isFirst = false
    }
    if command.condStore {
      part(&self)
      word("CONDSTORE")
    }
    if let resync = command.resync {
      part(&self)
      print(resync)
    }
    for modifier in command.modifiers {
      part(&self)
      print(modifier)
    }
    word(")")
  }

  private mutating func print(_ resync: Resync) {
    text("QRESYNC (\(resync.uidValidity) \(resync.modSeq)")
    if let known = resync.knownUIDs {
      space()
      set(known)
    }
    if let match = resync.match {
      word(" (")
      set(match.numbers)
      space()
      set(match.uids)
      word(")")
    }
    word(")")
  }
}
