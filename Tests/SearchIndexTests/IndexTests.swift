import Bytes
import MailFormat
import NIOCore
import SearchText
import Testing

@testable import SearchIndex

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// An index in a folder of its own, and the mail that is in it.
final class IndexBench {
  let folder: String
  let place: IndexPlace
  var mail: [Int64: (message: ByteBuffer, trace: ByteBuffer)] = [:]
  var random: RandomMail

  init(_ seed: UInt64) {
    var template = Array("/tmp/search-index-XXXXXX".utf8CString)
    folder = mkdtemp(&template).map { String(cString: $0) } ?? "/tmp"
    place = IndexPlace(path: "\(folder)/search.sqlite", store: "test")
    random = RandomMail(seed)
  }

  deinit {
    place.remove()
    rmdir(folder)
  }

  /// Contents from `first` on, with gaps, in slices.
  func fill(_ writer: IndexWriter, first: Int64, count: Int, slice: Int) throws -> Int64 {
    var next = first
    var builder = SegmentBuilder(account: 1)
    for start in stride(from: 0, to: count, by: slice) {
      builder.reset(account: 1)
      let begin = next
      for _ in start..<min(start + slice, count) {
        next += Int64.random(in: 1...3, using: &random.dice)
        let (message, trace) = (random.message(), random.trace())
        mail[next] = (message, trace)
        let index = MessageIndex.parse(message.readableBytesSpan)
        builder.add(next, index, message.readableBytesSpan, trace: trace.readableBytesSpan)
      }
      try writer.add(&builder, first: begin, last: next)
      next += 1
    }
    return next
  }

  func term() -> SearchTerm {
    let field = random.dice.pick(KeptField.allCases)
    let place = random.dice.pick([SearchTerm.Place.field(field), .header, .body, .anywhere])
    return SearchTerm(place, TextNeedle(random.needle(), random.dice.pick(Collation.allCases)))
  }

  /// What the text says; for `.header`, of a field that is not kept.
  func holds(_ content: Int64, _ term: SearchTerm) -> Bool {
    guard let (message, trace) = mail[content] else { return false }
    let bytes = message.readableBytesSpan
    let root = MessageIndex.parse(bytes).root
    func header(_ name: [UInt8]) -> Bool {
      MessageText.hasHeader(name, term.needle, in: trace.readableBytesSpan, 0..<trace.readableBytes)
        || MessageText.hasHeader(name, term.needle, in: bytes, root.headerRange)
    }
    switch term.place {
    case .field(let field): return header(field.name)
    case .header: return header(Array("x-other".utf8))
    case .body: return MessageText.hasText(term.needle, root, bytes, withHeaders: false)
    case .anywhere:
      return MessageText.hasFields(term.needle, trace.readableBytesSpan, 0..<trace.readableBytes)
        || MessageText.hasText(term.needle, root, bytes, withHeaders: true)
    }
  }

  /// Returns how much the index knew.
  @discardableResult
  func compare(_ reader: IndexReader, terms: Int) throws(IndexError) -> (known: Int, all: Int) {
    let contents = mail.keys.sorted()
    var known = 0
    for _ in 0..<terms {
      let term = term()
      guard let verdicts = try reader.verdicts([term], account: 1, contents: contents)[0] else {
        #expect(!IndexReader.isUseful(term))
        continue
      }
      for (content, verdict) in zip(contents, verdicts) {
        switch TermVerdict(rawValue: verdict) {
        case .no: #expect(!holds(content, term), "\(term) \(content)")
        case .yes: #expect(holds(content, term), "\(term) \(content)")
        case .unknown: continue
        case nil: Issue.record("verdict \(verdict)")
        }
        known += 1
      }
    }
    return (known, terms * contents.count)
  }
}

@Suite struct IndexTests {
  @Test(arguments: UInt64(1)...3)
  func `The index never says of a message what its text does not say`(seed: UInt64) throws {
    let bench = IndexBench(seed)
    let writer = try IndexWriter(bench.place)
    var next = try bench.fill(writer, first: 1, count: 150, slice: Int(seed) * 7)
    let reader = try IndexReader(bench.place)
    let before = try bench.compare(reader, terms: 80)
    // It is good for something.
    #expect(before.known * 3 > before.all)
    // Merged, and with messages it has not seen.
    while try writer.merge(account: 1, isStopping: { false }) {}
    next = try bench.fill(writer, first: next, count: 40, slice: 1)
    while try writer.merge(account: 1, isStopping: { false }) {}
    #expect(try writer.size().segments < 30)
    bench.mail[next + 5] = (bench.random.message(), ByteBuffer())
    try bench.compare(reader, terms: 80)
  }

  @Test func `What is gone is left out, and what is left is answered as before`() throws {
    let bench = IndexBench(9)
    let writer = try IndexWriter(bench.place)
    _ = try bench.fill(writer, first: 1, count: 128, slice: 64)
    let gone = bench.mail.keys.sorted().enumerated().filter { $0.offset < 64 || $0.offset % 3 > 0 }.map(\.element)
    for content in gone { bench.mail[content] = nil }
    var after: Int64 = 0
    for _ in 0..<10 {
      after =
        try writer.sweep(after: after, isStopping: { false }) { _, first, last in
          Set(bench.mail.keys.filter { $0 >= first && $0 <= last })
        } ?? 0
    }
    // The first segment has no messages any more, the other fewer; nothing is looked at anew.
    #expect(try writer.reached().count == 1)
    #expect(try writer.size().segments == 2)
    let reader = try IndexReader(bench.place)
    let all = try reader.verdicts(
      [SearchTerm(.body, TextNeedle("zzz"))], account: 1, contents: (gone + bench.mail.keys).sorted())[0]
    #expect(all?.filter { $0 != 0 }.count == bench.mail.count)
    try bench.compare(reader, terms: 80)
    // An account that is gone leaves nothing behind.
    after = 0
    for _ in 0..<3 { after = try writer.sweep(after: after, isStopping: { false }) { _, _, _ in nil } ?? 0 }
    #expect(try writer.size().segments == 0)
  }

  @Test func `Behind a segment that is lost all is made anew`() throws {
    let bench = IndexBench(12)
    let writer = try IndexWriter(bench.place)
    var next: Int64 = 1
    var ends: [Int64] = []
    for _ in 0..<3 {
      next = try bench.fill(writer, first: next, count: 5, slice: 5)
      ends.append(next - 1)
    }
    #expect(try writer.reached() == [1: ends[2]])
    try writer.delete(2)
    #expect(try writer.reached() == [1: ends[0]])
    #expect(try writer.size().segments == 1)
    next = try bench.fill(writer, first: ends[0] + 1, count: 5, slice: 5)
    #expect(try writer.reached() == [1: next - 1])
    try bench.compare(try IndexReader(bench.place), terms: 20)
  }

  @Test func `Other accounts, other versions and limits are kept apart`() throws {
    let bench = IndexBench(4)
    let writer = try IndexWriter(bench.place)
    var builder = SegmentBuilder(account: 1)
    let text = ByteBuffer(string: "Subject: one\r\n\r\nneedle")
    builder.add(5, MessageIndex.parse(text.readableBytesSpan), text.readableBytesSpan, trace: RawSpan())
    builder.addUnindexed(6)
    let large = ByteBuffer(
      string: "Subject: two\r\n\r\n" + String(repeating: "x", count: SearchIndexLimits.messageOctets))
    builder.add(7, MessageIndex.parse(large.readableBytesSpan), large.readableBytesSpan, trace: RawSpan())
    try writer.add(&builder, first: 1, last: 9)
    #expect(try writer.reached() == [1: 9])
    let reader = try IndexReader(bench.place)
    let terms = [SearchTerm(.body, TextNeedle("absent")), SearchTerm(.field(.subject), TextNeedle("o"))]
    #expect(try reader.verdicts(terms, account: 1, contents: [1, 5, 6, 7, 9]) == [[0, 1, 0, 0, 0], [0, 2, 0, 0, 0]])
    #expect(try reader.verdicts(terms, account: 2, contents: [5]) == [[0], [0]])
    #expect(try reader.verdicts([SearchTerm(.body, TextNeedle("ab"))], account: 1, contents: [5]) == [nil])
    let other = IndexPlace(path: bench.place.path, store: "another")
    #expect(throws: IndexError.self) { _ = try IndexReader(other) }
    #expect(try IndexWriter(other).reached().isEmpty)
  }

  @Test func `A merge that is stopped leaves everything as it was`() throws {
    let bench = IndexBench(11)
    let writer = try IndexWriter(bench.place)
    _ = try bench.fill(writer, first: 1, count: 48, slice: 2)
    #expect(try !writer.merge(account: 1, isStopping: { true }))
    #expect(try writer.size().segments == 24)
    try bench.compare(try IndexReader(bench.place), terms: 50)
  }

  @Test(arguments: UInt64(1)...16)
  func `However the file is damaged, no answer is wrong`(seed: UInt64) throws {
    let bench = IndexBench(seed)
    var dice = Dice(seed &+ 1000)
    do {
      let writer = try IndexWriter(bench.place)
      _ = try bench.fill(writer, first: 1, count: 40, slice: 4)
      while try writer.merge(account: 1, isStopping: { false }) {}
      try writer.rest()
    }
    try bench.damage(&dice)
    do throws(IndexError) {
      let reader = try IndexReader(bench.place)
      _ = try bench.compare(reader, terms: 20)
    } catch {}
    // Whatever it was, it can be begun anew.
    let writer = try IndexWriter(bench.place)
    // It may have to say that it is damaged.
    _ = try? writer.merge(account: 1, isStopping: { false })
    bench.place.remove()
    #expect(try IndexWriter(bench.place).reached().isEmpty)
  }
}

extension IndexBench {
  /// Octets changed, pages exchanged or zeroed, the end cut off.
  func damage(_ dice: inout Dice) throws {
    let file = open(place.path, O_RDWR)
    defer { close(file) }
    let size = Int(lseek(file, 0, SEEK_END))
    try #require(size > 8192)
    for _ in 0..<Int.random(in: 1...4, using: &dice) {
      let page = Int.random(in: 0..<size / 8192, using: &dice) * 8192
      switch Int.random(in: 0..<4, using: &dice) {
      case 0:
        var byte = UInt8.random(in: 0...255, using: &dice)
        pwrite(file, &byte, 1, off_t(Int.random(in: 0..<size, using: &dice)))
      case 1:
        var bytes = [UInt8](repeating: 0, count: 8192)
        pread(file, &bytes, 8192, off_t(Int.random(in: 0..<size / 8192, using: &dice) * 8192))
        pwrite(file, bytes, 8192, off_t(page))
      case 2:
        pwrite(file, [UInt8](repeating: 0, count: 512), 512, off_t(page + 512 * Int.random(in: 0..<16, using: &dice)))
      default: ftruncate(file, off_t(max(page, 8192)))
      }
    }
  }
}
