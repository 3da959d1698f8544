import Bytes
import NIOCore

/// Reads the grammar of RFC 9051 §9 from the bytes of one response. It decides by the byte in front; where servers are
/// known to stray (spaces too many, NIL or an atom for a string, lower case) it goes along.
struct ResponseReader: ~Escapable {
  var cursor: ByteCursor
  let frame: ResponseFrame
  /// Mailbox names are UTF-8, not modified UTF-7.
  let options: WireOptions
  let limits: ResponseLimits
  /// Open parentheses.
  var depth = 0

  @_lifetime(copy span)
  init(_ span: RawSpan, of frame: ResponseFrame, options: WireOptions, limits: ResponseLimits) {
    self.cursor = ByteCursor(span)
    self.frame = frame
    self.options = options
    self.limits = limits
  }

  static let conditions = KeywordTable<ResponseCondition>([
    ("OK", .ok), ("NO", .no), ("BAD", .bad), ("BYE", .bye), ("PREAUTH", .preauth),
  ])

  // MARK: Errors

  func error(_ reason: String, at offset: Int? = nil) -> ResponseSyntaxError {
    ResponseSyntaxError(reason, at: offset ?? cursor.position)
  }

  func expected(_ what: String) -> ResponseSyntaxError {
    guard let byte = cursor.peek else { return error("Expected \(what) at the end of a response") }
    let found = byte > 0x20 && byte < 0x7F ? "'\(Character(Unicode.Scalar(byte)))'" : "octet \(byte)"
    return error("Expected \(what), found \(found)")
  }

  // MARK: Pieces

  mutating func spaces() { cursor.skip { $0 == .space } }

  @_lifetime(copy self)
  func bytes(_ range: Range<Int>) -> RawSpan { cursor.span.extracting(range) }

  func string(_ range: Range<Int>) -> String {
    bytes(range).withUnsafeBytes { String(decoding: $0, as: UTF8.self) }
  }

  func slice(_ range: Range<Int>) -> ByteBuffer {
    frame.bytes.getSlice(at: frame.bytes.readerIndex + range.lowerBound, length: range.count) ?? ByteBuffer()
  }

  /// Octets up to a space, a parenthesis or a control. No word holds a line end: a flag with one in it, sent on to another
  /// server, would be a command there.
  mutating func wordRange() -> Range<Int> {
    let start = cursor.position
    cursor.skip { $0 > .space && $0 != 0x7F && $0 != UInt8(ascii: "(") && $0 != UInt8(ascii: ")") }
    return start..<cursor.position
  }

  mutating func open() throws(ResponseSyntaxError) {
    guard cursor.take(UInt8(ascii: "(")) else { throw expected("'('") }
    depth += 1
    guard depth <= limits.nesting else { throw error("Nested deeper than \(limits.nesting) levels") }
  }

  /// Steps over spaces and `)` if it is next.
  mutating func close() -> Bool {
    spaces()
    guard cursor.take(UInt8(ascii: ")")) else { return false }
    depth -= 1
    return true
  }

  /// `(` items `)`, or NIL for none. Every item must step on.
  mutating func list(
    _ item: (inout ResponseReader) throws(ResponseSyntaxError) -> Void
  ) throws(ResponseSyntaxError) {
    spaces()
    if takeNil() { return }
    try open()
    var count = 0
    while !close() {
      count += 1
      guard count <= limits.listElements else { throw error("A list has more than \(limits.listElements) elements") }
      let start = cursor.position
      try item(&self)
      guard cursor.position > start else { throw expected("an element of a list") }
    }
  }

  /// Steps over NIL that is a whole word.
  mutating func takeNil() -> Bool {
    guard let byte = cursor.peek, byte == UInt8(ascii: "N") || byte == UInt8(ascii: "n") else { return false }
    let start = cursor.position
    if cursor.takeIgnoringCase("NIL") {
      switch cursor.peek {
      case nil, UInt8.space, UInt8(ascii: ")"), UInt8(ascii: "("): return true
      default: break
      }
    }
    cursor.position = start
    return false
  }

  // MARK: Numbers

  mutating func number(_ what: String) throws(ResponseSyntaxError) -> Int64 {
    spaces()
    guard let number = cursor.takeNumber() else { throw expected(what) }
    return number
  }

  mutating func number32(_ what: String) throws(ResponseSyntaxError) -> UInt32 {
    let start = cursor.position
    guard let number = UInt32(exactly: try number(what)) else { throw error("\(what) does not fit 32 bits", at: start) }
    return number
  }

  /// A number, quoted or not; nil for NIL and for anything else, which is stepped over. Some servers send -1 for what
  /// they don't know.
  mutating func lenientNumber() throws(ResponseSyntaxError) -> Int64? {
    spaces()
    let start = cursor.position
    if let number = cursor.takeNumber() {
      if cursor.isAtEnd || cursor.peek == .space || cursor.peek == UInt8(ascii: ")") { return number }
      cursor.position = start
    }
    if cursor.peek == .quote {
      let wire = try wireString()
      var inner = ByteCursor(bytes(wire.range))
      return inner.takeNumber()
    }
    try skipValue()
    return nil
  }

  /// A set of numbers without `*`.
  mutating func ranges() throws(ResponseSyntaxError) -> [ClosedRange<UInt32>] {
    var ranges: [ClosedRange<UInt32>] = []
    spaces()
    repeat {
      guard ranges.count < limits.setElements else { throw error("A set has more than \(limits.setElements) ranges") }
      let first = try number32("a number")
      let last = cursor.take(UInt8(ascii: ":")) ? try number32("a number") : first
      ranges.append(Swift.min(first, last)...Swift.max(first, last))
    } while cursor.take(UInt8(ascii: ","))
    return ranges
  }

  /// A set written out in the order given.
  mutating func numbers() throws(ResponseSyntaxError) -> [UInt32] {
    var numbers: [UInt32] = []
    for range in try ranges() {
      guard numbers.count + range.count <= limits.numbers else {
        throw error("A set holds more than \(limits.numbers) numbers")
      }
      numbers.append(contentsOf: range)
    }
    return numbers
  }

  // MARK: Anything

  /// Steps over one value, whatever it is, without recursion.
  mutating func skipValue() throws(ResponseSyntaxError) {
    spaces()
    var open = 0
    repeat {
      switch cursor.peek {
      case nil:
        throw expected("a value")
      case UInt8(ascii: "("):
        open += 1
        guard open + depth <= limits.nesting else { throw error("Nested deeper than \(limits.nesting) levels") }
        cursor.position += 1
      case UInt8(ascii: ")"):
        guard open > 0 else { throw expected("a value") }
        open -= 1
        cursor.position += 1
      case UInt8.space: cursor.position += 1
      default: _ = try wireString()
      }
    } while open > 0
  }
}
