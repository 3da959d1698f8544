public import NIOCore

/// Writes octets into memory whose size was reckoned beforehand. Every write to a `ByteBuffer` asks for room and ownership
/// anew, which for a line of twenty short pieces costs more than the line. Writing beyond the memory stops the program.
public struct RawWriter {
  @usableFromInline let bytes: UnsafeMutableRawBufferPointer
  @usableFromInline var written = 0
  /// Octets written.
  @inlinable public var count: Int { written }

  @inlinable
  public init(_ bytes: UnsafeMutableRawBufferPointer) { self.bytes = bytes }

  @inlinable
  public mutating func write(_ byte: UInt8) {
    bytes[take(1)] = byte
  }

  @inlinable
  public mutating func write(_ text: StaticString) {
    write(UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
  }

  @inlinable
  public mutating func write(_ text: UnsafeRawBufferPointer) {
    let start = take(text.count)
    UnsafeMutableRawBufferPointer(rebasing: bytes[start...]).copyMemory(from: text)
  }

  @inlinable
  public mutating func write(_ text: String) {
    for byte in text.utf8 { write(byte) }
  }

  /// At most 20 octets.
  @inlinable
  public mutating func writeDecimal(_ value: UInt64) {
    var digits = 1
    var bound = value
    while bound >= 10 {
      bound /= 10
      digits &+= 1
    }
    let start = take(digits)
    var rest = value
    var index = start + digits
    repeat {
      index &-= 1
      let (quotient, digit) = rest.quotientAndRemainder(dividingBy: 10)
      bytes[index] = UInt8(truncatingIfNeeded: digit) &+ 0x30
      rest = quotient
    } while rest != 0
  }

  /// The last two digits of `value`.
  @inlinable
  public mutating func writeTwoDigits(_ value: Int) {
    let start = take(2)
    bytes[start] = UInt8(truncatingIfNeeded: value / 10 % 10) &+ 0x30
    bytes[start &+ 1] = UInt8(truncatingIfNeeded: value % 10) &+ 0x30
  }

  /// Takes the last octets back.
  @inlinable
  public mutating func unwrite(_ octets: Int) {
    precondition(octets <= written)
    written &-= octets
  }

  @inlinable
  mutating func take(_ octets: Int) -> Int {
    let start = written
    precondition(octets <= bytes.count - start, "more is written than was reckoned")
    written = start &+ octets
    return start
  }
}

extension ByteBuffer {
  /// Appends what `body` writes, at most `room` octets.
  @inlinable
  public mutating func writeRaw(room: Int, _ body: (inout RawWriter) -> Void) {
    writeWithUnsafeMutableBytes(minimumWritableBytes: room) { free in
      var writer = RawWriter(free)
      body(&writer)
      return writer.count
    }
  }
}
