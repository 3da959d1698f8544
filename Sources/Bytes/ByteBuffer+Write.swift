public import NIOCore

extension ByteBuffer {
  /// Writes a number in decimal, without a `String`. Returns the octets written.
  @inlinable
  @discardableResult
  public mutating func writeDecimal(_ value: some BinaryInteger) -> Int {
    let isNegative = value < 0
    var rest = UInt64(value.magnitude)
    if rest < 10, !isNegative { return writeInteger(UInt8(truncatingIfNeeded: rest) &+ 0x30) }
    var digits = 1
    var bound = rest
    while bound >= 10 {
      bound /= 10
      digits &+= 1
    }
    let length = digits &+ (isNegative ? 1 : 0)
    return writeWithUnsafeMutableBytes(minimumWritableBytes: length) { bytes in
      if isNegative { bytes[0] = 0x2D }
      var index = length
      repeat {
        index &-= 1
        let (quotient, digit) = rest.quotientAndRemainder(dividingBy: 10)
        bytes[index] = UInt8(truncatingIfNeeded: digit) &+ 0x30
        rest = quotient
      } while rest != 0
      return length
    }
  }

  /// Writes `value` in exactly `width` decimal digits, zeros in front; what does not fit is cut off on the left.
  @inlinable
  public mutating func writeDecimal(_ value: Int, width: Int) {
    var divisor = 1
    for _ in 1..<max(width, 1) { divisor *= 10 }
    var rest = value.magnitude % UInt(divisor * 10)
    for _ in 0..<width {
      let (digit, remainder) = rest.quotientAndRemainder(dividingBy: UInt(divisor))
      writeInteger(UInt8(truncatingIfNeeded: digit) &+ 0x30)
      rest = remainder
      divisor = Swift.max(divisor / 10, 1)
    }
  }

  /// Writes `"` bytes `"`, with `"` and `\` behind a backslash. The bytes must not hold CR, LF or NUL.
  @inlinable
  public mutating func writeQuoted(_ bytes: RawSpan) {
    writeInteger(UInt8.quote)
    for index in 0..<bytes.byteCount {
      let byte = bytes.unsafeLoad(fromUncheckedByteOffset: index, as: UInt8.self)
      if byte == .quote || byte == .backslash { writeInteger(UInt8.backslash) }
      writeInteger(byte)
    }
    writeInteger(UInt8.quote)
  }

  @inlinable
  public mutating func writeQuoted(_ string: String) { writeQuoted(string.utf8Span.span.bytes) }

  @inlinable
  public mutating func writeSpace() { writeInteger(UInt8.space) }

  @inlinable
  public mutating func writeCRLF() { writeInteger(0x0D0A as UInt16) }

  /// Copies bytes out of a span.
  @inlinable
  public mutating func writeSpan(_ bytes: RawSpan) {
    bytes.withUnsafeBytes { _ = writeBytes($0) }
  }
}
