import Bytes
import IMAPCore
import MailFormat
import MailStore
import NIOCore
import SearchText
import Testing

@testable import IMAPServer

/// Commands that ask for much with few octets.
@Suite struct HostileCommandTests {
  private func plan(_ items: String) throws -> FetchPlan {
    var framer = CommandFramer()
    framer.isLoggedIn = true
    framer.receive(ByteBuffer(string: "a FETCH 1 (\(items))\r\n"))
    guard case .command(let frame) = framer.next(),
      case .fetch(let command) = try frame.parse(options: .rev2, limits: .standard).command
    else { throw CancellationError() }
    return FetchPlan(command, .rev2)
  }

  @Test func `What FETCH asks for twice is sent once`() throws {
    let many = Array(repeating: "ENVELOPE RFC822.SIZE BODYSTRUCTURE BODY.PEEK[TEXT]", count: 300).joined(separator: " ")
    let plan = try plan(many)
    #expect(plan.items == [.envelope, .size, .bodyStructure])
    #expect(plan.sections.count == 1)
  }

  @Test func `Many sections of a message are sent one by one, few of them in one piece`() throws {
    let limit = 256 << 10
    let few = try plan("BODY.PEEK[] BODY.PEEK[TEXT]")
    #expect(!few.streams(messageOf: 200 << 10, wholeMessageLimit: limit))
    #expect(few.streams(messageOf: 300 << 10, wholeMessageLimit: limit))
    let many = try plan((0..<1000).map { "BODY.PEEK[]<\($0).9>" }.joined(separator: " "))
    #expect(many.streams(messageOf: 200 << 10, wholeMessageLimit: limit))
    #expect(!many.streams(messageOf: 2 << 10, wholeMessageLimit: limit))
    // Header fields that are kept beside the message, a thousand times, are not read from there.
    let headers = try plan(
      (0..<1000).map { "BODY.PEEK[HEADER.FIELDS (Subject)]<\($0).9>" }.joined(separator: " "))
    #expect(headers.opensMessage && headers.streams(messageOf: 200 << 10, wholeMessageLimit: limit))
    #expect(try !plan("BODY.PEEK[HEADER.FIELDS (Subject)]").opensMessage)
  }

  private func isFound(_ needle: String, in text: [UInt8]) -> Bool {
    TextNeedle(needle).isFound(in: text.span.bytes)
  }

  @Test(.timeLimit(.minutes(5)))
  func `A text that nearly fits everywhere is looked for in linear time`() {
    // Quadratic, this is 10^11 comparisons: the test would not end.
    let text = [UInt8](repeating: UInt8(ascii: "a"), count: 2 << 20)
    let needle = String(repeating: "a", count: 60_000)
    #expect(!isFound("b" + needle, in: text))
    #expect(!isFound(needle + "b" + needle, in: text))
    #expect(isFound(needle, in: text))
    let found = text + Array("b".utf8) + text.prefix(60_000)
    #expect(isFound("b" + needle, in: found))
    #expect(isFound(needle + "B" + needle, in: found))
  }

  @Test func `A search knows how many texts it asks for, and how many criteria it has`() {
    let text = SearchNode.text(TextNeedle("x"))
    let header = SearchNode.header(.init(name: Array("x-y".utf8), needle: TextNeedle("x"), isCommon: false))
    let common = SearchNode.header(.init(name: Array("subject".utf8), needle: TextNeedle("x"), isCommon: true))
    let node = SearchNode.and([.not(text), .or([header, common, .flags(.seen)]), .all])
    #expect(node.texts == 2)
    #expect(node.size == 8)
  }

  @Test func `A large mailbox scanned in slices gives what one scan gives`() async {
    let snapshot = MailboxSnapshot(
      chunks: stride(from: 0, to: 20_000, by: MailboxSnapshot.chunkCapacity).map { start in
        MailboxSnapshot.Chunk(
          (start..<min(start + MailboxSnapshot.chunkCapacity, 20_000)).map {
            MessageEntry(
              uid: UID($0 + 1), flags: $0 % 3 == 0 ? .seen : [], keywords: 0, modSeq: 1)
          })
      }, uidNext: 20_001, highestModSeq: 1, keywords: [])
    // So many criteria that a slice is a few dozen messages.
    let node = SearchNode.or([.flags(.seen), .larger(5)] + Array(repeating: SearchNode.flags(.deleted), count: 5000))
    let whole = SearchScan(node, snapshot, in: IndexRanges(0..<snapshot.count))
    let slices = await SearchScan.run(node, snapshot, in: IndexRanges(0..<snapshot.count))
    #expect(slices.found == whole.found && slices.undecided == whole.undecided)
    #expect(whole.found.count == 6667 && whole.undecided.count == 13_333)
  }

  @Test func `A header in pieces is cut between its fields, and a field beyond the limit is cut off`() {
    let text = "From: a\r\nSubject: b\r\n c\r\n d\r\nX: \(String(repeating: "y", count: 100))\r\n z\r\nTo: e\r\n\r\n"
    for step in [1, 2, 5, 30, 1000] {
      var pieces = HeaderFieldPieces(fieldLimit: 40)
      var seen: [String] = []
      var rest = ByteBuffer(string: text)
      while let piece = rest.readSlice(length: min(step, rest.readableBytes)), piece.readableBytes > 0 {
        if let fields = pieces.next(piece, isLast: rest.readableBytes == 0) { seen.append(String(buffer: fields)) }
      }
      // No field of ordinary length is torn, and none is lost.
      #expect(seen.contains { $0.contains("From: a\r\n") })
      #expect(seen.contains { $0.contains("Subject: b\r\n c\r\n d\r\n") })
      #expect(seen.contains { $0.contains("To: e\r\n") })
      let long = seen.joined().count { $0 == "y" }
      #expect(step == 1000 ? long == 100 : long < 100, "\(step): \(long)")
      #expect(!seen.joined().contains("z") || step == 1000)
    }
  }
}
