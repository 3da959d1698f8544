import MailStore
import MailTestKit
import NIOCore
import Synchronization
import Testing

@Suite struct ViewConformance {
  @Test(arguments: Engine.allCases)
  func `A session is told once until it looks, and finds everything that was committed`(_ engine: Engine) async throws {
    try await withStore(engine) { store, _ in
      let ana = try await store.add("ana")
      let told = Gathered<Int>()
      let open = try await store.openMailbox("inbox", of: ana.id) { told.add(1) }
      #expect(open.info.name == "INBOX" && open.current?.count == 0)
      try await store.put(of: ana)
      try await store.put(of: ana)
      #expect(told.values.count == 1)
      let first = try #require(open.current)
      #expect(first.uids == [1, 2] && first.uidNext == 3)
      #expect(first.highestModSeq == (try await store.info("INBOX", of: ana)).highestModSeq)
      _ = try await store.changeFlags(FlagChange(.add, .seen), of: [1], in: open.ref)
      #expect(told.values.count == 2)
      try await store.put(in: "Sent", of: ana)
      #expect(told.values.count == 2)
      let second = try #require(open.current)
      let difference = first.difference(to: second)
      #expect(difference.updated.map(\.index) == [0] && difference.added.isEmpty && difference.expunged.isEmpty)
      open.close()
      try await store.put(of: ana)
      #expect(told.values.count == 2)
    }
  }

  @Test(arguments: Engine.allCases)
  func `Sessions are told in the order in which they came, before the change is acknowledged`(_ engine: Engine)
    async throws
  {
    try await withStore(engine) { store, _ in
      let ana = try await store.add("ana")
      let told = Gathered<Int>()
      var open: [any OpenMailbox] = []
      for number in 0..<20 { open.append(try await store.openMailbox("INBOX", of: ana.id) { told.add(number) }) }
      try await store.put(of: ana)
      #expect(told.values == Array(0..<20))
      open[7].close()
      for mailbox in open { _ = mailbox.current }
      try await store.put(of: ana)
      #expect(told.values.suffix(19) == Array(0..<7) + Array(8..<20))
      for (number, mailbox) in open.enumerated() where number != 7 { mailbox.close() }
    }
  }

  @Test(arguments: Engine.allCases)
  func `All changes of one call have one MODSEQ`(_ engine: Engine) async throws {
    try await withStore(engine) { store, _ in
      let ana = try await store.add("ana")
      try await store.fill(3, of: ana)
      let before = try await store.info("INBOX", of: ana).highestModSeq
      try await store.renameMailbox("INBOX", to: "Old/Mail", of: ana.id)
      let open = try await store.openMailbox("Old/Mail", of: ana.id) {}
      let snapshot = try #require(open.current)
      open.close()
      let modSeqs = Set((0..<3).map { snapshot[$0].modSeq })
      #expect(modSeqs == [snapshot.highestModSeq] && snapshot.highestModSeq > before)
      #expect(try await store.info("INBOX", of: ana).highestModSeq == snapshot.highestModSeq)
      #expect(try await store.info("Old", of: ana).highestModSeq == snapshot.highestModSeq)
    }
  }

  @Test(arguments: Engine.allCases)
  func `Sessions on one mailbox share the snapshot`(_ engine: Engine) async throws {
    try await withStore(engine) { store, _ in
      let ana = try await store.add("ana")
      try await store.fill(10, of: ana)
      let one = try await store.openMailbox("INBOX", of: ana.id) {}
      let two = try await store.openMailbox("INBOX", of: ana.id) {}
      #expect(one.current === two.current)
      try await store.put(of: ana)
      #expect(one.current === two.current && one.current?.count == 11)
      one.close()
      two.close()
      let three = try await store.openMailbox("INBOX", of: ana.id) {}
      try await store.put(of: ana)
      #expect(three.current?.count == 12 && three.info.messages == 11)
      three.close()
    }
  }

  @Test(arguments: Engine.allCases)
  func `Recent messages are given to one session, and a floor survives a restart`(_ engine: Engine) async throws {
    let bed = try StoreBed(engine)
    do {
      let store = try bed.open()
      let ana = try await store.add("ana")
      try await store.fill(3, of: ana)
      let one = try await store.openMailbox("INBOX", of: ana.id) {}
      let two = try await store.openMailbox("INBOX", of: ana.id) {}
      #expect(two.peekRecent() == 1...3)
      #expect(one.claimRecent() == 1...3)
      #expect(two.claimRecent() == nil && two.peekRecent() == nil)
      try await store.put(of: ana)
      #expect(two.claimRecent() == 4...4)
      #expect(try await store.info("INBOX", of: ana).recentFloor == 5)
      one.close()
      two.close()
      try await store.put(of: ana)
      await store.close()
    }
    let store = try bed.open()
    let ana = try #require(try await store.account(named: "ana"))
    let open = try await store.openMailbox("INBOX", of: ana.id) {}
    #expect(open.claimRecent() == 5...5)
    open.close()
    #expect(try await store.check().problems == [])
    await store.close()
  }

  /// Sessions open the mailbox while it changes; each must arrive at the same state as the rows.
  @Test(arguments: Engine.allCases)
  func `A view loaded under load misses nothing and shows nothing twice`(_ engine: Engine) async throws {
    try await withStore(engine) { store, _ in
      let ana = try await store.add("ana")
      try await store.fill(200, of: ana)
      let ref = try await store.ref("INBOX", of: ana)
      let message = try await store.prepare(Mail.text())
      for round in 0..<12 {
        // The rename evicts nothing; a fresh name gives a fresh, unloaded view.
        let name = "Box \(round)"
        _ = try await store.createMailbox(name, of: ana.id, specialUse: nil)
        _ = try await store.copy(Array(1...200), from: ref, to: name)
        let box = try await store.ref(name, of: ana)
        let finals = try await withThrowingTaskGroup(of: [SeenMessage]?.self) { group in
          group.addTask {
            for number in 0..<20 {
              _ = try await store.append([AppendedMessage(message: message)], to: name, of: ana.id)
              _ = try await store.changeFlags(FlagChange(.add, .deleted), of: [UID(number * 3 + 1)], in: box)
              _ = try await store.expunge(nil, in: box)
            }
            return nil
          }
          for _ in 0..<4 {
            group.addTask {
              let open = try await store.openMailbox(name, of: ana.id) {}
              var last = open.current
              for _ in 0..<40 {
                await Task.yield()
                let next = open.current
                if let last, let next { #expect(last.highestModSeq <= next.highestModSeq) }
                last = next
              }
              open.close()
              return nil
            }
          }
          try await group.waitForAll()
          return try await store.state(name, of: ana)
        }
        let rows = Gathered<UID>()
        _ = try await store.visit(box, Array(1...230)[...], needs: .dates) { row throws(StoreError) in
          rows.add(row.uid)
          return .next
        }
        #expect(finals.map(\.uid).count == 200)
        #expect(Set(finals.map(\.uid)).isSubset(of: Set(rows.values)))
      }
    }
  }
}
