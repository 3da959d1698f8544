import Bytes
public import NIOCore

/// Whole bodies of LIST and UIDL as a client reads them. What servers really send is put up with: blanks where none
/// belong, words too many, numbers in any order. A line without a number in front names no message and is passed over.
extension POP3ListingLine {
  /// The lines of LIST (RFC 1939 §5), `limit` of them at most. A line without a size has size 0.
  public static func scans(_ body: ByteBuffer, limit: Int = .max) -> [(number: Int, octets: Int64)] {
    var result: [(number: Int, octets: Int64)] = []
    forEachLine(body) { cursor, _ in
      guard let number = takeMessageNumber(&cursor) else { return true }
      result.append((number, cursor.takeNumber() ?? 0))
      return result.count < limit
    }
    return result
  }

  /// The lines of UIDL (RFC 1939 §7), `limit` of them at most. The id is the rest of the line, whatever it is: nothing
  /// may follow it. Different ids stay different also where they are no UTF-8.
  public static func uniqueIDs(_ body: ByteBuffer, limit: Int = .max) -> [(number: Int, id: String)] {
    var result: [(number: Int, id: String)] = []
    forEachLine(body) { cursor, end in
      guard let number = takeMessageNumber(&cursor) else { return true }
      result.append((number, identifier(cursor.span.extracting(cursor.position..<max(end, cursor.position)))))
      return result.count < limit
    }
    return result
  }

  /// The figures behind `+OK` of STAT (RFC 1939 §5); nil when there is no number.
  public static func dropListing(_ text: String) -> (messages: Int, octets: Int64)? {
    let utf8 = Array(text.utf8)
    var cursor = ByteCursor(utf8.span.bytes)
    cursor.skip(while: \.isBlank)
    guard let messages = cursor.takeNumber(), cursor.peek?.isBlank ?? true else { return nil }
    cursor.skip(while: \.isBlank)
    return (Int(messages), cursor.takeNumber() ?? 0)
  }

  /// The number and the blanks behind it.
  @_lifetime(cursor: copy cursor)
  private static func takeMessageNumber(_ cursor: inout ByteCursor) -> Int? {
    cursor.skip(while: \.isBlank)
    guard let number = cursor.takeNumber(), number > 0 else { return nil }
    guard cursor.isAtEnd || cursor.skip(while: \.isBlank) > 0 else { return nil }
    return Int(number)
  }

  private static func identifier(_ span: RawSpan) -> String {
    span.withUnsafeBytes { bytes in
      if let text = String(validating: bytes, as: UTF8.self) { return text }
      // Each octet as the character of its number: replacing them all by one character would make ids alike.
      var text = ""
      for byte in bytes { text.unicodeScalars.append(Unicode.Scalar(byte)) }
      return text
    }
  }

  /// Calls with a cursor over each line and where the line ends without the blanks at its end, until told to stop.
  private static func forEachLine(_ body: ByteBuffer, _ visit: (inout ByteCursor, Int) -> Bool) {
    let whole = body.readableBytesSpan
    var start = 0
    while start < whole.byteCount {
      var end = start
      while end < whole.byteCount, whole.byte(at: end) != .lf { end += 1 }
      var stop = end
      while stop > start, whole.byte(at: stop - 1).isBlank || whole.byte(at: stop - 1) == .cr { stop -= 1 }
      var cursor = ByteCursor(whole.extracting(start..<stop))
      guard visit(&cursor, stop - start) else { return }
      start = end + 1
    }
  }
}
