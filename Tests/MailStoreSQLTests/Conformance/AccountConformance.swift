import MailFormat
import MailStore
import MailTestKit
import NIOCore
import Testing

@Suite struct AccountConformance {
  @Test(arguments: Engine.allCases)
  func `A new account has INBOX and the special mailboxes, subscribed`(_ engine: Engine) async throws {
    try await withStore(engine) { store, _ in
      let account = try await store.add("Budi@Example.org")
      #expect(account.name == "budi@example.org")
      let listing = try await store.mailboxes(of: account.id)
      #expect(listing.mailboxes.map(\.name) == ["INBOX", "Archive", "Drafts", "Junk", "Sent", "Trash"])
      #expect(listing.mailboxes.map(\.specialUse) == [nil, .archive, .drafts, .junk, .sent, .trash])
      #expect(listing.mailboxes.allSatisfy { $0.isSubscribed && $0.isSelectable && $0.uidNext == 1 })
      #expect(Set(listing.mailboxes.map(\.uidValidity)).count == 6)
    }
  }

  @Test(arguments: Engine.allCases)
  func `A change bound to a generation does not undo a later password`(_ engine: Engine) async throws {
    try await withStore(engine) { store, _ in
      let account = try await store.add("budi")
      let changed = try await store.updateAccount(account.id, AccountChange(credentials: "new"))
      let late = AccountChange(credentials: "upgraded old", onlyIfGeneration: account.credentialsGeneration)
      #expect(try await store.updateAccount(account.id, late).credentials == "new")
      #expect(try await store.account(account.id)?.credentials == "new")
      let timely = AccountChange(credentials: "upgraded", onlyIfGeneration: changed.credentialsGeneration)
      #expect(try await store.updateAccount(account.id, timely).credentials == "upgraded")
    }
  }

  @Test(arguments: Engine.allCases)
  func `An account made anew repeats neither UIDVALIDITY nor UIDL`(_ engine: Engine) async throws {
    try await withStore(engine) { store, _ in
      var validities: Set<UInt32> = []
      var uidls: Set<String> = []
      for round in 1...3 {
        let account = try await store.add("budi")
        try await store.put(of: account)
        validities.formUnion(try await store.mailboxes(of: account.id).mailboxes.map(\.uidValidity))
        let drop = try await store.openMaildrop(of: account.id)
        uidls.formUnion(drop.messages.map(\.uidl))
        drop.close()
        #expect(validities.count == 6 * round)
        #expect(uidls.count == round)
        try await store.removeAccount(account.id)
        _ = try await store.compact()
      }
    }
  }

  @Test(arguments: Engine.allCases)
  func `Names are found without case, refused twice and when malformed`(_ engine: Engine) async throws {
    try await withStore(engine) { store, _ in
      let account = try await store.add("ana")
      #expect(try await store.account(named: "ANA")?.id == account.id)
      #expect(try await store.account(named: "nobody") == nil)
      #expect(await thrown { _ = try await store.add("Ana") } == .accountExists("ana"))
      for name in ["", "a b", "a@b@c", "@b", "a@", "a+b", "a/b", "a\u{7F}", String(repeating: "a", count: 256)] {
        guard case .invalidAccountName = await thrown({ _ = try await store.add(name) }) else {
          Issue.record("accepted \(name)")
          continue
        }
      }
    }
  }

  @Test(arguments: Engine.allCases)
  func `A change of credentials raises their generation, a new name keeps the number and the mail`(_ engine: Engine)
    async throws
  {
    let bed = try StoreBed(engine)
    do {
      let store = try bed.open()
      let ana = try await store.add("ana")
      let budi = try await store.add("budi")
      try await store.put(of: ana)
      let changed = try await store.updateAccount(
        ana.id, AccountChange(name: "Anna", credentials: "y", pop3Expire: .days(7)))
      #expect(changed.credentialsGeneration == ana.credentialsGeneration + 1)
      #expect(changed.name == "anna" && changed.id == ana.id && changed.pop3Expire == .days(7))
      #expect(try await store.account(named: "ana") == nil)
      #expect(await thrown { _ = try await store.updateAccount(ana.id, AccountChange(name: "budi")) } != nil)
      #expect(try await store.usage(changed).messages == 1)
      await store.close()
      let again = try bed.open()
      #expect(try await again.account(named: "anna") == changed)
      #expect(try await again.accounts() == [changed, budi])
      #expect(try await again.check().problems == [])
      await again.close()
      #expect(await thrown { _ = try await again.accounts() } == .shuttingDown)
    }
  }

  @Test(arguments: Engine.allCases)
  func `A removed account takes its mail along and its number is not given out again`(_ engine: Engine) async throws {
    try await withStore(engine) { store, _ in
      let ana = try await store.add("ana")
      try await store.fill(10, of: ana)
      let told = Gathered<Int>()
      let open = try await store.openMailbox("INBOX", of: ana.id) { told.add(1) }
      try await store.removeAccount(ana.id)
      #expect(open.current == nil)
      #expect(told.values == [1])
      open.close()
      #expect(try await store.account(named: "ana") == nil)
      #expect(await thrown { _ = try await store.mailboxes(of: ana.id) } == .noSuchAccount("\(ana.id)"))
      #expect(await thrown { _ = try await store.put(of: ana) } == .noSuchAccount("\(ana.id)"))
      let next = try await store.add("ana")
      #expect(next.id > ana.id)
      #expect(try await store.usage(next) == QuotaUsage())
      let report = try await store.compact()
      #expect(report.purgedMessages == 10)
      #expect(try await store.check().messages == 0)
    }
  }
}
