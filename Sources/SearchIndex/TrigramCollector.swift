/// The different trigrams of a text: three octets in a row of its folded form, as one number.
struct TrigramCollector: ~Copyable {
  /// Numbers of trigrams.
  static let count: UInt32 = 1 << 24

  /// 2 MiB, made for the first text: a round with nothing but messages too large to be indexed does without.
  private var bits: [UInt64] = []
  private var found: [UInt32] = []

  /// - Parameter ends: where texts end that stand one behind another in `text`.
  mutating func add(_ text: [UInt8], ends: [Int]) {
    if bits.isEmpty { bits = [UInt64](repeating: 0, count: Int(Self.count) / 64) }
    var start = 0
    bits.withUnsafeMutableBufferPointer { bits in
      text.withUnsafeBufferPointer { text in
        for end in ends {
          defer { start = end }
          guard end - start >= 3 else { continue }
          var value = UInt32(text[start]) << 8 | UInt32(text[start + 1])
          for offset in start + 2..<end {
            value = (value << 8 | UInt32(text[offset])) & 0xFF_FFFF
            let word = Int(value >> 6)
            let bit: UInt64 = 1 << UInt64(value & 63)
            if bits[word] & bit == 0 {
              bits[word] |= bit
              found.append(value)
            }
          }
        }
      }
    }
  }

  /// How many there are since the last `take`.
  var size: Int { found.count }

  /// Calls with each, in the order in which they came, and forgets them.
  mutating func take(_ body: (UInt32) -> Void) {
    for value in found {
      bits[Int(value >> 6)] = 0
      body(value)
    }
    found.removeAll(keepingCapacity: true)
  }

  mutating func drop() { take { _ in } }

  /// The trigrams that a text holds in which `needle` stands; with long needles, some of them.
  static func of(needle: [UInt8]) -> [UInt32] {
    guard needle.count >= 3 else { return [] }
    var all: [UInt32] = []
    for offset in 2..<needle.count {
      let value = UInt32(needle[offset - 2]) << 16 | UInt32(needle[offset - 1]) << 8 | UInt32(needle[offset])
      if !all.contains(value) { all.append(value) }
      // Enough to choose from: a needle may have kilobytes.
      if all.count == 8 * SearchIndexLimits.trigramsPerNeedle { break }
    }
    guard all.count > SearchIndexLimits.trigramsPerNeedle else { return all }
    let step = all.count / SearchIndexLimits.trigramsPerNeedle
    return stride(from: 0, to: all.count, by: step).prefix(SearchIndexLimits.trigramsPerNeedle).map { all[$0] }
  }
}
