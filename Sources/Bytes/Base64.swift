public import NIOCore

/// Base64 of RFC 4648 §4.
public enum Base64 {
  public enum Strictness: Sendable {
    /// Only the alphabet, padded to a multiple of four, unused bits zero (RFC 4648 §3.5).
    case strict
    /// Octets outside the alphabet are passed over and padding may be missing (RFC 2045 §6.8). Stops at `=`.
    case tolerant
  }

  @usableFromInline
  static let alphabet: [UInt8] = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)

  /// The six bits a character stands for; 64 for `=`, 255 for anything else.
  @inlinable
  static func value(_ byte: UInt8) -> UInt8 {
    switch byte {
    case 0x41...0x5A: byte &- 0x41
    case 0x61...0x7A: byte &- 0x61 &+ 26
    case 0x30...0x39: byte &- 0x30 &+ 52
    case 0x2B: 62
    case 0x2F: 63
    case 0x3D: 64
    default: 255
    }
  }

  /// Octets that `count` octets become.
  @inlinable
  public static func encodedLength(_ count: Int) -> Int { (count + 2) / 3 * 4 }

  @inlinable
  public static func encode(_ bytes: RawSpan, into buffer: inout ByteBuffer) {
    buffer.reserveCapacity(minimumWritableBytes: encodedLength(bytes.byteCount))
    var index = 0
    while index < bytes.byteCount {
      let left = bytes.byteCount &- index
      let first = UInt32(bytes.unsafeLoad(fromUncheckedByteOffset: index, as: UInt8.self))
      let second = left > 1 ? UInt32(bytes.unsafeLoad(fromUncheckedByteOffset: index &+ 1, as: UInt8.self)) : 0
      let third = left > 2 ? UInt32(bytes.unsafeLoad(fromUncheckedByteOffset: index &+ 2, as: UInt8.self)) : 0
      let word = first &<< 16 | second &<< 8 | third
      var group = UInt32(alphabet[Int(word &>> 18)]) &<< 24 | UInt32(alphabet[Int(word &>> 12 & 63)]) &<< 16
      group |= left > 1 ? UInt32(alphabet[Int(word &>> 6 & 63)]) &<< 8 : 0x3D00
      group |= left > 2 ? UInt32(alphabet[Int(word & 63)]) : 0x3D
      buffer.writeInteger(group)
      index &+= 3
    }
  }

  @inlinable
  public static func encode(_ bytes: ByteBuffer, into buffer: inout ByteBuffer) {
    encode(bytes.readableBytesSpan, into: &buffer)
  }

  @inlinable
  public static func encodedString(_ bytes: RawSpan) -> String {
    var buffer = ByteBuffer()
    encode(bytes, into: &buffer)
    return String(buffer: buffer)
  }

  /// Appends what `bytes` stand for to `buffer`. False: `bytes` are not base64; `buffer` is as before.
  @inlinable
  public static func decode(_ bytes: RawSpan, _ strictness: Strictness = .strict, into buffer: inout ByteBuffer) -> Bool
  {
    let start = buffer.writerIndex
    buffer.reserveCapacity(minimumWritableBytes: bytes.byteCount / 4 * 3 + 3)
    var word: UInt32 = 0
    var filled = 0
    var index = 0
    while index < bytes.byteCount {
      let six = value(bytes.unsafeLoad(fromUncheckedByteOffset: index, as: UInt8.self))
      index &+= 1
      if six == 64 { return finish(bytes, strictness, word, filled, after: index, start, &buffer) }
      if six == 255 {
        guard strictness == .tolerant else {
          buffer.moveWriterIndex(to: start)
          return false
        }
        continue
      }
      word = word &<< 6 | UInt32(six)
      filled &+= 1
      if filled == 4 {
        buffer.writeInteger(UInt16(truncatingIfNeeded: word &>> 8))
        buffer.writeInteger(UInt8(truncatingIfNeeded: word))
        filled = 0
        word = 0
      }
    }
    return finish(bytes, strictness, word, filled, after: nil, start, &buffer)
  }

  /// The last, incomplete group. `after`: index behind the first `=`, nil when there was none.
  @inlinable
  static func finish(
    _ bytes: RawSpan, _ strictness: Strictness, _ word: UInt32, _ filled: Int, after: Int?, _ start: Int,
    _ buffer: inout ByteBuffer
  ) -> Bool {
    var isValid = true
    if strictness == .strict {
      // The rest must be exactly the padding that fills the group.
      let padding = after.map { bytes.byteCount - $0 + 1 } ?? 0
      isValid = filled == 0 ? padding == 0 : filled >= 2 && padding == 4 - filled
      if let after, isValid {
        for index in after..<bytes.byteCount {
          isValid = isValid && bytes.unsafeLoad(fromUncheckedByteOffset: index, as: UInt8.self) == 0x3D
        }
      }
      if filled == 2 { isValid = isValid && word & 0xF == 0 }
      if filled == 3 { isValid = isValid && word & 0x3 == 0 }
    }
    guard isValid else {
      buffer.moveWriterIndex(to: start)
      return false
    }
    if filled == 2 { buffer.writeInteger(UInt8(truncatingIfNeeded: word &>> 4)) }
    if filled == 3 { buffer.writeInteger(UInt16(truncatingIfNeeded: word &>> 2)) }
    return true
  }

  @inlinable
  public static func decode(_ bytes: RawSpan, _ strictness: Strictness = .strict) -> ByteBuffer? {
    var buffer = ByteBuffer()
    return decode(bytes, strictness, into: &buffer) ? buffer : nil
  }

  @inlinable
  public static func decode(_ bytes: ByteBuffer, _ strictness: Strictness = .strict) -> ByteBuffer? {
    decode(bytes.readableBytesSpan, strictness)
  }
}
