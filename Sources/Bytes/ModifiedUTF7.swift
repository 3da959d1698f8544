public import NIOCore

/// Mailbox names as IMAP4rev1 writes them (RFC 3501 §5.1.3): printable ASCII stands for itself, `&-` for `&`, all else
/// is UTF-16 in base64 between `&` and `-`, with `,` in place of `/` and no padding.
public enum ModifiedUTF7 {
  @usableFromInline
  static let alphabet: [UInt8] = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,".utf8)

  @inlinable
  static func isDirect(_ unit: UInt32) -> Bool { unit >= 0x20 && unit <= 0x7E }

  /// Writes `name` encoded.
  @inlinable
  public static func encode(_ name: String, into buffer: inout ByteBuffer) {
    var bits: UInt32 = 0
    var bitCount = 0
    var isShifted = false
    for scalar in name.unicodeScalars {
      if isDirect(scalar.value) {
        if isShifted { endShift(&bits, &bitCount, into: &buffer) }
        isShifted = false
        buffer.writeInteger(UInt8(truncatingIfNeeded: scalar.value))
        if scalar == "&" { buffer.writeInteger(UInt8(ascii: "-")) }
        continue
      }
      if !isShifted { buffer.writeInteger(UInt8(ascii: "&")) }
      isShifted = true
      for unit in UTF16.encode(scalar) ?? UTF16.encodedReplacementCharacter {
        bits = bits &<< 16 | UInt32(unit)
        bitCount &+= 16
        while bitCount >= 6 {
          bitCount &-= 6
          buffer.writeInteger(alphabet[Int(bits &>> UInt32(bitCount) & 63)])
        }
        bits &= (1 &<< UInt32(bitCount)) &- 1
      }
    }
    if isShifted { endShift(&bits, &bitCount, into: &buffer) }
  }

  @inlinable
  static func endShift(_ bits: inout UInt32, _ bitCount: inout Int, into buffer: inout ByteBuffer) {
    if bitCount > 0 { buffer.writeInteger(alphabet[Int(bits &<< UInt32(6 &- bitCount) & 63)]) }
    bits = 0
    bitCount = 0
    buffer.writeInteger(UInt8(ascii: "-"))
  }

  @inlinable
  public static func encode(_ name: String) -> String {
    var buffer = ByteBuffer()
    encode(name, into: &buffer)
    return String(buffer: buffer)
  }

  /// The name in UTF-8; nil for octets outside printable ASCII, a shift that does not end, base64 with bits left over
  /// or half a surrogate pair, ASCII that is encoded though it needn't be, and two shifts where one would do: such a
  /// name has another, correct spelling (RFC 3501 §5.1.3).
  @inlinable
  public static func decode(_ bytes: RawSpan) -> String? {
    var result = ""
    result.reserveCapacity(bytes.byteCount)
    var index = 0
    var endOfShift = -1
    while index < bytes.byteCount {
      let byte = bytes.byte(at: index)
      guard isDirect(UInt32(byte)) else { return nil }
      index &+= 1
      guard byte == UInt8(ascii: "&") else {
        result.unicodeScalars.append(Unicode.Scalar(byte))
        continue
      }
      let start = index
      while index < bytes.byteCount, bytes.byte(at: index) != UInt8(ascii: "-") { index &+= 1 }
      guard index < bytes.byteCount else { return nil }
      if index == start {
        result.append("&")
      } else {
        // "&...-&...-" has a superfluous shift.
        guard start &- 1 != endOfShift, appendShifted(bytes.extracting(start..<index), to: &result) else { return nil }
        endOfShift = index &+ 1
      }
      index &+= 1
    }
    return result
  }

  @inlinable
  static func appendShifted(_ bytes: RawSpan, to result: inout String) -> Bool {
    var bits: UInt32 = 0
    var bitCount = 0
    var leading: UInt32 = 0
    for index in 0..<bytes.byteCount {
      let byte = bytes.byte(at: index)
      let six = byte == UInt8(ascii: ",") ? 63 : byte == UInt8(ascii: "/") ? 255 : Base64.value(byte)
      guard six < 64 else { return false }
      bits = bits &<< 6 | UInt32(six)
      bitCount &+= 6
      guard bitCount >= 16 else { continue }
      bitCount &-= 16
      let unit = bits &>> UInt32(bitCount) & 0xFFFF
      bits &= (1 &<< UInt32(bitCount)) &- 1
      var value = unit
      if unit & 0xFC00 == 0xD800 {
        guard leading == 0 else { return false }
        leading = unit
        continue
      }
      if unit & 0xFC00 == 0xDC00 {
        guard leading != 0 else { return false }
        value = 0x10000 + (leading & 0x3FF) &<< 10 + (unit & 0x3FF)
        leading = 0
      }
      guard leading == 0, !isDirect(value), let scalar = Unicode.Scalar(value) else { return false }
      result.unicodeScalars.append(scalar)
    }
    return leading == 0 && bitCount < 6 && bits == 0
  }

  @inlinable
  public static func decode(_ name: String) -> String? { decode(name.utf8Span.span.bytes) }
}
