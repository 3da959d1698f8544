import IMAPCore
import MailStore
import MailTestKit
import Testing

@testable import IMAPServer

/// Parts of ranges and samples of sequence numbers, against the same done message by message.
@Suite struct RangesTests {
  private static func some(_ random: inout SeededRandom, below limit: Int) -> [Int] {
    (0..<limit).filter { _ in Bool.random(using: &random) }
  }

  private static func ranges(_ indexes: [Int]) -> IndexRanges {
    IndexRanges(merging: indexes.map { $0..<$0 + 1 })
  }

  private static func indexes(_ ranges: IndexRanges) -> [Int] { ranges.ranges.flatMap(Array.init) }

  @Test func `Parts and differences of ranges`() {
    var random = SeededRandom(seed: 94)
    for _ in 0..<2000 {
      let all = Self.some(&random, below: 30)
      let other = Self.some(&random, below: 30)
      let lower = Int.random(in: 0...12, using: &random)
      let places = lower..<Int.random(in: lower...40, using: &random)
      let part = all.dropFirst(places.lowerBound).prefix(places.count)
      #expect(Self.indexes(Self.ranges(all).part(places)) == Array(part))
      #expect(Self.indexes(Self.ranges(all).subtracting(Self.ranges(other))) == all.filter { !other.contains($0) })
    }
  }

  @Test func `A partial range counts from either end`() {
    #expect(PartialRange(1, 3).places(of: 10) == 0..<3)
    #expect(PartialRange(3, 1).places(of: 2) == 0..<2)
    #expect(PartialRange(5, 9).places(of: 4).isEmpty)
    #expect(PartialRange(1, 3, fromEnd: true).places(of: 10) == 7..<10)
    #expect(PartialRange(100, 2, fromEnd: true).places(of: 3) == 0..<2)
    #expect(PartialRange(4, 9, fromEnd: true).places(of: 3).isEmpty)
    #expect(PartialRange(1, .max).places(of: 3) == 0..<3)
    #expect(PartialRange(1, .max).count == Int(UInt32.max))
  }

  /// What a client knows is what was there once; some of it has gone since (RFC 7162 §3.2.5.2).
  @Test func `The last pair of a sample that agrees is found`() {
    var random = SeededRandom(seed: 7162)
    for _ in 0..<3000 {
      let known = (1...40).map(UID.init).filter { _ in Int.random(in: 0..<4, using: &random) > 0 }
      let often = Int.random(in: 1...30, using: &random)
      let left = known.filter { _ in Int.random(in: 0..<often, using: &random) > 0 }
      let told = MailboxSnapshot(
        entries: left.map { MessageEntry(uid: $0, flags: [], keywords: 0, modSeq: 1) }, uidNext: 41, highestModSeq: 1,
        keywords: [])
      let places = Self.some(&random, below: known.count)
      guard !places.isEmpty else { continue }
      let match = Resync.Match(
        numbers: MessageSet(sorted: places.map { UInt32($0 + 1) }), uids: MessageSet(sorted: places.map { known[$0] }))
      let agreed = places.last { $0 < left.count && left[$0] == known[$0] }.map { known[$0] } ?? 0
      #expect(SequenceMatch(match).agreed(with: told) == agreed)
    }
    // As many numbers as there are, in a few octets.
    let everything = MessageSet([.init(1, .max)])
    let told = MailboxSnapshot(
      entries: (1...9).map { MessageEntry(uid: $0, flags: [], keywords: 0, modSeq: 1) }, uidNext: 10, highestModSeq: 1,
      keywords: [])
    #expect(SequenceMatch(Resync.Match(numbers: everything, uids: everything)).agreed(with: told) == 9)
  }
}
