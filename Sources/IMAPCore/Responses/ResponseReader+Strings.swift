import Bytes
import NIOCore

extension ResponseReader {
  /// string, or whatever stands there up to a space or a parenthesis.
  mutating func wireString() throws(ResponseSyntaxError) -> WireString {
    switch cursor.peek {
    case UInt8.quote: return try quoted()
    case UInt8(ascii: "{"): return try literal()
    case UInt8(ascii: "~") where cursor.peek(at: 1) == UInt8(ascii: "{"):
      cursor.position += 1
      return try literal()
    default:
      let range = wordRange()
      guard !range.isEmpty else { throw expected("a string") }
      return WireString(range: range, isAtom: true)
    }
  }

  /// Octets behind a backslash stand for themselves, whichever they are.
  private mutating func quoted() throws(ResponseSyntaxError) -> WireString {
    let open = cursor.position
    cursor.position += 1
    var isEscaped = false
    while let byte = cursor.next() {
      if byte == .quote {
        return WireString(range: (open + 1)..<(cursor.position - 1), isEscaped: isEscaped)
      }
      if byte == .backslash {
        isEscaped = true
        guard cursor.next() != nil else { break }
      }
    }
    throw error("A quoted string does not end", at: open)
  }

  private mutating func literal() throws(ResponseSyntaxError) -> WireString {
    let start = cursor.position
    cursor.position += 1
    guard let size = cursor.takeNumber() else { throw expected("a literal's size") }
    _ = cursor.take(UInt8(ascii: "+"))
    guard cursor.take(UInt8(ascii: "}")) else { throw expected("'}'") }
    _ = cursor.take(.cr)
    guard cursor.take(.lf), size <= Int64(cursor.remaining) else { throw error("A literal is not complete", at: start) }
    let range = cursor.position..<(cursor.position + Int(size))
    cursor.position = range.upperBound
    return WireString(range: range)
  }

  func octets(_ wire: WireString) -> ByteBuffer {
    guard wire.isEscaped else { return slice(wire.range) }
    var result = ByteBuffer()
    result.reserveCapacity(wire.range.count)
    var index = wire.range.lowerBound
    while index < wire.range.upperBound {
      if cursor.span.byte(at: index) == .backslash, index + 1 < wire.range.upperBound { index += 1 }
      result.writeInteger(cursor.span.byte(at: index))
      index += 1
    }
    return result
  }

  /// The string, octets that are no UTF-8 replaced.
  func text(_ wire: WireString) -> String {
    wire.isEscaped ? String(buffer: octets(wire)) : string(wire.range)
  }

  /// nstring: nil for NIL.
  mutating func nstring() throws(ResponseSyntaxError) -> ByteBuffer? {
    spaces()
    return takeNil() ? nil : octets(try wireString())
  }

  mutating func nstringText() throws(ResponseSyntaxError) -> String? {
    spaces()
    return takeNil() ? nil : text(try wireString())
  }

  // MARK: Mailboxes

  /// A mailbox name. One that should have been quoted, as it has spaces, goes up to ` (` or the end.
  mutating func mailbox() throws(ResponseSyntaxError) -> WireMailbox {
    spaces()
    var wire = try wireString()
    if wire.isAtom {
      while !cursor.isAtEnd {
        let end = cursor.position
        spaces()
        if cursor.isAtEnd || cursor.peek == UInt8(ascii: "(") && cursor.position > end {
          cursor.position = end
          break
        }
        cursor.position += 1
        cursor.skip { $0 != .space && $0 != UInt8(ascii: "(") }
      }
      wire.range = wire.range.lowerBound..<cursor.position
    }
    return mailbox(wire)
  }

  func mailbox(_ wire: WireString) -> WireMailbox {
    let octets = octets(wire)
    // RFC 9051 §5.1: INBOX in any case.
    if octets.equalsIgnoringCase("INBOX") { return WireMailbox("INBOX") }
    let valid = octets.withUnsafeReadableBytes { String(validating: $0, as: UTF8.self) }
    if options.utf8 {
      guard let valid else { return WireMailbox(String(buffer: octets), octets: octets) }
      return WireMailbox(valid)
    }
    if let name = ModifiedUTF7.decode(octets.readableBytesSpan) {
      // Decoding and encoding may differ, if seldom: half-width forms that are encoded though they need not be.
      return WireMailbox(
        name, octets: ModifiedUTF7.encode(name).utf8.elementsEqual(octets.readableBytesView) ? nil : octets)
    }
    return WireMailbox(valid ?? String(buffer: octets), octets: octets)
  }
}
