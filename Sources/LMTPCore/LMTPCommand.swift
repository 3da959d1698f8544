import Bytes
public import NIOCore

/// The arguments of MAIL.
public struct LMTPSender: Sendable, Hashable {
  public enum Body: Sendable, Hashable {
    case sevenBit
    case eightBitMIME
    /// RFC 3030 §3: for BDAT only.
    case binaryMIME
  }

  public var path: LMTPPath
  /// SIZE= (RFC 1870); a number beyond 63 bits is `Int64.max`.
  public var size: Int64?
  /// BODY= (RFC 6152, RFC 3030 §3)
  public var body: Body?
  /// RFC 6531 §3.4
  public var isSMTPUTF8: Bool

  public init(path: LMTPPath, size: Int64? = nil, body: Body? = nil, isSMTPUTF8: Bool = false) {
    self.path = path
    self.size = size
    self.body = body
    self.isSMTPUTF8 = isSMTPUTF8
  }
}

/// A command as the client gave it; whether it is allowed now is for the session to say.
public enum LMTPCommand: Sendable, Hashable {
  /// RFC 2033 §4.1; what the client calls itself.
  case lhlo(String)
  case mail(LMTPSender)
  /// A path with non-ASCII characters is let through by the parser; see `LMTPCommand.parse`.
  case rcpt(LMTPPath)
  case data
  /// RFC 3030 §2
  case bdat(size: Int64, isLast: Bool)
  case rset
  case noop
  case vrfy
  case quit
  /// RFC 3207
  case startTLS
  case help

  /// The keyword, for logs.
  public var keyword: StaticString {
    switch self {
    case .lhlo: "LHLO"
    case .mail: "MAIL"
    case .rcpt: "RCPT"
    case .data: "DATA"
    case .bdat: "BDAT"
    case .rset: "RSET"
    case .noop: "NOOP"
    case .vrfy: "VRFY"
    case .quit: "QUIT"
    case .startTLS: "STARTTLS"
    case .help: "HELP"
    }
  }
}

extension LMTPCommand {
  /// Parses a line, its end taken off.
  ///
  /// - Parameter isSMTPUTF8: the transaction was begun with SMTPUTF8, so RCPT may name non-ASCII addresses.
  public static func parse(_ line: ByteBuffer, isSMTPUTF8: Bool = false) throws(LMTPSyntaxError) -> LMTPCommand {
    try parse(line.readableBytesSpan, isSMTPUTF8: isSMTPUTF8)
  }

  /// Parses a line, its end taken off.
  public static func parse(_ line: RawSpan, isSMTPUTF8: Bool = false) throws(LMTPSyntaxError) -> LMTPCommand {
    for index in 0..<line.byteCount {
      let byte = line.unsafeLoad(fromUncheckedByteOffset: index, as: UInt8.self)
      guard byte >= 0x20 || byte == .tab, byte != 0x7F else { throw .controlCharacter }
    }
    var cursor = ByteCursor(line)
    switch takeKeyword(&cursor) {
    case "LHLO": return .lhlo(try takeHost(&cursor))
    case "HELO", "EHLO": throw .notSMTP
    case "MAIL": return .mail(try takeSender(&cursor))
    case "RCPT": return .rcpt(try takeRecipient(&cursor, isSMTPUTF8: isSMTPUTF8))
    case "DATA": return try alone(.data, &cursor)
    case "BDAT": return try takeChunk(&cursor)
    case "RSET": return try alone(.rset, &cursor)
    case "NOOP": return .noop  // RFC 5321 §4.1.1.9: an argument is ignored
    case "VRFY": return .vrfy
    case "QUIT": return try alone(.quit, &cursor)
    case "STARTTLS": return try alone(.startTLS, &cursor)  // RFC 3207 §4: 501 if there is an argument
    case "HELP": return .help
    case "EXPN", "ETRN", "TURN", "SEND", "SOML", "SAML": throw .notImplemented
    default: throw .unknownCommand
    }
  }

  /// Up to the first blank, in upper case; empty for what is too long to be one.
  private static func takeKeyword(_ cursor: inout ByteCursor) -> String {
    var bytes: [UInt8] = []
    while let byte = cursor.peek, !byte.isBlank {
      guard bytes.count < 8 else { return "" }
      bytes.append(byte.asciiUppercased)
      cursor.position += 1
    }
    return String(decoding: bytes, as: UTF8.self)
  }

  private static func alone(_ command: LMTPCommand, _ cursor: inout ByteCursor) throws(LMTPSyntaxError) -> LMTPCommand {
    cursor.skip(while: \.isBlank)
    guard cursor.isAtEnd else { throw .unexpectedArgument }
    return command
  }

  private static func text(_ cursor: borrowing ByteCursor, _ range: Range<Int>) -> String {
    cursor.span.extracting(range).withUnsafeBytes { String(decoding: $0, as: UTF8.self) }
  }

  /// The name is only ever logged and written into Received, so any word will do.
  private static func takeHost(_ cursor: inout ByteCursor) throws(LMTPSyntaxError) -> String {
    cursor.skip(while: \.isBlank)
    let start = cursor.position
    cursor.skip { !$0.isBlank }
    let range = start..<cursor.position
    guard !range.isEmpty else { throw .missingArgument }
    cursor.skip(while: \.isBlank)
    guard cursor.isAtEnd, range.count <= LMTPLimits.domain else { throw .unexpectedArgument }
    return text(cursor, range)
  }

  private static func takeSender(_ cursor: inout ByteCursor) throws(LMTPSyntaxError) -> LMTPSender {
    guard cursor.skip(while: \.isBlank) > 0, cursor.takeIgnoringCase("FROM:") else { throw .badSender }
    // Not in the grammar, but a blank behind the colon is common and harmless.
    cursor.skip(while: \.isBlank)
    guard let path = cursor.takePath() else { throw .badSender }
    var sender = LMTPSender(path: path)
    var seen: Set<String> = []
    while let (name, value) = try takeParameter(&cursor, orElse: .badSender) {
      guard seen.insert(name).inserted, seen.count <= LMTPLimits.parameters else { throw .badParameter(name) }
      switch (name, value) {
      case ("SIZE", .some(let value)):
        // RFC 1870 §3: 1*20DIGIT
        guard (1...20).contains(value.utf8.count), value.utf8.allSatisfy(\.isASCIIDigit) else {
          throw .badParameter(name)
        }
        sender.size = Int64(value) ?? .max
      case ("BODY", .some(let value)):
        switch value.uppercased() {
        case "7BIT": sender.body = .sevenBit
        case "8BITMIME": sender.body = .eightBitMIME
        case "BINARYMIME": sender.body = .binaryMIME
        default: throw .badParameter(name)
        }
      case ("SMTPUTF8", nil): sender.isSMTPUTF8 = true
      case ("SIZE", nil), ("BODY", nil), ("SMTPUTF8", .some): throw .badParameter(name)
      default: throw .unknownParameter(name)
      }
    }
    guard sender.isSMTPUTF8 || path.isASCII else { throw .senderNeedsUTF8 }
    return sender
  }

  private static func takeRecipient(
    _ cursor: inout ByteCursor, isSMTPUTF8: Bool
  ) throws(LMTPSyntaxError) -> LMTPPath {
    guard cursor.skip(while: \.isBlank) > 0, cursor.takeIgnoringCase("TO:") else { throw .badRecipient }
    cursor.skip(while: \.isBlank)
    guard let path = cursor.takePath(), !path.isNull else { throw .badRecipient }
    if let (name, _) = try takeParameter(&cursor, orElse: .badRecipient) { throw .unknownParameter(name) }
    guard isSMTPUTF8 || path.isASCII else { throw .recipientNeedsUTF8 }
    return path
  }

  /// The next `keyword[=value]`, the keyword in upper case; nil at the end of the line.
  private static func takeParameter(
    _ cursor: inout ByteCursor, orElse error: LMTPSyntaxError
  ) throws(LMTPSyntaxError) -> (name: String, value: String?)? {
    let blanks = cursor.skip(while: \.isBlank)
    if cursor.isAtEnd { return nil }
    guard blanks > 0 else { throw error }
    let start = cursor.position
    cursor.skip { $0.isASCIILetter || $0.isASCIIDigit || $0 == UInt8(ascii: "-") }
    let name = text(cursor, start..<cursor.position).uppercased()
    guard !name.isEmpty, name.utf8.count <= 64 else { throw error }
    guard cursor.take(UInt8(ascii: "=")) else {
      guard cursor.isAtEnd || cursor.peek?.isBlank == true else { throw error }
      return (name, nil)
    }
    let valueStart = cursor.position
    cursor.skip { $0 > 0x20 && $0 != UInt8(ascii: "=") && $0 != 0x7F }
    guard cursor.position > valueStart, cursor.isAtEnd || cursor.peek?.isBlank == true else {
      throw .badParameter(name)
    }
    return (name, text(cursor, valueStart..<cursor.position))
  }

  private static func takeChunk(_ cursor: inout ByteCursor) throws(LMTPSyntaxError) -> LMTPCommand {
    cursor.skip(while: \.isBlank)
    guard let size = cursor.takeNumber() else { throw .badChunkSize }
    let blanks = cursor.skip(while: \.isBlank)
    if cursor.isAtEnd { return .bdat(size: size, isLast: false) }
    guard blanks > 0, cursor.takeIgnoringCase("LAST") else { throw .badChunkSize }
    cursor.skip(while: \.isBlank)
    guard cursor.isAtEnd else { throw .badChunkSize }
    return .bdat(size: size, isLast: true)
  }
}
