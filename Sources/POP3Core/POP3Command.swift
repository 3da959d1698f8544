import Bytes
public import NIOCore

/// A command as the client gave it; whether it is allowed now is for the session to say.
public enum POP3Command: Sendable, Hashable {
  // RFC 1939
  case user(String)
  /// As sent. RFC 1939 §7: spaces belong to the password.
  case pass([UInt8])
  case stat
  case list(Int?)
  case retr(Int)
  case dele(Int)
  case noop
  case rset
  case quit
  case top(Int, lines: Int)
  case uidl(Int?)
  /// RFC 2449 §5
  case capa
  /// RFC 2595 §4
  case stls
  /// RFC 5034 §4. The response has its base64 taken off; nil when none was given, empty when it was "=".
  case auth(mechanism: String, initialResponse: ByteBuffer?)
  /// AUTH without argument: the list of mechanisms, which old clients ask for.
  case authListing
  /// RFC 6856 §2.1
  case utf8
  /// RFC 6856 §3. Nil asks for the languages there are.
  case lang(String?)

  /// The keyword, for logs.
  public var keyword: StaticString {
    switch self {
    case .user: "USER"
    case .pass: "PASS"
    case .stat: "STAT"
    case .list: "LIST"
    case .retr: "RETR"
    case .dele: "DELE"
    case .noop: "NOOP"
    case .rset: "RSET"
    case .quit: "QUIT"
    case .top: "TOP"
    case .uidl: "UIDL"
    case .capa: "CAPA"
    case .stls: "STLS"
    case .auth, .authListing: "AUTH"
    case .utf8: "UTF8"
    case .lang: "LANG"
    }
  }
}

/// What is wrong with a line.
public enum POP3SyntaxError: Error, Sendable, Hashable {
  case unknownCommand
  case missingArgument
  case tooManyArguments
  /// Message numbers begin at 1, line counts at 0.
  case badNumber
  case badBase64
  case notUTF8
  /// NUL, or a CR inside the line.
  case controlCharacter
  case lineTooLong
}

extension POP3Command {
  /// Parses a line, its end taken off.
  public static func parse(_ line: ByteBuffer) throws(POP3SyntaxError) -> POP3Command {
    try parse(line.readableBytesSpan)
  }

  /// Parses a line, its end taken off.
  public static func parse(_ line: RawSpan) throws(POP3SyntaxError) -> POP3Command {
    for index in 0..<line.byteCount {
      let byte = line.unsafeLoad(fromUncheckedByteOffset: index, as: UInt8.self)
      guard byte != 0, byte != .cr else { throw .controlCharacter }
    }
    var cursor = ByteCursor(line)
    guard let keyword = takeKeyword(&cursor) else { throw .unknownCommand }
    switch keyword {
    case 0x5553_4552: return .user(try takeText(&cursor))  // USER
    case 0x5041_5353: return .pass(try takeRest(&cursor))  // PASS
    case 0x5354_4154: return try alone(.stat, &cursor)
    case 0x4C49_5354: return .list(try takeOptionalNumber(&cursor))  // LIST
    case 0x5245_5452: return .retr(try takeNumbers(&cursor, 1)[0])  // RETR
    case 0x4445_4C45: return .dele(try takeNumbers(&cursor, 1)[0])  // DELE
    case 0x4E4F_4F50: return try alone(.noop, &cursor)
    case 0x5253_4554: return try alone(.rset, &cursor)
    case 0x5155_4954: return try alone(.quit, &cursor)
    case 0x0054_4F50:  // TOP
      let numbers = try takeNumbers(&cursor, 2)
      return .top(numbers[0], lines: numbers[1])
    case 0x5549_444C: return .uidl(try takeOptionalNumber(&cursor))  // UIDL
    case 0x4341_5041: return try alone(.capa, &cursor)
    case 0x5354_4C53: return try alone(.stls, &cursor)
    case 0x4155_5448: return try takeAuth(&cursor)
    case 0x5554_4638: return try alone(.utf8, &cursor)
    case 0x4C41_4E47: return try takeLang(&cursor)
    default: throw .unknownCommand
    }
  }

  /// Three or four characters packed into a number, in upper case.
  private static func takeKeyword(_ cursor: inout ByteCursor) -> UInt32? {
    var packed: UInt32 = 0
    var count = 0
    while let byte = cursor.peek, !byte.isBlank {
      guard count < 4 else { return nil }
      packed = packed << 8 | UInt32(byte.asciiUppercased)
      count += 1
      cursor.position += 1
    }
    return count >= 3 ? packed : nil
  }

  private static func alone(_ command: POP3Command, _ cursor: inout ByteCursor) throws(POP3SyntaxError) -> POP3Command {
    cursor.skip(while: \.isBlank)
    guard cursor.isAtEnd else { throw .tooManyArguments }
    return command
  }

  /// Everything after the one space.
  private static func takeRest(_ cursor: inout ByteCursor) throws(POP3SyntaxError) -> [UInt8] {
    guard cursor.next() != nil, !cursor.isAtEnd else { throw .missingArgument }
    let rest = cursor.span.extracting(cursor.position..<cursor.count)
    cursor.position = cursor.count
    return rest.withUnsafeBytes { Array($0) }
  }

  /// The rest as text, blanks around it taken off.
  private static func takeText(_ cursor: inout ByteCursor) throws(POP3SyntaxError) -> String {
    cursor.skip(while: \.isBlank)
    var end = cursor.count
    while end > cursor.position, cursor.peek(at: end - 1 - cursor.position)?.isBlank == true { end -= 1 }
    guard end > cursor.position else { throw .missingArgument }
    let bytes = cursor.span.extracting(cursor.position..<end).withUnsafeBytes { Array($0) }
    // RFC 6856 §2.2: names that are no UTF-8 MUST be rejected.
    guard let text = String(validating: bytes, as: UTF8.self) else { throw .notUTF8 }
    return text
  }

  private static func takeOptionalNumber(_ cursor: inout ByteCursor) throws(POP3SyntaxError) -> Int? {
    cursor.skip(while: \.isBlank)
    return cursor.isAtEnd ? nil : try takeNumbers(&cursor, 1)[0]
  }

  /// `count` numbers; the first, a message number, is at least 1.
  private static func takeNumbers(_ cursor: inout ByteCursor, _ count: Int) throws(POP3SyntaxError) -> [Int] {
    var numbers: [Int] = []
    for position in 0..<count {
      cursor.skip(while: \.isBlank)
      guard !cursor.isAtEnd else { throw .missingArgument }
      guard let value = cursor.takeNumber(), value >= (position == 0 ? 1 : 0), cursor.peek?.isBlank != false else {
        throw .badNumber
      }
      numbers.append(Int(value))
    }
    cursor.skip(while: \.isBlank)
    guard cursor.isAtEnd else { throw .tooManyArguments }
    return numbers
  }

  private static func takeWord(_ cursor: inout ByteCursor) -> Range<Int> {
    cursor.skip(while: \.isBlank)
    let start = cursor.position
    cursor.skip { !$0.isBlank }
    return start..<cursor.position
  }

  private static func takeAuth(_ cursor: inout ByteCursor) throws(POP3SyntaxError) -> POP3Command {
    let word = takeWord(&cursor)
    guard !word.isEmpty else { return .authListing }
    let mechanism = cursor.span.extracting(word).withUnsafeBytes { String(decoding: $0, as: UTF8.self) }
    let response = takeWord(&cursor)
    cursor.skip(while: \.isBlank)
    guard cursor.isAtEnd else { throw .tooManyArguments }
    guard !response.isEmpty else { return .auth(mechanism: mechanism, initialResponse: nil) }
    let text = cursor.span.extracting(response)
    if text.byteCount == 1, text.unsafeLoad(as: UInt8.self) == UInt8(ascii: "=") {
      return .auth(mechanism: mechanism, initialResponse: ByteBuffer())
    }
    // RFC 5034 §4: characters outside the alphabet MUST be rejected.
    guard let decoded = Base64.decode(text) else { throw .badBase64 }
    return .auth(mechanism: mechanism, initialResponse: decoded)
  }

  private static func takeLang(_ cursor: inout ByteCursor) throws(POP3SyntaxError) -> POP3Command {
    cursor.skip(while: \.isBlank)
    guard !cursor.isAtEnd else { return .lang(nil) }
    let range = try takeText(&cursor)
    guard !range.contains(" "), range.utf8.count <= POP3Limits.languageRange else { throw .tooManyArguments }
    return .lang(range)
  }
}

/// A line that answers a challenge (RFC 5034 §4).
public enum POP3AuthResponse: Sendable, Hashable {
  /// `*`
  case cancel
  /// Base64 taken off; may be empty.
  case response(ByteBuffer)
  case badBase64

  public static func parse(_ line: ByteBuffer) -> POP3AuthResponse {
    if line.readableBytes == 1, line.getInteger(at: line.readerIndex, as: UInt8.self) == UInt8(ascii: "*") {
      return .cancel
    }
    return Base64.decode(line).map { .response($0) } ?? .badBase64
  }
}
