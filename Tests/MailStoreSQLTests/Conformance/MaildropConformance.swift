import MailStore
import MailTestKit
import NIOCore
import Testing

@Suite struct MaildropConformance {
  @Test(arguments: Engine.allCases)
  func `A maildrop is a snapshot that stays readable when IMAP moves and expunges its messages`(_ engine: Engine)
    async throws
  {
    try await withStore(engine) { store, _ in
      let ana = try await store.add("ana")
      try await store.fill(4, of: ana)
      let ref = try await store.ref("INBOX", of: ana)
      let drop = try await store.openMaildrop(of: ana.id)
      #expect(drop.messages.map(\.uid) == [1, 2, 3, 4])
      #expect(drop.messages[0].size == Mail.text("Number 0").utf8.count)
      try await store.put(of: ana)
      _ = try await store.changeFlags(FlagChange(.add, .deleted), of: [1, 2], in: ref)
      _ = try await store.expunge(nil, in: ref)
      _ = try await store.move([3], from: ref, to: "Trash")
      let trash = try await store.ref("Trash", of: ana)
      _ = try await store.changeFlags(FlagChange(.add, .deleted), of: [1], in: trash)
      _ = try await store.expunge(nil, in: trash)
      try await store.deleteMailbox("Junk", of: ana.id)
      #expect(try await store.compact().purgedMessages == 0)
      let seen = Gathered<String>()
      let done = try await drop.visit([0, 1, 2, 3], needs: .message) { index, row throws(StoreError) in
        seen.add(
          "\(index) "
            + (try row.withMessage { span throws(StoreError) in
              span.withUnsafeBytes { String(decoding: $0, as: UTF8.self) }
            }))
        return .next
      }
      #expect(done == 4)
      #expect(seen.values == (0..<4).map { "\($0) " + Mail.text("Number \($0)") })
      let reader = try await drop.openMessage(at: 2)
      #expect(String(buffer: try await reader.read(0..<9999)) == Mail.text("Number 2"))
      drop.close()
      #expect(try await store.compact().purgedMessages == 3)
      #expect(await thrown { _ = try await drop.openMessage(at: 2) } == .expunged(3))
    }
  }

  @Test(arguments: Engine.allCases)
  func `Deletion is all of it, passes over what is gone, and gives the space back`(_ engine: Engine) async throws {
    try await withStore(engine) { store, bed in
      let ana = try await store.add("ana")
      try await store.fill(50, of: ana)
      let ref = try await store.ref("INBOX", of: ana)
      let open = try await store.openMailbox("INBOX", of: ana.id) {}
      let drop = try await store.openMaildrop(of: ana.id)
      _ = try await store.changeFlags(FlagChange(.add, .deleted), of: [5], in: ref)
      _ = try await store.expunge(nil, in: ref)
      try await drop.delete([49, 4, 3, 0])
      #expect(try await store.info("INBOX", of: ana).messages == 46)
      #expect(open.current?.index(of: 50) == nil)
      try await drop.delete(Array(0..<50))
      try await drop.delete([])
      drop.close()
      open.close()
      #expect(try await store.usage(ana) == QuotaUsage())
      #expect(try await store.compact().purgedMessages == 50)
      #expect(try await store.check().blobs == 0)
    }
  }

  @Test(arguments: Engine.allCases)
  func `A mailbox deleted under a maildrop keeps its bytes though an older expunge of it is purged`(_ engine: Engine)
    async throws
  {
    try await withStore(engine) { store, _ in
      let ana = try await store.add("ana")
      _ = try await store.createMailbox("X", of: ana.id, specialUse: nil)
      try await store.put(Mail.text("Old"), in: "X", of: ana, flags: .deleted)
      try await store.put(Mail.text("Pinned"), of: ana)
      _ = try await store.expunge(nil, in: try await store.ref("X", of: ana))
      let drop = try await store.openMaildrop(of: ana.id)
      _ = try await store.move([1], from: try await store.ref("INBOX", of: ana), to: "X")
      try await store.deleteMailbox("X", of: ana.id)
      #expect(try await store.compact().purgedMessages == 1)
      let reader = try await drop.openMessage(at: 0)
      #expect(String(buffer: try await reader.read(0..<reader.size)) == Mail.text("Pinned"))
      drop.close()
      #expect(try await store.compact().purgedMessages == 1)
    }
  }

  @Test(arguments: Engine.allCases)
  func `Messages expire so many days after their first RETR, and only those`(_ engine: Engine) async throws {
    try await withStore(engine) { store, _ in
      let ana = try await store.add("ana", expire: .days(3))
      let budi = try await store.add("budi")
      try await store.fill(4, of: ana)
      try await store.fill(2, of: budi)
      let day: Int64 = 86_400
      for account in [ana, budi] {
        let drop = try await store.openMaildrop(of: account.id)
        try await drop.markRetrieved([0, 1], at: 1000)
        try await drop.markRetrieved([1], at: 1000 + 5 * day)
        drop.close()
      }
      let drop = try await store.openMaildrop(of: ana.id)
      try await drop.markRetrieved([2], at: 1000 + day)
      drop.close()
      #expect(try await store.expireRetrieved(of: nil, now: 999 + 3 * day) == 0)
      #expect(try await store.expireRetrieved(of: nil, now: 1000 + 3 * day) == 2)
      #expect(try await store.state("INBOX", of: ana).map(\.uid) == [3, 4])
      #expect(try await store.expireRetrieved(of: ana.id, now: 1000 + 100 * day) == 1)
      #expect(try await store.info("INBOX", of: budi).messages == 2)
    }
  }

  @Test(arguments: Engine.allCases)
  func `UIDLs stay the same after a restart and are never given to another message`(_ engine: Engine) async throws {
    let bed = try StoreBed(engine)
    var before: [MaildropMessage] = []
    do {
      let store = try bed.open()
      let ana = try await store.add("ana")
      try await store.fill(5, of: ana)
      let drop = try await store.openMaildrop(of: ana.id)
      before = drop.messages
      try await drop.delete([4])
      drop.close()
      _ = try await store.compact()
      await store.close()
    }
    let store = try bed.open()
    let ana = try #require(try await store.account(named: "ana"))
    try await store.put(of: ana)
    let drop = try await store.openMaildrop(of: ana.id)
    #expect(drop.messages.prefix(4) == before.prefix(4))
    #expect(!before.map(\.uidl).contains(drop.messages[4].uidl))
    #expect(drop.messages[4].uid == 6)
    drop.close()
    #expect(try await store.check().problems == [])
    await store.close()
  }
}
