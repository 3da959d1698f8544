import Bytes

/// Message identifiers (RFC 5322 §3.6.4) in the one form that THREAD compares (RFC 5256 §3).
enum MessageIDs {
  /// The identifiers in a header value, without angle brackets, quoted local parts unquoted, blanks and comments removed.
  /// Only `<left@right>` counts.
  static func list(_ bytes: RawSpan, _ value: Range<Int>, limit: Int = MIMELimits.references) -> [String] {
    var result: [String] = []
    var scratch: [UInt8] = []
    forEach(bytes, value, limit: limit, to: &scratch) { text, _ in
      result.append(String(decoding: text, as: UTF8.self))
      text.removeAll(keepingCapacity: true)
    }
    return result
  }

  /// The same one behind the other in `text`, and where they stand there.
  static func append(
    _ bytes: RawSpan, _ value: Range<Int>, limit: Int = MIMELimits.references, to text: inout [UInt8],
    _ ranges: inout [Range<Int>]
  ) {
    forEach(bytes, value, limit: limit, to: &text) { text, start in ranges.append(start..<text.count) }
  }

  /// - found: called behind each identifier, which stands in `text` from there to its end.
  private static func forEach(
    _ bytes: RawSpan, _ value: Range<Int>, limit: Int, to text: inout [UInt8], found: (inout [UInt8], Int) -> Void
  ) {
    var count = 0
    var reader = FieldReader(bytes, value)
    while count < limit {
      // Phrases may stand between identifiers (RFC 5322 §4.5.4).
      while let byte = reader.peek, byte != 0x3C {
        if byte == 0x28 {
          _ = reader.comment()
        } else if byte == .quote {
          _ = reader.quotedString()
        } else {
          reader.position += 1
        }
      }
      guard reader.take(0x3C) else { break }
      let start = text.count
      if identifier(&reader, &text) {
        found(&text, start)
        count += 1
      } else {
        text.removeSubrange(start...)
      }
    }
  }

  /// Reads up to `>` and appends to `text`; false, before the byte that is wrong, when it is no identifier.
  private static func identifier(_ reader: inout FieldReader, _ text: inout [UInt8]) -> Bool {
    let start = text.count
    var at = -1
    while let byte = reader.peek {
      switch byte {
      case 0x3E:
        reader.position += 1
        return at > 0 && at < text.count - start - 1
      case 0x3C: return false
      case 0x28:
        if reader.comment() == nil { return false }
      case .quote:
        guard let quoted = reader.quotedString() else { return false }
        // RFC 5256 §3: <"a"@b> and <a@b> are the same identifier.
        reader.span.unescape(quoted.content, into: &text)
      default:
        reader.position += 1
        if byte == 0x40, at < 0 { at = text.count - start }
        if !byte.isWhitespace { text.append(byte) }
      }
    }
    return false
  }
}
