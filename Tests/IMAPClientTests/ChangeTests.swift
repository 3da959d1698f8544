import IMAPClient
import IMAPCore
import MailNet
import NIOCore
import Synchronization
import Testing

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

private func item(_ pieces: String..., flags: FlagList = FlagList(), size: Int? = nil) -> AppendItem {
  let left = Mutex(pieces)
  return AppendItem(
    flags: flags, internalDate: IMAPDateTime(seconds: 0, zoneMinutes: 0),
    size: size ?? pieces.reduce(0) { $0 + $1.utf8.count }
  ) {
    left.withLock { $0.isEmpty ? nil : ByteBuffer(string: $0.removeFirst()) }
  }
}

@Suite struct ChangeTests {
  @Test("STORE of many changes is pipelined; what was refused, and the MODSEQs, come back")
  func stores() async throws {
    try await session("CONDSTORE") { peer in
      let first = try peer.expect("UID STORE 1:3 (UNCHANGEDSINCE 12) +FLAGS.SILENT (\\Seen $A)")
      let second = try peer.expect("UID STORE 4 -FLAGS.SILENT (\\Flagged)")
      let third = try peer.expect("UID STORE 5 FLAGS.SILENT ()")
      try peer.send("* 1 FETCH (UID 1 MODSEQ (20))\r\n* 2 FETCH (UID 2 MODSEQ (19) FLAGS (\\Deleted))\r\n")
      try peer.send(
        "\(first) OK [MODIFIED 2:3] x\r\n* 4 FETCH (UID 4 FLAGS (\\Seen) MODSEQ (21))\r\n\(second) OK x\r\n")
      try peer.send("* 9 FETCH (UID 9 FLAGS ())\r\n\(third) NO [MODIFIED 5] some are gone\r\n")
    } _: { client in
      let result = try await client.store([
        FlagStore(
          uids: MessageSet([.init(1, 3)]), mode: .add,
          flags: FlagList(.seen, keywords: ["$A", "b)\r\nM1 DELETE c", "d e"], ignored: ["\\Recent"]),
          unchangedSince: 12),
        FlagStore(uids: MessageSet([.init(4)]), mode: .remove, flags: FlagList(.flagged)),
        FlagStore(uids: MessageSet([.init(5)]), mode: .replace, flags: FlagList()),
      ])
      #expect(result.modified == [2, 3, 5])
      #expect(result.modSeqs == [1: 20, 2: 19, 4: 21])
      // Another's change of message 2, and of one that was not touched. Message 4 is as it was asked to be.
      let news = client.events().compactMap { if case .flags(let message) = $0 { message.uid } else { nil } }
      #expect(news == [2, 9])
    }
  }

  @Test("Without CONDSTORE a STORE has no condition; a refusal is thrown when all have ended")
  func storeRefused() async throws {
    try await session("X") { peer in
      let first = try peer.expect("UID STORE 1 +FLAGS.SILENT (\\Seen)")
      let second = try peer.expect("UID STORE 2 +FLAGS.SILENT (\\Seen)")
      try peer.send("\(first) NO [READ-ONLY] x\r\n\(second) OK x\r\n")
      try peer.answer("NOOP")
    } _: { client in
      let changes = [1, 2].map {
        FlagStore(uids: MessageSet([.init($0)]), mode: .add, flags: FlagList(.seen), unchangedSince: 4)
      }
      let kind = await errorKind { _ = try await client.store(changes) }
      #expect(kind == .refused(command: "UID STORE", code: "READ-ONLY", text: "x"))
      _ = try await client.noop()
    }
  }

  @Test("Flags that a server sends back though it was told to be silent are no news if they are what was asked for")
  func storeEchoes() async throws {
    try await session("X") { peer in
      let first = try peer.expect("UID STORE 1:2 +FLAGS.SILENT (\\Seen $a)")
      let second = try peer.expect("UID STORE 3:* FLAGS.SILENT (\\Draft)")
      try peer.send("* 1 FETCH (UID 1 FLAGS (\\Seen $A \\Flagged))\r\n* 2 FETCH (UID 2 FLAGS (\\Seen))\r\n")
      try peer.send("* 3 FETCH (UID 9 FLAGS (\\Draft \\Recent))\r\n\(first) OK x\r\n\(second) OK x\r\n")
    } _: { client in
      _ = try await client.store([
        FlagStore(uids: MessageSet([.init(1, 2)]), mode: .add, flags: FlagList(.seen, keywords: ["$a"])),
        FlagStore(uids: MessageSet([.init(3, MessageSet.star)]), mode: .replace, flags: FlagList(.draft)),
      ])
      // The second change is of `3:*`, which may be any message: news all the same, rather once too often.
      let news = client.events().compactMap { if case .flags(let message) = $0 { message.uid } else { nil } }
      #expect(news == [1, 2])
    }
  }

  @Test("With LITERAL+ messages follow one another; each has its own end")
  func appends() async throws {
    try await withSession("LITERAL+ UIDPLUS APPENDLIMIT=100") { peer in
      let first = try peer.expect(#"APPEND "a b" (\Seen $A) " 1-Jan-1970 00:00:00 +0000" {6+}"#)
      try peer.expectBytes("a\r\nb\r\n\r\n")
      let second = try peer.expect(#"APPEND "a b" " 1-Jan-1970 00:00:00 +0000" {1+}"#)
      try peer.expectBytes("x\r\n")
      let third = try peer.expect(#"APPEND "a b" " 1-Jan-1970 00:00:00 +0000" {0+}"#)
      try peer.expectBytes("\r\n")
      try peer.send("\(second) NO [OVERQUOTA] full\r\n\(third) OK done\r\n\(first) OK [APPENDUID 7 42] done\r\n")
    } _: { client in
      let results = try await client.append(
        [
          item("a\r\n", "b\r\n", flags: FlagList(.seen, keywords: ["$A", "b\r\n"], ignored: ["\\Recent"])), item("x"),
          item(String(repeating: "y", count: 101)), item(),
        ], to: "a b")
      #expect(results.count == 4)
      #expect(try results[0].get() == 42)
      #expect(results[1].kind == .refused(command: "APPEND", code: "OVERQUOTA", text: "full"))
      guard case .refused(_, "TOOBIG", _)? = results[2].kind else {
        Issue.record("a message larger than the server's limit was sent")
        return
      }
      #expect(try results[3].get() == nil)
    }
  }

  @Test("Without LITERAL+ each message waits to be asked for; one that is refused is not sent")
  func asksForLiterals() async throws {
    for capability in ["X", "LITERAL-"] {
      let large = String(repeating: "z", count: 5000)
      try await withSession(capability) { peer in
        let refused = try peer.expect(#"APPEND a " 1-Jan-1970 00:00:00 +0000" {5000}"#)
        try peer.send("* 3 EXISTS\r\n\(refused) NO [TRYCREATE] no mailbox a\r\n")
        let accepted = try peer.expect(#"APPEND a " 1-Jan-1970 00:00:00 +0000" {5000}"#)
        try peer.send("* OK wait\r\n+ go\r\n")
        try peer.expectBytes(large + "\r\n")
        if capability == "X" {
          let small = try peer.expect(#"APPEND a " 1-Jan-1970 00:00:00 +0000" {1}"#)
          try peer.send("\(accepted) OK x\r\n+ go\r\n")
          try peer.expectBytes("s\r\n")
          try peer.send("\(small) OK x\r\n")
        } else {
          // RFC 7888 §5: up to 4096 octets go without asking.
          let small = try peer.expect(#"APPEND a " 1-Jan-1970 00:00:00 +0000" {1+}"#)
          try peer.expectBytes("s\r\n")
          try peer.send("\(accepted) OK x\r\n\(small) OK x\r\n")
        }
      } _: { client in
        let results = try await client.append([item(large), item(large), item("s")], to: "a")
        #expect(results[0].kind == .refused(command: "APPEND", code: "TRYCREATE", text: "no mailbox a"))
        #expect(try results[1].get() == nil)
        #expect(try results[2].get() == nil)
      }
    }
  }

  @Test("A message of another size than announced ends the connection before it is stored")
  func wrongSize() async throws {
    for wrong in [5, 1] {
      try await withSession("LITERAL+") { peer in
        _ = try peer.line()
        // Never the line end that would make it a whole APPEND.
        while (try? peer.bytes(1)) != nil {}
      } _: { client in
        await #expect(throws: AppendSizeError(announced: wrong, found: 3)) {
          try await client.append([item("abc", size: wrong)], to: "a")
        }
        #expect(await errorKind { _ = try await client.noop() } == .disconnected)
      }
    }
  }

  @Test("COPY and MOVE tell what became of the UIDs; messages that moved are no news")
  func copiesAndMoves() async throws {
    try await session("UIDPLUS MOVE") { peer in
      try peer.complete("UID COPY 1:2,5 a", "OK [COPYUID 9 1:2,5 31,35:36] x")
      try peer.answer("UID MOVE 1:2 a", "* OK [COPYUID 9 1:2 40:41] x", "* 1 EXPUNGE", "* 1 EXPUNGE", "* 1 EXPUNGE")
      try peer.complete("UID MOVE 1 gone", "NO [TRYCREATE] x")
    } _: { client in
      let set = MessageSet([.init(1, 2), .init(5)])
      let copied = try await client.copy(set, to: "a")
      #expect(copied == [1: 31, 2: 35, 5: 36])
      let moved = try await client.move(MessageSet([.init(1, 2)]), to: "a")
      #expect(moved == [1: 40, 2: 41])
      #expect(client.events() == [.expunged(sequence: 1)])
      #expect(client.selected?.exists == 0)
      let kind = await errorKind { _ = try await client.move(MessageSet([.init(1)]), to: "gone") }
      #expect(kind == .refused(command: "UID MOVE", code: "TRYCREATE", text: "x"))
    }
  }

  @Test("Without MOVE a message is copied, marked and expunged by UID; without UIDPLUS it stays")
  func moveStepsDown() async throws {
    try await session("UIDPLUS") { peer in
      try peer.complete("UID COPY 1:2 a", "OK [COPYUID 9 1:2 40:41] x")
      try peer.answer("UID STORE 1:2 +FLAGS.SILENT (\\Deleted)", "* 1 FETCH (UID 1 FLAGS (\\Deleted))")
      try peer.answer("UID EXPUNGE 1:2", "* VANISHED 1:2,9")
    } _: { client in
      let moved = try await client.move(MessageSet([.init(1, 2)]), to: "a")
      #expect(moved == [1: 40, 2: 41])
      #expect(client.events() == [.vanished([9...9])])
    }
    try await session("X") { _ in
    } _: { client in
      guard case .unsupported? = await errorKind({ _ = try await client.move(MessageSet([.init(1)]), to: "a") }) else {
        Issue.record("moved")
        return
      }
    }
  }

  @Test("Without UIDPLUS nothing is expunged that was not asked for")
  func expungeStepsDown() async throws {
    try await session("X") { peer in
      try peer.answer("UID SEARCH DELETED", "* SEARCH 1 7")
      try peer.answer("UID SEARCH DELETED", "* SEARCH 1")
      try peer.answer("UID STORE 1:2 +FLAGS.SILENT (\\Deleted)")
      try peer.answer("EXPUNGE", "* 1 EXPUNGE", "* 1 EXPUNGE")
    } _: { client in
      let set = MessageSet([.init(1, 2)])
      guard case .unsupported? = await errorKind({ try await client.expunge(set) }) else {
        Issue.record("expunged")
        return
      }
      try await client.expunge(set)
      #expect(client.events().isEmpty)
      #expect(client.selected?.exists == 1)
    }
  }
}

extension Result where Failure == ClientError {
  var kind: ClientError.Kind? {
    if case .failure(let error) = self { error.kind } else { nil }
  }
}
