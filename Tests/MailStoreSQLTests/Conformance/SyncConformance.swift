import MailStore
import MailTestKit
import Testing

@testable import MailStoreSQL

/// What CONDSTORE and QRESYNC ask of a store (RFC 7162).
@Suite struct SyncConformance {
  @Test(arguments: Engine.allCases)
  func `What was expunged and what was moved away is remembered with its MODSEQ`(_ engine: Engine) async throws {
    try await withStore(engine) { store, _ in
      let ana = try await store.add("ana")
      let born = try await store.info("INBOX", of: ana).highestModSeq
      try await store.fill(8, of: ana, flags: .deleted)
      let ref = try await store.ref("INBOX", of: ana)
      func modSeq() async throws -> ModSeq { try await store.info("INBOX", of: ana).highestModSeq }
      let first = try await modSeq()
      #expect(try await store.vanished(1...100, since: born, in: ref) == [])
      // Nobody can have heard of a mailbox before it was there.
      #expect(try await store.vanished(1...100, since: born - 1, in: ref) == nil)
      _ = try await store.expunge([7, 2], in: ref)
      let second = try await modSeq()
      #expect(second > first)
      _ = try await store.move([5, 1], from: ref, to: "Sent")
      let third = try await modSeq()
      #expect(third > second)
      #expect(try await store.vanished(1...100, since: first, in: ref) == [1, 2, 5, 7])
      #expect(try await store.vanished(1...100, since: second, in: ref) == [1, 5])
      #expect(try await store.vanished(2...6, since: born, in: ref) == [2, 5])
      #expect(try await store.vanished(1...100, since: third, in: ref) == [])
      #expect(try await store.vanished(3...4, since: born, in: ref) == [])
      // Also when the bytes are gone.
      _ = try await store.compact()
      #expect(try await store.vanished(1...100, since: first, in: ref) == [1, 2, 5, 7])
      // RENAME of INBOX moves what is in it.
      try await store.renameMailbox("INBOX", to: "Old", of: ana.id)
      #expect(try await store.vanished(1...100, since: third, in: ref) == [3, 4, 6, 8])
      #expect(try await store.vanished(1...100, since: first, in: try await store.ref("Sent", of: ana)) == [])
      try await store.deleteMailbox("Old", of: ana.id)
      await #expect(throws: StoreError.mailboxGone) {
        let old = MailboxRef(account: ana.id, mailbox: MailboxID(999))
        _ = try await store.vanished(1...100, since: 0, in: old)
      }
    }
  }

  @Test(arguments: Engine.allCases)
  func `A change is made only where nothing was changed since`(_ engine: Engine) async throws {
    try await withStore(engine) { store, _ in
      let ana = try await store.add("ana")
      try await store.fill(12, of: ana)
      let ref = try await store.ref("INBOX", of: ana)
      let start = try await store.info("INBOX", of: ana).highestModSeq
      let before = try await store.changeFlags(FlagChange(.add, .flagged), of: [2, 3, 9], in: ref)
      #expect(before.modified == [] && before.firstModSeq == before.modSeq)
      let change = FlagChange(.add, .seen, keywords: ["baru"], unchangedSince: start)
      let outcome = try await store.changeFlags(change, of: [1, 2, 3, 4, 9, 12, 77], in: ref)
      #expect(outcome.modified == [2, 3, 9] && outcome.missing == [77])
      #expect(outcome.modSeq > before.modSeq)
      let state = try await store.state("INBOX", of: ana)
      #expect(state.filter { $0.flags.contains(.seen) }.map(\.uid) == [1, 4, 12])
      #expect(state.filter { $0.keywords.contains("baru") }.map(\.uid) == [1, 4, 12])
      #expect(try await store.info("INBOX", of: ana).unseen == 9)
      // None passes: nothing happens, and no keyword gets its bit.
      let late = try await store.changeFlags(
        FlagChange(.replace, .draft, keywords: ["lain"], unchangedSince: start), of: [1, 2], in: ref)
      #expect(late.modSeq == 0 && late.modified == [1, 2])
      let open = try await store.openMailbox("INBOX", of: ana.id) {}
      #expect(open.current?.keywords == ["baru"])
      open.close()
      // At its own MODSEQ a message has not changed.
      let same = try await store.changeFlags(
        FlagChange(.remove, .seen, unchangedSince: outcome.modSeq), of: [1, 2, 4], in: ref)
      #expect(same.modified == [] && same.modSeq > outcome.modSeq)
      #expect(try await store.state("INBOX", of: ana).filter { $0.flags.contains(.seen) }.map(\.uid) == [12])
      let none = try await store.changeFlags(FlagChange(.add, .answered, unchangedSince: 0), of: [5, 6], in: ref)
      #expect(none.modified == [5, 6] && none.modSeq == 0)
    }
  }

  @Test func `What is forgotten is not said to have been nothing`() async throws {
    try await withStore(.sqlite) { store, bed in
      let ana = try await store.add("ana")
      try await store.fill(6, of: ana, flags: .deleted)
      let ref = try await store.ref("INBOX", of: ana)
      let start = try await store.info("INBOX", of: ana).highestModSeq
      _ = try await store.expunge([2], in: ref)
      let first = try await store.info("INBOX", of: ana).highestModSeq
      bed.clock.advance(86_400 * 31)
      _ = try await store.expunge([4], in: ref)
      _ = try await store.compact()
      let sql = try #require(store as? SQLStore)
      try sql.upkeep.trimExpungeLog()
      #expect(try await store.vanished(1...100, since: start, in: ref) == nil)
      #expect(try await store.vanished(1...100, since: first, in: ref) == [4])
    }
  }
}
