import Bytes
import NIOCore

/// Base64 as SASL wants it (RFC 5034 §4): no character outside the alphabet, padding only at the end and complete. The
/// messages of an exchange are small and handled as arrays.
enum Base64Text {
  static func encode(_ bytes: [UInt8]) -> String { Base64.encodedString(bytes.span.bytes) }

  static func decode(_ text: some StringProtocol) -> [UInt8]? { decode(Array(text.utf8)) }

  static func decode(_ text: [UInt8]) -> [UInt8]? { Base64.decode(text.span.bytes).map { Array(buffer: $0) } }
}
