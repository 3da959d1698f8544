import MailStore
import MailTestKit
import NIOCore
import Testing

@Suite struct WatchConformance {
  @Test(arguments: Engine.allCases)
  func `A watch is told once until it looks, and shows what was touched as it is now`(_ engine: Engine) async throws {
    try await withStore(engine) { store, _ in
      let ana = try await store.add("ana")
      let budi = try await store.add("budi")
      let told = Gathered<Int>()
      let watch = try await store.watch(ana.id) { told.add(1) }
      #expect(watch.news().isEmpty)
      try await store.put(in: "Sent", of: ana)
      try await store.put(in: "Sent", of: ana)
      try await store.put(of: ana)
      try await store.put(of: budi)
      #expect(told.values.count == 1)
      let news = watch.news()
      #expect(news.listing == nil)
      #expect(Dictionary(uniqueKeysWithValues: news.changed.map { ($0.name, $0.messages) }) == ["Sent": 2, "INBOX": 1])
      #expect(watch.news().isEmpty)
      watch.close()
      try await store.put(of: ana)
      #expect(told.values.count == 1)
    }
  }

  @Test(arguments: Engine.allCases)
  func `A change of names or subscriptions shows the whole account`(_ engine: Engine) async throws {
    try await withStore(engine) { store, _ in
      let ana = try await store.add("ana")
      let watch = try await store.watch(ana.id) {}
      defer { watch.close() }
      func names() -> [String]? { watch.news().listing?.mailboxes.map(\.name) }
      _ = try await store.createMailbox("Kerja/2026", of: ana.id, specialUse: nil)
      #expect(names()?.contains("Kerja/2026") == true)
      try await store.renameMailbox("Kerja", to: "Kantor", of: ana.id)
      #expect(names()?.contains("Kantor/2026") == true)
      try await store.setSubscribed(true, "Kantor", of: ana.id)
      #expect(watch.news().listing?.mailboxes.first { $0.name == "Kantor" }?.isSubscribed == true)
      try await store.setSubscribed(true, "Kantor", of: ana.id)
      #expect(watch.news().isEmpty)
      try await store.deleteMailbox("Kantor", of: ana.id)
      let left = try #require(watch.news().listing)
      #expect(left.mailboxes.first { $0.name == "Kantor" }?.isSelectable == false)
      #expect(await thrown { try await store.deleteMailbox("Tiada", of: ana.id) } != nil)
      #expect(watch.news().isEmpty)
    }
  }

  @Test(arguments: Engine.allCases)
  func `More mailboxes than a watch names show the whole account`(_ engine: Engine) async throws {
    try await withStore(engine) { store, _ in
      let ana = try await store.add("ana")
      for number in 0...WatchLimits.mailboxes {
        _ = try await store.createMailbox("m\(number)", of: ana.id, specialUse: nil)
      }
      let watch = try await store.watch(ana.id) {}
      defer { watch.close() }
      for number in 0..<WatchLimits.mailboxes { try await store.put(in: "m\(number)", of: ana) }
      #expect(watch.news().changed.count == WatchLimits.mailboxes)
      for number in 0...WatchLimits.mailboxes { try await store.put(in: "m\(number)", of: ana) }
      let news = watch.news()
      #expect(news.changed.isEmpty)
      #expect(news.listing?.mailboxes.first { $0.name == "m0" }?.messages == 2)
    }
  }

  @Test(arguments: Engine.allCases)
  func `Annotations are kept by mailbox, all or nothing, and end with it`(_ engine: Engine) async throws {
    try await withStore(engine) { store, _ in
      let ana = try await store.add("ana")
      let inbox = try await store.info("INBOX", of: ana).id
      func text(_ mailbox: MailboxID?) async throws -> [String: String] {
        let all = try await store.annotations(of: ana.id)[mailbox] ?? []
        return Dictionary(uniqueKeysWithValues: all.map { ($0.entry, String(buffer: $0.value)) })
      }
      func set(_ values: [String: String?], _ mailbox: MailboxID?, limit: Int = 10, octets: Int = 1000) async throws
        -> Bool
      {
        try await store.setAnnotations(
          values.map { AnnotationChange($0.key, $0.value.map { ByteBuffer(string: $0) }) }, in: mailbox, of: ana.id,
          limits: .init(entries: limit, octets: octets), by: [])
      }
      #expect(try await set(["/private/comment": "a", "/shared/comment": ""], inbox))
      #expect(try await set(["/private/comment": "b"], nil))
      #expect(try await text(inbox) == ["/private/comment": "a", "/shared/comment": ""])
      #expect(try await text(nil) == ["/private/comment": "b"])
      #expect(try await !set(["/private/comment": "c", "/private/vendor/x/y": "d"], inbox, limit: 2))
      #expect(try await set(["/private/comment": nil, "/private/vendor/x/y": "d"], inbox, limit: 2))
      #expect(try await text(inbox) == ["/shared/comment": "", "/private/vendor/x/y": "d"])
      // Octets are those of the whole account.
      #expect(try await !set(["/private/comment": "bbbb"], nil, octets: 53))
      #expect(try await set(["/private/comment": nil], nil, octets: 10))
      #expect(try await set(["/private/comment": "b"], nil, octets: 53))
      let work = try await store.createMailbox("Kerja", of: ana.id, specialUse: nil)
      #expect(try await set(["/private/comment": "e"], work.id))
      try await store.renameMailbox("Kerja", to: "Kantor", of: ana.id)
      #expect(try await text(work.id) == ["/private/comment": "e"])
      try await store.deleteMailbox("Kantor", of: ana.id)
      #expect(await thrown { _ = try await set(["/private/comment": "f"], work.id) } == .mailboxGone)
      let again = try await store.createMailbox("Kantor", of: ana.id, specialUse: nil)
      #expect(try await text(again.id).isEmpty)
      // What went with a mailbox counts no more.
      #expect(try await set(["/private/comment": String(repeating: "g", count: 500)], again.id, octets: 600))
      try await store.deleteMailbox("Kantor", of: ana.id)
      #expect(try await set(["/private/comment": String(repeating: "h", count: 500)], nil, octets: 600))
    }
  }

  /// RFC 7162 §3.2.
  @Test(arguments: Engine.allCases)
  func `Annotations that change raise their mailbox's MODSEQ, and those that do not change nothing`(_ engine: Engine)
    async throws
  {
    try await withStore(engine) { store, _ in
      let ana = try await store.add("ana")
      let inbox = try await store.info("INBOX", of: ana).id
      try await store.put(of: ana)
      func set(_ entry: String, _ value: String?, in mailbox: MailboxID?) async throws {
        let change = AnnotationChange(entry, value.map { ByteBuffer(string: $0) })
        #expect(
          try await store.setAnnotations(
            [change], in: mailbox, of: ana.id, limits: .init(entries: 10, octets: 1000), by: []))
      }
      let session = try await store.openMailbox("INBOX", of: ana.id) {}
      let watch = try await store.watch(ana.id) {}
      defer {
        session.close()
        watch.close()
      }
      let before = try await store.info("INBOX", of: ana).highestModSeq
      try await set("/private/comment", "a", in: inbox)
      let after = try await store.info("INBOX", of: ana).highestModSeq
      #expect(after > before)
      #expect(session.current?.highestModSeq == after)
      #expect(session.current?.count == 1)
      let news = watch.news()
      #expect(news.changed.map(\.highestModSeq) == [after])
      #expect(news.annotated == [AnnotationName(inbox, "/private/comment")])
      try await set("/private/comment", "a", in: inbox)
      try await set("/private/other", nil, in: inbox)
      try await set("/private/comment", "a", in: nil)
      #expect(try await store.info("INBOX", of: ana).highestModSeq == after)
      #expect(session.current?.highestModSeq == after)
      #expect(watch.news().annotated == [AnnotationName(nil, "/private/comment")])
      try await set("/private/comment", nil, in: inbox)
      #expect(try await store.info("INBOX", of: ana).highestModSeq > after)
      #expect(try await store.check().problems == [])
    }
  }

  @Test(arguments: Engine.allCases)
  func `Whoever annotates is not told of it, the others are`(_ engine: Engine) async throws {
    try await withStore(engine) { store, _ in
      let ana = try await store.add("ana")
      let inbox = try await store.info("INBOX", of: ana).id
      let author = try await store.watch(ana.id) {}
      let other = try await store.watch(ana.id) {}
      defer {
        author.close()
        other.close()
      }
      let change = AnnotationChange("/private/comment", ByteBuffer(string: "a"))
      #expect(
        try await store.setAnnotations(
          [change], in: inbox, of: ana.id, limits: .init(entries: 10, octets: 1000), by: [author.id]))
      #expect(author.news().annotated.isEmpty)
      let news = other.news()
      #expect(news.annotated == [AnnotationName(inbox, "/private/comment")])
      #expect(news.annotatedMailboxes == [inbox: "INBOX"])
      for number in 0...WatchLimits.annotations {
        let change = AnnotationChange("/private/vendor/x/\(number)", ByteBuffer(string: "a"))
        #expect(
          try await store.setAnnotations(
            [change], in: nil, of: ana.id, limits: .init(entries: 2000, octets: 1 << 20), by: [author.id]))
      }
      #expect(other.news().missesAnnotations)
    }
  }

  /// RFC 5464 §3.3, §4.4: what all see is told to all who see it, what is private to whom it belongs.
  @Test(arguments: Engine.allCases)
  func `What is annotated in a shared mailbox is told to those who may see it`(_ engine: Engine) async throws {
    try await withStore(engine) { store, _ in
      let (ana, budi, citra) = (try await store.add("ana"), try await store.add("budi"), try await store.add("citra"))
      let inbox = try await store.ref("INBOX", of: ana)
      for (account, rights) in [(budi, MailboxRights([.lookup, .read])), (citra, MailboxRights([.lookup]))] {
        try await store.changeAccess(AccessChange(.replace, .account(account.id), rights), of: inbox)
      }
      var watches: [any AccountWatch] = []
      for account in [ana, budi, budi, citra] { watches.append(try await store.watch(account.id) {}) }
      defer { for watch in watches { watch.close() } }
      for watch in watches { _ = watch.news() }
      func set(_ entries: [String], by viewer: Account, _ author: WatchID) async throws -> [[AnnotationName]] {
        _ = try await store.setAnnotations(
          entries.map { AnnotationChange($0, ByteBuffer(string: "\(author)")) }, in: inbox.mailbox, of: ana.id,
          as: viewer.id, limits: .init(entries: 10, octets: 1000), by: [author])
        return watches.map { $0.news().annotated.sorted { $0.entry < $1.entry } }
      }
      let both = ["/private/comment", "/shared/comment"]
      let own = both.map { AnnotationName(inbox.mailbox, $0) }
      let shown = both.map { AnnotationName(inbox.mailbox, $0, of: ana.id) }
      #expect(try await set(both, by: ana, watches[0].id) == [[], [shown[1]], [shown[1]], []])
      #expect(try await set(both, by: budi, watches[1].id) == [[own[1]], [], shown, []])
      // The name comes along, and goes with the right.
      _ = try await store.setAnnotations(
        [AnnotationChange("/shared/comment", nil)], in: inbox.mailbox, of: ana.id, as: ana.id,
        limits: .init(entries: 10, octets: 1000), by: [])
      let news = watches[1].news()
      #expect(news.annotated == [shown[1]])
      #expect(news.annotatedElsewhere[inbox]?.info.name == "INBOX")
      #expect(news.annotatedElsewhere[inbox]?.ownerName == "ana")
      try await store.changeAccess(AccessChange(.replace, .account(budi.id), []), of: inbox)
      for watch in watches { _ = watch.news() }
      #expect(try await set(both, by: ana, watches[0].id) == [[], [], [], []])
    }
  }
}
