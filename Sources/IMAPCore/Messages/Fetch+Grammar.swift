import Bytes
public import NIOCore

extension CommandReader {
  /// fetch = "FETCH" SP sequence-set SP ("ALL" / "FULL" / "FAST" / fetch-att / "(" fetch-att *(SP fetch-att) ")")
  /// [fetch-modifiers] (RFC 4466 §6)
  mutating func fetchCommand(uid: Bool) throws(IMAPSyntaxError) -> FetchCommand {
    try space()
    let set = try messageSet()
    try space()
    var items: [FetchItem] = []
    if cursor.peek == UInt8(ascii: "(") {
      items.reserveCapacity(8)
      try list("items", allowsEmpty: false) { (reader) throws(IMAPSyntaxError) in
        let item = try reader.fetchItem()
        if !items.contains(item) { items.append(item) }
      }
    } else if let macro = takeMacro() {
      items = macro
    } else {
      items = [try fetchItem()]
    }
    var command = FetchCommand(uid: uid, set: set, items: items)
    if cursor.take(.space) { try fetchModifiers(into: &command) }
    return command
  }

  /// fetch-modifiers of RFC 4466 §6, RFC 7162 §7 and RFC 9394 §4.
  private mutating func fetchModifiers(into command: inout FetchCommand) throws(IMAPSyntaxError) {
    try list("parameters", allowsEmpty: false) { (reader) throws(IMAPSyntaxError) in
      let range = try reader.atomRange("a parameter")
      let word = reader.bytes(range)
      if word.equalsIgnoringCase("CHANGEDSINCE") {
        guard command.changedSince == nil else {
          throw reader.error("CHANGEDSINCE is given twice", at: range.lowerBound)
        }
        try reader.space()
        command.changedSince = UInt64(try reader.number64("a MODSEQ"))
      } else if word.equalsIgnoringCase("VANISHED") {
        command.vanished = true
      } else if word.equalsIgnoringCase("PARTIAL") {
        guard command.partial == nil else { throw reader.error("PARTIAL is given twice", at: range.lowerBound) }
        try reader.space()
        command.partial = try reader.partialRange()
      } else {
        let name = reader.string(range).uppercased()
        command.modifiers.append(CommandModifier(name, value: try reader.modifierValue()))
      }
    }
  }

  /// RFC 9051 §6.4.5: macros stand alone, outside parentheses.
  private mutating func takeMacro() -> [FetchItem]? {
    let start = cursor.position
    let word = bytes(wordRange())
    if word.equalsIgnoringCase("ALL") { return [.flags, .internalDate, .size, .envelope] }
    if word.equalsIgnoringCase("FAST") { return [.flags, .internalDate, .size] }
    if word.equalsIgnoringCase("FULL") { return [.flags, .internalDate, .size, .envelope, .body] }
    cursor.position = start
    return nil
  }

  mutating func fetchItem() throws(IMAPSyntaxError) -> FetchItem {
    let range = wordRange()
    guard let item = FetchItem.table.value(for: bytes(range)) else {
      throw error("Unknown FETCH item '\(excerpt(range))'", at: range.lowerBound)
    }
    let hasSection = cursor.peek == UInt8(ascii: "[")
    switch item {
    case .body:
      guard hasSection else { return .body }
      return .bodySection(try section(), partial: try partial(), peek: false)
    case .bodySection:
      return .bodySection(try section(), partial: try partial(), peek: true)
    case .binary(_, _, let peek):
      return .binary(part: try binarySection(), partial: try partial(), peek: peek)
    case .preview:
      return .preview(lazy: try previewModifiers())
    case .binarySize:
      return .binarySize(part: try binarySection())
    default:
      return item
    }
  }

  /// [SP "(" preview-mod *(SP preview-mod) ")"] (RFC 8970 §6). True: LAZY is among them.
  private mutating func previewModifiers() throws(IMAPSyntaxError) -> Bool {
    guard cursor.takeIgnoringCase(" (") else { return false }
    repeat {
      let range = wordRange()
      guard bytes(range).equalsIgnoringCase("LAZY") else {
        throw error("Unknown modifier of PREVIEW '\(excerpt(range))'", at: range.lowerBound)
      }
    } while cursor.take(.space)
    try closeParenthesis()
    return true
  }

  /// section = "[" [section-spec] "]"
  mutating func section() throws(IMAPSyntaxError) -> BodySection {
    try expect(UInt8(ascii: "["), "'['")
    if cursor.take(UInt8(ascii: "]")) { return BodySection() }
    var section = BodySection(part: try partNumbers())
    if section.part.isEmpty || cursor.take(UInt8(ascii: ".")) {
      section.text = try sectionText(hasPart: !section.part.isEmpty)
    }
    try expect(UInt8(ascii: "]"), "']'")
    return section
  }

  private mutating func binarySection() throws(IMAPSyntaxError) -> [UInt32] {
    try expect(UInt8(ascii: "["), "'['")
    let part = try partNumbers()
    try expect(UInt8(ascii: "]"), "']'")
    return part
  }

  /// section-part, as far as numbers go; a point before a letter is left.
  private mutating func partNumbers() throws(IMAPSyntaxError) -> [UInt32] {
    guard cursor.peek?.isASCIIDigit == true else { return [] }
    var part = [try nonZeroNumber("a part number")]
    while cursor.peek == UInt8(ascii: "."), cursor.peek(at: 1)?.isASCIIDigit == true {
      cursor.position += 1
      guard part.count < limits.partDepth else { throw error("More than \(limits.partDepth) part numbers") }
      part.append(try nonZeroNumber("a part number"))
    }
    return part
  }

  private mutating func sectionText(hasPart: Bool) throws(IMAPSyntaxError) -> BodySection.Text {
    let range = wordRange()
    let word = bytes(range)
    if word.equalsIgnoringCase("HEADER") { return .header }
    if word.equalsIgnoringCase("TEXT") { return .text }
    if word.equalsIgnoringCase("HEADER.FIELDS") { return .headerFields(try headerList()) }
    if word.equalsIgnoringCase("HEADER.FIELDS.NOT") { return .headerFieldsNot(try headerList()) }
    if hasPart, word.equalsIgnoringCase("MIME") { return .mime }
    throw error("Unknown section '\(excerpt(range))'", at: range.lowerBound)
  }

  /// SP header-list
  private mutating func headerList() throws(IMAPSyntaxError) -> [String] {
    try space()
    var names: [String] = []
    try list("field names", allowsEmpty: false) { (reader) throws(IMAPSyntaxError) in
      names.append(try reader.headerFieldName())
    }
    return names
  }

  /// header-fld-name = astring, and a field-name of RFC 5322 §2.2 can be no more than printable ASCII.
  mutating func headerFieldName() throws(IMAPSyntaxError) -> String {
    let start = cursor.position
    let name = try astring("header field name")
    guard name.utf8.allSatisfy({ $0 >= 0x20 && $0 < 0x7F }) else {
      throw error("A header field name must be printable ASCII", at: start)
    }
    return name
  }

  /// partial = "<" number64 "." nz-number64 ">"
  private mutating func partial() throws(IMAPSyntaxError) -> Partial? {
    guard cursor.take(UInt8(ascii: "<")) else { return nil }
    let offset = try number64("an offset")
    try expect(UInt8(ascii: "."), "'.'")
    let start = cursor.position
    let count = try number64("a count")
    guard count > 0 else { throw error("A partial FETCH must ask for at least one octet", at: start) }
    try expect(UInt8(ascii: ">"), "'>'")
    return Partial(offset: offset, count: count)
  }
}

extension FetchItem {
  /// Items with a section stand for their kind.
  static let table = KeywordTable<FetchItem>([
    ("FLAGS", .flags), ("UID", .uid), ("INTERNALDATE", .internalDate), ("RFC822.SIZE", .size),
    ("ENVELOPE", .envelope), ("BODY", .body), ("BODYSTRUCTURE", .bodyStructure), ("RFC822", .rfc822),
    ("RFC822.HEADER", .rfc822Header), ("RFC822.TEXT", .rfc822Text), ("MODSEQ", .modSeq), ("EMAILID", .emailID),
    ("THREADID", .threadID), ("SAVEDATE", .saveDate),
    ("BODY.PEEK", .bodySection(BodySection(), partial: nil, peek: true)),
    ("BINARY", .binary(part: [], partial: nil, peek: false)),
    ("BINARY.PEEK", .binary(part: [], partial: nil, peek: true)), ("BINARY.SIZE", .binarySize(part: [])),
    ("PREVIEW", .preview(lazy: false)),
  ])
}

extension CommandPrinter {
  mutating func print(_ command: FetchCommand) {
    space()
    set(command.set)
    word(" (")
    for (index, item) in command.items.enumerated() {
      if index > 0 { space() }
      buffer.writeFetchItem(item, isResponse: false)
    }
    word(")")
    var modifiers = command.modifiers
    if let partial = command.partial {
      var value = ByteBuffer()
      value.writePartialRange(partial)
      modifiers.insert(CommandModifier("PARTIAL", value: value), at: 0)
    }
    if command.vanished { modifiers.insert(CommandModifier("VANISHED"), at: 0) }
    if let modSeq = command.changedSince {
      modifiers.insert(CommandModifier("CHANGEDSINCE", value: ByteBuffer(string: "\(modSeq)")), at: 0)
    }
    self.modifiers(modifiers)
  }
}

extension ByteBuffer {
  /// An item as a command asks for it, or as a response names it: without `.PEEK`, with `<origin>` for `<origin.count>`
  /// (RFC 9051 §7.5.2).
  public mutating func writeFetchItem(_ item: FetchItem, isResponse: Bool) {
    switch item {
    case .flags: writeStaticString("FLAGS")
    case .uid: writeStaticString("UID")
    case .internalDate: writeStaticString("INTERNALDATE")
    case .size: writeStaticString("RFC822.SIZE")
    case .modSeq: writeStaticString("MODSEQ")
    case .emailID: writeStaticString("EMAILID")
    case .preview(let lazy): writeStaticString(lazy && !isResponse ? "PREVIEW (LAZY)" : "PREVIEW")
    case .threadID: writeStaticString("THREADID")
    case .saveDate: writeStaticString("SAVEDATE")
    case .envelope: writeStaticString("ENVELOPE")
    case .body: writeStaticString("BODY")
    case .bodyStructure: writeStaticString("BODYSTRUCTURE")
    case .rfc822: writeStaticString("RFC822")
    case .rfc822Header: writeStaticString("RFC822.HEADER")
    case .rfc822Text: writeStaticString("RFC822.TEXT")
    case .bodySection(let section, let partial, let peek):
      writeStaticString(peek && !isResponse ? "BODY.PEEK[" : "BODY[")
      writeSection(section)
      writePartial(partial, isResponse)
    case .binary(let part, let partial, let peek):
      writeStaticString(peek && !isResponse ? "BINARY.PEEK[" : "BINARY[")
      writePart(part)
      writePartial(partial, isResponse)
    case .binarySize(let part):
      writeStaticString("BINARY.SIZE[")
      writePart(part)
      writeStaticString("]")
    }
  }

  private mutating func writePartial(_ partial: Partial?, _ isResponse: Bool) {
    writeStaticString("]")
    guard let partial else { return }
    writeStaticString("<")
    writeDecimal(partial.offset)
    if !isResponse {
      writeStaticString(".")
      writeDecimal(partial.count)
    }
    writeStaticString(">")
  }

  private mutating func writePart(_ part: [UInt32]) {
    for (index, number) in part.enumerated() {
      if index > 0 { writeStaticString(".") }
      writeDecimal(number)
    }
  }

  mutating func writeSection(_ section: BodySection) {
    writePart(section.part)
    if case .whole = section.text { return }
    if !section.part.isEmpty { writeStaticString(".") }
    switch section.text {
    case .whole: break
    case .header: writeStaticString("HEADER")
    case .text: writeStaticString("TEXT")
    case .mime: writeStaticString("MIME")
    case .headerFields(let names): writeHeaderList("HEADER.FIELDS (", names)
    case .headerFieldsNot(let names): writeHeaderList("HEADER.FIELDS.NOT (", names)
    }
  }

  private mutating func writeHeaderList(_ start: StaticString, _ names: [String]) {
    writeStaticString(start)
    for (index, name) in names.enumerated() {
      if index > 0 { writeSpace() }
      writeAString(name, .rev1)
    }
    writeStaticString(")")
  }
}
