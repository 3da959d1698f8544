import IMAPCore
import MailStore
import MailTestKit
import NIOCore
import Testing

@testable import IMAPServer

/// A client's list of results, kept by ADDTO and REMOVEFROM to the letter (RFC 5267 §4.3.2 to §4.3.4).
struct ResultList {
  var numbers: [UInt32]

  mutating func add(_ changes: [ContextChange]) throws {
    for change in changes {
      if change.position == 0 {
        numbers = (numbers + change.numbers).sorted()
      } else {
        try #require(change.position <= numbers.count + 1, "ADDTO beyond the end")
        numbers.insert(contentsOf: change.numbers, at: change.position - 1)
      }
    }
  }

  mutating func remove(_ changes: [ContextChange]) throws {
    for change in changes {
      if change.position == 0 {
        let gone = Set(change.numbers)
        try #require(gone.isSubset(of: numbers), "REMOVEFROM of what is not there")
        numbers.removeAll { gone.contains($0) }
      } else {
        let range = change.position - 1..<change.position - 1 + change.numbers.count
        try #require(range.upperBound <= numbers.count && Array(numbers[range]) == change.numbers)
        numbers.removeSubrange(range)
      }
    }
  }
}

@Suite struct ContextUpdateTests {
  @Test func `Ascending UIDs are looked up, taken out and put in as those of a set`() {
    for seed in 0..<2000 as Range<UInt64> {
      var random = SeededRandom(seed: seed)
      let uids = (1...40 as ClosedRange<UID>).filter { _ in random.flip() }
      let gone = (1...40 as ClosedRange<UID>).filter { _ in random.int(0...3) == 0 }
      let fresh = (1...60 as ClosedRange<UID>).filter { !uids.contains($0) && random.flip() }
      #expect((0...41 as ClosedRange<UID>).allSatisfy { uids.holds(ascending: $0) == uids.contains($0) })
      #expect(uids.removing(ascending: gone) == uids.filter { !gone.contains($0) }, "seed \(seed)")
      #expect(uids.merging(ascending: fresh) == (uids + fresh).sorted(), "seed \(seed)")
    }
  }

  /// What is told must not depend on where it is worked out.
  @Test(arguments: Transcript.all(of: "imap").filter { $0.name.contains("context") })
  func `Results that are worked out off the loop are told as others are`(transcript: Transcript) async throws {
    let run = try TranscriptRun(transcript, server: .imap)
    run.settings["messages-on-loop"] = "1"
    try await run.play()
  }

  @Test func `A client that follows the changes has the results, at their places`() throws {
    for seed in 0..<2000 as Range<UInt64> {
      var random = SeededRandom(seed: seed)
      let all = (1...UInt32(random.int(1...30))).map { $0 * 3 }
      // The order asked for: any, but always the same.
      let order = all.shuffled(using: &random)
      let isSorted = random.flip()
      func arranged(_ set: Set<UInt32>) -> [UInt32] { isSorted ? order.filter(set.contains) : set.sorted() }
      var members = Set(all.filter { _ in random.flip() })
      var list = ResultList(numbers: arranged(members))
      for _ in 0..<6 {
        let gone = Set(members.filter { _ in random.int(0...3) == 0 })
        let fresh = Set(all.filter { !members.contains($0) && random.int(0...3) == 0 })
        // Messages that are gone from the store, and not told yet, are not in the order.
        let hidden = Set(members.subtracting(gone).filter { _ in random.int(0...9) == 0 })
        var update = ContextUpdate(list.numbers, isSorted: isSorted, without: gone) { $0 }
        try list.remove(update.removed)
        members.subtract(gone)
        members.formUnion(fresh)
        if isSorted {
          update.insert(fresh, in: arranged(members.subtracting(hidden)), number: { $0 })
        } else {
          update.insert(fresh.sorted(), number: { $0 })
        }
        try list.add(update.added)
        #expect(list.numbers == update.members, "seed \(seed)")
        #expect(Set(list.numbers) == members, "seed \(seed)")
        let shown = list.numbers.filter { !hidden.contains($0) }
        #expect(shown == arranged(members.subtracting(hidden)), "seed \(seed)")
        // As if they had been told.
        list.numbers = shown
        members.subtract(hidden)
      }
    }
  }
}
