import Bytes
import NIOCore

/// Reads the grammar of RFC 9051 §9 from the bytes of one command. Every method steps over what it reads or throws;
/// nothing is tried twice. Methods for one command stand in its file in `Messages/`.
struct CommandReader: ~Escapable {
  var cursor: ByteCursor
  let options: WireOptions
  let limits: IMAPLimits
  /// Open parentheses, NOTs and ORs.
  var depth = 0
  /// Of the last return options.
  var updateItems: [FetchItem] = []

  @_lifetime(copy span)
  init(_ span: RawSpan, options: WireOptions, limits: IMAPLimits) {
    self.cursor = ByteCursor(span)
    self.options = options
    self.limits = limits
  }

  func error(_ reason: Sentence, code: ResponseCode? = nil, at offset: Int? = nil) -> IMAPSyntaxError {
    IMAPSyntaxError(code: code, reason, at: offset ?? cursor.position)
  }

  /// "expected X, found Y".
  func expected(_ what: Sentence) -> IMAPSyntaxError {
    guard let byte = cursor.peek else { return error("Expected \(what) at the end of the command") }
    let found: Sentence = byte > 0x20 && byte < 0x7F ? "'\(Character(Unicode.Scalar(byte)))'" : "octet \(byte)"
    return error("Expected \(what) at octet \(cursor.position), found \(found)")
  }

  mutating func space() throws(IMAPSyntaxError) {
    guard cursor.take(.space) else { throw expected("a space") }
  }

  mutating func expect(_ byte: UInt8, _ name: Sentence) throws(IMAPSyntaxError) {
    guard cursor.take(byte) else { throw expected(name) }
  }

  mutating func openParenthesis() throws(IMAPSyntaxError) { try expect(UInt8(ascii: "("), "'('") }
  mutating func closeParenthesis() throws(IMAPSyntaxError) { try expect(UInt8(ascii: ")"), "')'") }

  func end() throws(IMAPSyntaxError) {
    guard cursor.isAtEnd else { throw expected("the end of the command") }
  }

  @_lifetime(copy self)
  func bytes(_ range: Range<Int>) -> RawSpan { cursor.span.extracting(range) }

  func string(_ range: Range<Int>) -> String {
    bytes(range).withUnsafeBytes { String(decoding: $0, as: UTF8.self) }
  }

  /// A word as an error names it: no more than its first 32 octets.
  func excerpt(_ range: Range<Int>) -> String {
    range.count <= 32 ? string(range) : string(range.prefix(32)) + "..."
  }

  /// A copy of some of the frame's bytes.
  func buffer(_ range: Range<Int>) -> ByteBuffer {
    var buffer = ByteBuffer()
    buffer.writeSpan(bytes(range))
    return buffer
  }

  // MARK: Tag and keyword

  /// tag = 1*<any ASTRING-CHAR except "+">
  mutating func tag() throws(IMAPSyntaxError) -> String {
    guard let tag = tagIfValid() else {
      throw IMAPSyntaxError("The command does not begin with a tag and a space", at: cursor.position)
    }
    return tag
  }

  /// Steps over the tag and the space behind it; nil, and no step, if there is no valid tag.
  mutating func tagIfValid() -> String? {
    let start = cursor.position
    let length = cursor.skip { $0.isAStringCharacter && $0 != UInt8(ascii: "+") }
    guard length > 0, length <= limits.tag, cursor.take(.space) else {
      cursor.position = start
      return nil
    }
    return string(start..<(start + length))
  }

  /// The range of an atom.
  mutating func atomRange(_ what: Sentence) throws(IMAPSyntaxError) -> Range<Int> {
    let start = cursor.position
    guard cursor.skip(while: \.isAtomCharacter) > 0 else { throw expected(what) }
    return start..<cursor.position
  }

  mutating func atom(_ what: Sentence) throws(IMAPSyntaxError) -> String { string(try atomRange(what)) }

  /// Letters, digits, `.` and `-`: what keywords are made of.
  mutating func wordRange() -> Range<Int> {
    let start = cursor.position
    cursor.skip { $0.isASCIILetter || $0.isASCIIDigit || $0 == UInt8(ascii: ".") || $0 == UInt8(ascii: "-") }
    return start..<cursor.position
  }

  // MARK: Numbers

  /// number64: up to 2^63-1 (RFC 9051 §9).
  mutating func number64(_ what: Sentence) throws(IMAPSyntaxError) -> Int64 {
    guard cursor.peek?.isASCIIDigit == true else { throw expected(what) }
    let start = cursor.position
    guard let number = cursor.takeNumber(maximumDigits: 64) else {
      throw error("The number at octet \(start) does not fit 63 bits", at: start)
    }
    return number
  }

  /// nz-number: 1 to 2^32-1.
  mutating func nonZeroNumber(_ what: Sentence) throws(IMAPSyntaxError) -> UInt32 {
    let start = cursor.position
    let number = try number64(what)
    guard number > 0, let result = UInt32(exactly: number) else {
      throw error("The number at octet \(start) is not between 1 and 4294967295", at: start)
    }
    return result
  }

  // MARK: Lists

  /// `(` items separated by a space `)`. The opening parenthesis is next.
  mutating func list(
    _ what: Sentence, allowsEmpty: Bool, _ item: (inout CommandReader) throws(IMAPSyntaxError) -> Void
  ) throws(IMAPSyntaxError) {
    try openParenthesis()
    if allowsEmpty, cursor.take(UInt8(ascii: ")")) { return }
    var count = 0
    repeat {
      count += 1
      guard count <= limits.listElements else { throw error("More than \(limits.listElements) \(what)") }
      try item(&self)
    } while cursor.take(.space)
    try closeParenthesis()
  }

  /// Counts one level of nesting; the caller takes it back by `depth -= 1`.
  mutating func deepen(_ limit: Int) throws(IMAPSyntaxError) {
    depth += 1
    guard depth <= limit else { throw error("Nested deeper than \(limit) levels") }
  }
}

extension IMAPSyntaxError {
  /// The same with a tag, unless it has one.
  func tagged(_ tag: String?) -> IMAPSyntaxError {
    var copy = self
    copy.tag = copy.tag ?? tag
    return copy
  }
}
