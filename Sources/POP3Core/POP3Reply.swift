import Bytes
public import NIOCore

/// The first line of a response, as a client reads it. What follows a multi-line one goes through `DotDecoder`.
public struct POP3Reply: Sendable, Hashable {
  public enum Status: Sendable, Hashable {
    case ok
    case error
    /// A challenge, base64 taken off (RFC 5034 §4).
    case challenge(ByteBuffer)
  }

  public var status: Status
  /// The response code, levels parted by "/", in upper case; nil when there is none. To be asked for only of servers
  /// that announce RESP-CODES.
  public var code: String?
  /// The rest of the line; bytes that are no UTF-8 replaced.
  public var text: String

  public init(status: Status, code: String?, text: String) {
    self.status = status
    self.code = code
    self.text = text
  }

  /// Parses a line, its end taken off. Nil: this is no POP3 response.
  public static func parse(_ line: ByteBuffer) -> POP3Reply? {
    let span = line.readableBytesSpan
    var cursor = ByteCursor(span)
    let status: Status
    if cursor.takeIgnoringCase("+OK") {
      status = .ok
    } else if cursor.takeIgnoringCase("-ERR") {
      status = .error
    } else if cursor.take(UInt8(ascii: "+")) {
      guard cursor.isAtEnd || cursor.take(.space) else { return nil }
      guard let bytes = Base64.decode(span.extracting(cursor.position..<span.byteCount)) else { return nil }
      return POP3Reply(status: .challenge(bytes), code: nil, text: "")
    } else {
      return nil
    }
    guard cursor.isAtEnd || cursor.peek?.isBlank == true else { return nil }
    cursor.skip(while: \.isBlank)
    var code: String?
    let start = cursor.position
    if cursor.take(UInt8(ascii: "[")) {
      let inside = cursor.position
      cursor.skip { $0 != UInt8(ascii: "]") }
      let end = cursor.position
      if end > inside, cursor.take(UInt8(ascii: "]")) {
        code = string(span.extracting(inside..<end)).uppercased()  // RFC 2449 §8: case-insensitive
        cursor.skip(while: \.isBlank)
      } else {
        cursor.position = start
      }
    }
    return POP3Reply(status: status, code: code, text: string(span.extracting(cursor.position..<span.byteCount)))
  }

  private static func string(_ span: RawSpan) -> String {
    span.withUnsafeBytes { String(decoding: $0, as: UTF8.self) }
  }
}

/// A line of LIST (`number octets`) or UIDL (`number id`), as a client reads it.
public struct POP3ListingLine: Sendable, Hashable {
  public var number: Int
  /// The second word: octets of LIST, identifier of UIDL.
  public var value: String

  /// Parses a line, its end taken off. More words after the second are passed over (RFC 1939 §5).
  public static func parse(_ line: ByteBuffer) -> POP3ListingLine? {
    let span = line.readableBytesSpan
    var cursor = ByteCursor(span)
    guard let number = cursor.takeNumber(), number > 0, cursor.skip(while: \.isBlank) > 0 else { return nil }
    let start = cursor.position
    guard cursor.skip(while: { !$0.isBlank }) > 0 else { return nil }
    let value = span.extracting(start..<cursor.position).withUnsafeBytes { String(decoding: $0, as: UTF8.self) }
    return POP3ListingLine(number: Int(number), value: value)
  }
}
