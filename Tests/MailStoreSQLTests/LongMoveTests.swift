import MailStore
import MailTestKit
import NIOCore
import Testing

@testable import MailStoreSQL

/// MOVE and RENAME of INBOX over more rows than one transaction takes.
@Suite struct LongMoveTests {
  private let count = StoreLimits.rowsPerMove * 2 + 10

  private func filled() async throws -> (StoreBed, SQLStore, Account) {
    let bed = try StoreBed()
    let store = try bed.openSQL()
    let ana = try await store.add("ana")
    let message = try await store.prepare(Mail.text("Many"))
    for start in stride(from: 0, to: count, by: 1000) {
      let some = Array(repeating: AppendedMessage(message: message), count: min(1000, count - start))
      _ = try await store.append(some, to: "INBOX", of: ana.id)
    }
    return (bed, store, ana)
  }

  @Test func `A long MOVE lets deliveries of others in between, and answers as one`() async throws {
    let (bed, store, ana) = try await filled()
    defer { withExtendedLifetime(bed) {} }
    let budi = try await store.add("budi")
    let ref = try await store.ref("INBOX", of: ana)
    let letter = try await store.prepare(Mail.text("In between"))
    let uids = (1...UID(count)).map { $0 }
    async let moved = store.move(uids, from: ref, to: "Archive")
    // Into the target as well: its UIDs have gaps for the client then.
    let results = await store.deliver(
      letter, to: [DeliveryTarget(account: budi.id), DeliveryTarget(account: ana.id, folder: "Archive")],
      date: InternalDate(seconds: 1))
    for result in results { _ = try result.get() }
    let answer = try await moved
    #expect(answer.source == uids && answer.failure == nil)
    #expect(answer.assigned.count == count && answer.assigned == answer.assigned.sorted())
    #expect(try await store.info("INBOX", of: ana).messages == 0)
    #expect(try await store.info("Archive", of: ana).messages == count + 1)
    #expect(try await store.usage(ana).messages == Int64(count + 1))
    #expect(try await store.check().problems == [])
    await store.close()
  }

  /// The same transactions as a long MOVE makes, with the target deleted between the first and the second.
  @Test func `When the rest of a long MOVE fails, each message is in one of the two mailboxes and the answer says why`()
    async throws
  {
    let (bed, store, ana) = try await filled()
    defer { withExtendedLifetime(bed) {} }
    let ref = try await store.ref("INBOX", of: ana)
    _ = try await store.createMailbox("Target", of: ana.id, specialUse: nil)
    let uids = (1...UID(count)).map { $0 }
    let first = try await store.move(Array(uids.prefix(100)), from: ref, to: "Target")
    try await store.renameMailbox("Target", to: "Renamed", of: ana.id)
    _ = try await store.createMailbox("Target", of: ana.id, specialUse: nil)
    var result = await store.move(uids[100..<200], from: ref, after: first)
    #expect(result.failure == nil && result.source.count == 200)
    #expect(try await store.info("Renamed", of: ana).messages == 200)
    #expect(try await store.info("Target", of: ana).messages == 0)
    try await store.deleteMailbox("Renamed", of: ana.id)
    result = await store.move(uids[200...], from: ref, after: first)
    #expect(result.failure == .mailboxGone && result.source.count == 100)
    #expect(try await store.info("INBOX", of: ana).messages == count - 200)
    #expect(try await store.check().problems == [])
    await store.close()
  }

  @Test func `RENAME of a long INBOX moves all that were there`() async throws {
    let (bed, store, ana) = try await filled()
    defer { withExtendedLifetime(bed) {} }
    try await store.renameMailbox("INBOX", to: "Old", of: ana.id)
    #expect(try await store.info("INBOX", of: ana).messages == 0)
    #expect(try await store.info("Old", of: ana).messages == count)
    #expect(try await store.check().problems == [])
    await store.close()
  }

  @Test func `A COPY of more than one transaction may take is refused before anything is copied`() async throws {
    let bed = try StoreBed()
    let store = try bed.openSQL()
    let ana = try await store.add("ana")
    let ref = try await store.ref("INBOX", of: ana)
    let uids = (1...UID(StoreLimits.copiedMessages + 1)).map { $0 }
    #expect(
      await thrown { _ = try await store.copy(uids, from: ref, to: "Archive") }
        == .tooManyMessages(limit: StoreLimits.copiedMessages))
    await store.close()
  }

  @Test func `A maildrop of more than one part is deleted whole`() async throws {
    let (bed, store, ana) = try await filled()
    defer { withExtendedLifetime(bed) {} }
    let drop = try await store.openMaildrop(of: ana.id)
    try await drop.delete(Array(drop.messages.indices))
    drop.close()
    #expect(try await store.info("INBOX", of: ana).messages == 0)
    #expect(try await store.usage(ana).messages == 0)
    await store.close()
  }
}
