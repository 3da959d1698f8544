import Bytes
public import NIOCore

/// Text of parts and headers as UTF-8.
public enum TextDecoding {
  /// The text of a part in UTF-8: its transfer encoding undone, then its character set converted by iconv. Unknown
  /// encodings are read as they stand, unknown character sets as UTF-8 or windows-1252; wrong bytes become U+FFFD.
  /// - maxBytes: what is read at most, counted after the transfer decoding and before the conversion.
  public static func decodedText(of part: Part, in bytes: RawSpan, maxBytes: Int = .max) -> ByteBuffer {
    var converter = TextConverter()
    return ByteBuffer(bytes: text(of: part, in: bytes, maxBytes: maxBytes, &converter))
  }

  static func text(
    of part: Part, in bytes: RawSpan, maxBytes: Int, _ converter: inout TextConverter
  ) -> [UInt8] {
    let body = bytes.extracting(bytes.clamped(part.bodyRange))
    let charset = part.charset.map(Charset.init) ?? .guess
    var output: [UInt8] = []
    if let decoded = decode(body, part.encoding, maxBytes: maxBytes) {
      output.reserveCapacity(decoded.count)
      converter.convertAlways(decoded.span.bytes, from: charset, into: &output)
    } else {
      let text = body.extracting(first: min(maxBytes, body.byteCount))
      output.reserveCapacity(text.byteCount)
      converter.convertAlways(text, from: charset, into: &output)
    }
    return output
  }

  /// The body of a part with its transfer encoding undone (RFC 3516 BINARY); nil when the encoding is unknown.
  public static func transferDecoded(_ part: Part, in bytes: RawSpan, maxBytes: Int = .max) -> ByteBuffer? {
    guard part.encoding != .other else { return nil }
    let body = bytes.extracting(bytes.clamped(part.bodyRange))
    if let decoded = decode(body, part.encoding, maxBytes: maxBytes) { return ByteBuffer(bytes: decoded) }
    var buffer = ByteBuffer()
    buffer.write(body, 0..<min(maxBytes, body.byteCount))
    return buffer
  }

  /// Nil for encodings that leave bytes as they are.
  private static func decode(_ body: RawSpan, _ encoding: TransferEncoding, maxBytes: Int) -> [UInt8]? {
    switch encoding {
    case .base64: TransferDecoding.base64(body, limit: maxBytes)
    case .quotedPrintable: TransferDecoding.quotedPrintable(body, limit: maxBytes)
    case .uuencode: TransferDecoding.uuencode(body, limit: maxBytes)
    case .sevenBit, .eightBit, .binary, .other: nil
    }
  }

  /// `bytes` of a character set as UTF-8; nil when the character set is unknown.
  public static func toUTF8(_ bytes: RawSpan, charset: String) -> ByteBuffer? {
    var converter = TextConverter()
    var output: [UInt8] = []
    guard converter.convert(bytes, from: Charset(charset), into: &output) else { return nil }
    return ByteBuffer(bytes: output)
  }

  /// Whether `toUTF8` knows a character set: for SEARCH and BADCHARSET (RFC 9051 §6.4.4).
  public static func isKnown(charset: String) -> Bool {
    toUTF8(RawSpan(), charset: charset) != nil
  }

  /// A header value as text: unfolded, RFC 2047 words decoded, other bytes read as UTF-8 or windows-1252.
  public static func decodeHeader(_ bytes: RawSpan) -> String {
    var converter = TextConverter()
    return String(decoding: EncodedWords.decode(bytes, &converter), as: UTF8.self)
  }
}
