import Bytes
import NIOCore

extension CommandReader {
  /// search = "SEARCH" [search-return-opts] SP ["CHARSET" SP charset SP] search-key *(SP search-key)
  mutating func searchCommand(uid: Bool) throws(IMAPSyntaxError) -> SearchCommand {
    try space()
    var command = SearchCommand(uid: uid, key: .all)
    if cursor.takeIgnoringCase("RETURN (") {
      (command.returns, command.partial) = try searchReturns()
      command.updateItems = updateItems
      try space()
    }
    if cursor.takeIgnoringCase("CHARSET ") {
      command.charset = try astring("charset").uppercased()
      try space()
    }
    command.key = try searchKeys()
    return command
  }

  /// Behind the parenthesis.
  mutating func searchReturns() throws(IMAPSyntaxError) -> (SearchCommand.Return, PartialRange?) {
    var returns: SearchCommand.Return = []
    var partial: PartialRange?
    // RFC 4731 §3.1: an empty list is ALL.
    if cursor.take(UInt8(ascii: ")")) { return (.all, nil) }
    let start = cursor.position
    repeat {
      let range = try atomRange("a return option")
      if bytes(range).equalsIgnoringCase("PARTIAL") {
        guard partial == nil else { throw error("PARTIAL is given twice", at: range.lowerBound) }
        try space()
        partial = try partialRange()
        continue
      }
      guard let option = SearchCommand.returnOptions.value(for: bytes(range)) else {
        throw error("Unknown return option \(excerpt(range))", at: range.lowerBound)
      }
      returns.insert(option)
      if option == .update, cursor.peek == .space, cursor.peek(at: 1) == UInt8(ascii: "(") {
        try space()
        updateItems = try fetchItems()
      }
    } while cursor.take(.space)
    try closeParenthesis()
    // RFC 9394 §3.1
    guard partial == nil || !returns.contains(.all) else {
      throw error("PARTIAL and ALL exclude each other", at: start)
    }
    return (returns, partial)
  }

  /// search-key *(SP search-key)
  mutating func searchKeys() throws(IMAPSyntaxError) -> SearchKey {
    let first = try searchKey()
    guard cursor.peek == .space else { return first }
    var keys = [first]
    while cursor.take(.space) {
      guard keys.count < limits.listElements else { throw error("More than \(limits.listElements) search keys") }
      keys.append(try searchKey())
    }
    return .and(keys)
  }

  mutating func searchKey() throws(IMAPSyntaxError) -> SearchKey {
    switch cursor.peek {
    case UInt8(ascii: "("):
      try deepen(limits.searchNesting)
      cursor.position += 1
      let keys = try searchKeys()
      try closeParenthesis()
      depth -= 1
      return keys
    case .some(let byte) where byte.isASCIIDigit || byte == UInt8(ascii: "*") || byte == UInt8(ascii: "$"):
      return .sequence(try messageSet())
    default:
      return try namedSearchKey()
    }
  }

  private mutating func namedSearchKey() throws(IMAPSyntaxError) -> SearchKey {
    let range = wordRange()
    guard let word = SearchWord.table.value(for: bytes(range)) else {
      // Longer than a table takes.
      if bytes(range).equalsIgnoringCase("SAVEDATESUPPORTED") { return .saveDateSupported }
      throw error("Unknown search key '\(excerpt(range))'", at: range.lowerBound)
    }
    if case .plain(let key) = word { return key }
    try space()
    switch word {
    case .plain(let key): return key
    case .text(let field): return field.key(try astringOctets("text"))
    case .header:
      let name = try headerFieldName()
      try space()
      return .header(name: name, try astringOctets("text"))
    case .date(let field): return field.key(try day())
    case .keyword: return .keyword(try keyword())
    case .unkeyword: return .unkeyword(try keyword())
    case .larger: return .larger(try number64("a size"))
    case .smaller: return .smaller(try number64("a size"))
    case .older: return .older(try nonZeroNumber("an interval in seconds"))
    case .younger: return .younger(try nonZeroNumber("an interval in seconds"))
    case .uid: return .uid(try messageSet())
    case .filter:
      let range = try atomRange("a filter's name")
      let name = string(range)
      guard name.utf8.count <= limits.metadataEntry, SearchKey.isFilterName(name) else {
        throw error("Not the name of a filter", at: range.lowerBound)
      }
      return .filter(name)
    case .fuzzy:
      try deepen(limits.searchNesting)
      let key = try searchKey()
      depth -= 1
      return .fuzzy(key)
    case .modSeq: return try modSeqKey()
    case .emailID: return .emailID(try objectID())
    case .threadID: return .threadID(try objectID())
    case .uidAfter: return .uidAfter(try nonZeroNumber("a UID"))
    case .uidBefore: return .uidBefore(try nonZeroNumber("a UID"))
    case .not:
      try deepen(limits.searchNesting)
      let key = try searchKey()
      depth -= 1
      return .not(key)
    case .or:
      try deepen(limits.searchNesting)
      let first = try searchKey()
      try space()
      let second = try searchKey()
      depth -= 1
      return .or(first, second)
    }
  }

  /// search-modsequence behind its keyword (RFC 7162 §7).
  private mutating func modSeqKey() throws(IMAPSyntaxError) -> SearchKey {
    guard cursor.peek == .quote else { return .modSeq(UInt64(try number64("a MODSEQ"))) }
    let start = cursor.position
    let name = try astring("entry name")
    guard name.utf8.count <= limits.keyword + 16 else { throw error("The entry name is too long", at: start) }
    try space()
    let word = try atom("an entry type").lowercased()
    guard let kind = ModSeqEntry.Kind(rawValue: word) else { throw error("Unknown entry type") }
    try space()
    return .modSeq(UInt64(try number64("a MODSEQ")), of: ModSeqEntry(name, kind))
  }

  /// objectid = 1*255(ALPHA / DIGIT / "_" / "-") (RFC 8474 §7)
  private mutating func objectID() throws(IMAPSyntaxError) -> String {
    let start = cursor.position
    cursor.skip { $0.isASCIILetter || $0.isASCIIDigit || $0 == UInt8(ascii: "_") || $0 == UInt8(ascii: "-") }
    let range = start..<cursor.position
    guard (1...255).contains(range.count) else { throw error("Expected an object identifier", at: start) }
    return string(range)
  }
}

extension SearchCommand {
  static let returnOptions = KeywordTable<Return>([
    ("MIN", .min), ("MAX", .max), ("ALL", .all), ("COUNT", .count), ("SAVE", .save),
    ("CONTEXT", .context), ("UPDATE", .update), ("RELEVANCY", .relevancy),
  ])
}

/// What a search keyword needs behind it. One row a key.
enum SearchWord: Sendable {
  case plain(SearchKey)
  case text(TextField)
  case date(DateField)
  case header, keyword, unkeyword, larger, smaller, older, younger, uid, not, or, filter, fuzzy
  case modSeq, emailID, threadID, uidAfter, uidBefore

  enum TextField: Sendable {
    case bcc, cc, from, to, subject, body, text

    func key(_ text: ByteBuffer) -> SearchKey {
      switch self {
      case .bcc: .address(.bcc, text)
      case .cc: .address(.cc, text)
      case .from: .address(.from, text)
      case .to: .address(.to, text)
      case .subject: .subject(text)
      case .body: .body(text)
      case .text: .text(text)
      }
    }
  }

  enum DateField: Sendable {
    case before, on, since, sentBefore, sentOn, sentSince, savedBefore, savedOn, savedSince

    func key(_ day: IMAPDay) -> SearchKey {
      switch self {
      case .before: .before(day)
      case .on: .on(day)
      case .since: .since(day)
      case .sentBefore: .sentBefore(day)
      case .sentOn: .sentOn(day)
      case .sentSince: .sentSince(day)
      case .savedBefore: .savedBefore(day)
      case .savedOn: .savedOn(day)
      case .savedSince: .savedSince(day)
      }
    }
  }

  static let table = KeywordTable<SearchWord>([
    ("ALL", .plain(.all)), ("ANSWERED", .plain(.flag(.answered))), ("DELETED", .plain(.flag(.deleted))),
    ("DRAFT", .plain(.flag(.draft))), ("FLAGGED", .plain(.flag(.flagged))), ("SEEN", .plain(.flag(.seen))),
    ("RECENT", .plain(.flag(.recent))), ("UNANSWERED", .plain(.unflag(.answered))),
    ("UNDELETED", .plain(.unflag(.deleted))), ("UNDRAFT", .plain(.unflag(.draft))),
    ("UNFLAGGED", .plain(.unflag(.flagged))), ("UNSEEN", .plain(.unflag(.seen))), ("OLD", .plain(.unflag(.recent))),
    ("NEW", .plain(.new)),
    ("BCC", .text(.bcc)), ("CC", .text(.cc)), ("FROM", .text(.from)), ("TO", .text(.to)),
    ("SUBJECT", .text(.subject)), ("BODY", .text(.body)), ("TEXT", .text(.text)),
    ("BEFORE", .date(.before)), ("ON", .date(.on)), ("SINCE", .date(.since)), ("SENTBEFORE", .date(.sentBefore)),
    ("SENTON", .date(.sentOn)), ("SENTSINCE", .date(.sentSince)),
    ("HEADER", .header), ("KEYWORD", .keyword), ("UNKEYWORD", .unkeyword), ("LARGER", .larger),
    ("SMALLER", .smaller), ("OLDER", .older), ("YOUNGER", .younger), ("UID", .uid), ("NOT", .not), ("OR", .or),
    ("FILTER", .filter), ("FUZZY", .fuzzy), ("MODSEQ", .modSeq), ("EMAILID", .emailID), ("THREADID", .threadID),
    ("SAVEDBEFORE", .date(.savedBefore)), ("SAVEDON", .date(.savedOn)), ("SAVEDSINCE", .date(.savedSince)),
    ("UIDAFTER", .uidAfter), ("UIDBEFORE", .uidBefore),
  ])
}
