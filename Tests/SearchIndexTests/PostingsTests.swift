import Testing

@testable import SearchIndex

@Suite struct PostingsTests {
  @Test(arguments: [1, 2, 7, 8, 63, 64, 65, 256, 1000, 4096])
  func `A list of places is read as it was written`(count: Int) throws {
    var dice = Dice(UInt64(count))
    for _ in 0..<200 {
      let share = Double.random(in: 0...1, using: &dice)
      var places = (0..<count).filter { _ in Double.random(in: 0...1, using: &dice) < share * share * share }
      if places.isEmpty { places = [Int.random(in: 0..<count, using: &dice)] }
      var bytes: [UInt8] = [9]
      Postings.append(places.map { UInt16($0) }, of: count, to: &bytes)
      // Never longer than a bitmap.
      #expect(bytes.count <= 1 + 3 + 2 + (count + 7) / 8)
      bytes.append(7)
      var read: [Int] = []
      try bytes.withUnsafeBytes { raw throws in
        var cursor = IndexCursor(raw, at: 1)
        try Postings.read(&cursor, of: count) { read.append($0) }
        #expect(cursor.offset == raw.count - 1)
        cursor = IndexCursor(raw, at: 1)
        try Postings.read(&cursor, of: count, nil)
        #expect(cursor.offset == raw.count - 1)
      }
      #expect(read == places)
    }
  }

  @Test func `Whatever octets a list is read from, no place is outside`() {
    var dice = Dice(77)
    for _ in 0..<20_000 {
      let count = dice.pick([1, 3, 64, 100, 4096])
      let bytes = (0..<Int.random(in: 0..<40, using: &dice)).map { _ in UInt8.random(in: 0...255, using: &dice) }
      bytes.withUnsafeBytes { raw in
        var cursor = IndexCursor(raw)
        while !cursor.isAtEnd {
          do throws(IndexError) {
            try Postings.read(&cursor, of: count) { #expect($0 >= 0 && $0 < count) }
          } catch { return }
        }
      }
    }
  }

  @Test func `Long needles are looked up by some of their trigrams`() {
    #expect(TrigramCollector.of(needle: Array("ab".utf8)).isEmpty)
    #expect(TrigramCollector.of(needle: Array("abc".utf8)) == [0x616263])
    #expect(TrigramCollector.of(needle: Array("aaaaaa".utf8)) == [0x616161])
    let long = TrigramCollector.of(needle: (0..<2000).map { UInt8($0 * 7 % 251) })
    #expect(long.count == SearchIndexLimits.trigramsPerNeedle)
  }

  @Test func `Segments are merged until they are large, and then left alone`() {
    #expect(IndexWriter.run([]) == nil)
    #expect(IndexWriter.run(Array(repeating: 1, count: 15)) == nil)
    #expect(IndexWriter.run([4096, 300] + Array(repeating: 1, count: 16)) == 2..<18)
    #expect(IndexWriter.run(Array(repeating: 256, count: 20)) == 0..<16)
    #expect(IndexWriter.run([4096, 4096, 4000]) == nil)
    // Fewer than sixteen that make a whole one.
    #expect(IndexWriter.run([2000, 2000, 2000]) == 0..<2)
    // However mail comes in, few segments are left.
    var counts: [Int] = []
    var dice = Dice(1)
    for _ in 0..<5000 {
      counts.append(dice.pick([1, 1, 1, 5, 256]))
      while let run = IndexWriter.run(counts) {
        let sum = counts[run].reduce(0, +)
        #expect(sum <= SearchIndexLimits.messagesPerSegment && run.count > 1)
        counts.replaceSubrange(run, with: [sum])
      }
    }
    #expect(counts.count < 4 * counts.reduce(0, +) / SearchIndexLimits.messagesPerSegment + 64)
  }
}
