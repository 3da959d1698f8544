import BlobStore
import MailStore
import MailTestKit
import Testing

@testable import MailStoreSQL

/// Commands that come while the bytes of others are on their way to the disk.
@Suite struct LateJoinTests {
  /// The delivery's sync is held, a second delivery waits behind it, then STOREs come. They share the first one's commit:
  /// they are answered while the second delivery's sync is held, and one of them that fails takes nobody with it.
  @Test func `A STORE joins the commit whose bytes are being synced, past a delivery that waits`() async throws {
    let disk = HeldFileSystem()
    let bed = try StoreBed(fileSystem: disk)
    let store = try bed.openSQL()
    let ana = try await store.add("ana")
    let budi = try await store.add("budi")
    try await store.fill(20, of: budi)
    let inbox = try await store.ref("INBOX", of: budi)
    _ = try await store.createMailbox("Gone", of: budi.id, specialUse: nil)
    let gone = try await store.ref("Gone", of: budi)
    try await store.put(in: "Gone", of: budi)
    try await store.deleteMailbox("Gone", of: budi.id)
    let session = try await store.openMailbox("INBOX", of: budi.id) {}

    disk.hold()
    let first = Task { try await store.put(Mail.text("First"), of: ana) }
    try await disk.waitUntilHeld(1)
    let second = Task { try await store.put(Mail.text("Second"), of: ana) }
    let stores = Task {
      try await withThrowingTaskGroup(of: Void.self) { group in
        for uid in 1...10 as ClosedRange<UID> {
          group.addTask { _ = try await store.changeFlags(FlagChange(.add, .flagged), of: [uid], in: inbox) }
        }
        group.addTask {
          let error = await thrown { _ = try await store.changeFlags(FlagChange(.add, .flagged), of: [1], in: gone) }
          #expect(error == .mailboxGone)
        }
        try await group.waitForAll()
      }
    }
    // All of them are in the queue by then, or they join a later commit, and what is expected below holds as well but for
    // the order.
    while store.writer.waitingJobs < 12 { try await Task.sleep(for: .milliseconds(2)) }
    disk.letOneGo()
    #expect(try await first.value == 1)
    try await stores.value
    // The second delivery is held still.
    try await disk.waitUntilHeld(1)
    #expect(try await store.state("INBOX", of: ana).count == 1)
    #expect(session.current?.seen.filter { $0.flags.contains(.flagged) }.count == 10)
    disk.release()
    #expect(try await second.value == 2)
    session.close()
    #expect(try await store.check().problems == [])
    await store.close()
    let again = try bed.openSQL()
    #expect(try await again.state("INBOX", of: ana).count == 2)
    #expect(try await again.state("INBOX", of: budi).filter { $0.flags.contains(.flagged) }.count == 10)
    #expect(try await again.check().problems == [])
    await again.close()
  }

  /// Numbers of blobs are covered in advance: after a start they go on above what may have been given out, and a damaged
  /// row is still found.
  @Test func `Blob numbers are never given out twice, whatever was rolled back before`() async throws {
    let bed = try StoreBed()
    var seen: Set<Int64> = []
    for round in 0..<3 {
      let store = try bed.openSQL()
      let ana = round == 0 ? try await store.add("ana") : try #require(try await store.account(named: "ana"))
      for number in 0..<5 {
        try await store.put(Mail.text("\(round) \(number)"), of: ana)
        let error = await thrown {
          try await store.writer.write { transaction throws(StoreError) -> Void in
            transaction.nextBlob += 2000
            transaction.hasWritten = true
            try transaction.coverBlobNumbers()
            throw .shuttingDown
          }
        }
        #expect(error == .shuttingDown)
      }
      let blobs = try await store.writer.write { transaction throws(StoreError) in
        var found: [Int64] = []
        try transaction.db("SELECT id FROM blob").forEach { found.append($0.int(0)) }
        let ceiling = try transaction.db("SELECT value FROM volume_state WHERE name = 'next_blob'").first { $0.int(0) }
        #expect(found.allSatisfy { $0 < ceiling ?? 0 })
        return found
      }
      #expect(blobs.count == 5 * (round + 1) && Set(blobs).isSuperset(of: seen))
      seen.formUnion(blobs)
      #expect(try await store.check().problems == [])
      await store.close()
    }
  }
}
