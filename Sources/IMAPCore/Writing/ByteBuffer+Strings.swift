public import Bytes
public import NIOCore

extension UInt8 {
  /// ATOM-CHAR of RFC 9051 §9.
  @inlinable public var isAtomCharacter: Bool {
    switch self {
    case 0x28, 0x29, 0x7B, 0x25, 0x2A, 0x22, 0x5C, 0x5D: false
    default: self > 0x20 && self < 0x7F
    }
  }

  /// ASTRING-CHAR of RFC 9051 §9: an ATOM-CHAR or `]`.
  @inlinable public var isAStringCharacter: Bool { isAtomCharacter || self == 0x5D }

  /// list-char of RFC 9051 §9: an ASTRING-CHAR or a wildcard.
  @inlinable public var isListCharacter: Bool { isAStringCharacter || self == 0x25 || self == 0x2A }
}

/// How a string can be written.
@usableFromInline
enum StringForm {
  case atom, quoted, literal

  /// Longest string that is quoted rather than sent as a literal, in octets.
  @usableFromInline static let longestQuoted = 1024

  @inlinable
  init(_ bytes: RawSpan, utf8: Bool) {
    guard bytes.byteCount <= Self.longestQuoted else {
      self = .literal
      return
    }
    self = bytes.byteCount == 0 ? .quoted : .atom
    for index in 0..<bytes.byteCount {
      let byte = bytes.byte(at: index)
      if byte.isAStringCharacter { continue }
      if byte == .cr || byte == .lf || byte == 0 || (byte >= 0x80 && !utf8) {
        self = .literal
        return
      }
      self = .quoted
    }
    if self == .quoted, utf8, !bytes.isValidUTF8 { self = .literal }
    // An atom NIL would be read as the absence of a string where an nstring may stand.
    if self == .atom, bytes.equalsIgnoringCase("NIL") { self = .quoted }
  }
}

extension RawSpan {
  /// True if all of it is well-formed UTF-8.
  @usableFromInline var isValidUTF8: Bool {
    var isASCII = true
    for index in 0..<byteCount where byte(at: index) >= 0x80 {
      isASCII = false
      break
    }
    return isASCII || withUnsafeBytes { String(validating: $0, as: UTF8.self) != nil }
  }
}

/// The shapes strings take in responses (RFC 9051 §4).
extension ByteBuffer {
  /// A quoted string, or a literal where quoting cannot carry the bytes (CR, LF, NUL, 8-bit outside UTF-8 sessions,
  /// more than 1024 octets). Literals of responses are never non-synchronizing (RFC 7888 §3).
  @inlinable
  public mutating func writeIMAPString(_ bytes: RawSpan, _ options: WireOptions) {
    if StringForm(bytes, utf8: options.utf8) == .literal {
      writeLiteralHeader(size: bytes.byteCount)
      writeSpan(bytes)
    } else {
      writeQuoted(bytes)
    }
  }

  @inlinable
  public mutating func writeIMAPString(_ string: String, _ options: WireOptions) {
    writeIMAPString(string.utf8Span.span.bytes, options)
  }

  /// A string, or `NIL`.
  @inlinable
  public mutating func writeNString(_ string: String?, _ options: WireOptions) {
    if let string { writeIMAPString(string, options) } else { writeStaticString("NIL") }
  }

  /// An atom where it can be one, else a string.
  @inlinable
  public mutating func writeAString(_ bytes: RawSpan, _ options: WireOptions) {
    if StringForm(bytes, utf8: options.utf8) == .atom {
      writeSpan(bytes)
    } else {
      writeIMAPString(bytes, options)
    }
  }

  @inlinable
  public mutating func writeAString(_ string: String, _ options: WireOptions) {
    writeAString(string.utf8Span.span.bytes, options)
  }

  /// `{n}` and its line end; the caller writes exactly `size` octets after it.
  @inlinable
  public mutating func writeLiteralHeader(size: some BinaryInteger) {
    writeInteger(UInt8(ascii: "{"))
    writeDecimal(size)
    writeStaticString("}\r\n")
  }

  /// `~{n}` and its line end (RFC 3516 §4.2): for BINARY content that holds NUL.
  @inlinable
  public mutating func writeLiteral8Header(size: some BinaryInteger) {
    writeInteger(UInt8(ascii: "~"))
    writeLiteralHeader(size: size)
  }

  /// A mailbox name as this session writes it: modified UTF-7, or UTF-8 (RFC 9051 §5.1, RFC 3501 §5.1.3).
  public mutating func writeMailbox(_ name: MailboxName, _ options: WireOptions) {
    writeMailbox(name.string, options)
  }

  mutating func writeMailbox(_ name: String, _ options: WireOptions) {
    if options.utf8 || !name.utf8.contains(where: { $0 >= 0x7F || $0 < 0x20 || $0 == UInt8(ascii: "&") }) {
      writeAString(name, options)
    } else {
      writeAString(ModifiedUTF7.encode(name), options)
    }
  }

  /// Numbers in the order given, runs that ascend by one drawn together. For APPENDUID and COPYUID, where the order
  /// pairs the UIDs (RFC 4315 §3), and for what SORT finds (RFC 5267 §3.2).
  @inlinable
  public mutating func writeOrderedSet(_ numbers: [UInt32]) {
    var index = 0
    while index < numbers.count {
      var end = index
      while end + 1 < numbers.count, numbers[end] < .max, numbers[end + 1] == numbers[end] + 1 { end += 1 }
      if index > 0 { writeInteger(UInt8(ascii: ",")) }
      writeDecimal(numbers[index])
      if end > index {
        writeInteger(UInt8(ascii: ":"))
        writeDecimal(numbers[end])
      }
      index = end + 1
    }
  }

  /// A set as a command carries it.
  public mutating func writeMessageSet(_ set: MessageSet) {
    var isFirst = true
    for element in set.elements {
      if !isFirst { writeInteger(UInt8(ascii: ",")) }
      isFirst = false
      writeSetNumber(element.first)
      if element.first != element.last {
        writeInteger(UInt8(ascii: ":"))
        writeSetNumber(element.last)
      }
    }
    if set.includesSavedResult {
      if !isFirst { writeInteger(UInt8(ascii: ",")) }
      writeInteger(UInt8(ascii: "$"))
    }
  }

  private mutating func writeSetNumber(_ number: UInt32) {
    if number == MessageSet.star { writeInteger(UInt8(ascii: "*")) } else { writeDecimal(number) }
  }
}
