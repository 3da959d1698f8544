import Bytes
public import NIOCore

extension IMAPURL {
  /// Reads a URL; nil: it is none, or is relative to a path (RFC 5092 §7.2: those are not accepted).
  public static func parse(_ bytes: ByteBuffer, limits: IMAPLimits = .standard) -> IMAPURL? {
    guard bytes.readableBytes <= limits.url else { return nil }
    var reader = URLReader(bytes.readableBytesSpan, limits: limits)
    guard let url = reader.url(), reader.cursor.isAtEnd else { return nil }
    return url
  }

  /// The octets before `:mechanism:token`, unchanged: what a token is made of (RFC 4467 §6). Nil: there is no token.
  public static func rump(of bytes: ByteBuffer) -> ByteBuffer? {
    let view = bytes.readableBytesView
    guard let last = view.lastIndex(of: UInt8(ascii: ":")),
      let first = view[..<last].lastIndex(of: UInt8(ascii: ":"))
    else { return nil }
    return bytes.getSlice(at: bytes.readerIndex, length: first - view.startIndex)
  }
}

/// The grammar of RFC 5092 §11, as far as it names things by absolute paths.
struct URLReader: ~Escapable {
  var cursor: ByteCursor
  let limits: IMAPLimits

  @_lifetime(copy span)
  init(_ span: RawSpan, limits: IMAPLimits) {
    cursor = ByteCursor(span)
    self.limits = limits
  }

  /// imapurl / inetwork-path / iabsolute-path / ipath-empty
  mutating func url() -> IMAPURL? {
    var url = IMAPURL()
    let isAbsolute = cursor.takeIgnoringCase("IMAP://")
    if isAbsolute || (cursor.peek == UInt8(ascii: "/") && cursor.peek(at: 1) == UInt8(ascii: "/")) {
      if !isAbsolute { cursor.position += 2 }
      guard let server = server() else { return nil }
      url.server = server
    }
    guard !cursor.isAtEnd else { return url }
    guard cursor.take(UInt8(ascii: "/")) else { return nil }
    guard cursor.isAtEnd || command(&url) else { return nil }
    return url
  }

  /// iserver = [iuserinfo "@"] host [":" port]
  private mutating func server() -> IMAPURL.Server? {
    let start = cursor.position
    cursor.skip { $0 != UInt8(ascii: "/") && $0 != UInt8(ascii: "@") }
    var server = IMAPURL.Server(host: "")
    if cursor.take(UInt8(ascii: "@")) {
      let end = cursor.position
      cursor.position = start
      let userStart = cursor.position
      cursor.skip(while: \.isURLValue)
      if cursor.position > userStart {
        guard let user = decoded(userStart..<cursor.position) else { return nil }
        server.user = user
      }
      if cursor.takeIgnoringCase(";AUTH=") {
        if cursor.take(UInt8(ascii: "*")) {
          server.mechanism = "*"
        } else {
          guard let mechanism = value(while: \.isURLValue) else { return nil }
          server.mechanism = mechanism
        }
      }
      guard cursor.take(UInt8(ascii: "@")), cursor.position == end, server.user != nil || server.mechanism != nil
      else { return nil }
    } else {
      cursor.position = start
    }
    return host(&server) ? server : nil
  }

  private mutating func host(_ server: inout IMAPURL.Server) -> Bool {
    let start = cursor.position
    if cursor.take(UInt8(ascii: "[")) {
      cursor.skip { $0.isASCIIDigit || $0.isASCIILetter || $0 == UInt8(ascii: ":") || $0 == UInt8(ascii: ".") }
      guard cursor.take(UInt8(ascii: "]")) else { return false }
      server.host = string(start..<cursor.position)
    } else {
      guard let name = value(while: \.isURLValue) else { return false }
      server.host = name
    }
    if cursor.take(UInt8(ascii: ":")), cursor.peek?.isASCIIDigit == true {
      guard let number = cursor.takeNumber(maximumDigits: 5), let port = UInt16(exactly: number) else { return false }
      server.port = port
    }
    return true
  }

  /// icommand = imessagelist / imessagepart [iurlauth]
  private mutating func command(_ url: inout IMAPURL) -> Bool {
    let start = cursor.position
    cursor.skip(while: \.isURLPath)
    var end = cursor.position
    guard end > start else { return false }
    if cursor.takeIgnoringCase(";UIDVALIDITY=") {
      guard let number = nonZero() else { return false }
      url.uidValidity = number
      guard cursor.isAtEnd || cursor.peek == UInt8(ascii: "?") || cursor.take(UInt8(ascii: "/")) else { return false }
      if cursor.isAtEnd || cursor.peek == UInt8(ascii: "?") { return mailbox(start..<end, &url) && search(&url) }
    } else if cursor.peek == UInt8(ascii: ";") {
      // The slash before `;UID=` is no part of the name.
      guard cursor.span.byte(at: end - 1) == UInt8(ascii: "/") else { return false }
      end -= 1
    } else {
      return mailbox(start..<end, &url) && search(&url)
    }
    guard mailbox(start..<end, &url), cursor.takeIgnoringCase(";UID="), let uid = nonZero() else { return false }
    var message = IMAPURL.Message(uid: uid)
    guard section(&message), partial(&message), authorization(&message) else { return false }
    url.message = message
    return true
  }

  /// enc-mailbox: UTF-8 below the escapes. `.` and `..` between slashes would be taken out of a path (RFC 5092 §7), so they
  /// stand for no name.
  private mutating func mailbox(_ range: Range<Int>, _ url: inout IMAPURL) -> Bool {
    guard let raw = String(validating: bytes(range), as: UTF8.self),
      !raw.split(separator: "/", omittingEmptySubsequences: false).contains(where: { $0 == "." || $0 == ".." }),
      raw.first != "/", let name = decoded(range), !name.isEmpty, name.utf8.count <= limits.mailboxName,
      !name.utf8.contains(where: { $0 < 0x20 || $0 == 0x7F })
    else { return false }
    url.mailbox = MailboxName(name)
    return true
  }

  /// ["?" enc-search]
  private mutating func search(_ url: inout IMAPURL) -> Bool {
    guard cursor.take(UInt8(ascii: "?")) else { return true }
    guard let search = value(while: \.isURLPath) else { return false }
    url.search = search
    return true
  }

  /// ["/;SECTION=" enc-section]
  private mutating func section(_ message: inout IMAPURL.Message) -> Bool {
    guard cursor.takeIgnoringCase("/;SECTION=") else { return true }
    let start = cursor.position
    cursor.skip(while: \.isURLPath)
    var end = cursor.position
    if cursor.peek == UInt8(ascii: ";"), end > start, cursor.span.byte(at: end - 1) == UInt8(ascii: "/") {
      // It belongs to `/;PARTIAL=`.
      end -= 1
      cursor.position = end
    }
    guard end > start, let text = decoded(start..<end), let section = BodySection.parse(text, limits: limits) else {
      return false
    }
    message.section = section
    return true
  }

  /// ["/;PARTIAL=" number ["." nz-number]]
  private mutating func partial(_ message: inout IMAPURL.Message) -> Bool {
    guard cursor.takeIgnoringCase("/;PARTIAL=") else { return true }
    guard let offset = cursor.takeNumber(maximumDigits: 64) else { return false }
    message.partial = IMAPURL.Octets(offset: offset)
    guard cursor.take(UInt8(ascii: ".")) else { return true }
    guard let count = cursor.takeNumber(maximumDigits: 64), count > 0 else { return false }
    message.partial?.count = count
    return true
  }

  // MARK: URLAUTH

  /// [[";EXPIRE=" date-time] ";URLAUTH=" access [":" mechanism ":" token]]
  private mutating func authorization(_ message: inout IMAPURL.Message) -> Bool {
    guard !cursor.isAtEnd else { return true }
    var expires: Int64?
    if cursor.takeIgnoringCase(";EXPIRE=") {
      guard let seconds = InternetDate.parse(&cursor) else { return false }
      expires = seconds
    }
    guard cursor.takeIgnoringCase(";URLAUTH="), let access = access() else { return false }
    var authorization = IMAPURL.Authorization(expires: expires, access: access)
    if cursor.take(UInt8(ascii: ":")) {
      let start = cursor.position
      cursor.skip {
        $0.isASCIILetter || $0.isASCIIDigit || $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: ".")
      }
      let name = start..<cursor.position
      guard !name.isEmpty, cursor.take(UInt8(ascii: ":")) else { return false }
      let tokenStart = cursor.position
      guard cursor.skip(while: \.isHexDigit) >= 32 else { return false }
      authorization.proof = IMAPURL.Proof(
        mechanism: string(name).uppercased(), token: string(tokenStart..<cursor.position))
    }
    message.authorization = authorization
    return true
  }

  private mutating func access() -> IMAPURL.Authorization.Access? {
    if cursor.takeIgnoringCase("SUBMIT+") { return value(while: \.isURLValue).map { .submit($0) } }
    if cursor.takeIgnoringCase("USER+") { return value(while: \.isURLValue).map { .user($0) } }
    if cursor.takeIgnoringCase("AUTHUSER") { return .authuser }
    if cursor.takeIgnoringCase("ANONYMOUS") { return .anonymous }
    return nil
  }

  // MARK: Pieces

  private mutating func nonZero() -> UInt32? {
    guard let number = cursor.takeNumber(maximumDigits: 64), number > 0 else { return nil }
    return UInt32(exactly: number)
  }

  private mutating func value(while isAllowed: (UInt8) -> Bool) -> String? {
    let start = cursor.position
    guard cursor.skip(while: isAllowed) > 0 else { return nil }
    return decoded(start..<cursor.position)
  }

  private func bytes(_ range: Range<Int>) -> [UInt8] {
    range.map { cursor.span.byte(at: $0) }
  }

  private func string(_ range: Range<Int>) -> String { String(decoding: bytes(range), as: UTF8.self) }

  /// Undoes escapes. Nil: one is cut or has other than hexadecimal digits, or what comes of it is not UTF-8.
  private func decoded(_ range: Range<Int>) -> String? {
    var result: [UInt8] = []
    var index = range.lowerBound
    while index < range.upperBound {
      let byte = cursor.span.byte(at: index)
      if byte == UInt8(ascii: "%") {
        guard index + 2 < range.upperBound, let high = cursor.span.byte(at: index + 1).hexValue,
          let low = cursor.span.byte(at: index + 2).hexValue
        else { return nil }
        result.append(high << 4 | low)
        index += 3
      } else {
        result.append(byte)
        index += 1
      }
    }
    return String(validating: result, as: UTF8.self)
  }
}

extension BodySection {
  /// A section-spec without its brackets.
  static func parse(_ text: String, limits: IMAPLimits) -> BodySection? {
    var frame = ByteBuffer(string: "[")
    frame.writeString(text)
    frame.writeStaticString("]")
    var reader = CommandReader(frame.readableBytesSpan, options: .rev2, limits: limits)
    do {
      let section = try reader.section()
      return reader.cursor.isAtEnd ? section : nil
    } catch {
      return nil
    }
  }
}

extension UInt8 {
  /// achar of RFC 5092 §11.
  var isURLValue: Bool {
    if isASCIILetter || isASCIIDigit { return true }
    switch self {
    // unreserved, sub-delims without ";", and the mark of an escape
    case UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "~"), UInt8(ascii: "!"),
      UInt8(ascii: "$"), UInt8(ascii: "'"), UInt8(ascii: "("), UInt8(ascii: ")"), UInt8(ascii: "*"),
      UInt8(ascii: "+"), UInt8(ascii: ","), UInt8(ascii: "&"), UInt8(ascii: "="), UInt8(ascii: "%"):
      return true
    default: return false
    }
  }

  /// bchar of RFC 5092 §11.
  var isURLPath: Bool {
    isURLValue || self == UInt8(ascii: ":") || self == UInt8(ascii: "@") || self == UInt8(ascii: "/")
  }

  var hexValue: UInt8? {
    switch self {
    case 0x30...0x39: self - 0x30
    case 0x41...0x46: self - 0x41 + 10
    case 0x61...0x66: self - 0x61 + 10
    default: nil
    }
  }

  var isHexDigit: Bool { hexValue != nil }
}
