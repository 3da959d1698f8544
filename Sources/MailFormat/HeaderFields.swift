import Bytes
public import NIOCore

/// The fields of a header (RFC 5322 §2.2). A `Range` is relative to the message's start.
public enum HeaderFields {
  /// Calls `body` for each field up to the empty line, in order, until it returns false.
  /// - name: without blanks before the colon; empty for lines that are no field (no colon, or a stray continuation).
  /// - value: without blanks at its beginning and without the final line end; line ends of folding are in it.
  /// - whole: all lines of the field with their line ends.
  public static func forEach(
    _ bytes: RawSpan, in header: Range<Int>,
    _ body: (_ name: Range<Int>, _ value: Range<Int>, _ whole: Range<Int>) -> Bool
  ) {
    let header = bytes.clamped(header)
    var position = header.lowerBound
    let end = header.upperBound
    while position < end {
      let first = bytes.at(position)
      if first == .lf || (first == .cr && position + 1 < end && bytes.at(position + 1) == .lf) { return }
      let start = position
      let firstLineEnd = bytes.nextLine(from: position, to: end)
      position = firstLineEnd
      while position < end, bytes.at(position).isBlank { position = bytes.nextLine(from: position, to: end) }
      var upper = position
      if upper > start, bytes.at(upper - 1) == .lf { upper -= 1 }
      if upper > start, bytes.at(upper - 1) == .cr { upper -= 1 }
      var name = start..<start
      var value = start..<upper
      // RFC 5322 §2.2: the name is up to the colon. §4.5 allows blanks before the colon.
      if !first.isBlank, let colon = bytes.firstIndex(of: 0x3A, from: start, to: min(firstLineEnd, upper)) {
        var nameEnd = colon
        while nameEnd > start, bytes.at(nameEnd - 1).isBlank { nameEnd -= 1 }
        name = start..<nameEnd
        var lower = colon + 1
        while lower < upper, bytes.at(lower).isWhitespace { lower += 1 }
        value = lower..<upper
      }
      guard body(name, value, start..<position) else { return }
    }
  }

  /// The same for the beginning of a header. The field that goes beyond `limit` octets is the last one and may be cut; the
  /// ones before it are what they are in the whole header.
  static func forEach(
    _ bytes: RawSpan, in header: Range<Int>, within limit: Int,
    _ body: (_ name: Range<Int>, _ value: Range<Int>, _ whole: Range<Int>) -> Bool
  ) {
    // One octet more says whether a line goes on in the next.
    forEach(bytes, in: limit < header.count ? header.prefix(limit + 1) : header, body)
  }

  /// The empty line at the end of `header`; nil when there is none.
  static func emptyLine(_ bytes: RawSpan, _ header: Range<Int>) -> Range<Int>? {
    var start = header.upperBound
    guard start > header.lowerBound, bytes.at(start - 1) == .lf else { return nil }
    start -= 1
    if start > header.lowerBound, bytes.at(start - 1) == .cr { start -= 1 }
    return start == header.lowerBound || bytes.at(start - 1) == .lf ? start..<header.upperBound : nil
  }

  /// HEADER.FIELDS, or with `not` HEADER.FIELDS.NOT: the fields wanted, in the order of the message, and the empty line.
  /// - names: compared without ASCII case.
  public static func write(
    fields names: [[UInt8]], not: Bool, of bytes: RawSpan, header: Range<Int>, into buffer: inout ByteBuffer
  ) {
    write(fields: HeaderFieldNames(names), not: not, of: bytes, header: header, into: &buffer)
  }

  /// The same for names that are asked for of many messages.
  public static func write(
    fields names: HeaderFieldNames, not: Bool, of bytes: RawSpan, header: Range<Int>, into buffer: inout ByteBuffer
  ) {
    let header = bytes.clamped(header)
    forEach(bytes, in: header) { name, _, whole in
      if names.contains(bytes, name) != not { buffer.write(bytes, whole) }
      return true
    }
    // RFC 9051 §6.4.5: the blank line is in all header fetches, except of a message with no body and no blank line.
    if emptyLine(bytes, header) != nil { buffer.writeStaticString("\r\n") }
  }

  /// Where the value of the first field `name` stands; nil when there is none.
  /// - name: in any case.
  public static func firstValue(_ name: String, of bytes: RawSpan, header: Range<Int>) -> Range<Int>? {
    let wanted = Array(name.utf8)
    var result: Range<Int>?
    forEach(bytes, in: header) { name, value, _ in
      guard bytes.equalsIgnoringCase(wanted, in: name) else { return true }
      result = value
      return false
    }
    return result
  }

  /// `value` without the line ends of folding (RFC 5322 §2.2.3).
  public static func unfolded(_ bytes: RawSpan, _ value: Range<Int>) -> [UInt8] {
    let value = bytes.clamped(value)
    var result: [UInt8] = []
    result.reserveCapacity(value.count)
    for offset in value {
      let byte = bytes.at(offset)
      if byte != .cr, byte != .lf { result.append(byte) }
    }
    return result
  }

  /// `value` as text: unfolded, RFC 2047 words decoded, bytes that are no UTF-8 made legible.
  public static func decodedValue(_ bytes: RawSpan, _ value: Range<Int>) -> String {
    TextDecoding.decodeHeader(bytes.extracting(bytes.clamped(value)))
  }
}

extension RawSpan {
  /// Whether `range` is `word`, ASCII letters of both compared without case.
  func equalsIgnoringCase(_ word: [UInt8], in range: Range<Int>) -> Bool {
    guard range.count == word.count else { return false }
    for offset in 0..<word.count where at(range.lowerBound + offset).asciiLowercased != word[offset].asciiLowercased {
      return false
    }
    return true
  }
}

extension ByteBuffer {
  /// Appends `range` of `bytes`.
  mutating func write(_ bytes: RawSpan, _ range: Range<Int>) {
    bytes.extracting(range).withUnsafeBytes { raw in _ = writeBytes(raw) }
  }
}
