import Dispatch
import MailStore
import MailTestKit
import NIOCore
import Testing

@testable import MailStoreSQL

/// Finishing a message and delivering it in one call, and commits by the thread that brings a job.
@Suite struct CombinedDeliveryTests {
  private static let date = InternalDate(seconds: 1_790_000_111, zoneMinutes: 420)

  private func incoming(_ store: any MailStore, _ text: String) async throws -> any IncomingMessage {
    let message = store.newIncomingMessage()
    try await message.append(ByteBuffer(string: text))
    return message
  }

  @Test(arguments: Engine.allCases)
  func `One call finishes a message and delivers it`(_ engine: Engine) async throws {
    try await withStore(engine) { store, _ in
      let ana = try await store.add("ana")
      let results = try await store.deliver(
        finishing: incoming(store, Mail.text("Once")),
        to: [
          DeliveryTarget(account: ana.id, trace: ByteBuffer(string: "Delivered-To: ana\r\n")),
          DeliveryTarget(account: AccountID(999)),
        ], date: Self.date)
      let delivered = try results[0].get()
      #expect(delivered.uid == 1)
      #expect(results[1] == .failure(.noSuchAccount("999")))
      #expect(try await store.body(1, in: delivered.ref) == "Delivered-To: ana\r\n" + Mail.text("Once"))
      let nobody = try await store.deliver(finishing: incoming(store, Mail.text()), to: [], date: Self.date)
      #expect(nobody.isEmpty)
      #expect(try await store.check().messages == 1)
    }
  }

  @Test(arguments: Engine.allCases)
  func `A message that was too large is delivered to nobody`(_ engine: Engine) async throws {
    try await withStore(engine, BedSettings(maximumMessageBytes: 1000)) { store, _ in
      let ana = try await store.add("ana")
      let message = store.newIncomingMessage()
      _ = await thrown { try await message.append(ByteBuffer(repeating: 0x61, count: 1001)) }
      let error = await thrown {
        _ = try await store.deliver(finishing: message, to: [DeliveryTarget(account: ana.id)], date: Self.date)
      }
      #expect(error == .messageTooLarge(limit: 1000))
      #expect(try await store.info("INBOX", of: ana).messages == 0)
    }
  }

  @Test func `A closed store says so`() async throws {
    let bed = try StoreBed()
    let store = try bed.openSQL()
    let ana = try await store.add("ana")
    let message = try await incoming(store, Mail.text())
    await store.close()
    let error = await thrown {
      _ = try await store.deliver(finishing: message, to: [DeliveryTarget(account: ana.id)], date: Self.date)
    }
    #expect(error == .shuttingDown)
  }

  /// The right to write goes from hand to hand between preparing threads and the writer's own.
  @Test func `Deliveries, flags and copies from all sides are each done once`() async throws {
    let bed = try StoreBed()
    let store = try bed.openSQL()
    let ana = try await store.add("ana")
    let budi = try await store.add("budi")
    try await store.put(of: ana)
    let inbox = try await store.ref("INBOX", of: ana)
    let session = try await store.openMailbox("INBOX", of: ana.id) {}
    let uids = try await withThrowingTaskGroup(of: UID?.self) { group in
      for number in 0..<240 {
        group.addTask {
          switch number % 4 {
          case 0, 1:
            let results = try await store.deliver(
              finishing: incoming(store, Mail.text("Number \(number)")),
              to: [DeliveryTarget(account: ana.id), DeliveryTarget(account: budi.id)], date: Self.date)
            _ = try results[1].get()
            return try results[0].get().uid
          case 2: _ = try await store.changeFlags(FlagChange(.add, .seen), of: [1], in: inbox)
          default: _ = try await store.copy([1], from: inbox, to: "Sent")
          }
          return nil
        }
      }
      var uids: [UID] = []
      for try await uid in group { if let uid { uids.append(uid) } }
      return uids
    }
    #expect(uids.sorted() == Array(2...121))
    #expect(session.current?.uids == Array(1...121))
    session.close()
    #expect(try await store.info("Sent", of: ana).messages == 60)
    #expect(try await store.info("INBOX", of: budi).messages == 120)
    let report = try await store.check()
    #expect(report.problems == [] && report.blobs == 121)
    await store.close()
    let again = try bed.openSQL()
    #expect(try await again.state("INBOX", of: ana).count == 121)
    await again.close()
  }

  /// Deliveries share a commit without savepoints; one that fails within, which is no user's doing, makes all of them be
  /// done again.
  @Test func `A delivery that fails in a shared commit takes no other with it`() async throws {
    let bed = try StoreBed()
    let store = try bed.openSQL()
    let ana = try await store.add("ana")
    let worn = try await store.add("worn")
    try await store.writer.write { transaction throws(StoreError) in
      let account = try transaction.account(worn.id)
      let inbox = try transaction.target("INBOX", in: account)
      transaction.touch(inbox, of: account)
      inbox.state.uidNext = UID.max
    }
    let gate = DispatchSemaphore(value: 0)
    let holder = Task { try await store.writer.alone { _ throws(StoreError) in gate.wait() } }
    let outcomes = try await withThrowingTaskGroup(of: (Int, Result<Delivered, StoreError>).self) { group in
      for number in 0..<30 {
        group.addTask {
          let target = DeliveryTarget(account: number % 10 == 5 ? worn.id : ana.id)
          let results = try await store.deliver(
            finishing: incoming(store, Mail.text("Number \(number)")), to: [target], date: Self.date)
          return (number, results[0])
        }
      }
      try await Task.sleep(for: .milliseconds(300))
      gate.signal()
      var outcomes: [(Int, Result<Delivered, StoreError>)] = []
      for try await outcome in group { outcomes.append(outcome) }
      return outcomes
    }
    try await holder.value
    var uids: [UID] = []
    for (number, outcome) in outcomes {
      switch outcome {
      case .success(let delivered):
        #expect(number % 10 != 5)
        uids.append(delivered.uid)
      case .failure(let error):
        #expect(number % 10 == 5)
        guard case .database = error else {
          Issue.record("\(error)")
          continue
        }
      }
    }
    #expect(uids.sorted() == Array(1...27))
    #expect(try await store.usage(ana).messages == 27)
    #expect(try await store.usage(worn).messages == 0)
    let report = try await store.check()
    #expect(report.messages == 27 && report.blobs == 27)
    await store.close()
  }

  /// It has no savepoint to go back to.
  @Test func `A job that fails alone takes everything back`() async throws {
    let bed = try StoreBed()
    let store = try bed.openSQL()
    let ana = try await store.add("ana")
    try await store.put(of: ana, keywords: ["first"])
    let inbox = try await store.ref("INBOX", of: ana)
    let prepared = try await store.prepare(Mail.text("Taken back"))
    let message = try #require(prepared as? PreparedSQLMessage)
    let before = try await store.usage(ana)
    for _ in 0..<3 {
      let error = await thrown {
        try await store.writer.write { transaction throws(StoreError) -> Void in
          _ = try transaction.append(
            [AppendedMessage(message: prepared, flags: .deleted, keywords: ["k"])], [message], to: "INBOX", of: ana.id)
          _ = try transaction.changeFlags(FlagChange(.add, .flagged), of: [1], in: inbox)
          try transaction.createMailbox("New/x", of: transaction.account(ana.id), specialUse: nil)
          throw .messageTooLarge(limit: 1)
        }
      }
      #expect(error == .messageTooLarge(limit: 1))
    }
    #expect(try await store.usage(ana) == before)
    let names = try await store.mailboxes(of: ana.id).mailboxes.map(\.name)
    #expect(names.filter { $0.hasPrefix("New") } == [])
    #expect(try await store.put(of: ana) == 2)
    let session = try await store.openMailbox("INBOX", of: ana.id) {}
    #expect(session.current?.count == 2 && session.current?.keywords == ["first"])
    session.close()
    let report = try await store.check()
    #expect(report.problems == [] && report.blobs == 2)
    await store.close()
  }
}
