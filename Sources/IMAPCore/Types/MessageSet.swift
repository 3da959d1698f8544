/// A sequence-set: message sequence numbers or UIDs, ranges of them, `*`, and `$` (RFC 9051 §9, RFC 5182).
public struct MessageSet: Hashable, Sendable {
  /// A number or a range as the client wrote it. Ends may be the wrong way round: `4:2` means `2:4`.
  public struct Element: Hashable, Sendable {
    /// 0 stands for `*`.
    public var first: UInt32
    /// 0 stands for `*`. Equal to `first` for a single number.
    public var last: UInt32

    @inlinable
    public init(_ first: UInt32, _ last: UInt32) {
      self.first = first
      self.last = last
    }
    @inlinable public init(_ number: UInt32) { self.init(number, number) }
  }

  /// The value of an element's end that stands for `*`.
  @inlinable public static var star: UInt32 { 0 }

  public var elements: [Element]
  /// `$`: the result of the last SEARCH with SAVE is part of the set.
  public var includesSavedResult: Bool

  public init(_ elements: [Element], includesSavedResult: Bool = false) {
    self.elements = elements
    self.includesSavedResult = includesSavedResult
  }

  /// A set of single numbers and ranges from ascending numbers.
  public init(sorted numbers: some Sequence<UInt32>) {
    self.init(CompactRanges(numbers).map { Element($0.lowerBound, $0.upperBound) })
  }

  /// `$` alone.
  public static let savedResult = MessageSet([], includesSavedResult: true)
  /// `1:*`.
  public static let everything = MessageSet([Element(1, star)])
  public var isOnlySavedResult: Bool { includesSavedResult && elements.isEmpty }
  public var containsStar: Bool { elements.contains { $0.first == Self.star || $0.last == Self.star } }
}

extension MessageSet {
  /// What a set of sequence numbers means in a mailbox of some size.
  public struct Resolved: Hashable, Sendable {
    /// Ascending, apart from each other, clipped to the mailbox.
    public var ranges: [ClosedRange<UInt32>]
    /// Some number, or `*` in an empty mailbox, lies beyond the last message: the command should be answered BAD
    /// (RFC 9051 §9, seq-number). Servers that want to be lenient use `ranges` all the same.
    public var exceedsMailbox: Bool
    public init(ranges: [ClosedRange<UInt32>], exceedsMailbox: Bool) {
      self.ranges = ranges
      self.exceedsMailbox = exceedsMailbox
    }
  }

  /// Reads the set as message sequence numbers. `$` is not looked at: see `includesSavedResult`.
  public func resolvedSequenceNumbers(count: Int) -> Resolved {
    let largest = UInt32(clamping: count)
    var exceeds = false
    let ranges = merged(star: largest, upTo: largest) { if $0 > largest || $0 == 0 { exceeds = true } }
    return Resolved(ranges: ranges, exceedsMailbox: exceeds)
  }

  /// Reads the set as UIDs: ascending ranges, apart from each other. UIDs that do not exist are no error
  /// (RFC 9051 §6.4.9). `$` is not looked at.
  /// - Parameter last: the UID of the last message, or UIDNEXT if there is none (RFC 9051 §9, seq-number).
  public func resolvedUIDs(last: UInt32) -> [ClosedRange<UInt32>] {
    merged(star: last, upTo: .max) { _ in }
  }

  private func merged(star: UInt32, upTo limit: UInt32, _ look: (UInt32) -> Void) -> [ClosedRange<UInt32>] {
    var ranges: [ClosedRange<UInt32>] = []
    ranges.reserveCapacity(elements.count)
    var isSorted = true
    for element in elements {
      let first = element.first == Self.star ? star : element.first
      let last = element.last == Self.star ? star : element.last
      look(first)
      look(last)
      // RFC 9051 §9, seq-range: 2:4 and 4:2 are equivalent.
      let low = max(min(first, last), 1)
      let high = min(max(first, last), limit)
      guard low <= high else { continue }
      if let previous = ranges.last, low <= previous.upperBound { isSorted = false }
      ranges.append(low...high)
    }
    if !isSorted { ranges.sort { $0.lowerBound < $1.lowerBound } }
    return Self.coalesced(ranges)
  }

  private static func coalesced(_ sorted: [ClosedRange<UInt32>]) -> [ClosedRange<UInt32>] {
    var result: [ClosedRange<UInt32>] = []
    result.reserveCapacity(sorted.count)
    for range in sorted {
      if let previous = result.last, UInt64(range.lowerBound) <= UInt64(previous.upperBound) + 1 {
        result[result.count - 1] = previous.lowerBound...max(previous.upperBound, range.upperBound)
      } else {
        result.append(range)
      }
    }
    return result
  }
}

/// Runs of consecutive numbers in an ascending sequence, found as they are asked for.
public struct CompactRanges<Numbers: Sequence<UInt32>>: Sequence, IteratorProtocol {
  @usableFromInline var numbers: Numbers.Iterator
  @usableFromInline var pending: UInt32?

  @inlinable
  public init(_ numbers: Numbers) {
    self.numbers = numbers.makeIterator()
    self.pending = self.numbers.next()
  }

  @inlinable
  public mutating func next() -> ClosedRange<UInt32>? {
    guard let first = pending else { return nil }
    var last = first
    pending = numbers.next()
    while let number = pending, number == last || (last < .max && number == last + 1) {
      last = number
      pending = numbers.next()
    }
    return first...last
  }
}
