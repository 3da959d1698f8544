import Bytes
public import NIOCore

/// `SORT` and `UID SORT` (RFC 5256 §3), with return options those of ESORT (RFC 5267 §3).
public struct SortCommand: Hashable, Sendable {
  /// The answer holds UIDs. (Sequence sets in `key` are sequence numbers all the same.)
  public var uid: Bool
  /// Nil: no RETURN was given, the answer is SORT. `RETURN ()` is `.all` (RFC 5267 §3.3).
  public var returns: SearchCommand.Return?
  /// As of SEARCH.
  public var updateItems: [FetchItem] = []
  /// As of SEARCH; the results are counted in the order asked for (RFC 5267 §4.4).
  public var partial: PartialRange?
  /// The most important first; never empty.
  public var criteria: [SortCriterion]
  /// In upper case. Which are known is the server's business (BADCHARSET).
  public var charset: String
  public var key: SearchKey

  public init(
    uid: Bool, returns: SearchCommand.Return? = nil, partial: PartialRange? = nil, criteria: [SortCriterion],
    charset: String = "UTF-8", key: SearchKey
  ) {
    self.uid = uid
    self.returns = returns
    self.partial = partial
    self.criteria = criteria
    self.charset = charset
    self.key = key
  }

  /// Its search alone.
  public var search: SearchCommand {
    var search = SearchCommand(uid: uid, returns: returns, partial: partial, charset: charset, key: key)
    search.updateItems = updateItems
    return search
  }
}

/// One of the keys that SORT goes by (RFC 5256 §3, RFC 5957 §4).
public struct SortCriterion: Hashable, Sendable {
  public enum Key: UInt8, Hashable, Sendable, CaseIterable {
    case arrival, cc, date, displayFrom, displayTo, from, size, subject, to
    /// The most relevant first (RFC 6203 §6).
    case relevancy

    var keyword: StaticString {
      switch self {
      case .arrival: "ARRIVAL"
      case .cc: "CC"
      case .date: "DATE"
      case .displayFrom: "DISPLAYFROM"
      case .displayTo: "DISPLAYTO"
      case .from: "FROM"
      case .size: "SIZE"
      case .subject: "SUBJECT"
      case .to: "TO"
      case .relevancy: "RELEVANCY"
      }
    }

    static let table = KeywordTable<Key>(allCases.map { ($0.keyword, $0) })
  }

  public var key: Key
  public var isReversed: Bool
  public init(_ key: Key, isReversed: Bool = false) {
    self.key = key
    self.isReversed = isReversed
  }
}

extension CommandReader {
  /// sort = "SORT" [search-return-opts] SP "(" sort-criterion *(SP sort-criterion) ")" SP charset 1*(SP search-key)
  mutating func sortCommand(uid: Bool) throws(IMAPSyntaxError) -> SortCommand {
    try space()
    var returns: SearchCommand.Return?
    var partial: PartialRange?
    if cursor.takeIgnoringCase("RETURN (") {
      (returns, partial) = try searchReturns()
      try space()
    }
    try openParenthesis()
    var criteria: [SortCriterion] = []
    repeat {
      guard criteria.count < limits.listElements else { throw error("More than \(limits.listElements) sort criteria") }
      criteria.append(try sortCriterion())
    } while cursor.take(.space)
    try closeParenthesis()
    let items = updateItems
    let (charset, key) = try searchCriteria()
    var command = SortCommand(
      uid: uid, returns: returns, partial: partial, criteria: criteria, charset: charset, key: key)
    command.updateItems = items
    return command
  }

  /// sort-criterion = ["REVERSE" SP] sort-key
  private mutating func sortCriterion() throws(IMAPSyntaxError) -> SortCriterion {
    let isReversed = cursor.takeIgnoringCase("REVERSE ")
    let range = try atomRange("a sort criterion")
    guard let key = SortCriterion.Key.table.value(for: bytes(range)) else {
      throw error("Unknown sort criterion \(excerpt(range))", at: range.lowerBound)
    }
    return SortCriterion(key, isReversed: isReversed)
  }

  /// search-criteria of RFC 5256: SP charset 1*(SP search-key)
  mutating func searchCriteria() throws(IMAPSyntaxError) -> (charset: String, key: SearchKey) {
    try space()
    let charset = try astring("charset").uppercased()
    try space()
    return (charset, try searchKeys())
  }
}

extension CommandPrinter {
  mutating func print(_ command: SortCommand) {
    if let returns = command.returns { print(returns, command.partial, command.updateItems) }
    word(" (")
    for (index, criterion) in command.criteria.enumerated() {
      if index > 0 { space() }
      if criterion.isReversed { word("REVERSE ") }
      word(criterion.key.keyword)
    }
    word(") ")
    printCriteria(command.charset, command.key)
  }

  /// charset 1*(SP search-key)
  mutating func printCriteria(_ charset: String, _ key: SearchKey) {
    astring(charset)
    space()
    printKeys(key)
  }
}

extension ByteBuffer {
  /// `* SORT`; the numbers follow by `writeSorted`, then the line's end.
  public mutating func writeSortStart() { writeStaticString("* SORT") }

  /// Each number with a space before it.
  public mutating func writeSorted(_ numbers: ArraySlice<UInt32>) {
    // A space and ten digits at most.
    writeWithUnsafeMutableBytes(minimumWritableBytes: numbers.count * 11) { bytes in
      var position = 0
      for number in numbers {
        bytes[position] = .space
        position += 1
        position = DecimalDigits.write(number, to: bytes, at: position)
      }
      return position
    }
  }

  /// `* SORT 2 3 6` (RFC 5256 §4).
  public mutating func writeSort(_ numbers: [UInt32], modSeq: UInt64? = nil) {
    writeSortStart()
    writeSorted(numbers[...])
    writeFoundModSeq(modSeq)
    writeCRLF()
  }
}

enum DecimalDigits {
  /// Returns the place behind the last digit; there must be room for ten.
  @inline(__always)
  static func write(_ number: UInt32, to bytes: UnsafeMutableRawBufferPointer, at start: Int) -> Int {
    var digits = 1
    var bound = number
    while bound >= 10 {
      bound /= 10
      digits += 1
    }
    var rest = number
    var index = start + digits
    repeat {
      index -= 1
      let (quotient, digit) = rest.quotientAndRemainder(dividingBy: 10)
      bytes[index] = UInt8(truncatingIfNeeded: digit) &+ 0x30
      rest = quotient
    } while rest != 0
    return start + digits
  }
}
