import MailStore

/// Messages by index in a snapshot: ascending ranges that neither touch nor overlap.
struct IndexRanges: Sendable, Equatable {
  private(set) var ranges: [Range<Int>] = []
  private(set) var count = 0

  static let empty = IndexRanges()

  init() {}

  /// `unordered` may overlap and come in any order.
  init(merging unordered: [Range<Int>]) {
    for range in unordered.sorted(by: { $0.lowerBound < $1.lowerBound }) where !range.isEmpty {
      append(range)
    }
  }

  init(_ range: Range<Int>) { append(range) }

  var isEmpty: Bool { ranges.isEmpty }
  var first: Int? { ranges.first?.lowerBound }
  var last: Int? { ranges.last.map { $0.upperBound - 1 } }

  /// `range` must not begin before the last range does.
  mutating func append(_ range: Range<Int>) {
    guard !range.isEmpty else { return }
    if let last = ranges.last, range.lowerBound <= last.upperBound {
      let upper = max(last.upperBound, range.upperBound)
      count += upper - last.upperBound
      ranges[ranges.count - 1] = last.lowerBound..<upper
    } else {
      ranges.append(range)
      count += range.count
    }
  }

  mutating func append(_ index: Int) { append(index..<(index + 1)) }

  func contains(_ index: Int) -> Bool {
    var low = 0
    var high = ranges.count
    while low < high {
      let middle = (low + high) / 2
      if ranges[middle].upperBound <= index { low = middle + 1 } else { high = middle }
    }
    return low < ranges.count && ranges[low].contains(index)
  }

  @inline(__always)
  func forEach(_ body: (Int) throws -> Void) rethrows {
    for range in ranges {
      for index in range { try body(index) }
    }
  }

  func intersection(_ other: IndexRanges) -> IndexRanges {
    var result = IndexRanges()
    var mine = 0
    var theirs = 0
    while mine < ranges.count, theirs < other.ranges.count {
      let left = ranges[mine]
      let right = other.ranges[theirs]
      let lower = max(left.lowerBound, right.lowerBound)
      let upper = min(left.upperBound, right.upperBound)
      if lower < upper { result.append(lower..<upper) }
      if left.upperBound < right.upperBound { mine += 1 } else { theirs += 1 }
    }
    return result
  }

  /// The UIDs these messages have in `snapshot`, ascending.
  func uids(in snapshot: MailboxSnapshot) -> [UID] {
    var result: [UID] = []
    result.reserveCapacity(count)
    for range in ranges {
      snapshot.forEach(in: range) { _, entry in result.append(entry.uid) }
    }
    return result
  }
}
