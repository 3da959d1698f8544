import MailStore
import MailTestKit
import Testing

/// RFC 4467 §2.2.
@Suite struct AccessKeyConformance {
  @Test(arguments: Engine.allCases)
  func `A key is made once, replaced, and goes with its mailbox`(_ engine: Engine) async throws {
    try await withStore(engine) { store, _ in
      let ana = try await store.add("ana")
      let budi = try await store.add("budi")
      let inbox = try await store.ref("INBOX", of: ana)
      let sent = try await store.ref("Sent", of: ana)
      let other = try await store.ref("INBOX", of: budi)
      #expect(try await store.accessKey(.read, of: inbox) == nil)
      #expect(try await store.accessKey(.orElse([1, 0, 2]), of: inbox) == [1, 0, 2])
      #expect(try await store.accessKey(.orElse([3]), of: inbox) == [1, 0, 2])
      #expect(try await store.accessKey(.orElse([4]), of: sent) == [4])
      #expect(try await store.accessKey(.orElse([5]), of: other) == [5])
      #expect(try await store.accessKey(.replace([6]), of: inbox) == [6])
      #expect(try await store.accessKey(.read, of: inbox) == [6])
      try await store.renameMailbox("Sent", to: "Terkirim", of: ana.id)
      #expect(try await store.accessKey(.read, of: sent) == [4])
      try await store.deleteMailbox("Terkirim", of: ana.id)
      #expect(try await store.accessKey(.read, of: sent) == nil)
      #expect(await thrown { _ = try await store.accessKey(.orElse([7]), of: sent) } == .mailboxGone)
      try await store.removeAccessKeys(of: ana.id)
      #expect(try await store.accessKey(.read, of: inbox) == nil)
      #expect(try await store.accessKey(.read, of: other) == [5])
      #expect(try await store.check().problems == [])
    }
  }

  @Test(arguments: Engine.allCases)
  func `A key outlives the store's closing`(_ engine: Engine) async throws {
    let bed = try StoreBed(engine)
    let first = try bed.open()
    let ana = try await first.add("ana")
    let inbox = try await first.ref("INBOX", of: ana)
    _ = try await first.accessKey(.replace([9, 9]), of: inbox)
    await first.close()
    let second = try bed.open()
    #expect(try await second.accessKey(.read, of: inbox) == [9, 9])
    await second.close()
  }
}
