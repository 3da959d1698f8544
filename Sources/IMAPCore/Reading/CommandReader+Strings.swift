import Bytes
import NIOCore

/// A string as it stood in a frame, not yet decoded.
struct WireString {
  /// The octets; of a quoted string those between the quotes.
  var range: Range<Int>
  /// A quoted string with backslashes in it: they must be taken out.
  var isEscaped = false
  /// An atom; `NIL` can be told from `"NIL"`.
  var isAtom = false
}

extension CommandReader {
  /// True when the cursor stands at a literal whose octets are not in the frame: what the framer asks.
  var isUnfinishedLiteral: Bool {
    let rest = bytes(cursor.position..<cursor.count)
    guard rest.byteCount >= 3, rest.byte(at: 0) == UInt8(ascii: "{"),
      rest.byte(at: rest.byteCount - 1) == UInt8(ascii: "}")
    else { return false }
    var index = 1
    while rest.byte(at: index).isASCIIDigit { index += 1 }
    if rest.byte(at: index) == UInt8(ascii: "+") { index += 1 }
    return index == rest.byteCount - 1
  }

  /// string = quoted / literal
  mutating func wireString(_ what: Sentence) throws(IMAPSyntaxError) -> WireString {
    switch cursor.peek {
    case UInt8.quote: try quoted()
    case UInt8(ascii: "{"): try literal()
    default: throw expected(what)
    }
  }

  /// astring = 1*ASTRING-CHAR / string
  mutating func wireAString(_ what: Sentence) throws(IMAPSyntaxError) -> WireString {
    let start = cursor.position
    if cursor.skip(while: \.isAStringCharacter) > 0 {
      return WireString(range: start..<cursor.position, isAtom: true)
    }
    return try wireString(what)
  }

  private mutating func quoted() throws(IMAPSyntaxError) -> WireString {
    let open = cursor.position
    cursor.position += 1
    let start = cursor.position
    var isEscaped = false
    while let byte = cursor.next() {
      switch byte {
      case .quote:
        return WireString(range: start..<(cursor.position - 1), isEscaped: isEscaped)
      case .backslash:
        // RFC 9051 §9, QUOTED-CHAR: only quoted-specials stand behind a backslash.
        guard let special = cursor.next(), special == .quote || special == .backslash else {
          throw error("A backslash in a quoted string must stand before '\"' or '\\'", at: cursor.position - 1)
        }
        isEscaped = true
      case .cr, .lf, 0:
        throw error("A quoted string may not hold CR, LF or NUL", at: cursor.position - 1)
      default:
        continue
      }
    }
    throw error("The quoted string at octet \(open) does not end", at: open)
  }

  private mutating func literal() throws(IMAPSyntaxError) -> WireString {
    let range = try literalRange()
    // RFC 9051 §9, CHAR8: a literal holds any octet but NUL.
    for index in range where cursor.span.byte(at: index) == 0 {
      throw error("A literal may not hold NUL", at: index)
    }
    return WireString(range: range)
  }

  /// A literal that stands in the frame, or literal8 behind its "~", whatever it holds: where its octets are.
  mutating func literalRange() throws(IMAPSyntaxError) -> Range<Int> {
    let start = cursor.position
    try expect(UInt8(ascii: "{"), "a literal")
    let size = try number64("a literal's size")
    _ = cursor.take(UInt8(ascii: "+"))
    try expect(UInt8(ascii: "}"), "'}'")
    _ = cursor.take(.cr)
    guard cursor.take(.lf), size <= Int64(cursor.remaining) else {
      throw error("The literal at octet \(start) is not complete", at: start)
    }
    let range = cursor.position..<(cursor.position + Int(size))
    cursor.position = range.upperBound
    return range
  }

  /// The octets of a string.
  func octets(_ wire: WireString) -> ByteBuffer {
    guard wire.isEscaped else { return buffer(wire.range) }
    var result = ByteBuffer()
    var index = wire.range.lowerBound
    while index < wire.range.upperBound {
      if cursor.span.byte(at: index) == .backslash { index += 1 }
      result.writeInteger(cursor.span.byte(at: index))
      index += 1
    }
    return result
  }

  /// The string in UTF-8.
  func text(_ wire: WireString, _ what: Sentence) throws(IMAPSyntaxError) -> String {
    let text: String? =
      if wire.isEscaped {
        octets(wire).withUnsafeReadableBytes { String(validating: $0, as: UTF8.self) }
      } else {
        bytes(wire.range).withUnsafeBytes { String(validating: $0, as: UTF8.self) }
      }
    guard let text else { throw error("The \(what) is not valid UTF-8", at: wire.range.lowerBound) }
    return text
  }

  mutating func astring(_ what: Sentence) throws(IMAPSyntaxError) -> String {
    try text(try wireAString(what), what)
  }

  mutating func astringOctets(_ what: Sentence) throws(IMAPSyntaxError) -> ByteBuffer {
    octets(try wireAString(what))
  }

  /// nstring = string / nil
  mutating func nstring(_ what: Sentence) throws(IMAPSyntaxError) -> String? {
    if cursor.takeIgnoringCase("NIL") { return nil }
    return try text(try wireString(what), what)
  }

  // MARK: Mailboxes

  /// mailbox = "INBOX" / astring
  mutating func mailbox() throws(IMAPSyntaxError) -> MailboxName {
    let wire = try wireAString("a mailbox name")
    guard let name = decodedMailbox(wire) else {
      // RFC 6855 §3: octets that are no UTF-8 are BAD.
      if options.utf8 { _ = try text(wire, "mailbox name") }
      // RFC 3501 §5.1.3: names with '&' should be verified.
      let form = options.utf8 ? "UTF-8" : "modified UTF-7"
      throw IMAPSyntaxError(
        answer: .no, code: .cannot, "The mailbox name is not valid \(form)", at: wire.range.lowerBound)
    }
    guard name.utf8.count <= limits.mailboxName else {
      throw IMAPSyntaxError(
        answer: .no, code: .cannot, "The mailbox name is longer than \(limits.mailboxName) octets",
        at: wire.range.lowerBound)
    }
    return MailboxName(name)
  }

  /// A LIST pattern or reference. One that is not valid in its encoding stands as it is; it matches nothing.
  mutating func listMailbox(_ what: Sentence) throws(IMAPSyntaxError) -> String {
    let start = cursor.position
    let wire =
      cursor.skip(while: \.isListCharacter) > 0
      ? WireString(range: start..<cursor.position, isAtom: true) : try wireString(what)
    let name = decodedMailbox(wire) ?? String(decoding: octets(wire).readableBytesView, as: UTF8.self)
    guard name.utf8.count <= limits.mailboxName else {
      throw error("The \(what) is longer than \(limits.mailboxName) octets", at: start)
    }
    return name
  }

  private func decodedMailbox(_ wire: WireString) -> String? {
    if wire.isEscaped {
      let octets = octets(wire)
      return decodedMailbox(octets.readableBytesSpan)
    }
    return decodedMailbox(bytes(wire.range))
  }

  private func decodedMailbox(_ span: RawSpan) -> String? {
    // RFC 9051 §5.1 and appendix A.1: UTF-8 after ENABLE, modified UTF-7 before.
    let name =
      options.utf8
      ? span.withUnsafeBytes { String(validating: $0, as: UTF8.self) } : ModifiedUTF7.decode(span)
    guard let name, !name.utf8.contains(where: { $0 < 0x20 || $0 == 0x7F }) else { return nil }
    return name
  }
}
