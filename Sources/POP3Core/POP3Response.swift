import Bytes
public import NIOCore

/// A response code (RFC 2449 §8, RFC 3206, RFC 6856 §5).
public enum POP3ResponseCode: String, Sendable, Hashable, CaseIterable {
  case inUse = "IN-USE"
  case loginDelay = "LOGIN-DELAY"
  case sysTemp = "SYS/TEMP"
  case sysPerm = "SYS/PERM"
  case auth = "AUTH"
  case utf8 = "UTF8"
}

/// Writes responses. Nothing here allocates but the sentences, which are said once a command.
public enum POP3Response {
  /// `+OK text`
  public static func ok(_ text: POP3Text, _ language: POP3Language, into buffer: inout ByteBuffer) {
    line("+OK ", nil, text.string(in: language), into: &buffer)
  }

  /// `-ERR [code] text`
  public static func error(
    _ text: POP3Text, code: POP3ResponseCode? = nil, _ language: POP3Language, into buffer: inout ByteBuffer
  ) {
    line("-ERR ", code, text.string(in: language), into: &buffer)
  }

  /// `+ base64`: a challenge (RFC 5034 §4). An empty one is the plus and the space.
  public static func challenge(_ bytes: ByteBuffer, into buffer: inout ByteBuffer) {
    buffer.writeStaticString("+ ")
    Base64.encode(bytes, into: &buffer)
    buffer.writeStaticString("\r\n")
  }

  /// `+OK messages octets` (RFC 1939 §5, STAT)
  public static func dropListing(messages: Int, octets: Int64, into buffer: inout ByteBuffer) {
    buffer.writeStaticString("+OK ")
    buffer.writeDecimal(messages)
    buffer.writeInteger(UInt8.space)
    buffer.writeDecimal(octets)
    buffer.writeStaticString("\r\n")
  }

  /// `number octets` (RFC 1939 §5, LIST). `asReply` puts "+OK " in front: the answer to LIST with an argument.
  public static func scanListing(
    number: Int, octets: Int64, asReply: Bool = false, into buffer: inout ByteBuffer
  ) {
    if asReply { buffer.writeStaticString("+OK ") }
    buffer.writeDecimal(number)
    buffer.writeInteger(UInt8.space)
    buffer.writeDecimal(octets)
    buffer.writeStaticString("\r\n")
  }

  /// `number id` (RFC 1939 §7, UIDL). `asReply` as above. `id` has 1 to 70 octets of 0x21–0x7E.
  public static func uniqueIDListing(
    number: Int, id: RawSpan, asReply: Bool = false, into buffer: inout ByteBuffer
  ) {
    if asReply { buffer.writeStaticString("+OK ") }
    buffer.writeDecimal(number)
    buffer.writeInteger(UInt8.space)
    id.withUnsafeBytes { _ = buffer.writeBytes($0) }
    buffer.writeStaticString("\r\n")
  }

  /// `number id`, from a string.
  public static func uniqueIDListing(
    number: Int, id: String, asReply: Bool = false, into buffer: inout ByteBuffer
  ) {
    if asReply { buffer.writeStaticString("+OK ") }
    buffer.writeDecimal(number)
    buffer.writeInteger(UInt8.space)
    buffer.writeString(id)
    buffer.writeStaticString("\r\n")
  }

  /// The dot that ends a listing.
  public static func endOfListing(into buffer: inout ByteBuffer) { buffer.writeStaticString(".\r\n") }

  /// The answer to LANG without argument (RFC 6856 §3.2).
  public static func languages(_ current: POP3Language, into buffer: inout ByteBuffer) {
    ok(.languagesFollow, current, into: &buffer)
    for language in POP3Language.allCases { buffer.writeString("\(language.tag) \(language.nativeName)\r\n") }
    endOfListing(into: &buffer)
  }

  /// The answer to a LANG that was understood: `+OK tag text`, in the new language already (RFC 6856 §3.2).
  public static func languageChanged(to language: POP3Language, into buffer: inout ByteBuffer) {
    line("+OK ", nil, "\(language.tag) \(POP3Text.languageChanged.string(in: language))", into: &buffer)
  }

  /// The answer to AUTH without argument.
  public static func mechanisms(_ names: [String], _ language: POP3Language, into buffer: inout ByteBuffer) {
    ok(.mechanismsFollow, language, into: &buffer)
    for name in names { buffer.writeString("\(name)\r\n") }
    endOfListing(into: &buffer)
  }

  private static func line(
    _ status: StaticString, _ code: POP3ResponseCode?, _ text: String, into buffer: inout ByteBuffer
  ) {
    let start = buffer.writerIndex
    buffer.writeStaticString(status)
    if let code { buffer.writeString("[\(code.rawValue)] ") }
    buffer.writeString(text)
    // RFC 2449 §4. Only a very long host name could bring it so far.
    let longest = POP3Limits.responseLine - 2
    if buffer.writerIndex - start > longest { buffer.moveWriterIndex(to: start + longest) }
    buffer.writeStaticString("\r\n")
  }
}
