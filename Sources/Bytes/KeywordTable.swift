/// A protocol keyword of 1 to 16 octets packed into two words, ASCII letters in upper case, so that comparing keywords
/// is comparing numbers.
public struct PackedKeyword: Hashable, Sendable, Comparable {
  public let high: UInt64
  public let low: UInt64

  @inlinable
  public init(high: UInt64, low: UInt64) {
    self.high = high
    self.low = low
  }

  /// Nil when `span` is empty or longer than 16 octets, or holds a NUL.
  @inlinable
  public init?(_ span: RawSpan) {
    guard span.byteCount > 0, span.byteCount <= 16 else { return nil }
    var words: (UInt64, UInt64) = (0, 0)
    for index in 0..<span.byteCount {
      let byte = span.unsafeLoad(fromUncheckedByteOffset: index, as: UInt8.self).asciiUppercased
      guard byte != 0 else { return nil }
      if index < 8 {
        words.0 |= UInt64(byte) &<< UInt64(56 &- 8 &* index)
      } else {
        words.1 |= UInt64(byte) &<< UInt64(56 &- 8 &* (index &- 8))
      }
    }
    self.init(high: words.0, low: words.1)
  }

  @inlinable
  public static func < (left: Self, right: Self) -> Bool {
    left.high != right.high ? left.high < right.high : left.low < right.low
  }
}

/// Values found by keyword, without case, without allocation: a sorted array and a binary search.
public struct KeywordTable<Value: Sendable>: Sendable {
  @usableFromInline let keys: [PackedKeyword]
  @usableFromInline let values: [Value]

  /// - Precondition: keywords of 1 to 16 ASCII characters, each once.
  public init(_ rows: [(StaticString, Value)]) {
    let packed: [(key: PackedKeyword, value: Value)] = rows.map { word, value in
      let bytes = UnsafeRawBufferPointer(start: word.utf8Start, count: word.utf8CodeUnitCount)
      guard let key = PackedKeyword(bytes.bytes) else { preconditionFailure("not a keyword: \(word)") }
      return (key, value)
    }
    let sorted = packed.sorted { $0.key < $1.key }
    self.keys = sorted.map(\.key)
    self.values = sorted.map(\.value)
    precondition(zip(keys, keys.dropFirst()).allSatisfy { $0 < $1 }, "a keyword stands twice in a table")
  }

  /// The value of the keyword `word`, or nil.
  @inlinable
  public func value(for word: RawSpan) -> Value? {
    guard let key = PackedKeyword(word) else { return nil }
    var low = 0
    var high = keys.count
    while low < high {
      let middle = (low &+ high) / 2
      if keys[middle] < key { low = middle &+ 1 } else { high = middle }
    }
    return low < keys.count && keys[low] == key ? values[low] : nil
  }
}
