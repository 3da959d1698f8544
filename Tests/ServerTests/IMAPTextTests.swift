import Bytes
import IMAPCore
import MailFormat
import MailStore
import NIOCore
import SearchText
import Testing

@testable import IMAPServer

@Suite struct IMAPTextTests {
  @Test(arguments: [
    ("meeting", "Afternoon MEETING", true), ("meeting", "afternoon meetin", false), ("", "", true), ("", "x", true),
    ("x", "", false), ("JÜRGEN", "Grüße von Jürgen", true), ("straße", "Eine STRASSE", false),
    ("ΟΔΟΣ", "οδός οδος", true), ("ç", "Ç", true), ("ab", "aab", true), ("aab", "aaab", true),
    ("привет", "ПРИВЕТ", true), ("é", "e", false),
    // RFC 5051 §2: however it is composed; and a letter without the accent that stands behind it.
    ("caf\u{E9}", "CAFE\u{301}", true), ("cafe\u{301}", "caf\u{C9}", true), ("e", "é", true), ("ﬁ", "fi", false),
    ("a b", "A\u{A0}B", true), ("1", "①", true), ("k", "\u{212A}", true),
  ])
  func `A needle is found as a substring, case aside`(_ sample: (needle: String, text: String, found: Bool)) {
    #expect(TextNeedle(sample.needle).isFound(in: sample.text) == sample.found)
  }

  @Test func `A needle is found wherever it stands`() {
    let needle = TextNeedle("abcab")
    for position in 0..<40 {
      let text = String(repeating: "ab", count: position / 2) + "x" + "ABCAB" + "abca"
      #expect(needle.isFound(in: text))
    }
    #expect(!needle.isFound(in: String(repeating: "abca", count: 20) + "c"))
  }

  private func part(_ header: String, _ body: String) throws -> (Part, ByteBuffer) {
    let bytes = ByteBuffer(string: header + "\r\n\r\n" + body)
    let index = MessageIndex.parse(bytes.readableBytesSpan)
    return (index.root, bytes)
  }

  private func decode(_ part: Part, _ bytes: ByteBuffer, step: Int) throws -> String {
    var decoder = try #require(TransferDecoder(part))
    var output = ByteBuffer()
    var position = part.bodyStart
    while position < part.bodyEnd {
      let end = min(position + step, part.bodyEnd)
      decoder.decode(bytes.readableBytesSpan.extracting(position..<end), into: &output)
      position = end
    }
    decoder.finish(into: &output)
    #expect(decoder.size == output.readableBytes)
    return String(decoding: output.readableBytesView, as: UTF8.self)
  }

  @Test(arguments: [
    ("quoted-printable", "caf=C3=A9 dan=20\r\nseterusnya=\r\n!", "café dan \r\nseterusnya!"),
    ("quoted-printable", "blanks  \t \r\nend =  \r\nmore=", "blanks\r\nend more"),
    ("quoted-printable", "wrong =XY =4 = x=\r", "wrong =XY =4 = x=\r"),
    ("quoted-printable", "a\r\rb =3d=3D ==", "a\r\rb == ="),
    ("base64", "c2F0dQpkdWEK", "satu\r\ndua\r\n"), ("base64", "YQ==\r\nYg==", "ab"), ("base64", "!c 2F0dQ", "satu"),
    ("7bit", "a\r\nb", "a\r\nb"),
  ])
  func `Transfer encodings are undone the same however the text is cut`(
    _ sample: (encoding: String, body: String, text: String)
  ) throws {
    let (part, bytes) = try part("Content-Transfer-Encoding: \(sample.encoding)", sample.body)
    for step in 1...max(1, sample.body.utf8.count) {
      #expect(try decode(part, bytes, step: step) == sample.text, "in pieces of \(step)")
    }
  }

  @Test func `Binary content is passed through as it is`() throws {
    let (part, bytes) = try part(
      "Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64", "AAoADQo=")
    var decoder = try #require(TransferDecoder(part))
    var output = ByteBuffer()
    decoder.decode(bytes.readableBytesSpan.extracting(part.bodyRange), into: &output)
    decoder.finish(into: &output)
    #expect(Array(output.readableBytesView) == [0, 10, 0, 13, 10])
    #expect(decoder.hasNUL)
  }

  @Test func `An unknown encoding is not decoded`() throws {
    let (part, _) = try part("Content-Transfer-Encoding: x-foo", "a")
    #expect(TransferDecoder(part) == nil)
  }

  @Test func `Search criteria keep their meaning when simplified`() {
    let entries: [MessageEntry] = [
      MessageEntry(uid: 1, flags: [], keywords: 0, modSeq: 1),
      MessageEntry(uid: 2, flags: .seen, keywords: 1, modSeq: 1),
      MessageEntry(uid: 3, flags: [.seen, .flagged], keywords: 2, modSeq: 1),
    ]
    let leaves: [SearchNode] = [
      .all, .none, .flags(.seen), .flags(.flagged), .keyword(1), .indexes(IndexRanges(0..<2)), .recent([.init(2...3)]),
    ]
    for left in leaves {
      for right in leaves {
        for node in [
          SearchNode.and([left, .not(right)]), .or([.not(.not(left)), right]), .not(.and([.or([left]), right])),
          .and([.and([left, .all]), .or([right, .none])]),
        ] {
          let simple = node.simplified()
          for (index, entry) in entries.enumerated() {
            #expect(node.verdict(index, entry) == simple.verdict(index, entry), "\(node)")
          }
        }
      }
    }
  }

  @Test func `What only the store knows is undecided, unless the view decides it`() {
    let entry = MessageEntry(uid: 1, flags: .seen, keywords: 0, modSeq: 1)
    let body = SearchNode.body(TextNeedle("x"))
    #expect(SearchNode.and([.flags(.seen), body]).verdict(0, entry) == .unknown)
    #expect(SearchNode.and([.flags(.deleted), body]).verdict(0, entry) == .no)
    #expect(SearchNode.or([.flags(.seen), body]).verdict(0, entry) == .yes)
    #expect(SearchNode.not(body).verdict(0, entry) == .unknown)
    #expect(SearchNode.and([.flags(.seen), .larger(5)]).needs(upTo: .columns) == .dates)
    #expect(SearchNode.and([.larger(5), body]).needs(upTo: .columns) == .dates)
    #expect(SearchNode.and([.larger(5), body]).needs(upTo: .message).contains(.message))
  }

  @Test func `Every command has one row, and every row its RFC`() {
    for name in CommandName.allCases {
      #expect(CommandTable.rows.filter { $0.name == name }.count == 1, "\(name.keyword)")
    }
    for row in CommandTable.rows {
      #expect(row.rfc.contains("RFC "))
      #expect(!row.states.isEmpty)
    }
    // RFC 9051 §7.5.1: EXPUNGE must not be sent during these.
    #expect(
      CommandTable.rows.filter { !$0.breaksSequenceNumbers }.map(\.name) == [.fetch, .search, .sort, .store, .thread])
  }

  @Test func `A capability is announced once, and names its RFC`() {
    #expect(Set(Capability.table.map(\.name)).count == Capability.table.count)
    #expect(Capability.table.allSatisfy { $0.rfc.contains("RFC ") })
  }

  @Test func `Store errors become replies by one table`() {
    func completion(_ error: StoreError, isDestination: Bool = false) -> (ResponseCode?, Bool) {
      let outcome = ErrorMapper.outcome(.store(error), isDestination: isDestination, reference: "1-1")
      #expect(outcome.completion.status == .no)
      return (outcome.completion.code, outcome.internalStory != nil)
    }
    #expect(completion(.noSuchMailbox("x")) == (.nonExistent, false))
    #expect(completion(.noSuchMailbox("x"), isDestination: true) == (.tryCreate, false))
    #expect(completion(.tooManyKeywords(limit: 64)) == (.limit, false))
    #expect(completion(.corrupt(what: "x")) == (.corruption, true))
    #expect(completion(.database(message: "secret")) == (.serverBug, true))
    let outcome = ErrorMapper.outcome(.store(.database(message: "secret")), isDestination: false, reference: "1-1")
    #expect(!outcome.completion.text.english.contains("secret"))
  }
}

private func == (left: (ResponseCode?, Bool), right: (ResponseCode?, Bool)) -> Bool {
  left.0 == right.0 && left.1 == right.1
}
