import Bytes
import IMAPCore
import NIOCore
import Testing

private func printed(_ write: (inout ByteBuffer) -> Void) -> String {
  var buffer = ByteBuffer()
  write(&buffer)
  return String(buffer: buffer)
}

@Suite struct MessageSetTests {
  @Test func `The RFC's examples resolve as it says`() {
    // RFC 9051 §9, sequence-set.
    let first = MessageSet([.init(2), .init(4, 7), .init(9), .init(12, 0)])
    #expect(first.resolvedSequenceNumbers(count: 15).ranges == [2...2, 4...7, 9...9, 12...15])
    let second = MessageSet([.init(0, 4), .init(5, 7)])
    #expect(second.resolvedSequenceNumbers(count: 10).ranges == [4...10])
    // RFC 9051 §9, seq-range: 3291:* includes the last UID even if it is less.
    #expect(MessageSet([.init(3291, 0)]).resolvedUIDs(last: 100) == [100...3291])
  }

  @Test func `Numbers beyond the mailbox are told`() {
    #expect(!MessageSet.everything.resolvedSequenceNumbers(count: 1).exceedsMailbox)
    #expect(MessageSet.everything.resolvedSequenceNumbers(count: 0) == .init(ranges: [], exceedsMailbox: true))
    #expect(MessageSet([.init(3, 9)]).resolvedSequenceNumbers(count: 5) == .init(ranges: [3...5], exceedsMailbox: true))
    #expect(MessageSet([.init(7)]).resolvedSequenceNumbers(count: 5) == .init(ranges: [], exceedsMailbox: true))
    #expect(MessageSet.savedResult.resolvedSequenceNumbers(count: 0) == .init(ranges: [], exceedsMailbox: false))
  }

  @Test func `Resolved ranges hold exactly the numbers of the set`() {
    for seed in 0..<500 {
      var random = SeededGenerator(seed: UInt64(seed))
      let set = MessageSet(
        (0..<Int.random(in: 1...8, using: &random)).map { _ in
          .init(UInt32.random(in: 0...40, using: &random), UInt32.random(in: 0...40, using: &random))
        })
      var expected = Set<UInt32>()
      for element in set.elements {
        let ends = [element.first == 0 ? 30 : element.first, element.last == 0 ? 30 : element.last]
        expected.formUnion(min(ends[0], ends[1])...max(ends[0], ends[1]))
      }
      let uids = set.resolvedUIDs(last: 30)
      #expect(uids.flatMap { Array($0) } == expected.sorted())
      #expect(zip(uids, uids.dropFirst()).allSatisfy { $0.upperBound + 1 < $1.lowerBound })
      let numbers = set.resolvedSequenceNumbers(count: 30)
      #expect(numbers.ranges.flatMap { Array($0) } == expected.filter { $0 <= 30 }.sorted())
      #expect(numbers.exceedsMailbox == expected.contains { $0 > 30 })
    }
  }

  @Test func `The largest UID neither overflows nor splits`() {
    #expect(MessageSet([.init(1, .max), .init(.max)]).resolvedUIDs(last: 5) == [1...UInt32.max])
    #expect(Array(CompactRanges([UInt32.max - 1, UInt32.max])) == [(.max - 1)...UInt32.max])
    #expect(Array(CompactRanges([UInt32.max, UInt32.max])) == [UInt32.max...UInt32.max])
  }

  @Test(
    arguments: [
      ([], ""), ([1], "1"), ([1, 2], "1:2"), ([1, 2, 3, 7, 9, 10], "1:3,7,9:10"), ([5, 5, 6], "5:6"),
      ([4_294_967_295], "4294967295"),
    ] as [([UInt32], String)])
  func `Ascending numbers are written as the shortest set`(numbers: [UInt32], text: String) {
    #expect(printed { $0.writeMessageSet(MessageSet(sorted: numbers)) } == text)
  }

  @Test func `Paired numbers keep their order`() {
    #expect(printed { $0.writeOrderedSet([3, 4, 5, 2, 9, 8]) } == "3:5,2,9,8")
    #expect(printed { $0.writeOrderedSet([.max, 1]) } == "4294967295,1")
  }
}

@Suite struct ListPatternTests {
  @Test(arguments: [
    ("*", "a/b", true), ("%", "a/b", false), ("%", "a", true), ("%", "", true), ("*", "", true), ("", "", true),
    ("", "a", false),
    ("a/%", "a/b", true), ("a/%", "a/b/c", false), ("a/*", "a/b/c", true), ("a/*", "a", false), ("a*", "a", true),
    ("%/%", "a/b", true), ("%/%", "a/b/c", false), ("*/c", "a/b/c", true), ("*c*", "a/b/c", true),
    ("*d*", "a/b/c", false),
    ("%b%", "abc", true), ("%b%", "a/bc", false), ("*%", "a/b", true), ("%*", "a/b", true), ("%%", "a/b", false),
    ("inbox", "INBOX", true), ("inbox/%", "INBOX/x", true), ("Inbox", "Inbox", false), ("inb*", "INBOX", false),
    ("ä%", "äö", true),
    ("a%b%c", "a--b--c", true), ("a%b%c", "a--b--", false), ("*a*a*a*", "bababa", true), ("*a*a*a*", "baba", false),
  ])
  func `Wildcards stand for what the RFC says`(pattern: String, name: String, matches: Bool) {
    #expect(ListPattern(pattern).matches(name) == matches)
    // The same by the path for long patterns.
    let long = String(repeating: "x/", count: 40)
    #expect(
      ListPattern(reference: long, pattern).matches(long + name)
        == (pattern.lowercased().hasPrefix("inbox") ? name.lowercased().hasPrefix("inbox") && pattern == name : matches)
    )
  }

  @Test func `Both paths agree with a plain backtracking matcher`() {
    func plain(_ pattern: ArraySlice<UInt8>, _ name: ArraySlice<UInt8>) -> Bool {
      guard let first = pattern.first else { return name.isEmpty }
      let rest = pattern.dropFirst()
      if first == UInt8(ascii: "*") || first == UInt8(ascii: "%") {
        if plain(rest, name) { return true }
        guard let byte = name.first, first == UInt8(ascii: "*") || byte != UInt8(ascii: "/") else { return false }
        return plain(pattern, name.dropFirst())
      }
      return name.first == first && plain(rest, name.dropFirst())
    }
    var random = SeededGenerator(seed: 7)
    func word(_ letters: String, _ most: Int) -> String {
      String((0..<Int.random(in: 0...most, using: &random)).compactMap { _ in letters.randomElement(using: &random) })
    }
    var matched = 0
    for _ in 0..<20_000 {
      let (pattern, name) = (word("ab/*%", 8), word("ab/", 8))
      let expected = plain(Array(pattern.utf8)[...], Array(name.utf8)[...])
      matched += expected ? 1 : 0
      #expect(ListPattern(pattern).matches(name) == expected, "\(pattern) \(name)")
      let long = String(repeating: "z", count: 70)
      #expect(ListPattern(long + pattern).matches(long + name) == expected, "\(pattern) \(name)")
    }
    #expect(matched > 1000)
  }

  @Test func `Patterns made to blow up do not`() {
    // Exponential for a matcher that backtracks: this test would not end.
    let pattern = ListPattern(String(repeating: "*a%", count: 300) + "b")
    #expect(!pattern.matches(String(repeating: "a", count: 900)))
    let short = ListPattern(String(repeating: "*a%", count: 20) + "b")
    #expect(!short.matches(String(repeating: "a", count: 900)))
  }

  @Test func `A pattern of 63 and of 64 places match alike`() {
    for count in 60...70 {
      let name = String(repeating: "a", count: count)
      #expect(ListPattern(name).matches(name))
      #expect(ListPattern(name + "%").matches(name + "b"))
      #expect(!ListPattern(name).matches(name + "a"))
    }
  }
}

@Suite struct DateTests {
  @Test(
    arguments: [
      (0, 0, "\" 1-Jan-1970 00:00:00 +0000\""), (760_686_745, -480, "\" 7-Feb-1994 21:52:25 -0800\""),
      (951_782_400, 330, "\"29-Feb-2000 05:30:00 +0530\""), (-1, 0, "\"31-Dec-1969 23:59:59 +0000\""),
      (253_402_300_799, 0, "\"31-Dec-9999 00:00:00 +0000\""), (0, -1, "\"31-Dec-1969 23:59:00 -0001\""),
    ] as [(Int64, Int16, String)])
  func `INTERNALDATE is written in its zone`(seconds: Int64, zone: Int16, text: String) {
    #expect(printed { $0.writeDateTime(IMAPDateTime(seconds: seconds, zoneMinutes: zone)) } == text)
  }

  @Test func `Every day comes back, and there are no others`() {
    for number in -719_000...2_900_000 where number % 97 == 0 {
      let civil = CivilDate.date(ofDay: number)
      #expect(CivilDate.day(year: civil.year, month: civil.month, day: civil.day) == number)
    }
    #expect(CivilDate.day(year: 2023, month: 2, day: 29) == nil)
    #expect(CivilDate.day(year: 2024, month: 2, day: 29) == 19_782)
    #expect(CivilDate.day(year: 1900, month: 2, day: 29) == nil)
    #expect(CivilDate.day(year: 2024, month: 4, day: 31) == nil)
    #expect(CivilDate.day(year: 2024, month: 13, day: 1) == nil)
    #expect(CivilDate.day(year: 2024, month: 1, day: 0) == nil)
  }

  @Test(arguments: [
    "31-Feb-2024 00:00:00 +0000", " 1-Jan-2024 24:00:00 +0000", " 1-Jan-2024 00:60:00 +0000",
    " 1-Jan-2024 00:00:61 +0000",
    "1-Jan-2024 00:00:00 +0000", " 1-Jan-2024 00:00:00 0000", " 1-Jan-2024 00:00:00 +00", " 1-Jan-24 00:00:00 +0000",
    " 1-Jan-2024 00:00:00 +2400", " 1-Jan-2024 00:00:00",
  ])
  func `Dates that do not exist are refused`(date: String) {
    #expect(throws: IMAPSyntaxError.self) { try parse("APPEND x \"\(date)\" {1+}\r\nx") }
  }

  @Test func `A partial is clipped to the octets there are`() {
    #expect(Partial(offset: 0, count: 10).range(in: 5) == 0..<5)
    #expect(Partial(offset: 3, count: 1).range(in: 5) == 3..<4)
    #expect(Partial(offset: 5, count: 1).range(in: 5) == 5..<5)
    #expect(Partial(offset: .max, count: .max).range(in: 5) == 5..<5)
    #expect(Partial(offset: 2, count: .max).range(in: 5) == 2..<5)
  }
}

@Suite struct MailboxNameTests {
  @Test(arguments: [
    ("inbox", "INBOX"), ("INBOX", "INBOX"), ("iNbOx/a", "INBOX/a"), ("inboxes", "inboxes"), ("a/inbox", "a/inbox"),
    ("inbo", "inbo"), ("", ""), ("inbox/", "INBOX/"),
  ])
  func `INBOX is one whatever its case`(name: String, canonical: String) {
    #expect(MailboxName(name).string == canonical)
  }

  @Test func `Every attribute has one spelling and is found by it`() {
    for (attribute, name) in MailboxAttributes.spellings {
      #expect(MailboxAttributes(name: "\(name)".lowercased()) == attribute)
      #expect(attribute.name == "\(name)")
    }
    #expect(MailboxAttributes(name: "Sent") == nil)
    #expect(Set(MailboxAttributes.spellings.map(\.attribute.rawValue)).count == MailboxAttributes.spellings.count)
  }

  @Test func `Every command name is found by its keyword`() throws {
    for name in CommandName.allCases {
      // Without arguments some cannot be read, but none is unknown.
      do throws(IMAPSyntaxError) {
        #expect(try parse("\(name.keyword)".lowercased()).name == name)
      } catch {
        #expect(!error.reason.english.contains("Unknown command\n") && error.reason != "Unknown command")
      }
    }
  }
}
