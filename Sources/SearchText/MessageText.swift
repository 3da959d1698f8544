import Bytes
public import MailFormat

/// Looks for texts in messages, transfer encodings, charsets and encoded words undone (RFC 9051 §6.4.4).
public enum MessageText {
  /// A header field of that name holds the text.
  /// - name: in lower case.
  public static func hasHeader(
    _ wanted: [UInt8], _ needle: TextNeedle, in bytes: RawSpan, _ range: Range<Int>
  ) -> Bool {
    var found = false
    forEachValue(of: wanted, in: bytes, range) { value in
      found = needle.isFound(in: value)
      return !found
    }
    return found
  }

  /// The values of the fields of that name, as they read, until `body` returns false.
  /// - name: in lower case.
  public static func forEachValue(
    of wanted: [UInt8], in bytes: RawSpan, _ range: Range<Int>, _ body: (RawSpan) -> Bool
  ) {
    HeaderFields.forEach(bytes, in: range) { name, value, _ in
      guard isEqual(bytes, name, wanted) else { return true }
      return withRead(bytes, value, body)
    }
  }

  /// A value as it reads.
  public static func withRead(_ bytes: RawSpan, _ value: Range<Int>, _ body: (RawSpan) -> Bool) -> Bool {
    if isPlain(bytes, value) { return body(bytes.extracting(value.clamped(to: 0..<bytes.byteCount))) }
    var text = HeaderFields.decodedValue(bytes, value)
    return text.withUTF8 { body($0.span.bytes) }
  }

  /// One line of ASCII without encoded words: it reads as it stands.
  private static func isPlain(_ bytes: RawSpan, _ value: Range<Int>) -> Bool {
    for offset in value.clamped(to: 0..<bytes.byteCount) {
      let byte = bytes.byte(at: offset)
      if byte >= 0x80 || byte == .cr || byte == .lf || byte == UInt8(ascii: "=") { return false }
    }
    return true
  }

  /// The part, or one within it, holds the text. Parts that are neither text nor message are passed over.
  public static func hasText(_ needle: TextNeedle, _ part: Part, _ bytes: RawSpan, withHeaders: Bool) -> Bool {
    if withHeaders, hasFields(needle, bytes, part.headerRange) { return true }
    if part.isMultipart || part.isMessage {
      return part.children.contains { hasText(needle, $0, bytes, withHeaders: withHeaders) }
    }
    guard hasBody(part) else { return false }
    return TextDecoding.withText(
      of: part, in: bytes, asciiOnly: needle.isASCII, early: { needle.standsInASCII(of: $0) ? true : nil }
    ) { needle.isFound(in: $0) }
  }

  /// The part's body is looked through, as a text; none that has parts.
  public static func hasBody(_ part: Part) -> Bool { part.isText || part.type == "message" }

  /// Some field holds the text: its name, or what stands behind it.
  public static func hasFields(_ needle: TextNeedle, _ bytes: RawSpan, _ header: Range<Int>) -> Bool {
    var found = false
    forEachFieldText(bytes, header) { text in
      found = needle.isFound(in: text)
      return !found
    }
    return found
  }

  /// What is looked through of a header, until `body` returns false: each field as it stands, and as it reads (unfolded and
  /// decoded) where that is something else.
  static func forEachFieldText(_ bytes: RawSpan, _ header: Range<Int>, _ body: (RawSpan) -> Bool) {
    HeaderFields.forEach(bytes, in: header) { name, value, whole in
      guard body(bytes.extracting(whole.clamped(to: 0..<bytes.byteCount))) else { return false }
      // `Name: value` in one line reads as it stands.
      if value.lowerBound == name.upperBound + 2, bytes.byte(at: value.lowerBound - 1) == .space,
        bytes.byte(at: name.upperBound) == UInt8(ascii: ":"), isPlain(bytes, name), isPlain(bytes, value)
      {
        return true
      }
      // A line that is no field has no name, and nothing stands before its text.
      let field = String(decoding: HeaderFields.unfolded(bytes, name), as: UTF8.self)
      var text = (name.isEmpty ? "" : field + ": ") + HeaderFields.decodedValue(bytes, value)
      return text.withUTF8 { body($0.span.bytes) }
    }
  }

  /// All that TEXT looks through: `header` is called with what stands in headers, `body` with what stands in bodies. A text
  /// is in the message if and only if it is in one of these.
  public static func forEachText(
    _ part: Part, _ bytes: RawSpan, header: (RawSpan) -> Void, body: (RawSpan) -> Void
  ) {
    forEachHeaderText(bytes, part.headerRange, header)
    if part.isMultipart || part.isMessage {
      for child in part.children { forEachText(child, bytes, header: header, body: body) }
    } else if hasBody(part) {
      TextDecoding.withText(of: part, in: bytes, asciiOnly: false, body)
    }
  }

  public static func forEachHeaderText(_ bytes: RawSpan, _ header: Range<Int>, _ body: (RawSpan) -> Void) {
    forEachFieldText(bytes, header) {
      body($0)
      return true
    }
  }

  private static func isEqual(_ bytes: RawSpan, _ range: Range<Int>, _ lowercased: [UInt8]) -> Bool {
    guard range.count == lowercased.count else { return false }
    for offset in 0..<lowercased.count
    where bytes.byte(at: range.lowerBound + offset).asciiLowercased != lowercased[offset] {
      return false
    }
    return true
  }
}
