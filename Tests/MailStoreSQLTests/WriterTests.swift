import BlobStore
import Dispatch
import MailStore
import MailTestKit
import NIOCore
import Testing

@testable import MailStoreSQL

/// Group commit and views from the inside.
@Suite struct WriterTests {
  /// Jobs that fail after they have written rows, counted, charged and added blobs share commits with jobs that succeed.
  @Test func `A job that fails half-way takes back everything of its own and nothing of others`() async throws {
    let bed = try StoreBed()
    let store = try bed.openSQL()
    let ana = try await store.add("ana")
    try await store.put(of: ana, keywords: ["first"])
    let inbox = try await store.ref("INBOX", of: ana)
    let prepared = try await store.prepare(Mail.text("Shared"))
    let message = try #require(prepared as? PreparedSQLMessage)
    let outer = try await store.openMailbox("INBOX", of: ana.id) {}
    try await withThrowingTaskGroup(of: Void.self) { group in
      for number in 0..<150 {
        group.addTask {
          guard number % 3 == 0 else {
            try await store.put(Mail.text("Good \(number)"), of: ana)
            return
          }
          let error = await thrown {
            try await store.writer.write { transaction throws(StoreError) -> Void in
              _ = try transaction.append(
                [AppendedMessage(message: prepared, flags: .deleted, keywords: ["k\(number % 5)"])], [message],
                to: "INBOX", of: ana.id)
              _ = try transaction.copy([1], from: inbox, to: "Sent")
              _ = try transaction.changeFlags(FlagChange(.add, .flagged), of: [1], in: inbox)
              _ = try transaction.expunge([1...UID.max], in: inbox, limit: .max)
              try transaction.createMailbox("New \(number)/x", of: transaction.account(ana.id), specialUse: nil)
              try transaction.deleteMailbox("Junk", of: transaction.account(ana.id))
              throw .messageTooLarge(limit: number)
            }
          }
          #expect(error == .messageTooLarge(limit: number))
        }
      }
      try await group.waitForAll()
    }
    #expect(outer.current?.uids == Array(1...101))
    #expect(outer.current?.keywords == ["first"])
    outer.close()
    let report = try await store.check()
    #expect(report.problems == [] && report.messages == 101 && report.blobs == 101)
    #expect(try await store.mailboxes(of: ana.id).mailboxes.count == 6)
    #expect(try await store.usage(ana).messages == 101)
    await store.close()
    let again = try bed.openSQL()
    #expect(try await again.state("INBOX", of: ana).count == 101)
    #expect(try await again.check().problems == [])
    await again.close()
  }

  /// A STORE between two deliveries of one commit once took the second out of every view.
  @Test func `Deliveries and STOREs that change nothing share a commit and all deliveries are seen`() async throws {
    let bed = try StoreBed()
    let store = try bed.openSQL()
    let ana = try await store.add("ana")
    try await store.put(of: ana)
    let inbox = try await store.ref("INBOX", of: ana)
    _ = try await store.changeFlags(FlagChange(.add, .seen), of: [1], in: inbox)
    let session = try await store.openMailbox("INBOX", of: ana.id) {}
    for round in 1...5 {
      // The writer waits, so that what follows lands in one commit.
      let gate = DispatchSemaphore(value: 0)
      let holder = Task { try await store.writer.alone { _ throws(StoreError) in gate.wait() } }
      try await withThrowingTaskGroup(of: Void.self) { group in
        for _ in 0..<40 {
          group.addTask { try await store.put(of: ana) }
          group.addTask { _ = try await store.changeFlags(FlagChange(.add, .seen), of: [1], in: inbox) }
        }
        try await Task.sleep(for: .milliseconds(300))
        gate.signal()
        try await group.waitForAll()
      }
      try await holder.value
      #expect(session.current?.uids == Array(1...UID(1 + 40 * round)))
    }
    session.close()
    #expect(try await store.check().problems == [])
    await store.close()
  }

  /// Every session, whenever it was opened, ends with what stands in the rows.
  @Test(arguments: 1...6 as ClosedRange<UInt64>)
  func `Views opened at any moment agree with the rows`(_ seed: UInt64) async throws {
    let bed = try StoreBed()
    let store = try bed.openSQL(BedSettings(cachedViewEntries: 0))
    let ana = try await store.add("ana")
    try await store.fill(100, of: ana)
    let inbox = try await store.ref("INBOX", of: ana)
    let message = try await store.prepare(Mail.text())
    let sessions = Gathered<any OpenMailbox>()
    try await withThrowingTaskGroup(of: Void.self) { group in
      for writer in 0..<3 as Range<UInt64> {
        group.addTask {
          var random = SeededRandom(seed: seed * 10 + writer)
          for _ in 0..<25 {
            let some = (1...150).filter { _ in Int.random(in: 0..<15, using: &random) == 0 }.map(UID.init)
            switch Int.random(in: 0..<5, using: &random) {
            case 0: _ = try await store.append([AppendedMessage(message: message)], to: "INBOX", of: ana.id)
            case 1:
              let change = FlagChange(.add, [.seen], keywords: ["k\(Int.random(in: 0..<9, using: &random))"])
              _ = try await store.changeFlags(change, of: some, in: inbox)
            case 2:
              _ = try await store.changeFlags(FlagChange(.add, .deleted), of: some, in: inbox)
              _ = try await store.expunge(some, in: inbox)
            case 3: _ = try await store.copy(some, from: inbox, to: "INBOX")
            default: _ = try await store.move(some, from: inbox, to: "INBOX")
            }
          }
        }
      }
      group.addTask {
        for number in 0..<40 {
          let open = try await store.openMailbox("INBOX", of: ana.id) {}
          // Most are closed at once, so that the next one loads anew.
          if number % 8 == 0 { sessions.add(open) } else { open.close() }
          if number % 16 == 15 { for session in sessions.values { session.close() } }
          await Task.yield()
        }
      }
      try await group.waitForAll()
    }
    let last = try await store.openMailbox("INBOX", of: ana.id) {}
    let (rows, info) = try await store.readers.run { reader throws(StoreError) in try reader.loadView(inbox) }
    let current = try #require(last.current)
    #expect(current.seen == rows.seen, "seed \(seed)")
    #expect(current.difference(to: rows).isEmpty && rows.difference(to: current).isEmpty, "seed \(seed)")
    #expect(current.uidNext == rows.uidNext && current.highestModSeq == rows.highestModSeq)
    #expect(current.keywords == rows.keywords)
    #expect(last.info.messages == rows.count && info.messages == rows.count)
    #expect(try await store.info("INBOX", of: ana).messages == rows.count)
    for session in sessions.values { session.close() }
    last.close()
    #expect(try await store.check().problems == [])
    await store.close()
  }

  @Test func `Upkeep purges, compacts and gives the bytes back by itself`() async throws {
    let bed = try StoreBed()
    let store = try bed.openSQL(BedSettings(packBytes: 100_000, upkeepInterval: 1))
    let ana = try await store.add("ana")
    for number in 0..<20 { try await store.put(Mail.large(30_000, seed: UInt64(number)), of: ana) }
    let ref = try await store.ref("INBOX", of: ana)
    _ = try await store.changeFlags(FlagChange(.add, .deleted), of: Array(1...19), in: ref)
    _ = try await store.expunge(nil, in: ref)
    // Not a limit on its speed: only an end to waiting if it never comes.
    var report = try await store.check()
    for _ in 0..<600 where report.packs > 2 {
      try await Task.sleep(for: .milliseconds(100))
      report = try await store.check()
    }
    #expect(report.blobs == 1 && report.packs <= 2 && report.problems == [])
    #expect(try await store.body(20, in: ref) == Mail.large(30_000, seed: 19))
    await store.close()
  }
}
