import IMAPCore
import MailTestKit
import NIOCore
import Testing

@testable import IMAPClient

@Suite struct UIDFilterTests {
  @Test func `A filter says what a set of single UIDs says`() {
    for seed in 0..<500 {
      var random = SeededRandom(seed: UInt64(seed))
      func ranges(_ count: Int) -> [ClosedRange<UInt32>] {
        (0..<count).map { _ in
          let first = UInt32.random(in: 1...60, using: &random)
          return first...(first + UInt32.random(in: 0...6, using: &random))
        }
      }
      let own = ranges(Int.random(in: 0...6, using: &random))
      let gone = ranges(Int.random(in: 0...6, using: &random))
      let filter = UIDFilter([MessageSet(own.map { .init($0.upperBound, $0.lowerBound) })])
      let all = Set(own.flatMap { Array($0) })
      for uid in UInt32(1)...70 { #expect(filter.contains(uid) == all.contains(uid), "seed \(seed)") }
      #expect(filter.count == all.count)
      let (inside, outside) = filter.split(gone)
      let vanished = gone.flatMap { Array($0) }
      #expect(inside.flatMap { Array($0) }.sorted() == vanished.filter { all.contains($0) }.sorted(), "seed \(seed)")
      #expect(outside.flatMap { Array($0) }.sorted() == vanished.filter { !all.contains($0) }.sorted(), "seed \(seed)")
    }
    #expect(UIDFilter([.everything]).contains(7))
    #expect(UIDFilter([MessageSet([.init(1, .max)])]).split([1...(.max)]).outside.isEmpty)
  }

  @Test func `A set that is split is the same set in lines that are short enough`() {
    for seed in 0..<300 {
      var random = SeededRandom(seed: UInt64(seed))
      let elements = (0..<Int.random(in: 0...40, using: &random)).map { _ in
        MessageSet.Element(
          UInt32.random(in: 0...UInt32.max, using: &random) >> UInt32.random(in: 0...31, using: &random),
          UInt32.random(in: 0...9, using: &random))
      }
      let parts = MessageSet(elements, includesSavedResult: false).split(octets: 60)
      #expect(parts.flatMap(\.elements) == elements)
      for part in parts {
        var printer = CommandPrinter(nonSynchronizing: false)
        printer.set(part)
        #expect(printer.buffer.readableBytes <= 60 && !part.elements.isEmpty)
      }
    }
    #expect(MessageSet.savedResult.split() == [.savedResult])
  }
}
