import Dispatch
import MailStore
import MailTestKit
import Synchronization
import Testing

@testable import MailStoreSQL

/// Threads of the store that have nothing to do give up their caches, and are none the wiser for it.
@Suite struct RestingThreadTests {
  private final class Worker: Sendable {
    let rests = Atomic(0)
    let rested = DispatchSemaphore(value: 0)
  }

  @Test func `A worker rests when its work is done, and again after more`() async throws {
    let worker = Worker()
    let pool = try WorkerPool(name: "test", workers: [worker], quiet: 5) { worker in
      worker.rests.wrappingAdd(1, ordering: .relaxed)
      worker.rested.signal()
    }
    for round in 1...3 {
      // Called on the one thread there is, before it can rest again.
      let before = try await pool.run { worker throws(StoreError) in worker.rests.load(ordering: .relaxed) }
      #expect(before == round - 1)
      await withUnsafeContinuation { continuation in
        DispatchQueue.global().async {
          worker.rested.wait()
          continuation.resume()
        }
      }
    }
    pool.close()
    #expect(worker.rests.load(ordering: .relaxed) == 3)
  }

  @Test func `A store whose threads have rested goes on where it was`() async throws {
    let bed = try StoreBed()
    let store = try bed.openSQL()
    let ana = try await store.add("ana")
    let inbox = try await store.ref("INBOX", of: ana)
    func rest() async throws {
      try await store.writer.alone { writer throws(StoreError) in writer.rest() }
      try await store.readers.run { reader throws(StoreError) in reader.rest() }
    }
    let session = try await store.openMailbox("INBOX", of: ana.id) {}
    for round in 1...3 {
      try await store.put(Mail.text("Round \(round)"), of: ana, keywords: ["k\(round)"])
      try await rest()
      #expect(session.claimRecent() == UID(round)...UID(round))
      try await rest()
      _ = try await store.changeFlags(FlagChange(.add, .flagged), of: [UID(round)], in: inbox)
      try await rest()
      #expect(session.current?.uids == (1...round).map { UID($0) })
      #expect(session.current?.keywords == (1...round).map { "k\($0)" })
      #expect(try await store.usage(ana).messages == round)
      #expect(try await store.body(UID(round), in: inbox) != nil)
    }
    #expect(session.claimRecent() == nil)
    session.close()
    #expect(try await store.check().problems == [])
    await store.close()
  }
}
