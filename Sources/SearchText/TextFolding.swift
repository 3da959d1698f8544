import Bytes

/// Text in the form in which it is compared: Unicode's lower case, both forms of final sigma equal. What is no UTF-8 becomes
/// the octet 0xFF, which no needle holds.
public enum TextFolding {
  public static func folded(_ text: RawSpan) -> [UInt8] {
    var result: [UInt8] = []
    fold(text, into: &result)
    return result
  }

  /// Appends the folded form of UTF-8 that ends between characters.
  public static func fold(_ text: RawSpan, into result: inout [UInt8]) {
    result.reserveCapacity(result.count + text.byteCount + text.byteCount / 8)
    var offset = 0
    while offset < text.byteCount {
      let end = asciiEnd(text, from: offset)
      appendASCII(text, offset..<end, to: &result)
      offset = end
      while offset < text.byteCount, text.unsafeLoad(fromUncheckedByteOffset: offset, as: UInt8.self) >= 0x80 {
        offset += 1
      }
      if end < offset { foldOthers(text.extracting(end..<offset), into: &result) }
    }
  }

  static func fold(_ scalar: Unicode.Scalar, into result: inout [UInt8]) {
    if scalar.value < 0x80 {
      result.append(UInt8(truncatingIfNeeded: scalar.value).asciiLowercased)
    } else if scalar == "\u{3C2}" {
      result.append(contentsOf: "\u{3C3}".utf8)
    } else if changes(scalar) {
      result.append(contentsOf: scalar.properties.lowercaseMapping.utf8)
    } else {
      result.append(contentsOf: Unicode.UTF8.encode(scalar).map { Array($0) } ?? [])
    }
  }

  /// Ideographs and syllables without case need not be looked up.
  private static func changes(_ scalar: Unicode.Scalar) -> Bool {
    if scalar.value >= 0x2E80, scalar.value < 0xA640 { return false }
    return scalar.properties.changesWhenLowercased
  }

  /// Whether lower case makes ASCII of something that is none: `K` (Kelvin) becomes `k`. An ASCII needle is compared with
  /// the text before folding, so that this must not count.
  public static func makesASCII(_ text: RawSpan) -> Bool {
    guard asciiEnd(text, from: 0) < text.byteCount else { return false }
    return text.withUnsafeBytes { bytes in
      // U+0130 and U+212A, the only ones.
      var offset = 0
      while offset + 1 < bytes.count {
        if bytes[offset] == 0xC4, bytes[offset + 1] == 0xB0 { return true }
        if bytes[offset] == 0xE2, bytes[offset + 1] == 0x84, offset + 2 < bytes.count, bytes[offset + 2] == 0xAA {
          return true
        }
        offset += 1
      }
      return false
    }
  }

  public static func isASCII(_ text: RawSpan) -> Bool { asciiEnd(text, from: 0) == text.byteCount }

  /// Says what folding does to every character: another one means that texts folded before are to be folded anew.
  public static let stamp = makeStamp()

  private static func makeStamp() -> UInt64 {
    var hash: UInt64 = 0xCBF2_9CE4_8422_2325
    for value in UInt32(0x80)..<0x20000 {
      guard let scalar = Unicode.Scalar(value), scalar.properties.changesWhenLowercased else { continue }
      for byte in scalar.properties.lowercaseMapping.utf8 {
        hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01B3
      }
      hash ^= UInt64(value)
    }
    return hash
  }

  // MARK: ASCII

  private static func asciiEnd(_ text: RawSpan, from start: Int) -> Int {
    var offset = start
    let count = text.byteCount
    while offset + 8 <= count {
      let word = text.unsafeLoadUnaligned(fromUncheckedByteOffset: offset, as: UInt64.self)
      if word & 0x8080_8080_8080_8080 != 0 { break }
      offset += 8
    }
    while offset < count, text.unsafeLoad(fromUncheckedByteOffset: offset, as: UInt8.self) < 0x80 { offset += 1 }
    return offset
  }

  private static func appendASCII(_ text: RawSpan, _ range: Range<Int>, to result: inout [UInt8]) {
    guard !range.isEmpty else { return }
    let start = result.count
    text.extracting(range).withUnsafeBytes { result.append(contentsOf: $0) }
    result.withUnsafeMutableBufferPointer { bytes in
      for offset in start..<bytes.count {
        let byte = bytes[offset]
        bytes[offset] = byte | (byte &- 0x41 < 26 ? 0x20 : 0)
      }
    }
  }

  /// Octets of which none is ASCII.
  private static func foldOthers(_ text: RawSpan, into result: inout [UInt8]) {
    text.withUnsafeBytes { bytes in
      var decoder = Unicode.UTF8.ForwardParser()
      var iterator = bytes.makeIterator()
      while true {
        switch decoder.parseScalar(from: &iterator) {
        case .valid(let encoded):
          let scalar = Unicode.UTF8.decode(encoded)
          if scalar != "\u{3C2}", !changes(scalar) {
            result.append(contentsOf: encoded)
          } else {
            fold(scalar, into: &result)
          }
        case .error: result.append(0xFF)
        case .emptyInput: return
        }
      }
    }
  }
}
