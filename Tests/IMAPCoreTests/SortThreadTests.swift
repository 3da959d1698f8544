import Bytes
import IMAPCore
import NIOCore
import Testing

private let sorts: [Fixture] = [
  Fixture(
    "SORT (SUBJECT) UTF-8 SINCE 1-Feb-1994",
    .sort(SortCommand(uid: false, criteria: [.init(.subject)], key: .since(IMAPDay(8797))))),
  Fixture(
    "uid sort (subject REVERSE date) us-ascii ALL",
    .sort(
      SortCommand(
        uid: true, criteria: [.init(.subject), .init(.date, isReversed: true)], charset: "US-ASCII", key: .all))),
  Fixture(
    "SORT RETURN (MIN COUNT) (reverse DISPLAYFROM DISPLAYTO) \"utf-8\" SEEN 1:3",
    .sort(
      SortCommand(
        uid: false, returns: [.min, .count], criteria: [.init(.displayFrom, isReversed: true), .init(.displayTo)],
        key: .and([.flag(.seen), .sequence(MessageSet([.init(1, 3)]))])))),
  Fixture(
    "UID SORT RETURN () (ARRIVAL CC FROM SIZE TO) UTF-8 $",
    .sort(
      SortCommand(
        uid: true, returns: .all,
        criteria: [.init(.arrival), .init(.cc), .init(.from), .init(.size), .init(.to)], key: .sequence(.savedResult)))),
]

private let threads: [Fixture] = [
  Fixture("THREAD references UTF-8 ALL", .thread(ThreadCommand(uid: false, algorithm: .references, key: .all))),
  Fixture(
    "UID THREAD ORDEREDSUBJECT US-ASCII TEXT gewp",
    .thread(ThreadCommand(uid: true, algorithm: .orderedSubject, charset: "US-ASCII", key: .text(bytes("gewp"))))),
]

@Suite struct SortThreadTests {
  @Test(arguments: sorts + threads) func `Commands are read`(fixture: Fixture) throws {
    #expect(try parse(fixture.line, options: fixture.options) == fixture.command)
  }

  @Test(arguments: [
    "SORT", "SORT (DATE)", "SORT (DATE) UTF-8", "SORT () UTF-8 ALL", "SORT DATE UTF-8 ALL", "SORT (FOO) UTF-8 ALL",
    "SORT (REVERSE) UTF-8 ALL", "SORT (REVERSE REVERSE DATE) UTF-8 ALL", "SORT (DATE ) UTF-8 ALL",
    "SORT (DATE UTF-8 ALL",
    "SORT RETURN (UPDATE ()) (DATE) UTF-8 ALL", "SORT RETURN (PARTIAL 1:2 ALL) (DATE) UTF-8 ALL", "SORT (DATE) () ALL",
    "SORT (DATE) UTF-8 CHARSET UTF-8 ALL", "THREAD", "THREAD REFERENCES", "THREAD REFERENCES UTF-8",
    "THREAD REFS UTF-8 ALL",
    "THREAD RETURN (ALL) REFERENCES UTF-8 ALL", "THREAD (REFERENCES) UTF-8 ALL", "UID SORT", "UID THREAD REFERENCES",
  ]) func `What is no SORT or THREAD is refused`(line: String) throws {
    #expect(throws: IMAPSyntaxError.self) { try parse(line) }
  }

  // MARK: Responses

  @Test(
    arguments: [
      ("", []), ("(2)", [.init(2)]), ("(1 2 3)", [.init(1, children: 1), .init(2, children: 1), .init(3)]),
      (
        "(2)(3 6 (4 23)(44 7 96))",
        [
          .init(2), .init(3, children: 1), .init(6, children: 2), .init(4, children: 1), .init(23),
          .init(44, children: 1), .init(7, children: 1), .init(96),
        ]
      ),
      ("((3)(5))", [.init(0, children: 2), .init(3), .init(5)]),
      (
        "((1 2)(3 (4)(5)))(6)",
        [
          .init(0, children: 2), .init(1, children: 1), .init(2), .init(3, children: 2), .init(4), .init(5), .init(6),
        ]
      ),
      ("(1 ((2)(3))(4))", [.init(1, children: 2), .init(0, children: 2), .init(2), .init(3), .init(4)]),
    ] as [(String, [ThreadMember])])
  func `Threads are written and read`(_ sample: (text: String, members: [ThreadMember])) throws {
    let line = sample.text.isEmpty ? "* THREAD" : "* THREAD \(sample.text)"
    #expect(printed { $0.writeThread(sample.members) } == line + "\r\n")
    #expect(try response(line) == .thread(sample.members))
  }

  @Test func `One member in two pairs of parentheses is one member`() throws {
    #expect(try response("* THREAD ((3))(4 (5)) ") == .thread([.init(3), .init(4, children: 1), .init(5)]))
    #expect(try response("* THREAD (1 ((2)(3)))") == .thread([.init(1, children: 2), .init(2), .init(3)]))
    #expect(try response("* THREAD (1 (((2)(3))))") == response("* THREAD (1 (2)(3))"))
    #expect(try response("* thread (((((1)(2)))))") == .thread([.init(0, children: 2), .init(1), .init(2)]))
    #expect(try response("* THREAD ( 1  2 (3) (4) ) (5)") == response("* THREAD (1 2 (3)(4))(5)"))
  }

  @Test(arguments: [
    "(", ")", "()", "(1", "(1))", "1", "(a)", "(0)", "(1 2", "((1)(2)", "((1)(2)))", "(1 (2) 3)", "(4294967296)",
    "(1)x",
  ]) func `What are no threads is refused`(text: String) {
    #expect(throws: ResponseSyntaxError.self) { try response("* THREAD \(text)") }
  }

  @Test func `A thread may be as deep as the line is long`() throws {
    let deep = 20_000
    let text = (1...deep).map { "(\($0) (1)" }.joined() + "(2)" + String(repeating: ")", count: deep)
    guard case .thread(let members) = try response("* THREAD " + text) else { throw CancellationError() }
    #expect(members.count == deep * 2 + 1)
    #expect(printed { $0.writeThread(members) } == "* THREAD " + text + "\r\n")
  }

  @Test func `Written in slices it is the same line`() {
    var generator = CommandGenerator(seed: 7)
    for _ in 0..<300 {
      let members = generator.threads()
      let whole = printed { $0.writeThread(members) }
      let slices = printed { buffer in
        buffer.writeThreadStart(isEmpty: members.isEmpty)
        var writer = ThreadWriter(members)
        while !writer.isDone { writer.write(generator.int(1...3), into: &buffer) }
        buffer.writeCRLF()
      }
      #expect(slices == whole)
    }
  }

  @Test func `Printing and reading gives the same`() throws {
    for seed in 0..<2000 {
      var generator = CommandGenerator(seed: UInt64(seed))
      let members = generator.threads()
      #expect(try response(String(printed { $0.writeThread(members) }.dropLast(1))) == .thread(members), "seed \(seed)")
      let numbers = generator.some(0...30) { UInt32($0.int(1...4_294_967_295)) }
      let line = printed { $0.writeSort(numbers) }
      #expect(try response(String(line.dropLast(1))) == .sort(SearchLine(numbers)), "seed \(seed)")
    }
    #expect(printed { $0.writeSort([]) } == "* SORT\r\n")
    #expect(printed { $0.writeSort([2, 84, 4_294_967_295]) } == "* SORT 2 84 4294967295\r\n")
  }

  @Test func `ESEARCH keeps the order of SORT`() throws {
    let found = ESearchResponse(tag: "E01", uid: true, min: 9, max: 3, all: [9, 8, 1, 2, 3], count: 5)
    let line = printed { $0.writeESearch(found) }
    #expect(line == "* ESEARCH (TAG \"E01\") UID MIN 9 MAX 3 ALL 9,8,1:3 COUNT 5\r\n")
  }
}

extension CommandGenerator {
  mutating func sort() -> SortCommand {
    let (returns, partial) = searchReturns()
    return SortCommand(
      uid: flip(), returns: returns, partial: partial,
      criteria: some(1...4) { SortCriterion($0.pick(SortCriterion.Key.allCases), isReversed: $0.flip()) },
      charset: atom().uppercased(), key: key(3))
  }

  mutating func thread() -> ThreadCommand {
    ThreadCommand(
      uid: flip(), algorithm: pick(ThreadCommand.Algorithm.allCases), charset: atom().uppercased(), key: key(3))
  }

  mutating func threads() -> [ThreadMember] {
    var members: [ThreadMember] = []
    for _ in 0..<int(0...4) { appendThread(to: &members, depth: 4, isOnly: false) }
    return members
  }

  private mutating func appendThread(to members: inout [ThreadMember], depth: Int, isOnly: Bool) {
    let isMissing = depth > 0 && !isOnly && int(0...4) == 0
    let children = depth > 0 ? isMissing ? int(2...3) : int(0...3) : 0
    members.append(ThreadMember(isMissing ? 0 : UInt32(int(1...4_294_967_295)), children: UInt32(children)))
    for _ in 0..<children { appendThread(to: &members, depth: depth - 1, isOnly: children == 1) }
  }
}

private func printed(_ write: (inout ByteBuffer) -> Void) -> String {
  var buffer = ByteBuffer()
  write(&buffer)
  return String(buffer: buffer)
}
