public import Bytes
public import NIOCore

/// The condition of a status response (RFC 9051 §7.1).
public enum ResponseCondition: Hashable, Sendable {
  case ok, no, bad, preauth, bye

  @inlinable public var keyword: StaticString {
    switch self {
    case .ok: "OK"
    case .no: "NO"
    case .bad: "BAD"
    case .preauth: "PREAUTH"
    case .bye: "BYE"
    }
  }
}

/// Whole response lines, each with its line end.
extension ByteBuffer {
  /// `tag OK [CODE] text`. CR and LF in `text` become spaces; an empty text becomes the condition's keyword, as
  /// resp-text needs one character.
  public mutating func writeTagged(
    _ tag: String, _ condition: ResponseCondition, _ code: ResponseCode?, _ text: String
  ) {
    writeString(tag)
    writeInteger(UInt8.space)
    writeStatusResponse(condition, code, text)
  }

  public mutating func writeTagged(_ tag: String, _ condition: ResponseCondition, _ text: String) {
    writeTagged(tag, condition, nil, text)
  }

  /// `* OK [CODE] text`.
  public mutating func writeUntagged(_ condition: ResponseCondition, _ code: ResponseCode?, _ text: String) {
    writeStaticString("* ")
    writeStatusResponse(condition, code, text)
  }

  public mutating func writeUntagged(_ condition: ResponseCondition, _ text: String) {
    writeUntagged(condition, nil, text)
  }

  private mutating func writeStatusResponse(_ condition: ResponseCondition, _ code: ResponseCode?, _ text: String) {
    writeStaticString(condition.keyword)
    writeSpace()
    if let code {
      writeResponseCode(code)
      writeSpace()
    }
    if text.isEmpty { writeStaticString(condition.keyword) }
    writeLineText(text)
    writeCRLF()
  }

  /// Text of a line: CR, LF and NUL become spaces.
  mutating func writeLineText(_ text: String) {
    if text.utf8.contains(where: { $0 == .cr || $0 == .lf || $0 == 0 }) {
      for byte in text.utf8 { writeInteger(byte == .cr || byte == .lf || byte == 0 ? .space : byte) }
    } else {
      writeString(text)
    }
  }

  /// The answer to a syntax error.
  /// - text: nil: its reason in English.
  public mutating func writeRejection(_ error: IMAPSyntaxError, _ text: String? = nil) {
    let text = text ?? error.reason.english
    let condition: ResponseCondition = error.answer == .no ? .no : .bad
    if let tag = error.tag {
      writeTagged(tag, condition, error.code, text)
    } else {
      // RFC 9051 §7.1.3: an untagged BAD is for an error whose command cannot be told.
      writeUntagged(.bad, error.code, text)
    }
  }

  /// `+ text`: the client may go on.
  public mutating func writeContinuation(_ text: String = "go on") {
    writeStaticString("+ ")
    writeLineText(text)
    writeCRLF()
  }

  /// `+ base64`: a challenge of AUTHENTICATE. An empty one is `+ ` and the line end (RFC 9051 §7.6).
  public mutating func writeChallenge(_ bytes: ByteBuffer) {
    writeStaticString("+ ")
    Base64.encode(bytes, into: &self)
    writeCRLF()
  }

  /// `* n EXISTS`.
  @inlinable
  public mutating func writeExists(_ count: Int) { writeNumbered(count, " EXISTS\r\n") }

  /// `* n RECENT`: IMAP4rev1 only.
  @inlinable
  public mutating func writeRecent(_ count: Int) { writeNumbered(count, " RECENT\r\n") }

  /// `* n EXPUNGE`, with the sequence number of the moment.
  @inlinable
  public mutating func writeExpunge(_ sequence: some BinaryInteger) { writeNumbered(sequence, " EXPUNGE\r\n") }

  /// `* VANISHED 41,43:45`, or with `(EARLIER)` (RFC 7162 §3.2.10). `ranges` must not be empty.
  public mutating func writeVanished(_ ranges: some Sequence<ClosedRange<UInt32>>, earlier: Bool = false) {
    writeStaticString(earlier ? "* VANISHED (EARLIER)" : "* VANISHED")
    var separator: UInt8 = .space
    for range in ranges {
      writeInteger(separator)
      separator = UInt8(ascii: ",")
      writeDecimal(range.lowerBound)
      guard range.count > 1 else { continue }
      writeInteger(UInt8(ascii: ":"))
      writeDecimal(range.upperBound)
    }
    writeCRLF()
  }

  @inlinable
  mutating func writeNumbered(_ number: some BinaryInteger, _ rest: StaticString) {
    writeStaticString("* ")
    writeDecimal(number)
    writeStaticString(rest)
  }

  /// `* FLAGS (...)` (RFC 9051 §7.3.5).
  public mutating func writeFlags(_ flags: FlagSet, keywords: [String]) {
    writeStaticString("* FLAGS ")
    writeFlagList(flags, keywords: keywords)
    writeCRLF()
  }

  /// `* CAPABILITY ...` (RFC 9051 §7.2.2).
  public mutating func writeCapability(_ names: [String]) {
    writeStaticString("* CAPABILITY")
    writeWords(names)
    writeCRLF()
  }

  /// `* ENABLED ...` (RFC 9051 §7.2.1): what this command switched on, perhaps nothing.
  public mutating func writeEnabled(_ names: [String]) {
    writeStaticString("* ENABLED")
    writeWords(names)
    writeCRLF()
  }

  /// Each word with a space before it.
  mutating func writeWords(_ words: [String]) {
    for word in words {
      writeSpace()
      writeString(word)
    }
  }
}
