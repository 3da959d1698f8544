import MailStore
import MailTestKit
import NIOCore
import Testing

/// RFC 8508 §3.4.
@Suite struct ReplaceConformance {
  private func message(_ store: any MailStore, _ text: String, flags: SystemFlags = [], keywords: [String] = [])
    async throws -> AppendedMessage
  {
    AppendedMessage(message: try await store.prepare(text), flags: flags, keywords: keywords)
  }

  @Test(arguments: Engine.allCases)
  func `One message comes and one goes, in the same mailbox or another`(_ engine: Engine) async throws {
    try await withStore(engine) { store, _ in
      let ana = try await store.add("ana")
      try await store.fill(3, of: ana)
      let ref = try await store.ref("INBOX", of: ana)
      let here = try await store.replace(
        2, in: ref, with: try await message(store, Mail.text("New"), flags: .draft, keywords: ["k"]), to: "INBOX")
      #expect(here.assigned == [4] && here.source == [] && here.destination == ref.mailbox)
      #expect(try await store.state("INBOX", of: ana).map(\.uid) == [1, 3, 4])
      #expect(try await store.body(4, in: ref) == Mail.text("New"))
      let there = try await store.replace(3, in: ref, with: try await message(store, Mail.text("Sent")), to: "Sent")
      #expect(there.assigned == [1])
      #expect(try await store.state("INBOX", of: ana).map(\.uid) == [1, 4])
      #expect(try await store.body(1, in: try await store.ref("Sent", of: ana)) == Mail.text("Sent"))
      let usage = try await store.usage(ana)
      #expect(usage.messages == 3)
      let info = try await store.info("INBOX", of: ana)
      #expect(info.messages == 2 && info.unseen == 2 && info.uidNext == 5)
      // As after an EXPUNGE, the bytes are kept for those who have not heard.
      #expect(try await store.body(2, in: ref) == Mail.text("Number 1"))
    }
  }

  @Test(arguments: Engine.allCases)
  func `One step of MODSEQ, told to sessions as one change`(_ engine: Engine) async throws {
    try await withStore(engine) { store, _ in
      let ana = try await store.add("ana")
      try await store.fill(2, of: ana)
      let open = try await store.openMailbox("INBOX", of: ana.id, onChange: {})
      defer { open.close() }
      let before = try #require(open.current)
      _ = try await store.replace(1, in: open.ref, with: try await message(store, Mail.text("New")), to: "INBOX")
      let after = try #require(open.current)
      #expect(after.highestModSeq == before.highestModSeq + 1)
      let difference = before.difference(to: after)
      #expect(difference.expunged == [0] && difference.added.map(\.uid) == [3])
      #expect(difference.added.map(\.modSeq) == [after.highestModSeq])
    }
  }

  @Test(arguments: Engine.allCases)
  func `Neither happens when one cannot`(_ engine: Engine) async throws {
    try await withStore(engine) { store, _ in
      let ana = try await store.add("ana")
      try await store.fill(2, of: ana)
      let ref = try await store.ref("INBOX", of: ana)
      let before = try await store.usage(ana)
      #expect(
        await thrown { _ = try await store.replace(9, in: ref, with: try await message(store, "x"), to: "Sent") }
          == .expunged(9))
      #expect(
        await thrown { _ = try await store.replace(1, in: ref, with: try await message(store, "x"), to: "None") }
          == .noSuchMailbox("None"))
      let keywords = (0..<70).map { "k\($0)" }
      #expect(
        await thrown {
          _ = try await store.replace(1, in: ref, with: try await message(store, "x", keywords: keywords), to: "INBOX")
        } == .tooManyKeywords(limit: 64))
      _ = try await store.createMailbox("Gone", of: ana.id, specialUse: nil)
      let gone = try await store.ref("Gone", of: ana)
      try await store.deleteMailbox("Gone", of: ana.id)
      #expect(
        await thrown { _ = try await store.replace(1, in: gone, with: try await message(store, "x"), to: "INBOX") }
          == .mailboxGone)
      #expect(try await store.state("INBOX", of: ana).map(\.uid) == [1, 2])
      #expect(try await store.info("Sent", of: ana).uidNext == 1)
      #expect(try await store.usage(ana) == before)
      #expect(try await store.check().problems == [])
      // The next call finds all as it was.
      #expect(try await store.replace(1, in: ref, with: try await message(store, "x"), to: "INBOX").assigned == [3])
      #expect(try await store.check().problems == [])
    }
  }

  @Test(arguments: Engine.allCases)
  func `Of the quota the difference is asked for, and nothing if nothing is added`(_ engine: Engine) async throws {
    try await withStore(engine) { store, _ in
      let ana = try await store.add("ana", quota: QuotaLimits(bytes: 100, messages: 2))
      let ref = try await store.ref("INBOX", of: ana)
      try await store.put(String(repeating: "a", count: 60), of: ana)
      try await store.put(String(repeating: "b", count: 40), of: ana)
      #expect(
        await thrown {
          _ = try await store.replace(
            2, in: ref, with: try await message(store, String(repeating: "c", count: 41)), to: "Sent")
        } == .overQuota(OverQuota(resource: .storage, limit: 100, usage: 100)))
      _ = try await store.replace(
        2, in: ref, with: try await message(store, String(repeating: "c", count: 40)), to: "Sent")
      _ = try await store.updateAccount(ana.id, AccountChange(quota: QuotaLimits(bytes: 10, messages: 1)))
      _ = try await store.replace(
        1, in: ref, with: try await message(store, String(repeating: "d", count: 60)), to: "INBOX")
      #expect(try await store.usage(ana) == QuotaUsage(bytes: 100, messages: 2))
    }
  }
}
