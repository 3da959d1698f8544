import Bytes
public import NIOCore

extension CommandReader {
  /// list = "LIST" [SP list-select-opts] SP mailbox SP mbox-or-pat [SP list-return-opts]
  mutating func listCommand() throws(IMAPSyntaxError) -> ListCommand {
    try space()
    var command = ListCommand(patterns: [])
    if cursor.peek == UInt8(ascii: "(") {
      command.selection = try listSelection()
      try space()
    }
    command.reference = try listMailbox("reference")
    try space()
    if cursor.peek == UInt8(ascii: "(") {
      command.patternsAreListed = true
      var patterns: [String] = []
      try list("patterns", allowsEmpty: false) { (reader) throws(IMAPSyntaxError) in
        patterns.append(try reader.listMailbox("pattern"))
      }
      command.patterns = patterns
    } else {
      command.patterns = [try listMailbox("pattern")]
    }
    guard cursor.take(.space) else { return command }
    guard cursor.takeIgnoringCase("RETURN ") else { throw expected("RETURN") }
    try listReturns(into: &command)
    return command
  }

  private mutating func listSelection() throws(IMAPSyntaxError) -> ListCommand.Selection {
    let start = cursor.position
    var selection: ListCommand.Selection = []
    try list("selection options", allowsEmpty: true) { (reader) throws(IMAPSyntaxError) in
      let range = try reader.atomRange("a selection option")
      guard let option = ListCommand.selectionOptions.value(for: reader.bytes(range)) else {
        // RFC 5258 §3: options that are not known are answered BAD.
        throw reader.error("Unknown selection option \(reader.excerpt(range))", at: range.lowerBound)
      }
      selection.insert(option)
    }
    // RFC 9051 §6.3.9.1: RECURSIVEMATCH needs a base option.
    if selection.contains(.recursiveMatch), !selection.contains(.subscribed) {
      throw error("RECURSIVEMATCH needs SUBSCRIBED", at: start)
    }
    return selection
  }

  private mutating func listReturns(into command: inout ListCommand) throws(IMAPSyntaxError) {
    var returns: ListCommand.Return = []
    var items: [StatusItem] = []
    var metadata: [GetMetadataCommand.Entry] = []
    try list("return options", allowsEmpty: true) { (reader) throws(IMAPSyntaxError) in
      let range = try reader.atomRange("a return option")
      if let option = ListCommand.returnOptions.value(for: reader.bytes(range)) {
        returns.insert(option)
      } else if reader.bytes(range).equalsIgnoringCase("STATUS") {
        try reader.space()
        items = try reader.statusItems()
      } else if reader.bytes(range).equalsIgnoringCase("METADATA") {
        try reader.space()
        guard reader.cursor.peek == UInt8(ascii: "(") else { throw reader.expected("'('") }
        metadata = try reader.metadataEntries()
      } else {
        throw reader.error("Unknown return option \(reader.excerpt(range))", at: range.lowerBound)
      }
    }
    command.returns = returns
    command.statusItems = items
    command.metadata = metadata
  }
}

extension ListCommand {
  static let selectionOptions = KeywordTable<Selection>([
    ("SUBSCRIBED", .subscribed), ("REMOTE", .remote), ("RECURSIVEMATCH", .recursiveMatch),
    ("SPECIAL-USE", .specialUse),
  ])
  static let returnOptions = KeywordTable<Return>([
    ("SUBSCRIBED", .subscribed), ("CHILDREN", .children), ("SPECIAL-USE", .specialUse), ("MYRIGHTS", .myRights),
  ])
}

extension CommandPrinter {
  mutating func print(_ command: ListCommand) {
    space()
    if let selection = command.selection {
      let options: [(ListCommand.Selection, String)] = [
        (.subscribed, "SUBSCRIBED"), (.remote, "REMOTE"), (.recursiveMatch, "RECURSIVEMATCH"),
        (.specialUse, "SPECIAL-USE"),
      ]
      let names = options.filter { selection.contains($0.0) }.map(\.1)
      text("(\(names.joined(separator: " "))) ")
    }
    mailbox(command.reference)
    space()
    if command.patternsAreListed { word("(") }
    for (index, pattern) in command.patterns.enumerated() {
      if index > 0 { space() }
      self.pattern(pattern)
    }
    if command.patternsAreListed { word(")") }
    guard let returns = command.returns else { return }
    let options: [(ListCommand.Return, String)] = [
      (.subscribed, "SUBSCRIBED"), (.children, "CHILDREN"), (.specialUse, "SPECIAL-USE"), (.myRights, "MYRIGHTS"),
    ]
    var names = options.filter { returns.contains($0.0) }.map(\.1)
    if !command.statusItems.isEmpty {
      names.append("STATUS (\(command.statusItems.map { "\($0.keyword)" }.joined(separator: " ")))")
    }
    text(" RETURN (\(names.joined(separator: " "))")
    if !command.metadata.isEmpty {
      word(names.isEmpty ? "METADATA " : " METADATA ")
      print(entries: command.metadata)
    }
    word(")")
  }

  /// list-mailbox: wildcards stand in atoms.
  mutating func pattern(_ pattern: String) {
    let wire = options.utf8 ? pattern : ModifiedUTF7.encode(pattern)
    if !wire.isEmpty, wire.utf8.allSatisfy(\.isListCharacter) { text(wire) } else { string(wire) }
  }
}

extension ByteBuffer {
  /// `* LIST (attributes) "/" name (extended data)` (RFC 9051 §7.3.1).
  public mutating func writeList(_ response: ListResponse, _ options: WireOptions) {
    writeListLine("* LIST (", response, options)
    if response.hasSubscribedChild || response.oldName != nil {
      writeStaticString(" (")
      // RFC 9051 §6.3.9.6: the option's name is always quoted here.
      if response.hasSubscribedChild { writeStaticString("\"CHILDINFO\" (\"SUBSCRIBED\")") }
      if let oldName = response.oldName {
        if response.hasSubscribedChild { writeSpace() }
        writeStaticString("\"OLDNAME\" (")
        writeMailbox(oldName, options)
        writeStaticString(")")
      }
      writeStaticString(")")
    }
    writeCRLF()
  }

  /// `* LSUB (attributes) "/" name` (RFC 3501 §7.2.3). Extended data is not printed.
  public mutating func writeLsub(_ response: ListResponse, _ options: WireOptions) {
    writeListLine("* LSUB (", response, options)
    writeCRLF()
  }

  private mutating func writeListLine(_ start: StaticString, _ response: ListResponse, _ options: WireOptions) {
    writeStaticString(start)
    var isFirst = true
    for (attribute, name) in MailboxAttributes.spellings where response.attributes.contains(attribute) {
      if !isFirst { writeSpace() }
      isFirst = false
      writeStaticString(name)
    }
    writeStaticString(") ")
    writeSeparator(response.separator)
    writeSpace()
    writeMailbox(response.mailbox, options)
  }

  mutating func writeSeparator(_ separator: UInt8?) {
    guard let separator else {
      writeStaticString("NIL")
      return
    }
    writeInteger(UInt8.quote)
    if separator == .quote || separator == .backslash { writeInteger(UInt8.backslash) }
    writeInteger(separator)
    writeInteger(UInt8.quote)
  }
}
