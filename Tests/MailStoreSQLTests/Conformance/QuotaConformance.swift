import MailStore
import MailTestKit
import NIOCore
import Testing

@Suite struct QuotaConformance {
  @Test(arguments: Engine.allCases)
  func `The default bound holds for accounts without their own, the last octet fits`(_ engine: Engine) async throws {
    let text = Mail.text()
    let size = Int64(text.utf8.count)
    try await withStore(engine, BedSettings(quota: QuotaLimits(bytes: size * 2))) { store, _ in
      let ana = try await store.add("ana")
      let rich = try await store.add("rich", quota: QuotaLimits(bytes: size * 100))
      try await store.put(text, of: ana)
      try await store.checkQuota(of: ana.id, adding: Int(size))
      #expect(await thrown { try await store.checkQuota(of: ana.id, adding: Int(size) + 1) } != nil)
      try await store.put(text, of: ana)
      #expect(try await store.quota(of: ana.id).usage == QuotaUsage(bytes: size * 2, messages: 2))
      #expect(try await store.quota(of: ana.id).limits.bytes == size * 2)
      let over = StoreError.overQuota(OverQuota(resource: .storage, limit: size * 2, usage: size * 2))
      #expect(await thrown { try await store.put(text, of: ana) } == over)
      for _ in 0..<5 { try await store.put(text, of: rich) }
      let raised = try await store.updateAccount(ana.id, AccountChange(quota: QuotaLimits(bytes: size * 3)))
      try await store.put(text, of: raised)
      let ref = try await store.ref("INBOX", of: ana)
      _ = try await store.changeFlags(FlagChange(.add, .deleted), of: [1, 2], in: ref)
      _ = try await store.expunge(nil, in: ref)
      try await store.put(text, of: ana)
      #expect(try await store.usage(ana) == QuotaUsage(bytes: size * 2, messages: 2))
    }
  }

  @Test(arguments: Engine.allCases)
  func `What adds nothing is not refused when the bound was lowered`(_ engine: Engine) async throws {
    try await withStore(engine) { store, _ in
      let ana = try await store.add("ana")
      try await store.fill(2, of: ana)
      _ = try await store.updateAccount(ana.id, AccountChange(quota: QuotaLimits(messages: 1)))
      let ref = try await store.ref("INBOX", of: ana)
      #expect(try await store.copy([7], from: ref, to: "Sent").assigned == [])
      #expect(try await store.append([], to: "Sent", of: ana.id).assigned == [])
      #expect(await thrown { _ = try await store.copy([1], from: ref, to: "Sent") } != nil)
    }
  }

  @Test(arguments: Engine.allCases)
  func `Mailboxes are counted exactly, whoever makes them`(_ engine: Engine) async throws {
    try await withStore(engine, BedSettings(quota: QuotaLimits(mailboxes: 8))) { store, bed in
      let ana = try await store.add("ana")
      let rich = try await store.add("rich", quota: QuotaLimits(mailboxes: 100))
      func count() async throws -> Int64 { try await store.holdings(of: ana.id).mailboxes }
      func over(_ usage: Int64) -> StoreError {
        .overQuota(OverQuota(resource: .mailboxes, limit: 8, usage: usage))
      }
      #expect(try await store.quota(of: ana.id).limits.mailboxes == 8)
      #expect(try await count() == 6)
      #expect(await thrown { _ = try await store.createMailbox("a/b/c", of: ana.id, specialUse: nil) } == over(6))
      #expect(try await count() == 6)
      #expect(try await store.mailbox(named: "a", of: ana.id) == nil)
      _ = try await store.createMailbox("a/b", of: ana.id, specialUse: nil)
      try await store.fill(2, of: ana)
      #expect(await thrown { try await store.renameMailbox("a/b", to: "x/b", of: ana.id) } == over(8))
      #expect(await thrown { try await store.renameMailbox("INBOX", to: "old", of: ana.id) } == over(8))
      #expect(try await store.info("INBOX", of: ana).messages == 2)
      try await store.renameMailbox("a/b", to: "a/c", of: ana.id)
      // A name without a mailbox counts only when it becomes one.
      try await store.deleteMailbox("a", of: ana.id)
      #expect(try await count() == 7)
      _ = try await store.createMailbox("d", of: ana.id, specialUse: nil)
      #expect(await thrown { _ = try await store.createMailbox("a", of: ana.id, specialUse: nil) } == over(8))
      try await store.deleteMailbox("d", of: ana.id)
      try await store.renameMailbox("INBOX", to: "old", of: ana.id)
      #expect(try await count() == 8)
      // What an administrator brings is not asked for.
      _ = try await store.prepareImport(ImportedMailbox(name: "brought"), of: ana.id)
      #expect(try await count() == 9)
      for number in 0..<20 { _ = try await store.createMailbox("m\(number)", of: rich.id, specialUse: nil) }
      _ = try await store.updateAccount(ana.id, AccountChange(quota: QuotaLimits(mailboxes: 10, annotationBytes: 5)))
      let kept = try await store.account(ana.id)?.quota
      #expect(kept == QuotaLimits(mailboxes: 10, annotationBytes: 5))
      #expect(try await store.check().problems == [])
    }
  }

  @Test(arguments: Engine.allCases)
  func `Of many that make mailboxes at once, as many succeed as fit`(_ engine: Engine) async throws {
    try await withStore(engine, BedSettings(quota: QuotaLimits(mailboxes: 16))) { store, _ in
      let ana = try await store.add("ana")
      let made = await withTaskGroup(of: Bool.self) { group in
        for number in 0..<40 {
          group.addTask {
            await thrown { _ = try await store.createMailbox("m\(number)", of: ana.id, specialUse: nil) } == nil
          }
        }
        return await group.reduce(0) { $0 + ($1 ? 1 : 0) }
      }
      #expect(made == 10)
      #expect(try await store.holdings(of: ana.id).mailboxes == 16)
    }
  }

  @Test(arguments: Engine.allCases)
  func `Annotations are bounded by their octets, all or nothing`(_ engine: Engine) async throws {
    try await withStore(engine) { store, _ in
      let ana = try await store.add("ana", quota: QuotaLimits(annotationBytes: 30))
      let work = try await store.createMailbox("work", of: ana.id, specialUse: nil)
      func set(_ changes: [AnnotationChange], _ mailbox: MailboxID?) async throws(StoreError) {
        let limits = AnnotationLimits(entries: 10, octets: 1000)
        _ = try await store.setAnnotations(changes, in: mailbox, of: ana.id, limits: limits, by: [])
      }
      func octets() async throws -> Int64 { try await store.holdings(of: ana.id).annotationBytes }
      try await set([AnnotationChange("/private/a", ByteBuffer(string: "12345"))], work.id)
      #expect(try await octets() == 15)
      let over = StoreError.overQuota(OverQuota(resource: .annotations, limit: 30, usage: 15))
      #expect(
        await thrown { try await set([AnnotationChange("/private/b", ByteBuffer(string: "123456"))], nil) } == over)
      #expect(try await octets() == 15)
      // The last octet fits.
      try await set([AnnotationChange("/private/b", ByteBuffer(string: "12345"))], nil)
      #expect(try await octets() == 30)
      _ = try await store.updateAccount(ana.id, AccountChange(quota: QuotaLimits(annotationBytes: 1)))
      try await set([AnnotationChange("/private/b", ByteBuffer(string: "1234"))], nil)
      #expect(await thrown { try await set([AnnotationChange("/private/b", ByteBuffer(string: "12345"))], nil) } != nil)
      // Those of a mailbox go with it, at once.
      try await store.deleteMailbox("work", of: ana.id)
      #expect(try await octets() == 14)
      _ = try await store.updateAccount(ana.id, AccountChange(quota: QuotaLimits(annotationBytes: 15)))
      try await set([AnnotationChange("/private/b", ByteBuffer(string: "12345"))], nil)
    }
  }

  /// Usage by the account's counter, by its mailboxes and by the messages must be one number after any sequence of calls.
  @Test(arguments: Engine.allCases, [1, 2, 3] as [UInt64])
  func `Usage is exact after any sequence of calls`(_ engine: Engine, _ seed: UInt64) async throws {
    try await withStore(engine, BedSettings(quota: QuotaLimits(messages: 60))) { store, _ in
      var random = SeededRandom(seed: seed)
      let ana = try await store.add("ana")
      let names = ["INBOX", "Sent", "Archive"]
      for _ in 0..<120 {
        let name = names.randomElement(using: &random) ?? "INBOX"
        let other = names.randomElement(using: &random) ?? "Sent"
        let ref = try await store.ref(name, of: ana)
        let uids = (1...40).filter { _ in Int.random(in: 0..<4, using: &random) == 0 }.map(UID.init)
        do {
          switch Int.random(in: 0..<6, using: &random) {
          case 0:
            try await store.put(
              Mail.text("\(seed)", body: String(repeating: "x", count: uids.count)), in: name, of: ana)
          case 1: _ = try await store.copy(uids, from: ref, to: other)
          case 2: _ = try await store.move(uids, from: ref, to: other)
          case 3: _ = try await store.changeFlags(FlagChange(.add, .deleted), of: uids, in: ref)
          case 4: _ = try await store.expunge(uids, in: ref)
          default: try await store.fill(2, in: name, of: ana)
          }
        } catch StoreError.overQuota {}
      }
      let listing = try await store.mailboxes(of: ana.id).mailboxes
      let usage = try await store.usage(ana)
      #expect(usage.bytes == listing.reduce(0) { $0 + $1.bytes }, "seed \(seed)")
      #expect(usage.messages == Int64(listing.reduce(0) { $0 + $1.messages }), "seed \(seed)")
      #expect(usage.messages <= 60)
      _ = try await store.compact()
    }
  }
}
