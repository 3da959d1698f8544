import Bytes

/// Type and subtype of a Content-Type value (RFC 2045 §5.1), as places in the message.
struct MediaType {
  var type: Range<Int>
  var subtype: Range<Int>
  /// What follows, up to the end of the value.
  var parameters: Range<Int>

  /// Nil when there is no `type/subtype`.
  init?(_ bytes: RawSpan, _ range: Range<Int>) {
    var reader = FieldReader(bytes, range)
    reader.skipCFWS()
    type = reader.token()
    reader.skipCFWS()
    guard !type.isEmpty, reader.take(0x2F) else { return nil }
    reader.skipCFWS()
    subtype = reader.token()
    guard !subtype.isEmpty else { return nil }
    parameters = reader.position..<reader.end
  }
}

extension TransferEncoding {
  /// RFC 2045 §6.1. A value that is not one token counts as absent, which means 7bit.
  init(_ bytes: RawSpan, _ range: Range<Int>) {
    guard let token = Self.token(bytes, range) else {
      self = .sevenBit
      return
    }
    if bytes.equals("7bit", in: token) {
      self = .sevenBit
    } else if bytes.equals("8bit", in: token) {
      self = .eightBit
    } else if bytes.equals("base64", in: token) {
      self = .base64
    } else if bytes.equals("quoted-printable", in: token) {
      self = .quotedPrintable
    } else if bytes.equals("binary", in: token) {
      self = .binary
    } else if bytes.equals("x-uuencode", in: token) || bytes.equals("x-uue", in: token)
      || bytes.equals("uuencode", in: token)
    {
      self = .uuencode
    } else {
      self = .other
    }
  }

  /// The token a Content-Transfer-Encoding consists of; nil when it is something else.
  static func token(_ bytes: RawSpan, _ range: Range<Int>) -> Range<Int>? {
    var reader = FieldReader(bytes, range)
    reader.skipCFWS()
    let token = reader.token()
    reader.skipCFWS()
    return token.isEmpty || !reader.isAtEnd ? nil : token
  }
}

/// Content-Disposition (RFC 2183 §2), as places in the message.
struct DispositionValue {
  /// Perhaps empty.
  var type: Range<Int>
  /// What follows, up to the end of the value.
  var parameters: Range<Int>

  /// Nil when there is nothing to read.
  init?(_ bytes: RawSpan, _ range: Range<Int>) {
    var reader = FieldReader(bytes, range)
    reader.skipCFWS()
    type = reader.token()
    reader.skipCFWS()
    parameters = reader.position..<reader.end
    if type.isEmpty, parameters.isEmpty { return nil }
  }
}
