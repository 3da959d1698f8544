import IMAPCore
import MailStore
import MailTestKit
import SearchText
import Testing

@testable import IMAPServer

@Suite struct OrderTests {
  @Test func `Sorting is stable, in both directions, whatever the keys`() {
    var random = SeededRandom(seed: 11)
    for round in 0..<200 {
      let count = Int.random(in: 0...300, using: &random)
      let spread: UInt64 = [1, 3, 1 << 12, 1 << 33, .max][round % 5]
      let keys = (0..<count).map { _ in UInt64.random(in: 0...spread, using: &random) &+ (round % 2 == 0 ? 1 << 63 : 0)
      }
      var order = StableOrder(count: count)
      order.sort(by: keys)
      #expect(order.order.map(Int.init) == (0..<count).sorted { (keys[$0], $0) < (keys[$1], $1) })
      var reversed = StableOrder(count: count)
      reversed.sort(by: keys, descending: true)
      #expect(
        reversed.order.map(Int.init)
          == (0..<count).sorted { keys[$0] != keys[$1] ? keys[$0] > keys[$1] : $0 < $1 })
    }
  }

  @Test func `Texts rank by their octets, the empty one first`() {
    var random = SeededRandom(seed: 12)
    let texts = (0..<400).map { _ in
      (0..<Int.random(in: 0...11, using: &random)).map { _ in UInt8.random(in: 0x61...0x62, using: &random) }
    }
    var column = KeyColumn()
    for (index, text) in texts.enumerated() { column.append(UID(index + 1)) { $0 += text } }
    let ranks = column.comparable(at: (0..<400).map { Int32($0) })
    for left in 0..<400 {
      for right in 0..<400 {
        let isLess = texts[left].lexicographicallyPrecedes(texts[right])
        #expect((ranks[left] < ranks[right]) == isLess)
        if texts[left] == texts[right] { #expect(ranks[left] == ranks[right]) }
      }
    }
  }

  @Test func `Columns are merged by UID, and what is gone is dropped`() {
    var old = KeyColumn()
    var new = KeyColumn()
    for uid in [2, 5, 7] as [UID] { old.append(uid, UInt64(uid)) }
    for uid in [3, 9] as [UID] { new.append(uid, UInt64(uid)) }
    let merged = old.merging(new, keeping: [2, 3, 7, 9, 11])
    #expect(merged.uids == [2, 3, 7, 9] && merged.numbers == [2, 3, 7, 9])
    #expect(merged.missing([1, 2, 3, 11]) == [1, 11])
    #expect(merged.places(of: [3, 8, 9]) == [1, -1, 3])

    var texts = KeyColumn()
    texts.append(1) { (text: inout [UInt8]) in text += [1] }
    texts.append(4) { (_: inout [UInt8]) in }
    var more = KeyColumn()
    more.append(3) { (text: inout [UInt8]) in text += [3, 3] }
    let both = texts.merging(more, keeping: [1, 3, 4])
    #expect(both.text == [1, 3, 3] && both.ends == [1, 3, 3])

    var hashes = KeyColumn()
    hashes.append(1) { (hashes: inout [UInt64]) in hashes += [1, 2, 3] }
    var others = KeyColumn()
    others.append(2) { (hashes: inout [UInt64]) in hashes += [4, 5] }
    #expect(hashes.merging(others, keeping: [1, 2]).hashes == [1, 2, 3, 4, 5])
  }

  @Test func `A hash table keeps the first value of each hash`() {
    var random = SeededRandom(seed: 3)
    var table = HashTable(capacity: 0)
    var plain: [UInt64: Int32] = [:]
    for index in 0..<5000 {
      let hash = UInt64.random(in: 1...3000, using: &random) << UInt64(index % 40)
      let value = Int32(index)
      #expect(table.value(for: hash) { value } == plain[hash] ?? value)
      plain[hash] = plain[hash] ?? value
    }
    for (hash, value) in plain { #expect(table[hash] == value) }
    #expect(table[1 << 63] == nil)
    table[plain.keys.first ?? 1] = -7
    #expect(table[plain.keys.first ?? 1] == -7)
  }

  @Test func `Ancestors are the same by either way of looking`() {
    var random = SeededRandom(seed: 4)
    for _ in 0..<100 {
      let count = Int.random(in: 2...40, using: &random)
      var parents = [Int32](repeating: -1, count: count)
      func isAncestor(_ node: Int32, _ other: Int32) -> Bool {
        var above = other
        while above >= 0 {
          if above == node { return true }
          above = parents[Int(above)]
        }
        return false
      }
      // From a forest that is there already, and from nothing.
      if Bool.random(using: &random) {
        for node in 1..<count where Bool.random(using: &random) {
          parents[node] = Int32(Int.random(in: 0..<node, using: &random))
        }
      }
      var tree = AncestryTree(parents: parents)
      for _ in 0..<200 {
        let node = Int32(Int.random(in: 0..<count, using: &random))
        let other = Int32(Int.random(in: 0..<count, using: &random))
        #expect(tree.isAncestor(node, of: other) == isAncestor(node, other))
        if parents[Int(node)] >= 0 {
          parents[Int(node)] = -1
          tree.cut(node)
        } else if !isAncestor(node, other) {
          parents[Int(node)] = other
          tree.link(node, to: other)
        }
      }
    }
  }

  // MARK: Keys kept

  private func column(_ count: Int) -> KeyColumn {
    var column = KeyColumn()
    for uid in 0..<count { column.append(UID(uid + 1), 0) }
    return column
  }

  @Test func `What is kept is bounded, and the oldest goes first`() {
    let box = { MailboxRef(account: AccountID(1), mailbox: MailboxID($0)) }
    let size = column(1000).bytes
    let cache = OrderCache(limit: size * 2 + size / 2)
    cache.put(column(1000), .date, by: .unicodeCasemap, of: box(1))
    cache.put(column(1000), .date, by: .unicodeCasemap, of: box(2))
    #expect(cache.column(.date, by: .unicodeCasemap, of: box(1)) != nil)
    cache.put(column(1000), .size, by: .unicodeCasemap, of: box(1))
    #expect(cache.column(.date, by: .unicodeCasemap, of: box(2)) == nil)
    #expect(
      cache.column(.date, by: .unicodeCasemap, of: box(1))?.count == 1000
        && cache.column(.size, by: .unicodeCasemap, of: box(1)) != nil)
    #expect(cache.column(.arrival, by: .unicodeCasemap, of: box(1)) == nil)
    #expect(cache.bytes <= size * 2 + size / 2)
    // One that is larger than everything together is not kept, and drives nothing out.
    cache.put(column(10_000), .date, by: .unicodeCasemap, of: box(3))
    #expect(
      cache.column(.date, by: .unicodeCasemap, of: box(3)) == nil
        && cache.column(.date, by: .unicodeCasemap, of: box(1)) != nil)
    cache.put(column(10), .date, by: .unicodeCasemap, of: box(1))
    #expect(cache.column(.date, by: .unicodeCasemap, of: box(1))?.count == 10)
  }

  @Test(.timeLimit(.minutes(1))) func `What nobody uses is let go of`() async throws {
    let cache = OrderCache(limit: 1 << 20, idle: .milliseconds(20))
    for round in 1...2 {
      cache.put(
        column(10), .date, by: .unicodeCasemap, of: MailboxRef(account: AccountID(1), mailbox: MailboxID(Int64(round))))
      while cache.bytes > 0 { try await Task.sleep(for: .milliseconds(5)) }
    }
  }
}
