/// The messages of a segment that hold a trigram, by their places in the segment, in as few octets as may be.
///
/// A code, as a variable number: 0, one message, whose place follows; 1, all; 2, a bitmap; above, so many octets less two of
/// gaps in Rice's code, behind how many there are.
enum Postings {
  static func append(_ places: [UInt16], of count: Int, to output: inout [UInt8]) {
    guard places.count > 1 else {
      output.append(0)
      output.appendVariable(UInt64(places.first ?? 0))
      return
    }
    guard places.count < count else { return output.append(1) }
    let parameter = parameter(places.count, of: count)
    var bits = 0
    var next = 0
    for place in places {
      bits += (Int(place) - next) >> parameter + 1 + parameter
      next = Int(place) + 1
    }
    let octets = (bits + 7) / 8
    if octets >= (count + 7) / 8 {
      output.append(2)
      let start = output.count
      output.append(contentsOf: repeatElement(0, count: (count + 7) / 8))
      for place in places { output[start + Int(place) / 8] |= 1 << UInt8(place % 8) }
      return
    }
    output.appendVariable(UInt64(octets + 2))
    output.appendVariable(UInt64(places.count))
    writeGaps(places, parameter, to: &output)
  }

  /// The average gap decides how many low bits of a gap are written as they are.
  private static func parameter(_ places: Int, of count: Int) -> Int {
    let gap = count * 69 / (places * 100)
    return gap < 1 ? 0 : Int.bitWidth - 1 - gap.leadingZeroBitCount
  }

  private static func writeGaps(_ places: [UInt16], _ parameter: Int, to output: inout [UInt8]) {
    var buffer: UInt64 = 0
    var filled = 0
    func flush() {
      while filled >= 8 {
        filled -= 8
        output.append(UInt8(truncatingIfNeeded: buffer >> UInt64(filled)))
      }
    }
    var next = 0
    for place in places {
      let gap = Int(place) - next
      next = Int(place) + 1
      for _ in 0..<gap >> parameter {
        buffer = buffer << 1 | 1
        filled += 1
        flush()
      }
      buffer = buffer << UInt64(1 + parameter) | UInt64(gap & (1 << parameter - 1))
      filled += 1 + parameter
      flush()
    }
    if filled > 0 { output.append(UInt8(truncatingIfNeeded: buffer << UInt64(8 - filled))) }
  }

  /// Reads a list at the cursor, or passes over it.
  static func read(
    _ cursor: inout IndexCursor, of count: Int, _ body: ((Int) -> Void)?
  ) throws(IndexError) {
    let code = try cursor.number()
    switch code {
    case 0:
      let place = try cursor.number()
      guard place < count else { throw .damaged("a posting outside its segment") }
      body?(Int(place))
    case 1: if let body { for place in 0..<count { body(place) } }
    case 2:
      let bits = try cursor.take((count + 7) / 8)
      guard let body else { return }
      for place in 0..<count where cursor.bytes[bits.lowerBound + place / 8] & 1 << UInt8(place % 8) != 0 {
        body(place)
      }
    default:
      let places = try cursor.number()
      guard code <= UInt64(count), places <= UInt64(count), places > 0 else { throw .damaged("a list out of bounds") }
      let bits = try cursor.take(Int(code) - 2)
      if let body { try readGaps(cursor.bytes, bits, Int(places), of: count, body) }
    }
  }

  private static func readGaps(
    _ bytes: UnsafeRawBufferPointer, _ range: Range<Int>, _ places: Int, of count: Int, _ body: (Int) -> Void
  ) throws(IndexError) {
    let parameter = UInt64(parameter(places, of: count))
    var buffer: UInt64 = 0
    var filled: UInt64 = 0
    var offset = range.lowerBound
    var next = 0
    for _ in 0..<places {
      var quotient = 0
      while true {
        if filled < 32 {
          while filled <= 56, offset < range.upperBound {
            buffer |= UInt64(bytes[offset]) << (56 - filled)
            filled += 8
            offset += 1
          }
          guard filled > 0 else { throw .damaged("a list ends early") }
        }
        let ones = min(UInt64((~buffer).leadingZeroBitCount), filled)
        quotient += Int(ones)
        buffer = ones == 64 ? 0 : buffer << ones
        filled -= ones
        if filled > 0 { break }
      }
      // The zero behind the ones, and the low bits.
      guard filled >= 1 else { throw .damaged("a list ends early") }
      buffer <<= 1
      filled -= 1
      while filled < parameter, offset < range.upperBound {
        buffer |= UInt64(bytes[offset]) << (56 - filled)
        filled += 8
        offset += 1
      }
      guard filled >= parameter else { throw .damaged("a list ends early") }
      let low = parameter == 0 ? 0 : Int(buffer >> (64 - parameter))
      buffer <<= parameter
      filled -= parameter
      let place = next + quotient << Int(parameter) + low
      guard place < count else { throw .damaged("a posting outside its segment") }
      body(place)
      next = place + 1
    }
  }
}

/// Reads numbers and runs of octets, never beyond the end.
struct IndexCursor {
  let bytes: UnsafeRawBufferPointer
  var offset: Int

  init(_ bytes: UnsafeRawBufferPointer, at offset: Int = 0) {
    self.bytes = bytes
    self.offset = offset
  }

  var isAtEnd: Bool { offset >= bytes.count }

  @inline(__always)
  mutating func number() throws(IndexError) -> UInt64 {
    var value: UInt64 = 0
    var shift: UInt64 = 0
    while offset < bytes.count, shift < 64 {
      let byte = bytes[offset]
      offset += 1
      value |= UInt64(byte & 0x7F) << shift
      if byte < 0x80 { return value }
      shift += 7
    }
    throw .damaged("a number without an end")
  }

  mutating func take(_ count: Int) throws(IndexError) -> Range<Int> {
    guard count >= 0, count <= bytes.count - offset else { throw .damaged("a list beyond its block") }
    defer { offset += count }
    return offset..<offset + count
  }
}

extension [UInt8] {
  /// Seven bits an octet, low ones first.
  mutating func appendVariable(_ value: UInt64) {
    var value = value
    while value >= 0x80 {
      append(UInt8(truncatingIfNeeded: value) | 0x80)
      value >>= 7
    }
    append(UInt8(truncatingIfNeeded: value))
  }

  mutating func appendFixed<Value: FixedWidthInteger>(_ value: Value) {
    Swift.withUnsafeBytes(of: value.littleEndian) { append(contentsOf: $0) }
  }
}
