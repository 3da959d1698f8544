import Bytes

/// A string that SEARCH looks for: found as a substring, letter case aside (RFC 9051 §6.4.4).
///
/// Case means Unicode's simple lower-case mapping with both forms of final sigma equal. A needle of ASCII letters is
/// compared octet by octet without decoding the text.
struct TextNeedle: Sendable, Hashable {
  /// Lower case, UTF-8.
  let folded: [UInt8]
  /// Decided by the ASCII characters of a text alone.
  let isASCII: Bool

  init(_ text: String) {
    var folded: [UInt8] = []
    for scalar in text.unicodeScalars { Self.fold(scalar, into: &folded) }
    self.folded = folded
    self.isASCII = folded.allSatisfy { $0 < 0x80 }
  }

  /// The empty string is a substring of everything (RFC 9051 §6.4.4).
  var isEmpty: Bool { folded.isEmpty }

  /// `text` is UTF-8; what is not is compared as it stands.
  func isFound(in text: RawSpan) -> Bool {
    if folded.isEmpty { return true }
    if isASCII || Self.isASCII(text) { return search(text) }
    let lower = Self.folded(text)
    return search(lower.span.bytes)
  }

  func isFound(in text: String) -> Bool {
    if folded.isEmpty { return true }
    var text = text
    return text.withUTF8 { isFound(in: $0.span.bytes) }
  }

  /// Appends a piece of text in the form that `search` compares.
  func append(_ text: RawSpan, to output: inout [UInt8]) {
    if isASCII {
      text.withUnsafeBytes { output.append(contentsOf: $0) }
    } else {
      Self.fold(text, into: &output)
    }
  }

  /// Horspool's search, ASCII letters folded on the way. Texts made to slow it down (`aaa…` where `baaa…` is looked for)
  /// are noticed, and searched on in linear time: it never compares much more octets than there are.
  func search(_ text: RawSpan) -> Bool {
    let length = folded.count
    let count = text.byteCount
    guard count >= length else { return false }
    return folded.withUnsafeBufferPointer { needle in
      withUnsafeTemporaryAllocation(of: Int32.self, capacity: 256) { shift in
        shift.initialize(repeating: Int32(clamping: length))
        for index in 0..<(length - 1) { shift[Int(needle[index])] = Int32(clamping: length - 1 - index) }
        let last = needle[length - 1]
        var end = length - 1
        var budget = 4 * count
        while end < count {
          let byte = text.unsafeLoad(fromUncheckedByteOffset: end, as: UInt8.self).asciiLowercased
          if byte == last {
            var offset = 1
            while offset < length {
              let mine = text.unsafeLoad(fromUncheckedByteOffset: end - offset, as: UInt8.self).asciiLowercased
              guard mine == needle[length - 1 - offset] else { break }
              offset += 1
            }
            if offset == length { return true }
            budget -= offset
            if budget < 0 { return linearSearch(text, from: end - length + 1) }
          }
          end += Int(shift[Int(byte)])
        }
        return false
      }
    }
  }

  /// Knuth, Morris and Pratt's search.
  private func linearSearch(_ text: RawSpan, from start: Int) -> Bool {
    // For each beginning of the needle: how long the longest end of it is that is a beginning too.
    var borders = [Int](repeating: 0, count: folded.count)
    var length = 0
    for index in 1..<max(folded.count, 1) {
      while length > 0, folded[length] != folded[index] { length = borders[length - 1] }
      if folded[length] == folded[index] { length += 1 }
      borders[index] = length
    }
    var matched = 0
    for offset in start..<text.byteCount {
      let byte = text.unsafeLoad(fromUncheckedByteOffset: offset, as: UInt8.self).asciiLowercased
      while matched > 0, folded[matched] != byte { matched = borders[matched - 1] }
      if folded[matched] == byte { matched += 1 }
      if matched == folded.count { return true }
    }
    return false
  }

  private static func isASCII(_ text: RawSpan) -> Bool {
    var offset = 0
    let count = text.byteCount
    while offset + 8 <= count {
      let word = text.unsafeLoadUnaligned(fromUncheckedByteOffset: offset, as: UInt64.self)
      if word & 0x8080_8080_8080_8080 != 0 { return false }
      offset += 8
    }
    while offset < count {
      if text.unsafeLoad(fromUncheckedByteOffset: offset, as: UInt8.self) >= 0x80 { return false }
      offset += 1
    }
    return true
  }

  private static func folded(_ text: RawSpan) -> [UInt8] {
    var result: [UInt8] = []
    fold(text, into: &result)
    return result
  }

  private static func fold(_ text: RawSpan, into result: inout [UInt8]) {
    result.reserveCapacity(result.count + text.byteCount + text.byteCount / 8)
    text.withUnsafeBytes { bytes in
      var decoder = Unicode.UTF8.ForwardParser()
      var iterator = bytes.makeIterator()
      while true {
        switch decoder.parseScalar(from: &iterator) {
        case .valid(let encoded):
          let scalar = Unicode.UTF8.decode(encoded)
          if scalar.value < 0x80 {
            result.append(UInt8(truncatingIfNeeded: scalar.value).asciiLowercased)
          } else {
            fold(scalar, into: &result)
          }
        case .error: result.append(0xFF)
        case .emptyInput: return
        }
      }
    }
  }

  private static func fold(_ scalar: Unicode.Scalar, into result: inout [UInt8]) {
    if scalar.value < 0x80 {
      result.append(UInt8(truncatingIfNeeded: scalar.value).asciiLowercased)
    } else if scalar == "\u{3C2}" {
      result.append(contentsOf: "\u{3C3}".utf8)
    } else if scalar.properties.changesWhenLowercased {
      result.append(contentsOf: scalar.properties.lowercaseMapping.utf8)
    } else {
      result.append(contentsOf: Unicode.UTF8.encode(scalar).map { Array($0) } ?? [])
    }
  }
}
