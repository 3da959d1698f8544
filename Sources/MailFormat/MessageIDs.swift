import Bytes

/// Message identifiers (RFC 5322 §3.6.4) in the one form that THREAD compares (RFC 5256 §3).
enum MessageIDs {
  /// The identifiers in a header value, without angle brackets, quoted local parts unquoted, blanks and comments removed.
  /// Only `<left@right>` counts.
  static func list(_ bytes: RawSpan, _ value: Range<Int>, limit: Int = MIMELimits.references) -> [String] {
    var result: [String] = []
    var reader = FieldReader(bytes, value)
    var scratch: [UInt8] = []
    while result.count < limit {
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
      if identifier(&reader, &scratch) { result.append(String(decoding: scratch, as: UTF8.self)) }
    }
    return result
  }

  /// Reads up to `>`; false, before the byte that is wrong, when it is no identifier.
  private static func identifier(_ reader: inout FieldReader, _ scratch: inout [UInt8]) -> Bool {
    scratch.removeAll(keepingCapacity: true)
    var at = -1
    while let byte = reader.peek {
      switch byte {
      case 0x3E:
        reader.position += 1
        return at > 0 && at < scratch.count - 1
      case 0x3C: return false
      case 0x28:
        if reader.comment() == nil { return false }
      case .quote:
        guard let quoted = reader.quotedString() else { return false }
        // RFC 5256 §3: <"a"@b> and <a@b> are the same identifier.
        reader.span.unescape(quoted.content, into: &scratch)
      default:
        reader.position += 1
        if byte == 0x40, at < 0 { at = scratch.count }
        if !byte.isWhitespace { scratch.append(byte) }
      }
    }
    return false
  }
}
