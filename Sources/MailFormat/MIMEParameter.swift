import Bytes

/// A parameter of Content-Type or Content-Disposition.
///
/// RFC 2231 §3 continuations (`name*0`, `name*1`) are joined under the plain name, as RFC 2231 §6 asks of IMAP servers.
/// Values with charset and percent codes (§4) stay encoded and their name keeps the final `*`: a client needs both.
public struct MIMEParameter: Sendable, Equatable {
  /// As the message spells it.
  public var name: [UInt8]
  public var value: [UInt8]

  public init(name: [UInt8], value: [UInt8]) {
    self.name = name
    self.value = value
  }

  /// All parameters in `range` of a value, in order; joined ones come last.
  static func list(_ bytes: RawSpan, _ range: Range<Int>) -> [MIMEParameter] {
    var reader = ParameterReader(bytes, range)
    var result: [MIMEParameter] = []
    var segments: [ParameterSegment] = []
    while reader.next() {
      let value = reader.bytes()
      if let segment = ParameterSegment(bytes, reader.name, value: value) {
        segments.append(segment)
      } else {
        result.append(MIMEParameter(name: bytes.bytes(reader.name), value: value))
      }
    }
    if !segments.isEmpty { ParameterSegment.join(&segments, into: &result) }
    return result
  }

  /// The parameters of a Content-Type value.
  static func list(ofType bytes: RawSpan, _ range: Range<Int>) -> [MIMEParameter] {
    MediaType(bytes, range).map { list(bytes, $0.parameters) } ?? []
  }

  /// One parameter by its lower-case name; the first counts. Extended values are decoded to what stands behind the
  /// charset and language.
  static func value(of name: StaticString, _ bytes: RawSpan, _ range: Range<Int>) -> [UInt8]? {
    var reader = ParameterReader(bytes, range)
    var hasSegments = false
    while reader.next() {
      if bytes.equals(name, in: reader.name) { return reader.bytes() }
      let length = name.utf8CodeUnitCount
      if bytes.hasWord(name, at: reader.name.lowerBound), reader.name.count > length,
        bytes.at(reader.name.lowerBound + length) == 0x2A
      {
        hasSegments = true
      }
    }
    guard hasSegments else { return nil }
    return list(bytes, range).lazy.compactMap { $0.value(ifNamed: name) }.first
  }

  private func value(ifNamed wanted: StaticString) -> [UInt8]? {
    let isExtended = name.last == 0x2A
    let plain = name.span.bytes
    guard plain.equals(wanted, in: 0..<name.count - (isExtended ? 1 : 0)) else { return nil }
    return isExtended ? ExtendedValue(value).decoded : value
  }
}

/// Walks over `; name=value` without copying, as far as that can be.
struct ParameterReader: ~Escapable {
  private var reader: FieldReader
  private(set) var name: Range<Int>
  /// The value as it stands in the message; still escaped unless `isPlain`.
  private(set) var value: Range<Int>
  private(set) var isPlain = true

  @_lifetime(copy span)
  init(_ span: RawSpan, _ range: Range<Int>) {
    reader = FieldReader(span, range)
    name = 0..<0
    value = 0..<0
  }

  /// Steps to the next parameter that has a name and a value.
  @_lifetime(self: copy self)
  mutating func next() -> Bool {
    while !reader.isAtEnd {
      reader.skipCFWS()
      if reader.take(0x3B) { continue }
      name = reader.token()
      reader.skipCFWS()
      if !name.isEmpty, reader.take(0x3D) {
        reader.skipCFWS()
        readValue()
        skipToSeparator()
        return true
      }
      if name.isEmpty || reader.peek != 0x3B { skipToSeparator() }
    }
    return false
  }

  @_lifetime(self: copy self)
  private mutating func readValue() {
    isPlain = true
    let start = reader.position
    if reader.peek == .quote {
      if let quoted = reader.quotedString() {
        value = quoted.content
        isPlain = quoted.plain
        return
      }
      // The closing quote is missing: up to the next separator or the end of the line. What is read again here holds no
      // further quote that could open, so this stays linear.
      reader.position = start + 1
      takeUntil { $0 == 0x3B || $0 == .cr || $0 == .lf }
      value = start + 1..<reader.position
    } else if reader.peek == 0x3D, reader.span.peek(start + 1) == 0x3F {
      // An encoded word, which RFC 2047 §5 forbids here and many programs write; tspecials occur in it.
      takeUntil { $0 == 0x3B || $0.isWhitespace }
      value = start..<reader.position
    } else {
      value = reader.token()
    }
  }

  @_lifetime(self: copy self)
  private mutating func takeUntil(_ isEnd: (UInt8) -> Bool) {
    while let byte = reader.peek, !isEnd(byte) { reader.position += 1 }
  }

  /// Skips what does not belong to a parameter.
  @_lifetime(self: copy self)
  private mutating func skipToSeparator() {
    while let byte = reader.peek, byte != 0x3B {
      if byte == 0x28 { _ = reader.comment() } else { reader.position += 1 }
    }
  }

  /// The value, unescaped and unfolded.
  func bytes() -> [UInt8] {
    guard !isPlain else { return reader.span.bytes(value) }
    var result: [UInt8] = []
    result.reserveCapacity(value.count)
    reader.span.unescape(value, into: &result)
    return result
  }
}
