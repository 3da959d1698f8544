import Bytes
import NIOCore

/// Values that several commands share.
extension CommandReader {
  // MARK: Sets

  mutating func messageSet() throws(IMAPSyntaxError) -> MessageSet {
    var set = MessageSet([])
    repeat {
      // RFC 5182 §2.1; by RFC 9051 §9 nothing may follow it.
      if cursor.take(UInt8(ascii: "$")) {
        set.includesSavedResult = true
        return set
      }
      guard set.elements.count < limits.setElements else {
        throw error("More than \(limits.setElements) numbers in a set", code: .tooBig)
      }
      let first = try setNumber()
      let last = cursor.take(UInt8(ascii: ":")) ? try setNumber() : first
      set.elements.append(.init(first, last))
    } while cursor.take(UInt8(ascii: ","))
    return set
  }

  private mutating func setNumber() throws(IMAPSyntaxError) -> UInt32 {
    if cursor.take(UInt8(ascii: "*")) { return MessageSet.star }
    return try nonZeroNumber("a message number")
  }

  // MARK: Flags

  /// flag-list, its parenthesis next.
  mutating func flagList() throws(IMAPSyntaxError) -> FlagList {
    var flags = FlagList()
    try list("flags", allowsEmpty: true) { (reader) throws(IMAPSyntaxError) in try reader.flag(into: &flags) }
    return flags
  }

  mutating func flag(into flags: inout FlagList) throws(IMAPSyntaxError) {
    guard cursor.take(.backslash) else {
      let keyword = try self.keyword()
      if !flags.keywords.contains(where: { $0.equalsIgnoringASCIICase(keyword) }) { flags.keywords.append(keyword) }
      return
    }
    let range = try atomRange("a flag")
    if let system = Self.systemFlags.value(for: bytes(range)) {
      flags.system.insert(system)
    } else {
      flags.ignored.append("\\" + string(range))
    }
  }

  mutating func keyword() throws(IMAPSyntaxError) -> String {
    let range = try atomRange("a flag")
    guard range.count <= limits.keyword else {
      throw error("A keyword is longer than \(limits.keyword) octets", at: range.lowerBound)
    }
    return string(range)
  }

  static let systemFlags = KeywordTable<FlagSet>([
    ("SEEN", .seen), ("ANSWERED", .answered), ("FLAGGED", .flagged), ("DELETED", .deleted), ("DRAFT", .draft),
  ])

  // MARK: Dates

  private mutating func digits(_ count: Int) throws(IMAPSyntaxError) -> Int {
    var value = 0
    for _ in 0..<count {
      guard let byte = cursor.peek, byte.isASCIIDigit else { throw expected("a digit") }
      value = value * 10 + Int(byte - 0x30)
      cursor.position += 1
    }
    return value
  }

  private mutating func monthAndYear() throws(IMAPSyntaxError) -> (month: Int, year: Int) {
    try expect(UInt8(ascii: "-"), "'-'")
    let range = wordRangeOfLetters()
    guard let month = Self.months.value(for: bytes(range)) else {
      throw error("There is no month '\(excerpt(range))'", at: range.lowerBound)
    }
    try expect(UInt8(ascii: "-"), "'-'")
    return (month, try digits(4))
  }

  private mutating func wordRangeOfLetters() -> Range<Int> {
    let start = cursor.position
    cursor.skip(while: \.isASCIILetter)
    return start..<cursor.position
  }

  static let months = KeywordTable<Int>([
    ("JAN", 1), ("FEB", 2), ("MAR", 3), ("APR", 4), ("MAY", 5), ("JUN", 6), ("JUL", 7), ("AUG", 8), ("SEP", 9),
    ("OCT", 10), ("NOV", 11), ("DEC", 12),
  ])

  /// date = date-text / DQUOTE date-text DQUOTE
  mutating func day() throws(IMAPSyntaxError) -> IMAPDay {
    let start = cursor.position
    let isQuoted = cursor.take(.quote)
    let day = try digits(cursor.peek(at: 1)?.isASCIIDigit == true ? 2 : 1)
    let (month, year) = try monthAndYear()
    if isQuoted { try expect(.quote, "'\"'") }
    guard let number = CivilDate.day(year: year, month: month, day: day) else {
      throw error("There is no such day", at: start)
    }
    return IMAPDay(Int32(number))
  }

  /// date-time, its quote next (RFC 9051 §9).
  mutating func dateTime() throws(IMAPSyntaxError) -> IMAPDateTime {
    let start = cursor.position
    try expect(.quote, "'\"'")
    let day = try cursor.take(.space) ? digits(1) : digits(2)
    let (month, year) = try monthAndYear()
    try space()
    let hour = try digits(2)
    try expect(UInt8(ascii: ":"), "':'")
    let minute = try digits(2)
    try expect(UInt8(ascii: ":"), "':'")
    let second = try digits(2)
    try space()
    let isWest = cursor.take(UInt8(ascii: "-"))
    if !isWest { try expect(UInt8(ascii: "+"), "'+' or '-'") }
    let zone = try digits(4)
    try expect(.quote, "'\"'")
    // 60 is a leap second; it becomes the first second of the next minute.
    guard let number = CivilDate.day(year: year, month: month, day: day), hour < 24, minute < 60, second <= 60,
      zone / 100 < 24, zone % 100 < 60
    else { throw error("There is no such date and time", at: start) }
    let minutes = (zone / 100 * 60 + zone % 100) * (isWest ? -1 : 1)
    let seconds = number * 86_400 + hour * 3600 + minute * 60 + second - minutes * 60
    return IMAPDateTime(seconds: Int64(seconds), zoneMinutes: Int16(minutes))
  }

  // MARK: Parameters

  /// A space and a value, if a value follows: a number, a set, or a list. (Names stand where values don't.)
  mutating func modifierValue() throws(IMAPSyntaxError) -> ByteBuffer? {
    guard cursor.peek == .space, let next = cursor.peek(at: 1) else { return nil }
    let start = cursor.position + 1
    if next == UInt8(ascii: "(") {
      cursor.position = start
      try skipParenthesised()
    } else if next.isASCIIDigit || next == UInt8(ascii: "*") || next == UInt8(ascii: "$") {
      cursor.position = start
      cursor.skip { $0.isAStringCharacter || $0 == UInt8(ascii: "*") }
    } else {
      return nil
    }
    return buffer(start..<cursor.position)
  }

  /// Steps over `( ... )` with strings and lists in it (tagged-ext-comp), without recursion.
  mutating func skipParenthesised() throws(IMAPSyntaxError) {
    var open = 0
    repeat {
      switch cursor.peek {
      case UInt8(ascii: "("):
        open += 1
        guard open <= limits.nesting else { throw error("Nested deeper than \(limits.nesting) levels") }
        cursor.position += 1
      case UInt8(ascii: ")"):
        open -= 1
        cursor.position += 1
      case UInt8.space:
        cursor.position += 1
      case .some:
        if cursor.skip(while: \.isListCharacter) == 0, !cursor.take(.backslash) { _ = try wireString("a value") }
      case .none:
        throw expected("')'")
      }
    } while open > 0
  }
}
