import Bytes
public import NIOCore

/// `GETMETADATA` (RFC 5464 §4.2).
public struct GetMetadataCommand: Hashable, Sendable {
  /// The name of an entry, checked, in lower case.
  public typealias Entry = String

  public enum Depth: String, Hashable, Sendable, CaseIterable { case zero = "0", one = "1", infinity }

  /// Empty: the server.
  public var mailbox: MailboxName
  public var entries: [Entry]
  /// Octets of the longest value that is wanted; nil: all.
  public var maxSize: Int64?
  public var depth: Depth
  public init(_ mailbox: MailboxName, _ entries: [Entry], maxSize: Int64? = nil, depth: Depth = .zero) {
    self.mailbox = mailbox
    self.entries = entries
    self.maxSize = maxSize
    self.depth = depth
  }
}

/// `SETMETADATA` (RFC 5464 §4.3).
public struct SetMetadataCommand: Hashable, Sendable {
  public struct Value: Hashable, Sendable {
    public var entry: GetMetadataCommand.Entry
    /// Nil: NIL, it is to be removed.
    public var value: ByteBuffer?
    public init(_ entry: GetMetadataCommand.Entry, _ value: ByteBuffer?) {
      self.entry = entry
      self.value = value
    }
  }

  /// Empty: the server.
  public var mailbox: MailboxName
  public var values: [Value]
  public init(_ mailbox: MailboxName, _ values: [Value]) {
    self.mailbox = mailbox
    self.values = values
  }
}

extension CommandReader {
  /// getmetadata = "GETMETADATA" [SP getmetadata-options] SP mailbox SP entries. The examples of RFC 5464 have the options
  /// behind the mailbox, and clients follow them.
  mutating func getMetadataCommand() throws(IMAPSyntaxError) -> GetMetadataCommand {
    try space()
    var command = GetMetadataCommand(MailboxName(""), [])
    if cursor.peek == UInt8(ascii: "(") {
      try metadataOptions(of: &command)
      try space()
    }
    command.mailbox = try mailbox()
    try space()
    if cursor.peek == UInt8(ascii: "("), cursor.peek(at: 1)?.isASCIILetter == true {
      try metadataOptions(of: &command)
      try space()
    }
    command.entries = try metadataEntries()
    return command
  }

  private mutating func metadataOptions(of command: inout GetMetadataCommand) throws(IMAPSyntaxError) {
    try list("options", allowsEmpty: false) { (reader) throws(IMAPSyntaxError) in
      let range = reader.wordRange()
      let word = reader.bytes(range)
      if word.equalsIgnoringCase("MAXSIZE") {
        try reader.space()
        command.maxSize = try reader.number64("a size")
      } else if word.equalsIgnoringCase("DEPTH") {
        try reader.space()
        let place = reader.cursor.position
        guard let depth = GetMetadataCommand.Depth(rawValue: try reader.atom("a depth").lowercased()) else {
          throw reader.error("DEPTH is 0, 1 or infinity", at: place)
        }
        command.depth = depth
      } else {
        throw reader.error("Unknown option '\(reader.excerpt(range))'", at: range.lowerBound)
      }
    }
  }

  /// entries = entry / "(" entry *(SP entry) ")"
  mutating func metadataEntries() throws(IMAPSyntaxError) -> [GetMetadataCommand.Entry] {
    guard cursor.peek == UInt8(ascii: "(") else { return [try metadataEntry(least: 1)] }
    var entries: [GetMetadataCommand.Entry] = []
    try list("entries", allowsEmpty: false) { (reader) throws(IMAPSyntaxError) in
      let entry = try reader.metadataEntry(least: 1)
      if !entries.contains(entry) { entries.append(entry) }
    }
    return entries
  }

  /// `least`: components it must have; whoever asks may name the root of a tree.
  private mutating func metadataEntry(least: Int) throws(IMAPSyntaxError) -> GetMetadataCommand.Entry {
    let start = cursor.position
    switch MetadataEntry(try astring("entry"), least: least, longest: limits.metadataEntry) {
    case .good(let entry): return entry
    case .malformed: throw error("Not the name of an entry", at: start)
    case .shortVendor: throw error("Entries of a vendor have four components at least", at: start)
    }
  }

  /// setmetadata = "SETMETADATA" SP mailbox SP "(" entry SP value *(SP entry SP value) ")"
  mutating func setMetadataCommand() throws(IMAPSyntaxError) -> SetMetadataCommand {
    let name = try spaceAndMailbox()
    try space()
    var values: [SetMetadataCommand.Value] = []
    try list("entries", allowsEmpty: false) { (reader) throws(IMAPSyntaxError) in
      let entry = try reader.metadataEntry(least: 2)
      try reader.space()
      values.removeAll { $0.entry == entry }
      values.append(.init(entry, try reader.metadataValue()))
    }
    return SetMetadataCommand(name, values)
  }

  /// value = nstring / literal8
  private mutating func metadataValue() throws(IMAPSyntaxError) -> ByteBuffer? {
    if cursor.takeIgnoringCase("NIL") { return nil }
    guard cursor.peek == UInt8(ascii: "~") else { return octets(try wireString("a value")) }
    cursor.position += 1
    return buffer(try literalRange())
  }
}

extension CommandPrinter {
  mutating func print(_ command: GetMetadataCommand) {
    var options: [String] = []
    if let size = command.maxSize { options.append("MAXSIZE \(size)") }
    if command.depth != .zero { options.append("DEPTH \(command.depth.rawValue)") }
    if !options.isEmpty { text(" (\(options.joined(separator: " ")))") }
    space()
    mailbox(command.mailbox)
    space()
    print(entries: command.entries)
  }

  mutating func print(entries: [String]) {
    word("(")
    for (index, entry) in entries.enumerated() {
      if index > 0 { space() }
      astring(entry)
    }
    word(")")
  }

  mutating func print(_ command: SetMetadataCommand) {
    space()
    mailbox(command.mailbox)
    word(" (")
    for (index, value) in command.values.enumerated() {
      if index > 0 { space() }
      astring(value.entry)
      space()
      if let octets = value.value {
        if octets.readableBytesView.contains(0) {
          literalHeader(size: octets.readableBytes, isBinary: true)
          buffer.writeImmutableBuffer(octets)
        } else {
          string(octets.readableBytesSpan)
        }
      } else {
        word("NIL")
      }
    }
    word(")")
  }
}

extension ByteBuffer {
  /// `* METADATA mailbox (entry value ...)` (RFC 5464 §4.4.1). A value that holds NUL goes as a literal8.
  public mutating func writeMetadata(
    _ mailbox: MailboxName, _ values: [SetMetadataCommand.Value], _ options: WireOptions
  ) {
    guard !values.isEmpty else { return }
    writeStaticString("* METADATA ")
    writeMailbox(mailbox, options)
    writeStaticString(" (")
    for (index, value) in values.enumerated() {
      if index > 0 { writeSpace() }
      writeAString(value.entry, options)
      writeSpace()
      guard let octets = value.value else {
        writeStaticString("NIL")
        continue
      }
      if StringForm(octets.readableBytesSpan, utf8: options.utf8) == .literal {
        if octets.readableBytesView.contains(0) { writeStaticString("~") }
        writeStaticString("{")
        writeDecimal(octets.readableBytes)
        writeStaticString("}\r\n")
        writeImmutableBuffer(octets)
      } else {
        writeQuoted(octets.readableBytesSpan)
      }
    }
    writeStaticString(")\r\n")
  }

  /// `* METADATA mailbox entry ...`: they have changed (RFC 5464 §4.4.2).
  public mutating func writeMetadataChange(_ mailbox: MailboxName, _ entries: [String], _ options: WireOptions) {
    guard !entries.isEmpty else { return }
    writeStaticString("* METADATA ")
    writeMailbox(mailbox, options)
    for entry in entries {
      writeSpace()
      writeAString(entry, options)
    }
    writeCRLF()
  }
}
