import Bytes

/// Reads the tokens of a structured header value (RFC 5322 §3.2, RFC 2045 §5.1). Never goes back, so that hostile
/// values cost linear time. Line ends inside the value count as blanks.
struct FieldReader: ~Escapable {
  let span: RawSpan
  var position: Int
  let end: Int

  @_lifetime(copy span)
  init(_ span: RawSpan, _ range: Range<Int>) {
    let range = span.clamped(range)
    self.span = span
    self.position = range.lowerBound
    self.end = range.upperBound
  }

  var isAtEnd: Bool { position >= end }

  @inline(__always)
  var peek: UInt8? { position < end ? span.at(position) : nil }

  @_lifetime(self: copy self)
  mutating func take(_ byte: UInt8) -> Bool {
    guard peek == byte else { return false }
    position += 1
    return true
  }

  /// Steps over blanks and comments; false when a comment does not end.
  @_lifetime(self: copy self)
  @discardableResult
  mutating func skipCFWS() -> Bool {
    while let byte = peek {
      if byte.isWhitespace {
        position += 1
      } else if byte == 0x28 {
        guard comment() != nil else { return false }
      } else {
        return true
      }
    }
    return true
  }

  /// Steps over a comment and returns what is between its outer parentheses; nil (at the end) when it does not end.
  @_lifetime(self: copy self)
  mutating func comment() -> Range<Int>? {
    position += 1
    let start = position
    var depth = 1
    while let byte = peek {
      position += 1
      switch byte {
      case 0x28: depth += 1
      case 0x29:
        depth -= 1
        if depth == 0 { return start..<position - 1 }
      case .backslash: position = min(position + 1, end)
      default: break
      }
    }
    return nil
  }

  /// A MIME token (RFC 2045 §5.1), bytes above ASCII allowed; perhaps empty.
  @_lifetime(self: copy self)
  mutating func token() -> Range<Int> {
    let start = position
    while let byte = peek, byte.isMIMEToken { position += 1 }
    return start..<position
  }

  /// An atom (RFC 5322 §3.2.3), bytes above ASCII allowed, dots if wanted; perhaps empty.
  @_lifetime(self: copy self)
  mutating func atom(withDots: Bool) -> Range<Int> {
    let start = position
    while let byte = peek, byte.isAtomText || (withDots && byte == 0x2E) { position += 1 }
    return start..<position
  }

  /// Steps over a quoted string and returns what is between the quotes, still escaped; nil (at the end) when it does not
  /// end. `plain` tells that there is nothing to unescape or unfold.
  @_lifetime(self: copy self)
  mutating func quotedString() -> (content: Range<Int>, plain: Bool)? {
    position += 1
    let start = position
    var plain = true
    while let byte = peek {
      position += 1
      switch byte {
      case .quote: return (start..<position - 1, plain)
      case .backslash:
        plain = false
        position = min(position + 1, end)
      case .cr, .lf: plain = false
      default: break
      }
    }
    return nil
  }
}

extension RawSpan {
  /// Appends `range` without the backslashes of quoted pairs and without line ends (RFC 5322 §3.2.4).
  func unescape(_ range: Range<Int>, into result: inout [UInt8]) {
    var offset = range.lowerBound
    while offset < range.upperBound {
      var byte = at(offset)
      if byte == .backslash, offset + 1 < range.upperBound {
        offset += 1
        byte = at(offset)
      }
      if byte != .cr, byte != .lf { result.append(byte) }
      offset += 1
    }
  }
}

extension UInt8 {
  /// RFC 2045 §5.1: no blanks, controls or tspecials.
  @inline(__always)
  var isMIMEToken: Bool {
    if self & 0xC0 == 0x40 { return self != 0x40 && (self < 0x5B || self > 0x5D) && self != 0x7F }
    if self >= 0x80 { return true }
    switch self {
    case 0x21, 0x23...0x27, 0x2A, 0x2B, 0x2D, 0x2E, 0x30...0x39: return true
    default: return false
    }
  }

  /// RFC 5322 §3.2.3 atext, and RFC 6532 §3.2 above ASCII.
  @inline(__always)
  var isAtomText: Bool {
    if self & 0xC0 == 0x40 { return self != 0x40 && (self < 0x5B || self > 0x5D) && self != 0x7F }
    if self >= 0x80 { return true }
    switch self {
    case 0x21, 0x23...0x27, 0x2A, 0x2B, 0x2D, 0x2F, 0x30...0x39, 0x3D, 0x3F: return true
    default: return false
    }
  }
}
