/// Elements in an order that successive sorts refine, the least important first: a sort by one key leaves elements with
/// equal keys as they stood, so at the beginning, by sequence number (RFC 5256 §3).
struct StableOrder {
  private(set) var order: [UInt32]

  private struct Pair {
    var key: UInt64
    var element: UInt32
  }

  private static let digitBits: UInt64 = 11
  private static let buckets = 1 << 11

  init(count: Int) { order = Array(0..<UInt32(count)) }

  /// Sorts by `keys`, one for each element. Digit by digit, those in which all keys agree passed over: linear.
  mutating func sort(by keys: [UInt64], descending: Bool = false) {
    guard order.count > 1 else { return }
    let flip: UInt64 = descending ? .max : 0
    var pairs: [Pair] = []
    pairs.reserveCapacity(order.count)
    var union: UInt64 = 0
    var common: UInt64 = .max
    var isSorted = true
    var previous: UInt64 = 0
    for element in order {
      let key = keys[Int(element)] ^ flip
      union |= key
      common &= key
      if key < previous { isSorted = false }
      previous = key
      pairs.append(Pair(key: key, element: element))
    }
    if isSorted { return }
    var other = pairs
    let differing = union ^ common
    var shift: UInt64 = 0
    while shift < 64 {
      if differing >> shift & UInt64(Self.buckets - 1) != 0 {
        Self.distribute(pairs, into: &other, shift)
        swap(&pairs, &other)
      }
      shift += Self.digitBits
    }
    for index in order.indices { order[index] = pairs[index].element }
  }

  private static func distribute(_ pairs: [Pair], into output: inout [Pair], _ shift: UInt64) {
    let mask = UInt64(buckets - 1)
    withUnsafeTemporaryAllocation(of: Int.self, capacity: buckets) { places in
      places.initialize(repeating: 0)
      pairs.withUnsafeBufferPointer { pairs in
        for pair in pairs { places[Int(pair.key >> shift & mask)] += 1 }
        var start = 0
        for bucket in 0..<buckets {
          let count = places[bucket]
          places[bucket] = start
          start += count
        }
        output.withUnsafeMutableBufferPointer { output in
          for pair in pairs {
            let bucket = Int(pair.key >> shift & mask)
            output[places[bucket]] = pair
            places[bucket] += 1
          }
        }
      }
    }
  }
}

extension KeyColumn {
  /// Numbers that compare as the keys of the messages at `places` do.
  func comparable(at places: [Int32]) -> [UInt64] {
    guard ends.isEmpty else { return ranks(at: places) }
    return places.map { $0 < 0 ? 0 : numbers[Int($0)] }
  }

  /// Each text's rank among them; equal texts have the same. No text comes before every text.
  private func ranks(at places: [Int32]) -> [UInt64] {
    struct Text {
      /// Its first eight octets.
      var head: UInt64
      var start: Int
      var end: Int
      var index: Int
    }
    return text.withUnsafeBytes { bytes in
      var texts: [Text] = []
      texts.reserveCapacity(places.count)
      for (index, place) in places.enumerated() {
        let range = place < 0 ? 0..<0 : textRange(Int(place))
        var head: UInt64 = 0
        for offset in 0..<8 {
          head <<= 8
          if offset < range.count { head |= UInt64(bytes[range.lowerBound + offset]) }
        }
        texts.append(Text(head: head, start: range.lowerBound, end: range.upperBound, index: index))
      }
      func compare(_ left: Text, _ right: Text) -> Int {
        if left.head != right.head { return left.head < right.head ? -1 : 1 }
        var mine = left.start
        var theirs = right.start
        while mine < left.end, theirs < right.end {
          if bytes[mine] != bytes[theirs] { return bytes[mine] < bytes[theirs] ? -1 : 1 }
          mine += 1
          theirs += 1
        }
        return (left.end - mine) - (right.end - theirs)
      }
      texts.sort { compare($0, $1) < 0 }
      var ranks = [UInt64](repeating: 0, count: places.count)
      var rank: UInt64 = 0
      for position in texts.indices {
        if position > 0, compare(texts[position - 1], texts[position]) != 0 { rank += 1 }
        ranks[texts[position].index] = rank
      }
      return ranks
    }
  }
}
