import MailFormat
import MailStore
import MailTestKit
import NIOCore
import Testing

@Suite struct FlagConformance {
  @Test(arguments: Engine.allCases)
  func `Flags and keywords are added, removed and replaced, and counters follow`(_ engine: Engine) async throws {
    try await withStore(engine) { store, _ in
      let ana = try await store.add("ana")
      try await store.fill(4, of: ana)
      let ref = try await store.ref("INBOX", of: ana)
      _ = try await store.changeFlags(FlagChange(.add, [.seen, .deleted], keywords: ["a"]), of: [1, 2], in: ref)
      _ = try await store.changeFlags(FlagChange(.remove, .deleted, keywords: ["A", "unknown"]), of: [2], in: ref)
      _ = try await store.changeFlags(FlagChange(.replace, .flagged, keywords: ["b"]), of: [3], in: ref)
      #expect(
        try await store.state("INBOX", of: ana) == [
          SeenMessage(1, [.seen, .deleted], ["a"]), SeenMessage(2, .seen), SeenMessage(3, .flagged, ["b"]),
          SeenMessage(4),
        ])
      let info = try await store.info("INBOX", of: ana)
      #expect(info.unseen == 2 && info.deleted == 1)
    }
  }

  @Test(arguments: Engine.allCases)
  func `A change that changes nothing has no MODSEQ, and each that does has a higher one`(_ engine: Engine)
    async throws
  {
    try await withStore(engine) { store, _ in
      let ana = try await store.add("ana")
      try await store.fill(3, of: ana)
      let ref = try await store.ref("INBOX", of: ana)
      let before = try await store.info("INBOX", of: ana).highestModSeq
      let first = try await store.changeFlags(FlagChange(.add, .seen), of: [1, 2, 99], in: ref)
      #expect(first.modSeq > before && first.missing == [99])
      let second = try await store.changeFlags(FlagChange(.add, .seen), of: [1, 2], in: ref)
      #expect(second.modSeq == 0)
      let third = try await store.changeFlags(FlagChange(.add, .seen), of: [1, 2, 3], in: ref)
      #expect(third.modSeq > first.modSeq)
      let open = try await store.openMailbox("INBOX", of: ana.id) {}
      let snapshot = try #require(open.current)
      #expect(snapshot[0].modSeq == first.modSeq && snapshot[2].modSeq == third.modSeq)
      #expect(snapshot.highestModSeq == third.modSeq)
      open.close()
      #expect(try await store.changeFlags(FlagChange(.add, .seen, keywords: ["new"]), of: [77], in: ref).modSeq == 0)
      #expect(try await store.changeFlags(FlagChange(.add, .seen), of: [], in: ref).modSeq == 0)
    }
  }

  @Test(arguments: Engine.allCases)
  func `It makes no difference whether a session has the mailbox open`(_ engine: Engine) async throws {
    try await withStore(engine) { store, _ in
      let ana = try await store.add("ana")
      try await store.fill(50, of: ana)
      try await store.fill(50, in: "Sent", of: ana)
      let open = try await store.openMailbox("INBOX", of: ana.id) {}
      let inbox = try await store.ref("INBOX", of: ana)
      let sent = try await store.ref("Sent", of: ana)
      var random = SeededRandom(seed: 11)
      for _ in 0..<60 {
        let uids = (1...60).filter { _ in Bool.random(using: &random) }.map(UID.init)
        let mode = [FlagChange.Mode.add, .remove, .replace].randomElement(using: &random) ?? .add
        let flags = SystemFlags(rawValue: UInt8.random(in: 0..<32, using: &random))
        let change = FlagChange(
          mode, flags, keywords: Bool.random(using: &random) ? ["k\(Int.random(in: 0..<5, using: &random))"] : [])
        let one = try await store.changeFlags(change, of: uids, in: inbox)
        let two = try await store.changeFlags(change, of: uids, in: sent)
        #expect(one.missing == two.missing)
        #expect((one.modSeq == 0) == (two.modSeq == 0))
      }
      let shown = try #require(open.current).seen
      open.close()
      #expect(try await store.state("Sent", of: ana) == shown)
      let infos = [try await store.info("INBOX", of: ana), try await store.info("Sent", of: ana)]
      #expect(infos[0].unseen == infos[1].unseen && infos[0].deleted == infos[1].deleted)
    }
  }

  @Test(arguments: Engine.allCases)
  func `The sixty-fifth keyword is refused, and nothing of that call stays`(_ engine: Engine) async throws {
    try await withStore(engine) { store, _ in
      let ana = try await store.add("ana")
      try await store.put(of: ana)
      let ref = try await store.ref("INBOX", of: ana)
      let many = (0..<64).map { "k\($0)" }
      _ = try await store.changeFlags(FlagChange(.add, [], keywords: many), of: [1], in: ref)
      let over = await thrown {
        _ = try await store.changeFlags(FlagChange(.add, .flagged, keywords: ["one", "more"]), of: [1], in: ref)
      }
      #expect(over == .tooManyKeywords(limit: 64))
      #expect(try await store.state("INBOX", of: ana) == [SeenMessage(1, [], Set(many))])
      _ = try await store.changeFlags(FlagChange(.replace, [], keywords: ["K63"]), of: [1], in: ref)
      #expect(try await store.state("INBOX", of: ana) == [SeenMessage(1, [], ["k63"])])
    }
  }

  @Test(arguments: Engine.allCases)
  func `A change over more messages than one slice reaches all of them`(_ engine: Engine) async throws {
    try await withStore(engine) { store, _ in
      let ana = try await store.add("ana")
      try await store.put(of: ana)
      let ref = try await store.ref("INBOX", of: ana)
      // Doubling by COPY into the mailbox itself.
      for _ in 0..<15 {
        let uids = try await store.state("INBOX", of: ana).map(\.uid)
        _ = try await store.copy(uids, from: ref, to: "INBOX")
      }
      let open = try await store.openMailbox("INBOX", of: ana.id) {}
      let uids = try #require(open.current).uids
      #expect(uids.count == 32_768)
      let outcome = try await store.changeFlags(FlagChange(.add, .deleted), of: uids + [UID.max], in: ref)
      #expect(outcome.missing == [UID.max])
      #expect(try await store.info("INBOX", of: ana).deleted == 32_768)
      #expect(open.current?.seen.allSatisfy { $0.flags == .deleted } == true)
      #expect(try await store.expunge(nil, in: ref) == uids)
      #expect(open.current?.count == 0)
      open.close()
      #expect(try await store.usage(ana) == QuotaUsage())
      #expect(try await store.compact().purgedMessages == 32_768)
    }
  }

  @Test(arguments: Engine.allCases)
  func `Calls on a mailbox that was deleted say so`(_ engine: Engine) async throws {
    try await withStore(engine) { store, _ in
      let ana = try await store.add("ana")
      try await store.put(in: "Junk", of: ana)
      let ref = try await store.ref("Junk", of: ana)
      try await store.deleteMailbox("Junk", of: ana.id)
      #expect(
        await thrown { _ = try await store.changeFlags(FlagChange(.add, .seen), of: [1], in: ref) } == .mailboxGone)
      #expect(await thrown { _ = try await store.copy([1], from: ref, to: "INBOX") } == .mailboxGone)
      #expect(await thrown { _ = try await store.move([1], from: ref, to: "INBOX") } == .mailboxGone)
      #expect(await thrown { _ = try await store.expunge(nil, in: ref) } == .mailboxGone)
    }
  }
}
