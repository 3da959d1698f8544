import MailStore
import MailTestKit
import NIOCore
import Testing

@Suite struct ConcurrencyConformance {
  @Test(arguments: Engine.allCases)
  func `Deliveries at once into few mailboxes get UIDs without gaps, each acknowledged message is there`(
    _ engine: Engine
  ) async throws {
    try await withStore(engine) { store, _ in
      var accounts: [Account] = []
      for number in 0..<5 { accounts.append(try await store.add("user\(number)")) }
      let fixed = accounts
      let delivered = try await withThrowingTaskGroup(of: [(Delivered, String)].self) { group in
        for task in 0..<16 {
          group.addTask {
            var done: [(Delivered, String)] = []
            for number in 0..<15 {
              let text = Mail.text("Task \(task) number \(number)")
              let message = try await store.prepare(text)
              let account = fixed[(task + number) % fixed.count]
              let results = await store.deliver(
                message, to: [DeliveryTarget(account: account.id)], date: InternalDate(seconds: 1))
              done.append((try results[0].get(), text))
            }
            return done
          }
        }
        var all: [(Delivered, String)] = []
        for try await part in group { all += part }
        return all
      }
      #expect(Set(delivered.map(\.0)).count == 240)
      for (message, text) in delivered { #expect(try await store.body(message.uid, in: message.ref) == text) }
      for account in accounts {
        let uids = try await store.state("INBOX", of: account).map(\.uid)
        #expect(uids == Array(1...UID(uids.count)))
      }
    }
  }

  @Test(arguments: Engine.allCases)
  func `One account over quota among many does not disturb the commits it shares`(_ engine: Engine) async throws {
    try await withStore(engine) { store, _ in
      let full = try await store.add("full", quota: QuotaLimits(messages: 2))
      let ana = try await store.add("ana")
      let message = try await store.prepare(Mail.text())
      let outcome = await withTaskGroup(of: (Bool, Bool).self) { group in
        for number in 0..<200 {
          group.addTask {
            let account = number % 2 == 0 ? full : ana
            let results = await store.deliver(
              message, to: [DeliveryTarget(account: account.id)], date: InternalDate(seconds: 1))
            return (number % 2 == 0, (try? results[0].get()) != nil)
          }
        }
        var full = 0
        var other = 0
        for await (isFull, isDelivered) in group where isDelivered { if isFull { full += 1 } else { other += 1 } }
        return (full, other)
      }
      #expect(outcome == (2, 100))
      #expect(try await store.info("INBOX", of: full).uidNext == 3)
      #expect(try await store.state("INBOX", of: ana).map(\.uid) == Array(1...100))
      #expect(try await store.usage(full).messages == 2)
    }
  }

  @Test(arguments: Engine.allCases)
  func `Writers, movers, readers, compaction and checks at once leave a clean store`(_ engine: Engine) async throws {
    try await withStore(engine, BedSettings(packBytes: 60_000)) { store, _ in
      let ana = try await store.add("ana")
      let inbox = try await store.ref("INBOX", of: ana)
      let trash = try await store.ref("Trash", of: ana)
      try await withThrowingTaskGroup(of: Void.self) { group in
        for task in 0..<3 {
          group.addTask {
            for number in 0..<40 { try await store.put(Mail.large(3000, seed: UInt64(task * 100 + number)), of: ana) }
          }
        }
        group.addTask {
          for number in 0..<40 {
            _ = try await store.move([UID(number * 2 + 1)], from: inbox, to: "Trash")
            _ = try await store.changeFlags(FlagChange(.add, .deleted), of: Array(1...40), in: trash)
            _ = try await store.expunge(nil, in: trash)
          }
        }
        group.addTask {
          for _ in 0..<30 {
            _ = try await store.visit(inbox, Array(1...120)[...], needs: [.message, .envelope]) {
              row throws(StoreError) in
              let size = row.size
              let read = try row.withMessage { span throws(StoreError) in span.byteCount }
              #expect(read == size)
              return .next
            }
          }
        }
        group.addTask {
          for _ in 0..<10 {
            _ = try await store.compact()
            #expect(try await store.check().problems == [])
          }
        }
        try await group.waitForAll()
      }
      #expect(try await store.info("INBOX", of: ana).uidNext == 121)
    }
  }
}
