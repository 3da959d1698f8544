import IMAPClient
import IMAPCore
import MailNet
import NIOCore
import Synchronization
import Testing

/// What a FETCH brought, sections put together.
struct Brought {
  var messages: [FetchedMessage] = []
  var streamed: [(uid: UInt32, section: BodySection, size: Int64, bytes: String)] = []
  var vanished: [ClosedRange<UInt32>] = []

  mutating func take(_ event: FetchEvent) {
    switch event {
    case .message(let message): messages.append(message)
    case .sectionBegin(let uid, let section, _, let size): streamed.append((uid, section, size, ""))
    case .sectionPiece(let piece): streamed[streamed.count - 1].bytes += String(buffer: piece)
    case .sectionEnd: break
    case .vanished(let range): vanished.append(range)
    }
  }
}

private func session(
  _ capabilities: String, _ script: @escaping @Sendable (ScriptedPeer) throws -> Void,
  _ body: (IMAPClient) async throws -> Void
) async throws {
  try await withSession(capabilities) { peer in
    try peer.select(capabilities.contains("CONDSTORE") ? "SELECT INBOX (CONDSTORE)" : "SELECT INBOX")
    try script(peer)
  } _: { client in
    _ = try await client.select("INBOX", readOnly: false, resync: nil)
    try await body(client)
  }
}

@Suite struct FetchTests {
  private let body = FetchItem.bodySection(BodySection(), partial: nil, peek: true)

  @Test("Messages come as they were asked for; what nobody asked for is news")
  func fetches() async throws {
    let fields = BodySection(.headerFields(["From", "Message-ID"]))
    try await session("X") { peer in
      try peer.answer(
        "UID FETCH 1:3,7 (FLAGS BODY.PEEK[HEADER.FIELDS (From Message-ID)] BODYSTRUCTURE)",
        "* 2 FETCH (FLAGS (\\Seen))", "* 1 FETCH (UID 5 FLAGS (\\Answered))",
        "* 1 FETCH (UID 1 FLAGS () BODY[HEADER.FIELDS (MESSAGE-ID \"FROM\")] {3}\r\nabc BODYSTRUCTURE (\"TEXT\" \"PLAIN\" NIL NIL NIL \"7BIT\" 3 1))",
        "* 4 EXISTS", "* 1 EXPUNGE", "* 2 FETCH (FLAGS (\\Draft) UID 3 BODY[HEADER.FIELDS (FROM MESSAGE-ID)] NIL)")
    } _: { client in
      var brought = Brought()
      let set = MessageSet([.init(1, 3), .init(7)])
      try await client.fetch(set, [.flags, .bodySection(fields, partial: nil, peek: true), .bodyStructure]) {
        brought.take($0)
      }
      #expect(brought.messages.map(\.uid) == [1, 3])
      #expect(
        brought.messages[0].sections == [
          FetchedSection(section: fields, origin: nil, isBinary: false, bytes: ByteBuffer(string: "abc"))
        ])
      #expect(brought.messages[0].structure?.subtype == "plain")
      #expect(brought.messages[1].sections.first?.bytes == nil && brought.messages[1].flags == FlagList(.draft))
      var first = FetchedMessage(sequence: 2, uid: 0)
      first.flags = FlagList(.seen)
      var second = FetchedMessage(sequence: 1, uid: 5)
      second.flags = FlagList(.answered)
      #expect(client.events() == [.flags(first), .flags(second), .exists(4), .expunged(sequence: 1)])
      #expect(client.events().isEmpty)
      #expect(client.selected?.exists == 3)
    }
  }

  @Test("A FETCH of flags takes flags of its own messages only")
  func fetchesFlags() async throws {
    try await session("CONDSTORE") { peer in
      try peer.answer(
        "UID FETCH 2:4 (FLAGS MODSEQ) (CHANGEDSINCE 12)", "* 2 FETCH (UID 2 FLAGS (\\Seen) MODSEQ (13))",
        "* 9 FETCH (UID 9 FLAGS () MODSEQ (14))")
    } _: { client in
      var brought = Brought()
      try await client.fetch(MessageSet([.init(2, 4)]), [.flags, .modSeq, .emailID], changedSince: 12, vanished: true) {
        brought.take($0)
      }
      #expect(brought.messages.map(\.uid) == [2])
      #expect(brought.messages[0].modSeq == 13)
      #expect(client.events().count == 1)
    }
  }

  @Test("Without CONDSTORE nothing asks for it, and all messages come; an empty set asks nothing")
  func stepsDown() async throws {
    try await session("X") { peer in
      try peer.answer("UID FETCH 1:* (FLAGS)", "* 1 FETCH (UID 1 FLAGS ())")
      try peer.answer("UID FETCH 1:* (UID)", "* 1 FETCH (UID 1)")
    } _: { client in
      var brought = Brought()
      try await client.fetch(.everything, [.flags, .modSeq], changedSince: 5, vanished: true) { brought.take($0) }
      try await client.fetch(.everything, [.modSeq]) { brought.take($0) }
      try await client.fetch(MessageSet([]), [.flags]) { brought.take($0) }
      #expect(brought.messages.map(\.uid) == [1, 1])
    }
  }

  @Test("VANISHED of a FETCH is its own if it is EARLIER, else news")
  func vanished() async throws {
    try await withSession("ENABLE QRESYNC OBJECTID") { peer in
      try peer.select()
      try peer.answer(
        "UID FETCH 1:* (FLAGS EMAILID) (CHANGEDSINCE 5 VANISHED)", "* VANISHED (EARLIER) 1:2,4", "* VANISHED 8",
        "* 1 FETCH (UID 3 EMAILID (M3) FLAGS ())")
    } _: { client in
      _ = try await client.select("INBOX", readOnly: false, resync: nil)
      var brought = Brought()
      try await client.fetch(.everything, [.flags, .emailID], changedSince: 5, vanished: true) { brought.take($0) }
      #expect(brought.vanished == [1...2, 4...4])
      #expect(brought.messages.first?.emailID == "M3")
      #expect(client.events() == [.vanished([8...8])])
      #expect(client.selected?.exists == 2)
    }
  }

  @Test("Batches: as many as the window are on their way, and the next goes out when one has ended")
  func batches() async throws {
    let item = body
    try await session("X") { peer in
      let first = try peer.expect("UID FETCH 1 (BODY.PEEK[])")
      let second = try peer.expect("UID FETCH 2 (BODY.PEEK[])")
      try peer.send("* 1 FETCH (UID 1 BODY[] {1}\r\na)\r\n\(first) OK x\r\n")
      let third = try peer.expect("UID FETCH 3 (BODY.PEEK[])")
      try peer.send("* 2 FETCH (BODY[] \"b\" UID 2)\r\n\(second) NO [EXPUNGEISSUED] some are gone\r\n\(third) OK x\r\n")
    } _: { client in
      var brought = Brought()
      try await client.fetch(batches: [1, 2, 3].map { MessageSet([.init($0)]) }, [item], window: 2) { brought.take($0) }
      #expect(brought.messages.map { $0.sections.first?.bytes.map { String(buffer: $0) } } == ["a", "b"])
    }
  }

  @Test("A refused batch is thrown when the others have ended; the connection stays good")
  func refusedBatch() async throws {
    let item = body
    try await session("X") { peer in
      let first = try peer.expect("UID FETCH 1 (BODY.PEEK[])")
      let second = try peer.expect("UID FETCH 2 (BODY.PEEK[])")
      try peer.send("\(first) NO [SERVERBUG] broken\r\n* 2 FETCH (UID 2 BODY[] \"b\")\r\n\(second) OK x\r\n")
      try peer.answer("NOOP")
    } _: { client in
      var brought = Brought()
      let kind = await errorKind {
        try await client.fetch(batches: [1, 2, 3].map { MessageSet([.init($0)]) }, [item], window: 2) {
          brought.take($0)
        }
      }
      #expect(kind == .refused(command: "UID FETCH", code: "SERVERBUG", text: "broken"))
      #expect(brought.messages.map(\.uid) == [2])
      _ = try await client.noop()
    }
  }

  @Test(
    "A section larger than the limit comes in pieces, with its UID if that came first; one at the limit comes whole")
  func streams() async throws {
    let large = IMAPClientLimits.whole + 1
    let item = body
    try await session("X") { peer in
      let tag = try peer.expect("UID FETCH 1:3 (BODY.PEEK[])")
      let text = String(repeating: "0123456789abcde\n", count: large / 16 + 1)
      let whole = String(text.utf8.prefix(large))!
      try peer.send("* 1 FETCH (UID 1 FLAGS (\\Seen) BODY[] {\(large)}\r\n\(whole))\r\n")
      try peer.send("* 2 FETCH (BODY[] {\(large)}\r\n\(whole) UID 2)\r\n")
      try peer.send("* 3 FETCH (UID 3 BODY[] {\(large - 1)}\r\n\(whole.dropLast()))\r\n\(tag) OK x\r\n")
    } _: { client in
      var brought = Brought()
      try await client.fetch(MessageSet([.init(1, 3)]), [item]) { brought.take($0) }
      #expect(brought.streamed.map(\.uid) == [1, 0])
      #expect(brought.streamed.allSatisfy { $0.size == Int64(large) && $0.bytes.utf8.count == large })
      #expect(brought.streamed[0].bytes.hasPrefix("0123456789abcde\n0"))
      #expect(brought.messages.map(\.uid) == [1, 2, 3])
      #expect(brought.messages[0].flags == FlagList(.seen))
      #expect(brought.messages.map(\.sections.count) == [0, 0, 1])
      #expect(brought.messages[2].sections.first?.bytes?.readableBytes == large - 1)
    }
  }

  @Test("A message without a UID is taken for nobody's")
  func withoutUID() async throws {
    let item = body
    try await session("X") { peer in
      _ = try peer.expect("UID FETCH 1 (BODY.PEEK[])")
      try peer.send("* 1 FETCH (BODY[] \"b\")\r\n")
    } _: { client in
      let kind = await errorKind {
        try await client.fetch(MessageSet([.init(1)]), [item]) { _ in Issue.record("a message of nobody") }
      }
      guard case .protocolViolation? = kind else {
        Issue.record("\(String(describing: kind))")
        return
      }
    }
  }

  @Test("After a handler has thrown nothing more is sent")
  func handlerThrows() async throws {
    struct Full: Error {}
    let item = body
    try await session("X") { peer in
      let tag = try peer.expect("UID FETCH 1 (BODY.PEEK[])")
      try peer.send("* 1 FETCH (UID 1 BODY[] \"b\")\r\n\(tag) OK x\r\n")
    } _: { client in
      await #expect(throws: Full.self) {
        try await client.fetch(MessageSet([.init(1)]), [item]) { _ in throw Full() }
      }
      #expect(await errorKind { _ = try await client.noop() } == .disconnected)
    }
  }

  @Test("A set too long for one line goes in several")
  func longSets() async throws {
    let uids = (1...4000).map { UInt32($0 * 2) }
    try await session("X") { peer in
      var count = 0
      while count < 4000 {
        let line = try peer.line()
        guard line.utf8.count < 8192 else { throw ScriptError("a line of \(line.utf8.count) octets") }
        let words = line.split(separator: " ")
        count += words[3].split(separator: ",").count
        try peer.send("\(words[0]) OK x\r\n")
      }
    } _: { client in
      try await client.fetch(MessageSet(sorted: uids), [.flags]) { _ in }
    }
  }

  @Test("SEARCH, in the form the server has")
  func searches() async throws {
    let command = SearchCommand(
      uid: false, returns: .count, charset: "UTF-8", key: .and([.subject(ByteBuffer(string: "x")), .flag(.seen)]))
    try await session("X") { peer in
      try peer.answer("UID SEARCH CHARSET UTF-8 SUBJECT x SEEN", "* SEARCH 9 2", "* SEARCH 5")
      try peer.complete("UID SEARCH ALL", "OK")
    } _: { client in
      let found = try await client.search(command)
      #expect(found == [2, 5, 9])
      let none = try await client.search(SearchCommand(uid: true, key: .all))
      #expect(none.isEmpty)
    }
    try await withSession("ESEARCH ENABLE UTF8=ACCEPT") { peer in
      let tag = try peer.expect("UID SEARCH RETURN (ALL) SUBJECT x SEEN")
      try peer.send(
        "* ESEARCH (TAG \"other\") UID ALL 77\r\n* ESEARCH (TAG \"\(tag)\") UID ALL 2:4,9\r\n\(tag) OK x\r\n")
      try peer.answer("UID SEARCH RETURN (ALL) ALL", "* ESEARCH (TAG \"x\") UID")
      let flood = try peer.expect("UID SEARCH RETURN (ALL) ALL")
      try peer.send("* ESEARCH (TAG \"\(flood)\") UID ALL 1:4294967295\r\n\(flood) OK x\r\n")
    } _: { client in
      let found = try await client.search(command)
      #expect(found == [2, 3, 4, 9])
      let none = try await client.search(SearchCommand(uid: true, key: .all))
      #expect(none.isEmpty)
      guard
        case .protocolViolation? = await errorKind({ _ = try await client.search(SearchCommand(uid: true, key: .all)) })
      else {
        Issue.record("a mailbox of four thousand million messages")
        return
      }
    }
  }
}
