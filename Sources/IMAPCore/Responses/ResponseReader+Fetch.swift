import Bytes
import NIOCore

extension ResponseReader {
  private enum Item: Sendable {
    case flags, uid, modSeq, internalDate, size, envelope, body, bodyStructure, binary, binarySize, emailID
    case threadID, saveDate
    case rfc822, rfc822Header, rfc822Text
  }

  private static let items = KeywordTable<Item>([
    ("FLAGS", .flags), ("UID", .uid), ("MODSEQ", .modSeq), ("INTERNALDATE", .internalDate), ("RFC822.SIZE", .size),
    ("ENVELOPE", .envelope), ("BODY", .body), ("BODYSTRUCTURE", .bodyStructure), ("BINARY", .binary),
    ("BINARY.SIZE", .binarySize), ("EMAILID", .emailID), ("THREADID", .threadID),
    ("SAVEDATE", .saveDate), ("RFC822", .rfc822), ("RFC822.HEADER", .rfc822Header),
    ("RFC822.TEXT", .rfc822Text),
  ])

  /// msg-att. `isHead`: the frame ends in a section that is handed out.
  mutating func fetch(_ sequence: UInt32, isHead: Bool) throws(ResponseSyntaxError) -> FetchResponse {
    var fetch = FetchResponse(sequence: sequence)
    spaces()
    try open()
    var count = 0
    while !close() {
      count += 1
      guard count <= limits.listElements else { throw error("A FETCH has more than \(limits.listElements) items") }
      try item(into: &fetch)
      if isHead, cursor.isAtEnd { return fetch }
    }
    return fetch
  }

  private mutating func item(into fetch: inout FetchResponse) throws(ResponseSyntaxError) {
    let start = cursor.position
    cursor.skip { $0.isASCIILetter || $0.isASCIIDigit || $0 == UInt8(ascii: ".") || $0 == UInt8(ascii: "-") }
    guard cursor.position > start else { throw expected("an item of FETCH") }
    switch Self.items.value(for: bytes(start..<cursor.position)) {
    case .flags: fetch.flags = try flagList()
    case .uid: fetch.uid = try number32("a UID")
    case .modSeq: fetch.modSeq = try parenthesised { (r) throws(ResponseSyntaxError) in UInt64(try r.number("MODSEQ")) }
    case .size: fetch.size = try number("a size")
    case .internalDate: fetch.internalDate = try internalDate()
    case .emailID: fetch.emailID = try parenthesised { (r) throws(ResponseSyntaxError) in try r.nstringText() }
    case .threadID:
      spaces()
      // RFC 8474 §5.3: NIL where the server has no threads.
      if !takeNil() {
        fetch.threadID = try parenthesised { (r) throws(ResponseSyntaxError) in try r.nstringText() }
      }
    case .saveDate:
      spaces()
      if !takeNil() { fetch.saveDate = try internalDate() }
    case .envelope: fetch.envelope = try envelopeIfReadable()
    case .bodyStructure: fetch.structure = try structureIfReadable()
    case .body:
      if cursor.peek == UInt8(ascii: "[") {
        try section(SectionName(try bracketed()), into: &fetch)
      } else if let structure = try structureIfReadable() {
        // BODYSTRUCTURE says more.
        fetch.structure = fetch.structure ?? structure
      }
    case .binary:
      try section(SectionName(BodySection(part: try part()), isBinary: true), into: &fetch)
    case .binarySize:
      let part = try part()
      if let octets = try lenientNumber() { fetch.binarySizes.append(BinarySize(part: part, octets: octets)) }
    case .rfc822: try section(SectionName(BodySection()), into: &fetch)
    case .rfc822Header: try section(SectionName(BodySection(.header)), into: &fetch)
    case .rfc822Text: try section(SectionName(BodySection(.text)), into: &fetch)
    case nil: try unknownItem()
    }
  }

  /// `NAME[...]<...> value` of an extension.
  private mutating func unknownItem() throws(ResponseSyntaxError) {
    cursor.skip { $0 != .space && $0 != UInt8(ascii: "[") && $0 != UInt8(ascii: ")") }
    if cursor.take(UInt8(ascii: "[")) {
      while !cursor.take(UInt8(ascii: "]")) {
        if cursor.peek == .quote { _ = try wireString() } else { cursor.position += 1 }
        guard !cursor.isAtEnd else { throw expected("']'") }
      }
      cursor.skip { $0 != .space && $0 != UInt8(ascii: ")") }
    }
    try skipValue()
  }

  /// `(value)`, or the value alone.
  private mutating func parenthesised<Value>(
    _ value: (inout ResponseReader) throws(ResponseSyntaxError) -> Value
  ) throws(ResponseSyntaxError) -> Value {
    spaces()
    guard cursor.take(UInt8(ascii: "(")) else { return try value(&self) }
    let result = try value(&self)
    spaces()
    guard cursor.take(UInt8(ascii: ")")) else { throw expected("')'") }
    return result
  }

  // MARK: Sections

  /// What follows a section's name: `<origin>` and an nstring or literal8.
  private mutating func section(_ name: SectionName, into fetch: inout FetchResponse) throws(ResponseSyntaxError) {
    var name = name
    if cursor.take(UInt8(ascii: "<")) {
      name.origin = try number("an origin")
      // Some servers give back `<origin.count>`.
      cursor.skip { $0 != UInt8(ascii: ">") && $0 != .space }
      guard cursor.take(UInt8(ascii: ">")) else { throw expected("'>'") }
    }
    spaces()
    if frame.hasStreamedSections, cursor.peek == UInt8(ascii: "{"), cursor.peek(at: 1) == UInt8(ascii: "}") {
      cursor.position += 2
      fetch.streamed.append(name)
      return
    }
    // No atom, and nothing else that is not counted or quoted: mail would be lost.
    switch cursor.peek {
    case UInt8.quote, UInt8(ascii: "{"), UInt8(ascii: "~"):
      fetch.sections.append(SectionValue(name, bytes: octets(try wireString())))
    default:
      guard takeNil() else { throw expected("a string or NIL") }
      fetch.sections.append(SectionValue(name, bytes: nil))
    }
  }

  /// `[section-spec]`
  private mutating func bracketed() throws(ResponseSyntaxError) -> BodySection {
    cursor.position += 1
    spaces()
    var section = BodySection(part: try partNumbers())
    _ = cursor.take(UInt8(ascii: "."))
    if cursor.peek != UInt8(ascii: "]") { section.text = try sectionText() }
    spaces()
    guard cursor.take(UInt8(ascii: "]")) else { throw expected("']'") }
    return section
  }

  private mutating func part() throws(ResponseSyntaxError) -> [UInt32] {
    guard cursor.take(UInt8(ascii: "[")) else { throw expected("'['") }
    let part = try partNumbers()
    guard cursor.take(UInt8(ascii: "]")) else { throw expected("']'") }
    return part
  }

  private mutating func partNumbers() throws(ResponseSyntaxError) -> [UInt32] {
    var part: [UInt32] = []
    while cursor.peek?.isASCIIDigit == true {
      guard part.count < limits.partDepth else { throw error("More than \(limits.partDepth) part numbers") }
      part.append(try number32("a part number"))
      guard cursor.peek == UInt8(ascii: "."), cursor.peek(at: 1)?.isASCIIDigit == true else { break }
      cursor.position += 1
    }
    return part
  }

  private mutating func sectionText() throws(ResponseSyntaxError) -> BodySection.Text {
    let start = cursor.position
    cursor.skip { $0.isASCIILetter || $0 == UInt8(ascii: ".") }
    let word = bytes(start..<cursor.position)
    if word.equalsIgnoringCase("HEADER") { return .header }
    if word.equalsIgnoringCase("TEXT") { return .text }
    if word.equalsIgnoringCase("MIME") { return .mime }
    if word.equalsIgnoringCase("HEADER.FIELDS") { return .headerFields(try fieldNames()) }
    if word.equalsIgnoringCase("HEADER.FIELDS.NOT") { return .headerFieldsNot(try fieldNames()) }
    throw error("Unknown section", at: start)
  }

  private mutating func fieldNames() throws(ResponseSyntaxError) -> [String] {
    var names: [String] = []
    try list { (reader) throws(ResponseSyntaxError) in names.append(try reader.nstringText() ?? "NIL") }
    return names
  }

  // MARK: Dates

  /// date-time; nil when it is none.
  private mutating func internalDate() throws(ResponseSyntaxError) -> IMAPDateTime? {
    spaces()
    if takeNil() { return nil }
    let wire = try wireString()
    var inner = ByteCursor(bytes(wire.range))
    return Self.dateTime(&inner)
  }

  /// `7-Feb-1994 22:43:04 -0800` with one digit or two for the day, with or without a space in front, the zone missing
  /// or not (then UTC).
  static func dateTime(_ cursor: inout ByteCursor) -> IMAPDateTime? {
    cursor.skip { $0 == .space }
    guard let day = cursor.takeNumber(maximumDigits: 2), cursor.take(UInt8(ascii: "-")) else { return nil }
    let start = cursor.position
    cursor.skip(while: \.isASCIILetter)
    guard let month = CommandReader.months.value(for: cursor.span.extracting(start..<cursor.position)),
      cursor.take(UInt8(ascii: "-")), let year = cursor.takeNumber(maximumDigits: 4), cursor.take(.space)
    else { return nil }
    guard let hour = cursor.takeNumber(maximumDigits: 2), cursor.take(UInt8(ascii: ":")),
      let minute = cursor.takeNumber(maximumDigits: 2), cursor.take(UInt8(ascii: ":")),
      let second = cursor.takeNumber(maximumDigits: 2), hour < 24, minute < 60, second <= 60,
      let number = CivilDate.day(year: Int(year), month: month, day: Int(day))
    else { return nil }
    cursor.skip { $0 == .space }
    let isWest = cursor.peek == UInt8(ascii: "-")
    if isWest || cursor.peek == UInt8(ascii: "+") { cursor.position += 1 }
    let zone = Int(cursor.takeNumber(maximumDigits: 4) ?? 0)
    guard zone / 100 < 24, zone % 100 < 60 else { return nil }
    let minutes = (zone / 100 * 60 + zone % 100) * (isWest ? -1 : 1)
    let seconds = Int64(number) * 86_400 + hour * 3600 + minute * 60 + second - Int64(minutes) * 60
    return IMAPDateTime(seconds: seconds, zoneMinutes: Int16(minutes))
  }
}
