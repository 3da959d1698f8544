import BlobStore
import MailStore
import MailTestKit
import NIOCore
import Testing

@testable import MailStoreSQL

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// `check` must find every kind of damage and name what it concerns.
@Suite struct CheckerTests {
  struct Damage: Sendable, CustomTestStringConvertible {
    var sql: String
    /// Words that one of the problems must hold.
    var words: [String]
    var testDescription: String { sql }
    init(_ sql: String, _ words: String...) {
      self.sql = sql
      self.words = words
    }
  }

  static let damages = [
    Damage("UPDATE mailbox SET messages = messages + 1 WHERE name = 'INBOX'", "mailbox 1", "it counts 4 messages"),
    Damage("UPDATE mailbox SET unseen = 0 WHERE name = 'INBOX'", "INBOX", "0 unseen"),
    Damage("UPDATE mailbox SET deleted = 1 WHERE name = 'INBOX'", "INBOX", "1 deleted"),
    Damage("UPDATE mailbox SET bytes = 1 WHERE name = 'INBOX'", "INBOX", "1 octets"),
    Damage("UPDATE account_state SET bytes = bytes + 7", "account 1", "its quota counts"),
    Damage("UPDATE account_state SET messages = 0", "account 1", "its quota counts"),
    Damage("UPDATE mailbox SET uidnext = 3 WHERE name = 'INBOX'", "UIDNEXT 3", "UID 3"),
    Damage("UPDATE message SET modseq = 100000 WHERE uid = 2", "MODSEQ 100000"),
    Damage("UPDATE mailbox SET highestmodseq = 100000 WHERE name = 'Sent'", "beyond the account's"),
    Damage("UPDATE expunged SET modseq = 100000", "expunge log", "MODSEQ 100000"),
    Damage("UPDATE account_state SET next_mailbox = 2", "never given out"),
    Damage("UPDATE account_state SET next_content = 1", "a content has a number that was never given out"),
    Damage("DELETE FROM content WHERE (key & 68719476735) = 1", "UID 1", "its content 1 is missing"),
    Damage("UPDATE content SET size = size + 1 WHERE (key & 68719476735) = 1", "UID 1", "its size is"),
    Damage("INSERT INTO content_extra (key, refs) VALUES ((1 << 36) + 1, 4)", "content 1", "5 references"),
    Damage("INSERT INTO content_extra (key, refs) VALUES ((1 << 36) + 99, 1)", "content 99", "it is missing"),
    Damage("UPDATE blob SET refs = 9 WHERE id = 1", "blob 1", "9 references"),
    Damage("DELETE FROM blob WHERE id = 2", "content 2", "its blob is missing"),
    Damage("UPDATE blob SET offset = offset + 1 WHERE id = 3", "blob 3", "missing or damaged"),
    Damage("UPDATE pack SET live_bytes = live_bytes - 5", "pack 1", "octets"),
    Damage("DELETE FROM pack", "pack 1", "0 frames"),
    Damage("UPDATE volume_state SET value = 2 WHERE name = 'next_blob'", "the next blob would be 2"),
    Damage("DELETE FROM volume_state WHERE name = 'next_blob'", "the next blob would be 0"),
    Damage("UPDATE account_state SET next_instance = 1", "account 1", "next UIDL instance"),
    Damage("UPDATE mailbox SET name = NULL, died = 99 WHERE name = 'Junk'", "nothing will ever clear it away"),
    Damage("DELETE FROM purge", "mailbox", "hold bytes, and nothing will ever clear"),
    Damage("UPDATE mailbox SET account = 9 WHERE name = 'Junk'", "account 9", "no such account"),
    Damage("INSERT INTO access VALUES (1, 99, 0, 3, 0)", "mailbox 99", "rights are given"),
    Damage("INSERT INTO viewer VALUES (1, 1, 2, 5, 3)", "mailbox 1", "5 messages count as seen by account 2"),
    Damage("INSERT INTO viewer_mark VALUES (1, 1, 2, 77, 3, 1)", "mailbox 1", "marks of 1 messages that are not there"),
    Damage("UPDATE mailbox SET uidvalidity = 0 WHERE name = 'INBOX'", "UIDVALIDITY"),
    Damage(
      "UPDATE content SET envelope = CAST('(NIL)' AS BLOB) WHERE (key & 68719476735) = 1", "content 1",
      "not what its bytes say"),
    Damage("UPDATE content SET preview = 'x' WHERE (key & 68719476735) = 2", "content 2", "not what its bytes say"),
    Damage("DELETE FROM keyword", "a keyword without a name"),
    Damage("UPDATE message SET mailbox = 77 WHERE uid = 1", "mailbox 77", "no such mailbox"),
    Damage("UPDATE message SET instance = 1", "share a UIDL"),
    Damage(
      """
      INSERT INTO expunged SELECT account, mailbox, uid, modseq, 0, NULL, 0, 0, 0, 0, 0, 0, 0, NULL, NULL FROM message
      WHERE uid = 3
      """, "UID 3", "in the expunge log"),
    Damage("UPDATE mailbox SET name = 'Gone/child' WHERE name = 'Sent'", "Gone/child", "missing"),
    Damage("UPDATE mailbox SET name = 'Inbox' WHERE name = 'INBOX'", "no INBOX"),
    Damage(
      "PRAGMA writable_schema = ON; DELETE FROM sqlite_schema WHERE name = 'blob_place'; PRAGMA writable_schema = OFF",
      "mail.sqlite"),
  ]

  /// Three messages, a keyword, one expunged message that holds on to its bytes, all closed.
  func damagedBed(_ sql: String? = nil) async throws -> StoreBed {
    let bed = try StoreBed()
    let store = try bed.openSQL()
    let ana = try await store.add("ana")
    for number in 1...3 { try await store.put(Mail.text("Number \(number)"), of: ana, keywords: ["k"]) }
    try await store.put(in: "Sent", of: ana, flags: .deleted)
    _ = try await store.expunge(nil, in: try await store.ref("Sent", of: ana))
    #expect(try await store.check().problems == [])
    await store.close()
    if let sql {
      let db = try SQLConnection.writer(
        path: "\(bed.data)/volumes/1/mail.sqlite", migrator: VolumeSchema.migrator)
      try db.execute(sql)
      db.close()
    }
    return bed
  }

  private func problems(_ bed: StoreBed) async throws -> [String] {
    let store = try bed.openSQL()
    let report = try await store.check()
    await store.close()
    return report.problems
  }

  @Test(arguments: damages) func `Damage to rows is found and named`(_ damage: Damage) async throws {
    let problems = try await problems(try await damagedBed(damage.sql))
    let found = problems.contains { problem in damage.words.allSatisfy { problem.contains($0) } }
    #expect(found, "\(problems)")
  }

  @Test func `A flipped bit in a pack is found`() async throws {
    let bed = try await damagedBed()
    let path = "\(bed.data)/volumes/1/packs/000000000001.pack"
    let file = open(path, O_RDWR)
    let size = Int(lseek(file, 0, SEEK_END))
    var byte: UInt8 = 0
    pread(file, &byte, 1, off_t(size / 2))
    byte ^= 4
    pwrite(file, &byte, 1, off_t(size / 2))
    close(file)
    let problems = try await problems(bed)
    #expect(problems.contains { $0.contains("pack 1 at") || $0.contains("000000000001.pack at") }, "\(problems)")
  }

  @Test func `A damaged page of the database ends one query and not the report`() async throws {
    let bed = try await damagedBed()
    let path = "\(bed.data)/volumes/1/mail.sqlite"
    let db = try SQLConnection.reader(path: path)
    let page = try db("SELECT rootpage FROM sqlite_schema WHERE name = 'message'").first { $0.int(0) }
    db.close()
    let file = open(path, O_RDWR)
    let rubbish = [UInt8](repeating: 0xFF, count: 16)
    #expect(pwrite(file, rubbish, 16, off_t((try #require(page) - 1) * Int64(SQLTuning.pageSize))) == 16)
    close(file)
    unlink("\(bed.data)/volumes/1/packs/000000000001.pack")
    let problems = try await problems(bed)
    #expect(problems.contains { $0.contains("mail.sqlite") }, "\(problems)")
    #expect(problems.contains { $0.contains("pack 1: the file is missing") }, "\(problems)")
  }

  @Test func `A pack that is gone is found`() async throws {
    let bed = try await damagedBed()
    unlink("\(bed.data)/volumes/1/packs/000000000001.pack")
    let problems = try await problems(bed)
    #expect(problems.contains { $0.contains("pack 1: the file is missing") }, "\(problems)")
  }

  @Test func `A read of damaged bytes is an error that names them, and other messages are still read`() async throws {
    let bed = try await damagedBed("UPDATE blob SET offset = offset + 1 WHERE id = 1")
    let store = try bed.openSQL()
    let ana = try #require(try await store.account(named: "ana"))
    let ref = try await store.ref("INBOX", of: ana)
    guard case .corrupt = await thrown({ _ = try await store.body(1, in: ref) }) else {
      Issue.record("damage went unnoticed")
      return
    }
    #expect(try await store.body(2, in: ref) == Mail.text("Number 2"))
    await store.close()
  }

  @Test func `Columns of an older parser are made anew for the answer`() async throws {
    let bed = try await damagedBed("UPDATE content SET version = 0, envelope = x'41', parts = x'00', preview = 'old'")
    let store = try bed.openSQL()
    let ana = try #require(try await store.account(named: "ana"))
    let ref = try await store.ref("INBOX", of: ana)
    _ = try await store.visit(ref, [1], needs: [.envelope, .preview, .message]) { row throws(StoreError) in
      var buffer = ByteBuffer()
      row.appendEnvelope(to: &buffer)
      #expect(String(buffer: buffer).contains("Number 1"))
      #expect(row.preview == "Good day.")
      #expect(try row.withMessage { span throws(StoreError) in span.byteCount } == Mail.text("Number 1").utf8.count)
      return .next
    }
    #expect(try await store.openMessage(1, in: ref)?.size == Mail.text("Number 1").utf8.count)
    await store.close()
  }
}
