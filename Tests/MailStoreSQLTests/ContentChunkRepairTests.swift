import BlobStore
import MailStore
import MailTestKit
import NIOCore
import Testing

@testable import MailStoreSQL

/// What a repair makes of damage to chunks of contents together with damage to what leads from a content to its bytes. The
/// messages of a group are of one size, so that nothing but their places tells their frames apart.
@Suite struct ContentChunkRepairTests {
  private static let boxes = ["INBOX", "Sent", "Archive"]

  /// Nine groups, one message of each in three mailboxes; some are moved or copied on.
  private func made() async throws -> (bed: StoreBed, before: [String]) {
    let bed = try StoreBed()
    let store = try bed.openSQL()
    let ana = try await store.add("ana")
    for number in 1...9 {
      for box in Self.boxes {
        let id = "\(number).\(box.prefix(4))@example.org"
        let body = String(repeating: "y", count: number * 40)
        let text = Mail.text("Surat \(number) \(box.prefix(4))", id: id, body: body)
        if box == "INBOX" {
          let results = await store.deliver(
            try await store.prepare(text),
            to: [
              DeliveryTarget(account: ana.id, trace: ByteBuffer(string: "Return-Path: <\(number)@example.org>\r\n"))
            ],
            date: InternalDate(seconds: 7))
          for result in results { _ = try result.get() }
        } else {
          try await store.put(text, in: box, of: ana, date: InternalDate(seconds: 7))
        }
      }
    }
    let inbox = try await store.ref("INBOX", of: ana)
    _ = try await store.move([2, 5], from: inbox, to: "Junk")
    _ = try await store.copy([3], from: inbox, to: "Trash")
    let before = try await messages(store)
    await store.close()
    return (bed, before)
  }

  /// "mailbox UID octets", of every message that there is.
  private func messages(_ store: SQLStore) async throws -> [String] {
    var result: [String] = []
    for account in try await store.accounts() {
      for mailbox in try await store.mailboxes(of: account.id).mailboxes where mailbox.isSelectable {
        let ref = MailboxRef(account: account.id, mailbox: mailbox.id)
        for message in try await store.state(mailbox.name, of: account) {
          result.append("\(mailbox.name) \(message.uid) \(try await store.body(message.uid, in: ref) ?? "(nothing)")")
        }
      }
    }
    return result.sorted()
  }

  @Test(arguments: [
    // Places of bytes and what is kept.
    "DELETE FROM content_chunk; DELETE FROM blob WHERE id IN (SELECT blob FROM content)",
    "DELETE FROM content_chunk WHERE id = 2; DELETE FROM blob WHERE id IN (SELECT blob FROM content)",
    "UPDATE content_chunk SET sort = zeroblob(30); DELETE FROM blob WHERE id % 2 = 0",
    "UPDATE content_chunk SET keys = zeroblob(30); DELETE FROM blob WHERE id % 3 = 0",
    // Some contents are gone, and their frames are like those that look for one.
    "DELETE FROM content_chunk; DELETE FROM content WHERE key % 3 = 1; DELETE FROM blob WHERE id IN (SELECT blob FROM content)",
    "DELETE FROM content_chunk; DELETE FROM content WHERE key % 3 = 2; DELETE FROM blob",
    "DELETE FROM content_chunk WHERE id > 1; DELETE FROM content WHERE key % 3 = 1; DELETE FROM blob",
    // A row's number is another's, so that row is lost: what is left shows the wrong bytes.
    "DELETE FROM content WHERE key & 255 = 13; UPDATE content SET key = key + 3 WHERE key & 255 = 10",
    "DELETE FROM content WHERE key & 255 = 8; UPDATE content SET key = key + 1 WHERE key & 255 = 7",
    "DELETE FROM content WHERE key & 255 = 4; UPDATE content SET key = key + 1 WHERE key & 255 = 3",
    "DELETE FROM content_chunk; DELETE FROM content WHERE key & 255 = 4; UPDATE content SET key = key + 1 WHERE key & 255 = 3",
    // The same of a blob.
    "DELETE FROM content_chunk; DELETE FROM blob WHERE id = 9; UPDATE blob SET id = 9 WHERE id = 1",
    "DELETE FROM blob WHERE id = 9; UPDATE blob SET id = 9 WHERE id = 1",
    "DELETE FROM content_chunk; UPDATE content SET blob = 20 WHERE blob = 4",
    // Places that are none.
    "DELETE FROM content_chunk; UPDATE blob SET offset = offset + 13",
    "UPDATE content_chunk SET trace = zeroblob(9); UPDATE blob SET offset = offset + 13 WHERE id % 2 = 0",
    // Lengths of traces.
    "DELETE FROM content_chunk; UPDATE content SET trace_size = trace_size + 1 WHERE trace_size > 0",
    "DELETE FROM content_chunk; UPDATE content SET trace_size = 0",
    "DELETE FROM content_chunk; UPDATE content SET size = size + 1",
  ])
  func `Nobody's message becomes another's when chunks are damaged together with something else`(
    _ damage: String
  ) async throws {
    let (bed, before) = try await made()
    try bed.execute(damage)
    let report = try bed.repair()
    #expect(report.remaining == [] && report.damaged == [], "\(report)")
    let store = try bed.openSQL()
    #expect(try await store.check().problems == [])
    #expect(try await messages(store) == before)
    await store.close()
  }

  /// Budi has moved messages of Ana's into his own mailbox, where nobody's frame names him; hers are purged.
  @Test(arguments: [
    "UPDATE account_state SET bytes = bytes + 1",
    "DELETE FROM content_chunk",
    "UPDATE content_chunk SET preview = zeroblob(9)",
    "DELETE FROM blob WHERE id % 2 = 0",
    "UPDATE content_chunk SET headers = zeroblob(9) WHERE account = 2; DELETE FROM mailbox WHERE account = 1 AND name = 'INBOX'",
  ])
  func `A repair leaves what was moved out of somebody else's mailbox where it is`(_ damage: String) async throws {
    let (bed, _) = try await made()
    // Nothing is kept of what is gone.
    var store = try bed.openSQL()
    let ana = try #require(try await store.accounts().first)
    let budi = try await store.add("budi")
    let (from, to) = (try await store.ref("INBOX", of: ana), try await store.ref("INBOX", of: budi))
    let uids = try await store.state("INBOX", of: ana).map(\.uid)
    let moved = try await store.transfer(
      uids, from: from, to: to, moving: true, FlagScope(flags: [], keywords: true), as: budi.id)
    #expect(moved.assigned.count == 7)
    _ = try await store.compact()
    #expect(try await store.check().problems == [])
    let before = try await messages(store).filter { $0.hasPrefix("INBOX") }
    #expect(before.count == 7 && before.contains { $0.contains("Return-Path: <9@example.org>") })
    await store.close()
    try bed.execute(damage)
    let report = try bed.repair()
    #expect(report.remaining == [] && report.damaged == [], "\(report)")
    store = try bed.openSQL()
    #expect(try await store.check().problems == [])
    // A mailbox that is gone comes back with what its frames name: rather twice than not at all.
    let after = try await messages(store)
    for message in before { #expect(after.contains(message), "\(message)") }
    await store.close()
  }

  @Test func `Rows of the version before are saved from pages that no tree leads to`() async throws {
    let bed = try StoreBed()
    var store = try bed.openSQL(BedSettings(contentChunks: ContentChunkSizes(capacity: 4, loose: .max)))
    let ana = try await store.add("ana")
    for number in 1...60 { try await store.put(Mail.text("Surat \(number)"), of: ana) }
    let before = try await messages(store)
    await store.close()
    try bed.execute(
      """
      DROP TABLE content_chunk; ALTER TABLE content DROP COLUMN chunk; ALTER TABLE content DROP COLUMN trace_size;
      DELETE FROM grdb_migrations WHERE identifier = '13 content chunks'
      """)
    // Adds the columns, and leaves the rows as they are.
    store = try bed.openSQL()
    await store.close()
    let db = try SQLConnection.reader(path: bed.volume)
    let root = try db.statement("SELECT rootpage FROM sqlite_schema WHERE name = 'content'").first { Int($0.int(0)) }
    db.close()
    let page = SQLTuning.pageSize
    let start = try #require(root) * page - page
    DiskFile.change(bed.volume) { for index in start..<start + page { $0[index] = 0 } }
    let report = try bed.repair()
    #expect(report.remaining == [] && report.damaged == [], "\(report)")
    #expect(!report.actions.contains { $0.hasPrefix("messages joined") }, "\(report)")
    store = try bed.openSQL()
    #expect(try await store.check().problems == [])
    #expect(try await messages(store) == before)
    await store.close()
  }

  @Test func `A message whose chunk and frame are both damaged is marked, and its mailbox can be read`() async throws {
    let (bed, before) = try await made()
    let place = try SQLConnection.reader(path: bed.volume)
    let row = try place.statement("SELECT offset + frame - 9 FROM blob WHERE id = 1")
    let offset = Int(try row.first { $0.int(0) } ?? 0)
    place.close()
    DiskFile.change(bed.pack(1)) { $0[offset] ^= 0xFF }
    try bed.execute("DELETE FROM content_chunk")
    let report = try bed.repair()
    #expect(report.damaged.count == 1, "\(report)")
    let store = try bed.openSQL()
    let ana = try #require(try await store.accounts().first)
    let inbox = try await store.ref("INBOX", of: ana)
    let envelopes = Gathered<String>()
    let done = try await store.visit(inbox, [1, 3], needs: [.envelope, .bodyStructure, .sortKeys, .preview]) {
      row throws(StoreError) in
      var buffer = ByteBuffer()
      row.appendEnvelope(to: &buffer)
      row.appendBodyStructure(to: &buffer)
      envelopes.add(String(buffer: buffer))
      return .next
    }
    #expect(done == 2)
    // Both are whole lists, whatever is in them.
    #expect(envelopes.values.allSatisfy { $0.hasPrefix("(") && $0.hasSuffix(")") }, "\(envelopes.values)")
    #expect(await thrown { _ = try await store.body(1, in: inbox) } != nil)
    #expect(try await store.body(3, in: inbox).map { before.contains("INBOX 3 \($0)") } == true)
    await store.close()
  }
}
