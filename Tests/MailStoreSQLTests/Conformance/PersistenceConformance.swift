import MailStore
import MailTestKit
import NIOCore
import Testing

@Suite struct PersistenceConformance {
  @Test(arguments: Engine.allCases)
  func `Everything is as it was after a restart`(_ engine: Engine) async throws {
    let bed = try StoreBed(engine)
    var listing: [MailboxInfo] = []
    var state: [SeenMessage] = []
    do {
      let store = try bed.open()
      let ana = try await store.add("ana")
      try await store.fill(30, of: ana)
      _ = try await store.createMailbox("Work/Bills", of: ana.id, specialUse: nil)
      try await store.setSubscribed(true, "Work/Bills", of: ana.id)
      let ref = try await store.ref("INBOX", of: ana)
      _ = try await store.changeFlags(FlagChange(.add, [.seen, .deleted], keywords: ["a", "b"]), of: [3, 9], in: ref)
      _ = try await store.expunge([9], in: ref)
      _ = try await store.copy([3, 4], from: ref, to: "Work/Bills")
      try await store.renameMailbox("Work", to: "Job", of: ana.id)
      listing = try await store.mailboxes(of: ana.id).mailboxes
      state = try await store.state("INBOX", of: ana)
      await store.close()
    }
    let store = try bed.open()
    let ana = try #require(try await store.account(named: "ana"))
    #expect(try await store.mailboxes(of: ana.id).mailboxes == listing)
    #expect(try await store.state("INBOX", of: ana) == state)
    #expect(try await store.put(of: ana) == 31)
    #expect(try await store.body(2, in: try await store.ref("Job/Bills", of: ana)) == Mail.text("Number 3"))
    #expect(try await store.check().problems == [])
    await store.close()
  }

  @Test(arguments: Engine.allCases)
  func `After close every call is refused, and close may be called twice`(_ engine: Engine) async throws {
    let bed = try StoreBed(engine)
    let store = try bed.open()
    let ana = try await store.add("ana")
    let ref = try await store.ref("INBOX", of: ana)
    let message = try await store.prepare(Mail.text())
    await store.close()
    await store.close()
    #expect(await thrown { _ = try await store.account(named: "ana") } == .shuttingDown)
    #expect(await thrown { try await store.put(of: ana) } == .shuttingDown)
    #expect(await thrown { _ = try await store.openMessage(1, in: ref) } == .shuttingDown)
    #expect(await thrown { _ = try await store.check() } == .shuttingDown)
    #expect(await thrown { _ = try await store.compact() } == .shuttingDown)
    let results = await store.deliver(
      message, to: [DeliveryTarget(account: ana.id)], date: InternalDate(seconds: 1))
    #expect(results == [.failure(.shuttingDown)])
  }
}
