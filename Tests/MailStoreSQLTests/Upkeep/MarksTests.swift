import MailStore
import NIOCore
import Testing

@testable import MailStoreSQL

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

@Suite struct MarksTests {
  private func writes(_ store: SQLStore) async throws -> Int {
    try await store.writer.alone { writer throws(StoreError) in writer.marks.writes }
  }

  private func row(_ store: SQLStore, _ sql: String) async throws -> [Int64] {
    try await store.writer.alone { writer throws(StoreError) in
      var result: [Int64] = []
      try writer.marks.db.statement(sql).forEach { result.append($0.int(0)) }
      return result
    }
  }

  @Test func `Marks stay ahead of what is given out, and are seldom written`() async throws {
    let bed = try StoreBed()
    let store = try bed.openSQL()
    let ana = try await store.add("ana")
    let made = try await writes(store)
    try await store.fill(900, of: ana)
    #expect(try await writes(store) == made, "the first 1,024 UIDs were reserved when the mailbox was made")
    try await store.fill(900, of: ana)
    #expect(try await writes(store) == made + 1)
    let ref = try await store.ref("INBOX", of: ana)
    let marked = try await row(store, "SELECT uidnext FROM mailbox_mark WHERE mailbox = \(ref.mailbox)")
    #expect(marked[0] > 1801)
    await store.close()
  }

  @Test func `One expunge in a block of UIDs is noted after each backup, further ones cost nothing`() async throws {
    let bed = try StoreBed()
    let store = try bed.openSQL()
    let ana = try await store.add("ana")
    try await store.fill(40, of: ana, flags: .deleted)
    let ref = try await store.ref("INBOX", of: ana)
    let start = try await writes(store)
    _ = try await store.expunge([3], in: ref)
    #expect(try await writes(store) == start + 1)
    _ = try await store.expunge([4], in: ref)
    _ = try await store.move([5], from: ref, to: "Trash")
    #expect(try await writes(store) == start + 1)
    try await store.writer.alone { writer throws(StoreError) in _ = try writer.marks.beginEpoch() }
    _ = try await store.expunge([6], in: ref)
    _ = try await store.expunge([7], in: ref)
    #expect(try await writes(store) == start + 2)
    try await store.deleteMailbox("Junk", of: ana.id)
    #expect(try await row(store, "SELECT COUNT(*) FROM removed_mark WHERE block = -1") == [1])
    await store.close()
  }

  @Test func `Marks survive a restart; lost, damaged or strange ones begin anew under another identity`() async throws {
    let bed = try StoreBed()
    var store = try bed.openSQL()
    let ana = try await store.add("ana")
    try await store.fill(3, of: ana)
    func identity() async throws -> Int64 {
      try await store.writer.alone { writer throws(StoreError) in writer.marks.store }
    }
    let first = try await identity()
    await store.close()
    store = try bed.openSQL()
    #expect(try await identity() == first)
    await store.close()
    let path = Marks.path(bed.data)
    unlink(path)
    store = try bed.openSQL()
    let second = try await identity()
    #expect(second != first)
    #expect(try await row(store, "SELECT COUNT(*) FROM mailbox_mark") == [6])
    await store.close()
    let file = open(path, O_WRONLY)
    _ = pwrite(file, "rubbish that is no database at all", 34, 0)
    close(file)
    store = try bed.openSQL()
    #expect(try await identity() != second)
    #expect(access("\(path).damaged", F_OK) == 0)
    try await store.put(of: ana)
    await store.close()
  }

  @Test func `Marks that cannot be written give nothing out`() async throws {
    let bed = try StoreBed()
    let store = try bed.openSQL()
    let ana = try await store.add("ana")
    try await store.fill(3, of: ana, flags: .deleted)
    let ref = try await store.ref("INBOX", of: ana)
    try await store.writer.alone { writer throws(StoreError) in
      try writer.marks.db.execute(
        "CREATE TRIGGER full BEFORE INSERT ON removed_mark BEGIN SELECT RAISE(ABORT, 'refused'); END")
    }
    #expect(await thrown { _ = try await store.expunge([1], in: ref) } != nil)
    #expect(try await store.state("INBOX", of: ana).count == 3)
    await store.close()
  }
}
