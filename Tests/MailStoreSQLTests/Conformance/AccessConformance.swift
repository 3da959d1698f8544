import MailStore
import MailTestKit
import NIOCore
import Testing

/// RFC 4314 §2 and §4.
@Suite struct AccessConformance {
  @Test(arguments: Engine.allCases)
  func `Rights are given, added, taken away and denied`(_ engine: Engine) async throws {
    try await withStore(engine) { store, _ in
      let (ana, budi, citra) = (try await store.add("ana"), try await store.add("budi"), try await store.add("citra"))
      let inbox = try await store.ref("INBOX", of: ana)
      #expect(store.rights(of: ana.id, in: inbox) == .all)
      #expect(store.rights(of: budi.id, in: inbox) == [])
      #expect(try await store.accessList(of: inbox) == [])
      let (toBudi, toAll) = (Grantee.account(budi.id), Grantee.anyone)
      try await store.changeAccess(AccessChange(.replace, toBudi, [.lookup, .read, .write]), of: inbox)
      try await store.changeAccess(AccessChange(.add, toBudi, [.insert]), of: inbox)
      try await store.changeAccess(AccessChange(.remove, toBudi, [.write]), of: inbox)
      try await store.changeAccess(AccessChange(.replace, toAll, [.lookup, .post]), of: inbox)
      #expect(store.rights(of: budi.id, in: inbox) == [.lookup, .read, .insert, .post])
      #expect(store.rights(of: citra.id, in: inbox) == [.lookup, .post])
      // Negative rights win, whatever gives the right.
      try await store.changeAccess(AccessChange(.replace, toBudi, isNegative: true, [.post, .insert]), of: inbox)
      #expect(store.rights(of: budi.id, in: inbox) == [.lookup, .read])
      #expect(
        try await store.accessList(of: inbox) == [
          AccessEntry(toAll, [.lookup, .post]), AccessEntry(toBudi, [.lookup, .read, .insert]),
          AccessEntry(toBudi, isNegative: true, [.post, .insert]),
        ])
      // The owner has all as it is, and nobody else can be named who is not there.
      try await store.changeAccess(AccessChange(.replace, .account(ana.id), [.read]), of: inbox)
      #expect(store.rights(of: ana.id, in: inbox) == .all)
      #expect(try await store.accessList(of: inbox).count == 3)
      let stranger = Grantee.account(AccountID(99))
      #expect(
        await thrown { try await store.changeAccess(AccessChange(.replace, stranger, .all), of: inbox) }
          == .noSuchAccount("99"))
      // A line without rights is none.
      try await store.changeAccess(AccessChange(.replace, toBudi, []), of: inbox)
      try await store.changeAccess(AccessChange(.remove, toBudi, isNegative: true, .all), of: inbox)
      #expect(try await store.accessList(of: inbox) == [AccessEntry(toAll, [.lookup, .post])])
    }
  }

  @Test(arguments: Engine.allCases)
  func `A list belongs to its mailbox, whatever its name, and new ones below have it too`(_ engine: Engine) async throws
  {
    try await withStore(engine) { store, _ in
      let (ana, budi) = (try await store.add("ana"), try await store.add("budi"))
      _ = try await store.createMailbox("A", of: ana.id, specialUse: nil)
      let first = try await store.ref("A", of: ana)
      try await store.changeAccess(AccessChange(.replace, .account(budi.id), [.lookup, .read]), of: first)
      _ = try await store.createMailbox("A/B/C", of: ana.id, specialUse: nil)
      let inner = try await store.ref("A/B/C", of: ana)
      #expect(store.rights(of: budi.id, in: inner) == [.lookup, .read])
      try await store.renameMailbox("A/B", to: "D", of: ana.id)
      let names = try await store.sharedMailboxes(with: budi.id, of: nil).map(\.info.name)
      #expect(names == ["A", "D", "D/C"])
      try await store.deleteMailbox("A", of: ana.id)
      #expect(store.rights(of: budi.id, in: first) == [])
      #expect(await thrown { _ = try await store.accessList(of: first) } == .mailboxGone)
      _ = try await store.createMailbox("A", of: ana.id, specialUse: nil)
      #expect(try await store.accessList(of: store.ref("A", of: ana)) == [])
      // A name that stays for what is below it is another mailbox.
      try await store.deleteMailbox("D", of: ana.id)
      #expect(try await store.sharedMailboxes(with: budi.id, of: ana.id).map(\.info.name) == ["D/C"])
      #expect(try await store.sharedMailboxes(with: budi.id, of: budi.id) == [])
      #expect(try await store.sharedMailboxes(with: ana.id, of: nil) == [])
    }
  }

  @Test(arguments: Engine.allCases)
  func `An account that goes leaves no rights and no marks behind`(_ engine: Engine) async throws {
    try await withStore(engine) { store, _ in
      let (ana, budi) = (try await store.add("ana"), try await store.add("budi"))
      try await store.fill(3, of: ana)
      let inbox = try await store.ref("INBOX", of: ana)
      let other = try await store.ref("Sent", of: budi)
      try await store.changeAccess(AccessChange(.replace, .account(budi.id), .all), of: inbox)
      try await store.changeAccess(AccessChange(.replace, .account(ana.id), .all), of: other)
      _ = try await store.changeFlags(FlagChange(.add, .seen), of: [1, 3], in: inbox, as: budi.id)
      try await store.removeAccount(budi.id)
      #expect(try await store.accessList(of: inbox) == [])
      #expect(store.rights(of: ana.id, in: other) == [])
      #expect(try await store.sharedMailboxes(with: ana.id, of: nil) == [])
      let again = try await store.add("budi")
      #expect(store.rights(of: again.id, in: inbox) == [])
      _ = try await store.compact()
      #expect(try await store.check().problems == [])
      _ = try await store.changeFlags(FlagChange(.add, .deleted), of: [1, 2], in: inbox)
      #expect(try await store.expunge(nil, in: inbox) == [1, 2])
    }
  }

  @Test(arguments: Engine.allCases)
  func `Lists and marks outlive the store's closing`(_ engine: Engine) async throws {
    let bed = try StoreBed(engine)
    let first = try bed.open()
    let (ana, budi) = (try await first.add("ana"), try await first.add("budi"))
    try await first.fill(3, of: ana)
    let inbox = try await first.ref("INBOX", of: ana)
    try await first.changeAccess(AccessChange(.replace, .account(budi.id), [.lookup, .read]), of: inbox)
    try await first.changeAccess(AccessChange(.replace, .anyone, isNegative: true, [.read]), of: inbox)
    _ = try await first.changeFlags(FlagChange(.add, .seen), of: [2], in: inbox, as: budi.id)
    await first.close()
    let second = try bed.open()
    #expect(second.rights(of: budi.id, in: inbox) == [.lookup])
    #expect(try await second.mailbox(inbox, as: budi.id)?.unseen == 2)
    let open = try await second.openMailbox(inbox, as: budi.id) {}
    #expect(open.current?.seen == [SeenMessage(1), SeenMessage(2, .seen), SeenMessage(3)])
    open.close()
    #expect(try await second.check().problems == [])
    await second.close()
  }

  @Test(arguments: Engine.allCases)
  func `Those who have the mailbox open are told of other rights`(_ engine: Engine) async throws {
    try await withStore(engine) { store, _ in
      let (ana, budi) = (try await store.add("ana"), try await store.add("budi"))
      let inbox = try await store.ref("INBOX", of: ana)
      let told = Gathered<Int>()
      let open = try await store.openMailbox(inbox, as: budi.id) { told.add(1) }
      _ = open.current
      let watched = Gathered<Int>()
      let watch = try await store.watch(budi.id) { watched.add(1) }
      try await store.changeAccess(AccessChange(.replace, .account(budi.id), [.lookup]), of: inbox)
      #expect(told.values.count == 1)
      #expect(watched.values.count == 1)
      let news = watch.news()
      #expect(news.listing != nil)
      #expect(news.shared.map(\.info.name) == ["INBOX"])
      #expect(news.shared.map(\.ownerName) == ["ana"])
      #expect(news.shared.map(\.rights) == [[.lookup]])
      // And of what happens in it.
      try await store.put(of: ana)
      #expect(watched.values.count == 2)
      #expect(watch.news().shared.map(\.info.messages) == [1])
      try await store.changeAccess(AccessChange(.replace, .account(budi.id), []), of: inbox)
      #expect(watched.values.count == 3)
      #expect(watch.news().shared == [])
      try await store.put(of: ana)
      #expect(watched.values.count == 3)
      watch.close()
      open.close()
    }
  }

  @Test(arguments: Engine.allCases)
  func `A mailbox is shared with so many accounts and no more`(_ engine: Engine) async throws {
    try await withStore(engine) { store, _ in
      let ana = try await store.add("ana")
      let inbox = try await store.ref("INBOX", of: ana)
      var last = ana
      for number in 0..<1000 {
        last = try await store.add("b\(number)")
        try await store.changeAccess(AccessChange(.replace, .account(last.id), .lookup), of: inbox)
      }
      #expect(
        await thrown { try await store.changeAccess(AccessChange(.replace, .anyone, .lookup), of: inbox) }
          == .tooManyGrants(limit: 1000))
      try await store.changeAccess(AccessChange(.add, .account(last.id), .read), of: inbox)
      try await store.changeAccess(AccessChange(.replace, .account(last.id), []), of: inbox)
      try await store.changeAccess(AccessChange(.replace, .anyone, .lookup), of: inbox)
    }
  }
}
