import Bytes

/// A string that SEARCH looks for: found as a substring, letter case aside (RFC 9051 §6.4.4).
///
/// Case means Unicode's simple lower-case mapping with both forms of final sigma equal. A needle of ASCII letters is
/// compared octet by octet without decoding the text.
public struct TextNeedle: Sendable, Hashable {
  /// Lower case, UTF-8.
  public let folded: [UInt8]
  /// Decided by the ASCII characters of a text alone.
  public let isASCII: Bool

  public init(_ text: String) {
    var folded: [UInt8] = []
    for scalar in text.unicodeScalars { TextFolding.fold(scalar, into: &folded) }
    self.folded = folded
    self.isASCII = folded.allSatisfy { $0 < 0x80 }
  }

  /// The empty string is a substring of everything (RFC 9051 §6.4.4).
  public var isEmpty: Bool { folded.isEmpty }

  /// `text` is UTF-8; what is not is compared as it stands.
  public func isFound(in text: RawSpan) -> Bool {
    if folded.isEmpty { return true }
    if isASCII || TextFolding.isASCII(text) { return search(text) }
    let lower = TextFolding.folded(text)
    return search(lower.span.bytes)
  }

  public func isFound(in text: String) -> Bool {
    if folded.isEmpty { return true }
    var text = text
    return text.withUTF8 { isFound(in: $0.span.bytes) }
  }

  /// Appends a piece of text in the form that `search` compares.
  public func append(_ text: RawSpan, to output: inout [UInt8]) {
    if isASCII {
      text.withUnsafeBytes { output.append(contentsOf: $0) }
    } else {
      TextFolding.fold(text, into: &output)
    }
  }

  /// Horspool's search, ASCII letters folded on the way. Texts made to slow it down (`aaa…` where `baaa…` is looked for)
  /// are noticed, and searched on in linear time: it never compares much more octets than there are.
  public func search(_ text: RawSpan) -> Bool {
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
}
