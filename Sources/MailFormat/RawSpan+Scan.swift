import Bytes

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// Scanning over raw bytes. Every access is bounds-checked: a mistake here must stop the program, not read beyond.
extension RawSpan {
  @inline(__always)
  func at(_ offset: Int) -> UInt8 { unsafeLoad(fromByteOffset: offset, as: UInt8.self) }

  /// The byte at `offset`, or nil outside.
  @inline(__always)
  func peek(_ offset: Int) -> UInt8? {
    offset >= 0 && offset < byteCount ? unsafeLoad(fromUncheckedByteOffset: offset, as: UInt8.self) : nil
  }

  /// The part of `range` that lies inside.
  func clamped(_ range: Range<Int>) -> Range<Int> { range.clamped(to: 0..<byteCount) }

  /// First place of `byte` in `start..<end`, or nil.
  @inline(__always)
  func firstIndex(of byte: UInt8, from start: Int, to end: Int) -> Int? {
    withUnsafeBytes { raw in
      precondition(start >= 0 && end <= raw.count)
      guard start < end, let base = raw.baseAddress else { return nil }
      guard let hit = memchr(base + start, Int32(byte), end - start) else { return nil }
      return UnsafeRawPointer(hit) - base
    }
  }

  /// The offset behind the next line feed, or `end` when there is none.
  @inline(__always)
  func nextLine(from start: Int, to end: Int) -> Int {
    guard let lineFeed = firstIndex(of: .lf, from: start, to: end) else { return end }
    return lineFeed + 1
  }

  func lineFeeds(from start: Int, to end: Int) -> Int {
    withUnsafeBytes { raw in
      precondition(start >= 0 && start <= end && end <= raw.count)
      var count = 0
      for byte in UnsafeRawBufferPointer(rebasing: raw[start..<end]) where byte == .lf { count &+= 1 }
      return count
    }
  }

  /// Whether `word` stands at `offset`, byte for byte.
  func hasBytes(_ word: [UInt8], at offset: Int) -> Bool {
    guard offset >= 0, word.count <= byteCount - offset else { return false }
    return withUnsafeBytes { raw in
      word.withUnsafeBytes { other in
        guard let base = raw.baseAddress, let otherBase = other.baseAddress else { return other.isEmpty }
        return memcmp(base + offset, otherBase, other.count) == 0
      }
    }
  }

  /// Whether `word` (given in lower case) stands at `offset`, ASCII letters compared without case.
  @inline(__always)
  func hasWord(_ word: StaticString, at offset: Int) -> Bool {
    let length = word.utf8CodeUnitCount
    guard offset >= 0, length <= byteCount - offset else { return false }
    for index in 0..<length {
      let byte = unsafeLoad(fromUncheckedByteOffset: offset &+ index, as: UInt8.self)
      guard byte.asciiLowercased == word.utf8Start[index] else { return false }
    }
    return true
  }

  /// Whether `range` is exactly `word` (given in lower case), ASCII letters compared without case.
  @inline(__always)
  func equals(_ word: StaticString, in range: Range<Int>) -> Bool {
    range.count == word.utf8CodeUnitCount && hasWord(word, at: range.lowerBound)
  }

  /// `range` without blanks, CR and LF at both ends.
  func trimmed(_ range: Range<Int>) -> Range<Int> {
    var lower = range.lowerBound
    var upper = range.upperBound
    while lower < upper, at(lower).isWhitespace { lower += 1 }
    while upper > lower, at(upper - 1).isWhitespace { upper -= 1 }
    return lower..<upper
  }

  func bytes(_ range: Range<Int>) -> [UInt8] {
    withUnsafeBytes { raw in Array(raw[range]) }
  }

  /// `range` as text; bytes that are not UTF-8 become U+FFFD.
  func string(_ range: Range<Int>) -> String {
    withUnsafeBytes { raw in String(decoding: raw[range], as: UTF8.self) }
  }

  /// As `string`, ASCII letters in lower case.
  func lowercased(_ range: Range<Int>) -> String {
    String(unsafeUninitializedCapacity: range.count) { buffer in
      for offset in 0..<range.count {
        let byte = at(range.lowerBound + offset)
        buffer[offset] = byte < 0x80 ? byte.asciiLowercased : 0x3F
      }
      return range.count
    }
  }
}

extension UInt8 {
  /// Blank, CR or LF.
  @inline(__always)
  var isWhitespace: Bool { self == .space || self == .tab || self == .cr || self == .lf }
}
