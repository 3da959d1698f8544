import Bytes
import NIOCore

extension ResponseFrame {
  /// Reads the response.
  /// - options: whether mailbox names are in UTF-8 by now (ENABLE UTF8=ACCEPT or IMAP4rev2).
  public func parse(
    options: WireOptions = .rev1, limits: ResponseLimits = .standard
  ) throws(ResponseSyntaxError) -> IMAPResponse {
    var reader = ResponseReader(bytes.readableBytesSpan, of: self, options: options, limits: limits)
    return try reader.response()
  }

  /// The beginning of a FETCH that ends in a section to be handed out; nil if it is anything else.
  func head(limits: ResponseLimits) -> (FetchResponse, SectionName)? {
    var reader = ResponseReader(bytes.readableBytesSpan, of: self, options: .rev1, limits: limits)
    guard reader.cursor.take(UInt8(ascii: "*")) else { return nil }
    do {
      let sequence = try reader.number32("a message number")
      reader.spaces()
      guard reader.bytes(reader.wordRange()).equalsIgnoringCase("FETCH") else { return nil }
      let fetch = try reader.fetch(sequence, isHead: true)
      return reader.cursor.isAtEnd ? fetch.streamed.last.map { (fetch, $0) } : nil
    } catch {
      return nil
    }
  }
}

extension ResponseReader {
  mutating func response() throws(ResponseSyntaxError) -> IMAPResponse {
    switch cursor.peek {
    case UInt8(ascii: "*"):
      cursor.position += 1
      spaces()
      return try untagged()
    case UInt8(ascii: "+"):
      cursor.position += 1
      _ = cursor.take(.space)
      return .continuation(slice(cursor.position..<cursor.count))
    default:
      let tag = wordRange()
      guard !tag.isEmpty, tag.count <= limits.tag else { throw error("A response begins with no tag", at: 0) }
      spaces()
      let word = wordRange()
      guard let condition = Self.conditions.value(for: bytes(word)) else {
        throw error("A tagged response is neither OK, NO nor BAD", at: word.lowerBound)
      }
      return .tagged(tag: string(tag), statusLine(condition))
    }
  }

  private mutating func untagged() throws(ResponseSyntaxError) -> IMAPResponse {
    if cursor.peek?.isASCIIDigit == true { return try numbered() }
    let word = wordRange()
    if let condition = Self.conditions.value(for: bytes(word)) { return .status(statusLine(condition)) }
    switch Self.keywords.value(for: bytes(word)) {
    case .capability: return .capability(words())
    case .enabled: return .enabled(words())
    case .list: return .list(try mailboxLine())
    case .lsub: return .lsub(try mailboxLine())
    case .status: return .mailboxStatus(try statusData())
    case .search: return .search(try searchLine())
    case .sort: return .sort(try searchLine())
    case .thread: return .thread(try threadLine())
    case .esearch: return .esearch(try esearchLine())
    case .vanished: return try vanished()
    case .flags, .quota, .quotaRoot, .namespace, .id:
      return (try? descriptive(word)) ?? .unknown(string(word).uppercased())
    case nil: return .unknown(string(word).uppercased())
    }
  }

  /// What may be garbled without any mail being lost.
  private mutating func descriptive(_ word: Range<Int>) throws(ResponseSyntaxError) -> IMAPResponse {
    switch Self.keywords.value(for: bytes(word)) {
    case .flags: .flags(try flagList())
    case .quota: try quota()
    case .quotaRoot: try quotaRoot()
    case .namespace: .namespace(try namespace())
    default: .id(try idParameters())
    }
  }

  private enum Keyword: Sendable {
    case capability, enabled, esearch, flags, id, list, lsub, namespace, quota, quotaRoot, search, sort, status
    case thread, vanished
  }

  private static let keywords = KeywordTable<Keyword>([
    ("CAPABILITY", .capability), ("ENABLED", .enabled), ("ESEARCH", .esearch), ("FLAGS", .flags), ("ID", .id),
    ("LIST", .list), ("LSUB", .lsub), ("NAMESPACE", .namespace), ("QUOTA", .quota), ("QUOTAROOT", .quotaRoot),
    ("SEARCH", .search), ("SORT", .sort), ("STATUS", .status), ("THREAD", .thread), ("VANISHED", .vanished),
  ])

  /// `n EXISTS` and its like.
  private mutating func numbered() throws(ResponseSyntaxError) -> IMAPResponse {
    let start = cursor.position
    let number = try number32("a message number")
    spaces()
    let range = wordRange()
    let word = bytes(range)
    if word.equalsIgnoringCase("FETCH") { return .fetch(try fetch(try notZero(number, at: start), isHead: false)) }
    if word.equalsIgnoringCase("UIDFETCH") {
      // RFC 9586 §3.3: the UID may stand among the items as well.
      let uid = try notZero(number, at: start)
      var fetch = try fetch(0, isHead: false)
      fetch.uid = uid
      return .fetch(fetch)
    }
    if word.equalsIgnoringCase("EXISTS") { return .exists(Int(number)) }
    if word.equalsIgnoringCase("EXPUNGE") { return .expunge(try notZero(number, at: start)) }
    if word.equalsIgnoringCase("RECENT") { return .recent(Int(number)) }
    return .unknown(string(range).uppercased())
  }

  private func notZero(_ number: UInt32, at start: Int) throws(ResponseSyntaxError) -> UInt32 {
    guard number > 0 else { throw error("There is no message 0", at: start) }
    return number
  }

  mutating func words() -> [String] {
    var words: [String] = []
    while true {
      spaces()
      let start = cursor.position
      cursor.skip { $0 > .space }
      guard cursor.position > start, words.count < limits.listElements else { return words }
      words.append(string(start..<cursor.position).uppercased())
    }
  }

  // MARK: Sets and searches

  private mutating func vanished() throws(ResponseSyntaxError) -> IMAPResponse {
    spaces()
    let isEarlier = cursor.takeIgnoringCase("(EARLIER)")
    return .vanished(earlier: isEarlier, try ranges())
  }

  private mutating func searchLine() throws(ResponseSyntaxError) -> SearchLine {
    var line = SearchLine([])
    while true {
      spaces()
      switch cursor.peek {
      case nil: return line
      case UInt8(ascii: "("):
        cursor.position += 1
        spaces()
        guard cursor.takeIgnoringCase("MODSEQ") else { throw expected("MODSEQ") }
        line.modSeq = UInt64(try number("a MODSEQ"))
        spaces()
        guard cursor.take(UInt8(ascii: ")")) else { throw expected("')'") }
      default:
        guard line.numbers.count < limits.numbers else {
          throw error("More than \(limits.numbers) numbers in one line")
        }
        line.numbers.append(try number32("a number"))
      }
    }
  }

  private mutating func esearchLine() throws(ResponseSyntaxError) -> ESearchLine {
    var line = ESearchLine()
    spaces()
    if cursor.take(UInt8(ascii: "(")) {
      spaces()
      guard cursor.takeIgnoringCase("TAG") else { throw expected("TAG") }
      line.tag = try nstringText()
      spaces()
      guard cursor.take(UInt8(ascii: ")")) else { throw expected("')'") }
    }
    while true {
      spaces()
      if cursor.isAtEnd { return line }
      let range = wordRange()
      guard !range.isEmpty else { throw expected("an item of ESEARCH") }
      let word = bytes(range)
      if word.equalsIgnoringCase("UID") {
        line.isUID = true
      } else if word.equalsIgnoringCase("MIN") {
        line.min = try number32("MIN")
      } else if word.equalsIgnoringCase("MAX") {
        line.max = try number32("MAX")
      } else if word.equalsIgnoringCase("COUNT") {
        line.count = Int(try number("COUNT"))
      } else if word.equalsIgnoringCase("ALL") {
        line.all = try ranges()
      } else if word.equalsIgnoringCase("MODSEQ") {
        line.modSeq = UInt64(try number("MODSEQ"))
      } else {
        try skipValue()
      }
    }
  }
}
