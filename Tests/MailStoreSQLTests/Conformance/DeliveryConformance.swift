import MailFormat
import MailStore
import MailTestKit
import NIOCore
import Testing

@Suite struct DeliveryConformance {
  private static let date = InternalDate(seconds: 1_790_000_111, zoneMinutes: 420)

  @Test(arguments: Engine.allCases)
  func `A delivery gives every recipient the bytes behind its own trace`(_ engine: Engine) async throws {
    try await withStore(engine) { store, _ in
      let ana = try await store.add("ana")
      let budi = try await store.add("budi")
      let message = try await store.prepare(Mail.text())
      #expect(message.size == Mail.text().utf8.count)
      let results = await store.deliver(
        message,
        to: [
          DeliveryTarget(account: ana.id, trace: ByteBuffer(string: "Delivered-To: ana\r\n")),
          DeliveryTarget(account: budi.id, trace: ByteBuffer(string: "Delivered-To: budi@x\r\n")),
        ], date: Self.date)
      for (index, (account, name)) in [(ana, "ana"), (budi, "budi@x")].enumerated() {
        let delivered = try results[index].get()
        #expect(delivered.uid == 1)
        let whole = "Delivered-To: \(name)\r\n" + Mail.text()
        #expect(try await store.body(1, in: delivered.ref) == whole)
        #expect(try await store.usage(account) == QuotaUsage(bytes: Int64(whole.utf8.count), messages: 1))
      }
    }
  }

  @Test(arguments: Engine.allCases)
  func `A sub-address names a mailbox where there is one, else INBOX takes it`(_ engine: Engine) async throws {
    try await withStore(engine) { store, _ in
      let ana = try await store.add("ana")
      _ = try await store.createMailbox("lists/swift", of: ana.id, specialUse: nil)
      let message = try await store.prepare(Mail.text())
      for (folder, expected) in [("lists/swift", "lists/swift"), ("nowhere", "INBOX"), ("inbox", "INBOX")] {
        let results = await store.deliver(
          message, to: [DeliveryTarget(account: ana.id, folder: folder)], date: Self.date)
        let ref = try await store.ref(expected, of: ana)
        #expect(try results[0].get().ref == ref)
      }
    }
  }

  @Test(arguments: Engine.allCases)
  func `A recipient over quota does not hold up the others`(_ engine: Engine) async throws {
    try await withStore(engine) { store, _ in
      let full = try await store.add("full", quota: QuotaLimits(bytes: 10))
      let ana = try await store.add("ana")
      let message = try await store.prepare(Mail.text())
      let results = await store.deliver(
        message,
        to: [
          DeliveryTarget(account: full.id), DeliveryTarget(account: ana.id), DeliveryTarget(account: AccountID(999)),
        ], date: Self.date)
      #expect(results[0] == .failure(.overQuota(OverQuota(resource: .storage, limit: 10, usage: 0))))
      #expect(try results[1].get().uid == 1)
      #expect(results[2] == .failure(.noSuchAccount("999")))
      #expect(try await store.usage(full) == QuotaUsage())
      #expect(try await store.info("INBOX", of: full).uidNext == 1)
    }
  }

  @Test(arguments: Engine.allCases)
  func `Nobody to deliver to leaves nothing behind`(_ engine: Engine) async throws {
    try await withStore(engine) { store, _ in
      let message = try await store.prepare(Mail.text())
      #expect(await store.deliver(message, to: [], date: Self.date).isEmpty)
      let results = await store.deliver(message, to: [DeliveryTarget(account: AccountID(7))], date: Self.date)
      #expect(results == [.failure(.noSuchAccount("7"))])
      #expect(try await store.check().blobs == 0)
    }
  }

  @Test(arguments: Engine.allCases)
  func `APPEND keeps date, zone, flags and keywords, and MULTIAPPEND is all or nothing`(_ engine: Engine) async throws {
    try await withStore(engine, BedSettings(quota: QuotaLimits(messages: 3))) { store, bed in
      let ana = try await store.add("ana")
      let message = try await store.prepare(Mail.text())
      let info = try await store.info("INBOX", of: ana)
      let result = try await store.append(
        [
          AppendedMessage(message: message, flags: [.seen, .draft], keywords: ["$Work", "later"], date: Self.date),
          AppendedMessage(message: message, keywords: ["$WORK"]),
        ], to: "inbox", of: ana.id)
      #expect(result == AssignedUIDs(destination: info.id, uidValidity: info.uidValidity, assigned: [1, 2]))
      #expect(
        try await store.state("INBOX", of: ana)
          == [SeenMessage(1, [.seen, .draft], ["$Work", "later"]), SeenMessage(2, [], ["$Work"])])
      let ref = try await store.ref("INBOX", of: ana)
      let dates = Gathered<InternalDate>()
      _ = try await store.visit(ref, [1, 2], needs: .dates) { row throws(StoreError) in
        dates.add(row.internalDate)
        return .next
      }
      #expect(dates.values == [Self.date, InternalDate(seconds: bed.clock.now)])
      let two = [AppendedMessage(message: message), AppendedMessage(message: message)]
      let over = await thrown { _ = try await store.append(two, to: "INBOX", of: ana.id) }
      #expect(over == .overQuota(OverQuota(resource: .messages, limit: 3, usage: 2)))
      #expect(try await store.info("INBOX", of: ana).messages == 2)
      #expect(await thrown { _ = try await store.append(two, to: "none", of: ana.id) } == .noSuchMailbox("none"))
    }
  }

  @Test(arguments: Engine.allCases)
  func `A message beyond the limit is refused while it comes in`(_ engine: Engine) async throws {
    try await withStore(engine, BedSettings(maximumMessageBytes: 1000)) { store, _ in
      let message = store.newIncomingMessage()
      try await message.append(ByteBuffer(repeating: 0x61, count: 1000))
      #expect(await message.size == 1000)
      #expect(await thrown { try await message.append(ByteBuffer(string: "b")) } == .messageTooLarge(limit: 1000))
      try await message.append(ByteBuffer(string: "ignored"))
      #expect(await thrown { _ = try await message.finish() } == .messageTooLarge(limit: 1000))
    }
  }

  @Test(arguments: Engine.allCases)
  func `A large message goes through a spool and comes back byte for byte`(_ engine: Engine) async throws {
    try await withStore(engine, BedSettings(maximumMessageBytes: 4 << 20, spoolThreshold: 10_000)) { store, bed in
      let ana = try await store.add("ana")
      let text = Mail.large(2 << 20)
      let message = store.newIncomingMessage()
      var rest = ByteBuffer(string: text)
      while let part = rest.readSlice(length: min(rest.readableBytes, 7000)), part.readableBytes > 0 {
        try await message.append(part)
      }
      let prepared = try await message.finish()
      _ = try await store.append([AppendedMessage(message: prepared)], to: "INBOX", of: ana.id)
      let ref = try await store.ref("INBOX", of: ana)
      let reader = try #require(try await store.openMessage(1, in: ref))
      var whole = ""
      var start = 0
      while start < reader.size {
        whole += String(buffer: try await reader.read(start..<start + 100_000))
        start += 100_000
      }
      #expect(whole == text)
      #expect(reader.index.size == text.utf8.count)
    }
  }

  @Test(arguments: Engine.allCases)
  func `Answers join the thread of their question, whichever comes first`(_ engine: Engine) async throws {
    try await withStore(engine) { store, _ in
      let ana = try await store.add("ana")
      try await store.put(Mail.text("Q", id: "q@x"), of: ana)
      try await store.put(Mail.text("Other", id: "o@x"), of: ana)
      try await store.put(Mail.text("Re: Q", id: "a@x", references: ["q@x"]), of: ana)
      try await store.put(Mail.text("Re: L", id: "l2@x", references: ["l1@x"]), of: ana)
      try await store.put(Mail.text("L", id: "l1@x"), of: ana)
      let ref = try await store.ref("INBOX", of: ana)
      _ = try await store.copy([1], from: ref, to: "Archive")
      let threads = Gathered<[String]>()
      _ = try await store.visit(ref, [1, 2, 3, 4, 5], needs: .identifiers) { row throws(StoreError) in
        threads.add([row.threadID, row.emailID])
        return .next
      }
      let archive = try await store.ref("Archive", of: ana)
      _ = try await store.visit(archive, [1], needs: .identifiers) { row throws(StoreError) in
        threads.add([row.threadID, row.emailID])
        return .next
      }
      let seen = threads.values
      #expect(seen[0][0] == seen[2][0] && seen[3][0] == seen[4][0])
      #expect(Set(seen.map { $0[0] }).count == 3)
      // RFC 8474 §5.1: a copy has the EMAILID of its original, other messages have others.
      #expect(seen[5] == seen[0])
      #expect(Set(seen.map { $0[1] }).count == 5)
      #expect(seen.joined().allSatisfy { $0.utf8.allSatisfy { $0.isLetterOrDigit || $0 == 0x2D || $0 == 0x5F } })
    }
  }
}

extension UInt8 {
  fileprivate var isLetterOrDigit: Bool {
    (0x30...0x39).contains(self) || (0x41...0x5A).contains(self) || (0x61...0x7A).contains(self)
  }
}
