import Bytes

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// Makes bytes of doubtful origin valid UTF-8.
enum UTF8Repair {
  /// Length of the well-formed UTF-8 sequence at `offset` (Unicode table 3-7); 0 when there is none.
  static func sequenceLength(_ bytes: RawSpan, at offset: Int) -> Int {
    let first = bytes.at(offset)
    if first < 0x80 { return 1 }
    func continues(_ distance: Int, _ low: UInt8 = 0x80, _ high: UInt8 = 0xBF) -> Bool {
      bytes.peek(offset + distance).map { $0 >= low && $0 <= high } ?? false
    }
    switch first {
    case 0xC2...0xDF: return continues(1) ? 2 : 0
    case 0xE0: return continues(1, 0xA0) && continues(2) ? 3 : 0
    case 0xED: return continues(1, 0x80, 0x9F) && continues(2) ? 3 : 0
    case 0xE1...0xEF: return continues(1) && continues(2) ? 3 : 0
    case 0xF0: return continues(1, 0x90) && continues(2) && continues(3) ? 4 : 0
    case 0xF1...0xF3: return continues(1) && continues(2) && continues(3) ? 4 : 0
    case 0xF4: return continues(1, 0x80, 0x8F) && continues(2) && continues(3) ? 4 : 0
    default: return 0
    }
  }

  static func isValid(_ bytes: RawSpan) -> Bool {
    var offset = asciiPrefix(bytes, from: 0)
    while offset < bytes.byteCount {
      let length = sequenceLength(bytes, at: offset)
      guard length > 0 else { return false }
      offset = length == 1 ? asciiPrefix(bytes, from: offset) : offset + length
    }
    return true
  }

  /// The first place from `start` that holds a byte above ASCII, or the end.
  static func asciiPrefix(_ bytes: RawSpan, from start: Int) -> Int {
    bytes.withUnsafeBytes { raw in
      var offset = start
      while offset + 8 <= raw.count,
        raw.loadUnaligned(fromByteOffset: offset, as: UInt64.self) & 0x8080_8080_8080_8080 == 0
      {
        offset += 8
      }
      while offset < raw.count, raw[offset] < 0x80 { offset += 1 }
      return offset
    }
  }

  /// Wrong bytes become U+FFFD.
  static func append(_ bytes: RawSpan, to output: inout [UInt8]) {
    var offset = 0
    while offset < bytes.byteCount {
      let end = asciiPrefix(bytes, from: offset)
      append(bytes, offset..<end, to: &output)
      offset = end
      guard offset < bytes.byteCount else { return }
      let length = sequenceLength(bytes, at: offset)
      if length == 0 {
        output.append(contentsOf: [0xEF, 0xBF, 0xBD])
        offset += 1
      } else {
        append(bytes, offset..<offset + length, to: &output)
        offset += length
      }
    }
  }

  /// As UTF-8 when all of it is, else as windows-1252.
  static func appendGuessing(_ bytes: RawSpan, to output: inout [UInt8]) {
    if isValid(bytes) {
      append(bytes, 0..<bytes.byteCount, to: &output)
    } else {
      appendWindows1252(bytes, to: &output)
    }
  }

  static func appendWindows1252(_ bytes: RawSpan, to output: inout [UInt8]) {
    var offset = 0
    while offset < bytes.byteCount {
      let end = asciiPrefix(bytes, from: offset)
      append(bytes, offset..<end, to: &output)
      offset = end
      guard offset < bytes.byteCount else { return }
      let byte = bytes.at(offset)
      append(scalar: byte < 0xA0 ? windows1252[Int(byte - 0x80)] : UInt16(byte), to: &output)
      offset += 1
    }
  }

  private static func append(_ bytes: RawSpan, _ range: Range<Int>, to output: inout [UInt8]) {
    bytes.withUnsafeBytes { raw in output.append(contentsOf: UnsafeRawBufferPointer(rebasing: raw[range])) }
  }

  private static func append(scalar: UInt16, to output: inout [UInt8]) {
    if scalar < 0x800 {
      output.append(UInt8(0xC0 | scalar >> 6))
    } else {
      output.append(UInt8(0xE0 | scalar >> 12))
      output.append(UInt8(0x80 | (scalar >> 6 & 0x3F)))
    }
    output.append(UInt8(0x80 | (scalar & 0x3F)))
  }

  /// 0x80...0x9F of windows-1252; the five that are not assigned are the C1 controls, as browsers have it.
  private static let windows1252: [UInt16] = [
    0x20AC, 0x81, 0x201A, 0x0192, 0x201E, 0x2026, 0x2020, 0x2021, 0x02C6, 0x2030, 0x0160, 0x2039, 0x0152, 0x8D, 0x017D,
    0x8F, 0x90, 0x2018, 0x2019, 0x201C, 0x201D, 0x2022, 0x2013, 0x2014, 0x02DC, 0x2122, 0x0161, 0x203A, 0x0153, 0x9D,
    0x017E, 0x0178,
  ]
}
