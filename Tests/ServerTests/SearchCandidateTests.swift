import MailStore
import Testing

@testable import IMAPServer

@Suite struct SearchCandidateTests {
  @Test func `A search within a few messages looks at no others, and finds the same`() {
    let entries = (1...5000).map { number in
      MessageEntry(uid: UID(number), flags: number % 3 == 0 ? .seen : [], keywords: 0, modSeq: 1)
    }
    let snapshot = MailboxSnapshot(entries: entries, uidNext: 5001, highestModSeq: 1, keywords: [])
    let all = IndexRanges(0..<snapshot.count)
    let last = IndexRanges(4980..<5000)
    let some = IndexRanges(merging: [0..<10, 4990..<4995])
    let beyond = IndexRanges(4990..<7000)
    let cases: [(node: SearchNode, candidates: IndexRanges)] = [
      (.and([.not(.flags(.seen)), .indexes(last)]), last),
      (.and([.indexes(last), .indexes(some), .flags(.seen)]), IndexRanges(4990..<4995)),
      (.and([.flags(.seen), .indexes(beyond)]), IndexRanges(4990..<5000)),
      (.indexes(beyond), IndexRanges(4990..<5000)), (.none, .empty), (.flags(.seen), all),
      (.or([.indexes(some), .flags(.seen)]), all), (.not(.indexes(last)), all),
    ]
    for (node, candidates) in cases {
      #expect(node.candidates(of: snapshot.count) == candidates)
      let whole = SearchScan(node, snapshot, in: all)
      #expect(SearchScan(node, snapshot, in: candidates).found == whole.found)
    }
  }

  @Test func `What is looked at beforehand is bounded, however many sets there are`() {
    let many = IndexRanges(merging: (0..<1000).map { $0 * 2..<$0 * 2 + 1 })
    #expect(SearchNode.and([.indexes(many), .flags(.seen)]).candidates(of: 2000) == IndexRanges(0..<2000))
    let sets = (0..<100).map { SearchNode.indexes(IndexRanges($0..<2000)) }
    #expect(SearchNode.and(sets).candidates(of: 2000).first == 7)
  }
}
