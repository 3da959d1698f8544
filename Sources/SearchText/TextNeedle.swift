import Bytes
import CLibc

/// A string that SEARCH looks for: found as a part of a text by a collation (RFC 9051 §6.4.4, RFC 5255 §4.2).
///
/// ASCII in ASCII is compared octet by octet without folding the text, whatever the collation.
public struct TextNeedle: Sendable, Hashable {
  /// As i;unicode-casemap has it, whatever the collation: a text in which the needle is found holds this when it is folded.
  /// Empty: of this needle folded texts tell nothing.
  public let folded: [UInt8]
  public let collation: Collation
  /// What is compared with a text: folded by the collation, but ASCII letters in lower case where `isCaseless`.
  private let pattern: [UInt8]
  /// Texts are compared as they stand but for ASCII's letters.
  private let isCaseless: Bool
  /// By i;unicode-casemap it can stand in a text of ASCII, and there ASCII's letters are all that is folded.
  private let isPlain: Bool
  /// No UTF-8: compared octet by octet, as i;octet has it (RFC 5255 §4.6).
  private let isBinary: Bool

  public init(_ text: String, _ collation: Collation = .unicodeCasemap) {
    self.init(Array(text.utf8), collation)
  }

  public init(_ octets: [UInt8], _ collation: Collation) {
    self.collation = collation
    let folded = TextFolding.folded(octets.span.bytes)
    isBinary = folded.contains(0xFF)
    self.folded = isBinary ? [] : folded
    // Small letters are left over only where a character that is none of ASCII's decomposes into them.
    isPlain = !isBinary && folded.allSatisfy { $0 < 0x80 && !($0 >= 0x61 && $0 <= 0x7A) }
    switch collation {
    case _ where isBinary: (pattern, isCaseless) = (octets, false)
    case .asciiCasemap: (pattern, isCaseless) = (octets.map(\.asciiLowercased), true)
    case .unicodeCasemap: (pattern, isCaseless) = isPlain ? (folded.map(\.asciiLowercased), false) : (folded, false)
    }
  }

  /// Octets that a text must have at hand for the needle to be found in them.
  public var length: Int { pattern.count }

  /// The empty string is a part of everything (RFC 9051 §6.4.4).
  public var isEmpty: Bool { pattern.isEmpty }

  /// Decided by the ASCII characters of a text alone.
  public var isASCII: Bool { isCaseless && pattern.allSatisfy { $0 < 0x80 } }

  /// A folded text that holds `folded` holds the needle.
  public var isDecidedByFolded: Bool { collation == .unicodeCasemap && !isBinary }

  /// `text` is UTF-8; octets that are not are found by no needle of UTF-8.
  public func isFound(in text: RawSpan) -> Bool {
    if isEmpty { return true }
    if isBinary { return Self.searchExactly(pattern, text) }
    if isCaseless { return search(text) }
    if TextFolding.isASCII(text) { return isPlain && search(text) }
    // ASCII stays what it is, whatever stands around it. What is not found may stand in what others decompose into.
    if isPlain, search(text) { return true }
    return isFoundFolded(in: text)
  }

  /// Octets that are folded at a time. A character may become eleven times as long.
  private static let piece = 64 << 10

  private func isFoundFolded(in text: RawSpan) -> Bool {
    var prepared: [UInt8] = []
    var start = 0
    while start < text.byteCount {
      var end = min(start + Self.piece, text.byteCount)
      // Not within a character; what has more than three such octets in a row is no UTF-8.
      while end < text.byteCount, end < start + Self.piece + 3, Self.continues(text, end) { end += 1 }
      TextFolding.fold(text.extracting(start..<end), into: &prepared)
      start = end
      // A long needle is not looked for anew at every few octets.
      guard start == text.byteCount || prepared.count >= 2 * folded.count else { continue }
      if Self.searchExactly(folded, prepared.span.bytes) { return true }
      prepared.removeFirst(max(0, prepared.count - (folded.count - 1)))
    }
    return false
  }

  private static func continues(_ text: RawSpan, _ offset: Int) -> Bool {
    text.unsafeLoad(fromUncheckedByteOffset: offset, as: UInt8.self) & 0xC0 == 0x80
  }

  /// It stands in a text in ASCII, whatever the other octets mean. False: they have to be known.
  public func standsInASCII(of text: RawSpan) -> Bool { isPlain && !isEmpty && !isCaseless && search(text) }

  public func isFound(in text: String) -> Bool {
    if isEmpty { return true }
    var text = text
    return text.withUTF8 { isFound(in: $0.span.bytes) }
  }

  /// Appends a piece of text in the form that `searchPrepared` compares.
  public func append(_ text: RawSpan, to output: inout [UInt8]) {
    if isCaseless || isBinary {
      text.withUnsafeBytes { output.append(contentsOf: $0) }
    } else {
      TextFolding.fold(text, into: &output)
    }
  }

  /// Whether it stands in texts that `append` has prepared.
  public func searchPrepared(_ text: RawSpan) -> Bool {
    isCaseless ? search(text) : Self.searchExactly(isBinary ? pattern : folded, text)
  }

  private static func searchExactly(_ needle: [UInt8], _ text: RawSpan) -> Bool {
    needle.withUnsafeBytes { needle in
      text.withUnsafeBytes { text in
        guard let wanted = needle.baseAddress, let base = text.baseAddress, text.count >= needle.count else {
          return needle.isEmpty
        }
        return memmem(base, UInt(text.count), wanted, UInt(needle.count)) != nil
      }
    }
  }

  /// Horspool's search, ASCII letters folded on the way. Texts made to slow it down (`aaa…` where `baaa…` is looked for)
  /// are noticed, and searched on in linear time: it never compares much more octets than there are.
  private func search(_ text: RawSpan) -> Bool {
    let length = pattern.count
    let count = text.byteCount
    guard count >= length else { return false }
    return pattern.withUnsafeBufferPointer { needle in
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
    var borders = [Int](repeating: 0, count: pattern.count)
    var length = 0
    for index in 1..<max(pattern.count, 1) {
      while length > 0, pattern[length] != pattern[index] { length = borders[length - 1] }
      if pattern[length] == pattern[index] { length += 1 }
      borders[index] = length
    }
    var matched = 0
    for offset in start..<text.byteCount {
      let byte = text.unsafeLoad(fromUncheckedByteOffset: offset, as: UInt8.self).asciiLowercased
      while matched > 0, pattern[matched] != byte { matched = borders[matched - 1] }
      if pattern[matched] == byte { matched += 1 }
      if matched == pattern.count { return true }
    }
    return false
  }
}
