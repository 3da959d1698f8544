import Bytes
import NIOCore

extension ResponseReader {
  /// resp-text: a code in brackets, and the rest of the line.
  mutating func statusLine(_ condition: ResponseCondition) -> StatusLine {
    spaces()
    var code: ResponseCode?
    if cursor.peek == UInt8(ascii: "["), let end = codeEnd() {
      let inner = (cursor.position + 1)..<end
      cursor.position = end + 1
      _ = cursor.take(.space)
      code = self.code(inner)
    }
    return StatusLine(condition, code: code, text: string(cursor.position..<cursor.count))
  }

  /// The index of the `]` that ends the code, brackets in quoted strings passed over.
  private func codeEnd() -> Int? {
    var isQuoted = false
    var first: Int?
    var index = cursor.position + 1
    while index < cursor.count {
      switch cursor.span.byte(at: index) {
      case .quote: isQuoted.toggle()
      case .backslash where isQuoted: index += 1
      case UInt8(ascii: "]"):
        if !isQuoted { return index }
        first = first ?? index
      default: break
      }
      index += 1
    }
    // The quotation mark was no more than a mark.
    return first
  }

  /// A code that cannot be read stands as `other`.
  private func code(_ range: Range<Int>) -> ResponseCode {
    var inner = ResponseReader(
      cursor.span.extracting(0..<range.upperBound), of: frame, options: options, limits: limits)
    inner.cursor.position = range.lowerBound
    return (try? inner.code()) ?? .other(string(range))
  }

  private mutating func code() throws(ResponseSyntaxError) -> ResponseCode? {
    let word = bytes(wordRange())
    guard let kind = Self.codes.value(for: word) else { return nil }
    switch kind {
    case .plain(let code):
      // With arguments it is another code of the same name.
      spaces()
      return cursor.isAtEnd ? code : nil
    case .appendUID:
      return .appendUID(validity: try number32("UIDVALIDITY"), assigned: try numbers())
    case .copyUID:
      return .copyUID(validity: try number32("UIDVALIDITY"), source: try numbers(), assigned: try numbers())
    case .badCharset: return .badCharset(try stringList())
    case .capability: return .capability(words())
    case .mailboxID:
      let ids = try stringList()
      return ids.count == 1 ? .mailboxID(ids[0]) : nil
    case .messageLimit:
      let limit = try number32("a limit")
      spaces()
      return .messageLimit(limit, lowest: cursor.isAtEnd ? nil : try number32("a UID"))
    case .highestModSeq: return .highestModSeq(UInt64(try number("HIGHESTMODSEQ")))
    case .inProgress: return try inProgress()
    case .modified: return .modified(try ranges())
    case .permanentFlags: return try permanentFlags()
    case .uidNext: return .uidNext(try number32("UIDNEXT"))
    case .uidValidity: return .uidValidity(try number32("UIDVALIDITY"))
    case .unseen: return .unseen(try number32("UNSEEN"))
    }
  }

  private mutating func stringList() throws(ResponseSyntaxError) -> [String] {
    spaces()
    if cursor.isAtEnd { return [] }
    var strings: [String] = []
    try list { (reader) throws(ResponseSyntaxError) in strings.append(try reader.nstringText() ?? "") }
    return strings
  }

  /// RFC 9585 §5. Without a list all of it is NIL.
  private mutating func inProgress() throws(ResponseSyntaxError) -> ResponseCode {
    spaces()
    if cursor.isAtEnd { return .inProgress(tag: nil, progress: nil, goal: nil) }
    try open()
    let tag = try nstringText()
    let progress = try nilOrNumber("progress")
    let goal = try nilOrNumber("goal")
    guard close() else { throw expected("')'") }
    return .inProgress(tag: tag, progress: progress, goal: goal)
  }

  private mutating func nilOrNumber(_ what: String) throws(ResponseSyntaxError) -> UInt32? {
    spaces()
    return takeNil() ? nil : try number32(what)
  }

  private mutating func permanentFlags() throws(ResponseSyntaxError) -> ResponseCode {
    var flags = try flagList()
    let accepts = flags.ignored.contains("\\*")
    flags.ignored.removeAll { $0 == "\\*" }
    if flags.ignored.contains(where: { $0.equalsIgnoringASCIICase("\\Recent") }) {
      flags.system.insert(.recent)
      flags.ignored.removeAll { $0.equalsIgnoringASCIICase("\\Recent") }
    }
    return .permanentFlags(flags.system, keywords: flags.keywords + flags.ignored, acceptsNewKeywords: accepts)
  }

  private enum Code: Sendable {
    case plain(ResponseCode)
    case appendUID, badCharset, capability, copyUID, highestModSeq, inProgress, mailboxID, messageLimit, modified
    case permanentFlags, uidNext, uidValidity, unseen
  }

  private static let plainCodes: [ResponseCode] = [
    .alert, .alreadyExists, .authenticationFailed, .authorizationFailed, .badComparator, .cannot, .clientBug, .closed,
    .compressionActive, .contactAdmin, .corruption, .expired, .expungeIssued, .hasChildren, .inUse, .limit, .noModSeq,
    .nonExistent, .noPerm, .notificationOverflow, .notSaved, .overQuota, .parse, .privacyRequired, .readOnly,
    .readWrite, .serverBug, .tooBig, .tryCreate, .uidNotSticky, .uidRequired, .unavailable, .unknownCTE, .useAttr,
  ]

  /// Codes of more than 16 octets do not fit a table and are compared by themselves.
  private static let codes = CodeTable()

  private struct CodeTable: Sendable {
    private let short: KeywordTable<Code>
    private let long: [(word: StaticString, code: Code)]

    init() {
      var rows: [(StaticString, Code)] = [
        ("APPENDUID", .appendUID), ("BADCHARSET", .badCharset), ("CAPABILITY", .capability), ("COPYUID", .copyUID),
        ("HIGHESTMODSEQ", .highestModSeq), ("INPROGRESS", .inProgress), ("MAILBOXID", .mailboxID),
        ("MESSAGELIMIT", .messageLimit), ("MODIFIED", .modified), ("PERMANENTFLAGS", .permanentFlags),
        ("UIDNEXT", .uidNext), ("UIDVALIDITY", .uidValidity), ("UNSEEN", .unseen),
      ]
      for code in ResponseReader.plainCodes {
        if let word = code.word { rows.append((word, .plain(code))) }
      }
      short = KeywordTable(rows.filter { $0.0.utf8CodeUnitCount <= 16 })
      long = rows.filter { $0.0.utf8CodeUnitCount > 16 }.map { (word: $0.0, code: $0.1) }
    }

    func value(for word: RawSpan) -> Code? {
      if let code = short.value(for: word) { return code }
      for row in long where word.equalsIgnoringCase(row.word) { return row.code }
      return nil
    }
  }

  // MARK: Flags

  /// A list of flags. `\Recent` and flags of no standard go to `ignored`.
  mutating func flagList() throws(ResponseSyntaxError) -> FlagList {
    var flags = FlagList()
    try list { (reader) throws(ResponseSyntaxError) in
      let range = reader.wordRange()
      guard !range.isEmpty else { throw reader.expected("a flag") }
      let word = reader.bytes(range)
      guard word.byte(at: 0) == .backslash else {
        let keyword = reader.string(range)
        if !flags.keywords.contains(where: { $0.equalsIgnoringASCIICase(keyword) }) { flags.keywords.append(keyword) }
        return
      }
      if let system = CommandReader.systemFlags.value(for: word.extracting(1..<word.byteCount)) {
        flags.system.insert(system)
      } else {
        flags.ignored.append(reader.string(range))
      }
    }
    return flags
  }
}
