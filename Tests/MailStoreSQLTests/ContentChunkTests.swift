import BlobStore
import MailFormat
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

/// What is kept of messages in chunks beside the same in rows: what is read, what is left when messages go, and damage.
@Suite struct ContentChunkTests {
  /// As a store that knows no chunks keeps them.
  private static let rows = BedSettings(contentChunks: ContentChunkSizes(capacity: 4, loose: .max))

  private func count(_ sql: String, _ bed: StoreBed) throws -> Int64 {
    let db = try SQLConnection.reader(path: bed.volume)
    defer { db.close() }
    return try db.statement(sql).first { $0.int(0) } ?? -1
  }

  private func chunks(_ bed: StoreBed) throws -> Int64 { try count("SELECT COUNT(*) FROM content_chunk", bed) }

  /// Messages of different shapes, each with a trace of its own.
  private func deliver(_ numbers: ClosedRange<Int>, to account: Account, _ store: SQLStore) async throws {
    for number in numbers {
      let body =
        number % 3 == 0
        ? "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nOne \(number)\r\n--b\r\n"
          + "Content-Type: text/html\r\n\r\n<p>Two\r\n--b--\r\n" : "\r\nNumber \(number) for ana.\r\n"
      let text = "From: a\(number)@example.org\r\nTo: ana@example.org\r\nSubject: Surat \(number)\r\n" + body
      let results = await store.deliver(
        try await store.prepare(text),
        to: [DeliveryTarget(account: account.id, trace: ByteBuffer(string: trace(number)))],
        date: InternalDate(seconds: Int64(number)))
      for result in results { _ = try result.get() }
    }
  }

  private func trace(_ number: Int) -> String { "Return-Path: <a\(number)@example.org>\r\nX-Trace: \(number)\r\n" }

  /// All that a visit gives of every message, in words.
  private func all(
    _ store: SQLStore, _ ref: MailboxRef, _ needs: ContentNeeds, named name: String = "INBOX"
  ) async throws -> [String] {
    let seen = Gathered<String>()
    let uids = try await store.snapshotUIDs(ref, name)
    _ = try await store.visit(ref, uids[...], needs: needs) { row throws(StoreError) in
      var buffer = ByteBuffer()
      if needs.contains(.envelope) { row.appendEnvelope(to: &buffer) }
      if needs.contains(.bodyStructure) {
        row.appendBodyStructure(to: &buffer)
      }
      if needs.contains(.body) { row.appendBody(to: &buffer) }
      if needs.contains(.headers) {
        row.withCommonHeaders { span in span.withUnsafeBytes { _ = buffer.writeBytes($0) } }
      }
      var words = "\(row.uid) " + String(buffer: buffer)
      if needs.contains(.sortKeys) { words += row.sortKeys.baseSubject + row.sortKeys.from }
      if needs.contains(.preview) { words += row.preview }
      if needs.contains(.message) {
        words += "\(try row.index().encoded().readableBytes)"
        var message = row.trace
        try row.appendMessage(to: &message)
        words += String(buffer: message)
      }
      seen.add(words)
      return .next
    }
    return seen.values
  }

  private static let needs: [ContentNeeds] = [
    .envelope, .bodyStructure, .body, .headers, .sortKeys, .preview, .message,
    [.envelope, .bodyStructure, .body, .headers, .sortKeys, .preview, .message],
  ]

  @Test func `A store of the version before is opened, says the same, and is brought together by and by`() async throws
  {
    let bed = try StoreBed()
    var store = try bed.openSQL(Self.rows)
    let ana = try await store.add("ana")
    try await deliver(1...20, to: ana, store)
    let ref = try await store.ref("INBOX", of: ana)
    var before: [[String]] = []
    for needs in Self.needs { before.append(try await all(store, ref, needs)) }
    await store.close()
    #expect(try chunks(bed) == 0)
    try bed.execute(
      """
      DROP TABLE content_chunk; ALTER TABLE content DROP COLUMN chunk; ALTER TABLE content DROP COLUMN trace_size;
      DELETE FROM grdb_migrations WHERE identifier = '13 content chunks'
      """)
    store = try bed.openSQL()
    for (needs, words) in zip(Self.needs, before) { #expect(try await all(store, ref, needs) == words) }
    #expect(try await store.check().problems == [])
    // One chunk a delivery, until only the newest stand alone.
    for number in 21...25 {
      try await deliver(number...number, to: ana, store)
      #expect(try chunks(bed) == Int64(min(number - 20, 4)) + (number == 25 ? 1 : 0))
    }
    for (needs, words) in zip(Self.needs, before) {
      #expect(try await all(store, ref, needs).prefix(20).elementsEqual(words))
    }
    #expect(try await store.check().problems == [])
    await store.close()
  }

  @Test func `Messages read alone, backwards and from several mailboxes are those that were delivered`() async throws {
    let bed = try StoreBed()
    let store = try bed.openSQL()
    let accounts = [try await store.add("ana"), try await store.add("budi")]
    for number in 1...15 {
      for account in accounts { try await deliver(number...number, to: account, store) }
    }
    #expect(try chunks(bed) > 4)
    for account in accounts {
      let ref = try await store.ref("INBOX", of: account)
      for uid in (UID(1)...15).reversed() {
        let body = try #require(try await store.body(uid, in: ref))
        #expect(body.hasPrefix(trace(Int(uid)) + "From: a\(uid)@"))
      }
    }
    #expect(try await store.check().problems == [])
    await store.close()
  }

  @Test func `What is copied to another account has all that stood in the chunk, and gets chunks there`() async throws {
    let bed = try StoreBed()
    let store = try bed.openSQL()
    let ana = try await store.add("ana")
    let budi = try await store.add("budi")
    try await deliver(1...15, to: ana, store)
    let (from, to) = (try await store.ref("INBOX", of: ana), try await store.ref("INBOX", of: budi))
    let sealed = try chunks(bed)
    #expect(sealed > 1)
    let uids = try await store.snapshotUIDs(from, "INBOX")
    let result = try await store.transfer(
      uids, from: from, to: to, moving: false,
      FlagScope(flags: [.seen, .flagged], keywords: true), as: budi.id)
    #expect(result.assigned == uids)
    for needs in Self.needs { #expect(try await all(store, to, needs) == all(store, from, needs)) }
    #expect(try chunks(bed) > sealed)
    #expect(try await store.check().problems == [])
    await store.close()
  }

  @Test func `Rows of another version of the parser are in no chunk with others`() async throws {
    let bed = try StoreBed()
    var store = try bed.openSQL(Self.rows)
    let ana = try await store.add("ana")
    try await deliver(1...20, to: ana, store)
    let ref = try await store.ref("INBOX", of: ana)
    let envelopes = try await all(store, ref, .envelope)
    await store.close()
    // What the version before made of the messages, which is not what today's makes.
    try bed.execute(
      "UPDATE content SET version = version - 1, envelope = CAST('(older)' AS BLOB) WHERE key & 255 IN (5, 6, 7, 12)")
    store = try bed.openSQL()
    for number in 21...32 { try await deliver(number...number, to: ana, store) }
    #expect(try count("SELECT COUNT(*) FROM content WHERE chunk IS NULL AND key & 255 < 20", bed) == 0)
    #expect(try count("SELECT COUNT(DISTINCT chunk) FROM content WHERE key & 255 IN (4, 5, 8)", bed) == 3)
    #expect(try await all(store, ref, .envelope).prefix(20).elementsEqual(envelopes))
    #expect(try await all(store, ref, [.envelope, .message]).count == 32)
    #expect(try await store.check().problems == [])
    await store.close()
  }

  @Test func `A field in a trace is found by who asks for its name`() async throws {
    let bed = try StoreBed()
    let store = try bed.openSQL()
    let ana = try await store.add("ana")
    for number in 1...16 {
      let trace = number == 6 ? "Return-Path: <a@example.org>\r\nsubject : In the trace\r\n" : trace(number)
      let results = await store.deliver(
        try await store.prepare("Subject: Surat \(number)\r\n\r\nx\r\n"),
        to: [DeliveryTarget(account: ana.id, trace: ByteBuffer(string: trace))], date: InternalDate(seconds: 1))
      for result in results { _ = try result.get() }
    }
    #expect(try chunks(bed) >= 2)
    let ref = try await store.ref("INBOX", of: ana)
    for needs: ContentNeeds in [.headers, [.headers, .envelope], [.headers, .message]] {
      let traces = Gathered<String>()
      _ = try await store.visit(ref, [4, 5, 6, 9], needs: needs) { row in
        traces.add(String(buffer: row.trace))
        return .next
      }
      #expect(traces.values.contains { $0.contains("In the trace") })
      // With the message all of its lines belong to it.
      if needs.contains(.message) { #expect(traces.values.allSatisfy { $0.hasPrefix("Return-Path") }) }
    }
    await store.close()
  }

  @Test func `Contents are found whatever order their messages are in`() async throws {
    let bed = try StoreBed()
    let store = try bed.openSQL()
    let ana = try await store.add("ana")
    try await deliver(1...30, to: ana, store)
    let inbox = try await store.ref("INBOX", of: ana)
    let expected = try await all(store, inbox, .envelope).map { $0.drop { $0 != " " } }
    var order = [30, 1, 29, 2, 3, 12, 11, 10, 28, 27, 26, 5, 6, 7, 8, 4, 9, 24, 25]
    order += (13...23).reversed()
    for uid in order { _ = try await store.copy([UID(uid)], from: inbox, to: "Archive") }
    _ = try await store.copy(Array(1...30), from: inbox, to: "Archive")
    order += Array(1...30)
    let archive = try await store.ref("Archive", of: ana)
    let seen = try await all(store, archive, .envelope, named: "Archive").map { $0.drop { $0 != " " } }
    #expect(seen == order.map { expected[$0 - 1] })
    #expect(try await all(store, archive, [.envelope, .message], named: "Archive").count == order.count)
    await store.close()
  }

  @Test func `A long header keeps its row, and its neighbours their chunk`() async throws {
    let bed = try StoreBed()
    let store = try bed.openSQL()
    let ana = try await store.add("ana")
    try await store.put("Subject: \(String(repeating: "panjang ", count: 4000))\r\n\r\nx\r\n", of: ana)
    try await deliver(2...12, to: ana, store)
    #expect(try chunks(bed) > 1)
    #expect(try count("SELECT COUNT(*) FROM content WHERE chunk IS NULL AND key & 68719476735 = 1", bed) == 1)
    #expect(try await store.check().problems == [])
    await store.close()
  }

  @Test func `Chunks are made anew when half of their messages are purged, and go with the last`() async throws {
    let bed = try StoreBed()
    let store = try bed.openSQL()
    let ana = try await store.add("ana")
    try await deliver(1...20, to: ana, store)
    let ref = try await store.ref("INBOX", of: ana)
    let made = try chunks(bed)
    func expunge(_ uids: [UID]) async throws {
      _ = try await store.changeFlags(FlagChange(.add, .deleted), of: uids, in: ref)
      _ = try await store.expunge(nil, in: ref)
      _ = try await store.compact()
      #expect(try await store.check().problems == [])
    }
    try await expunge([2])
    #expect(try count("SELECT MAX(id) FROM content_chunk", bed) == made)
    try await expunge([3])
    // The first one has a new number and holds two.
    #expect(try chunks(bed) == made)
    #expect(try count("SELECT MIN(id) FROM content_chunk", bed) == 2)
    #expect(try await store.body(4, in: ref)?.hasPrefix(trace(4)) == true)
    try await expunge([1, 4])
    #expect(try chunks(bed) == made - 1)
    try await expunge(Array(5...20))
    #expect(try chunks(bed) == 0)
    await store.close()
  }

  @Test(arguments: [
    "UPDATE content_chunk SET envelope = zeroblob(50) WHERE id = 2",
    "UPDATE content_chunk SET trace = zeroblob(50) WHERE id = 2",
    "UPDATE content_chunk SET keys = zeroblob(9) WHERE id = 2",
    "UPDATE content_chunk SET keys = (SELECT keys FROM content_chunk WHERE id = 1) WHERE id = 2",
    "UPDATE content_chunk SET account = 77 WHERE id = 2", "DELETE FROM content_chunk WHERE id = 2",
    "UPDATE content SET chunk = 1 WHERE chunk = 2", "UPDATE content SET trace_size = 3 WHERE chunk = 2",
    "UPDATE content SET version = 0 WHERE chunk = 2",
  ])
  func `A damaged chunk is named, answers come from the bytes or not at all, and a repair brings all of it back`(
    _ damage: String
  ) async throws {
    let bed = try StoreBed()
    var store = try bed.openSQL()
    let ana = try await store.add("ana")
    try await deliver(1...20, to: ana, store)
    let ref = try await store.ref("INBOX", of: ana)
    let envelopes = try await all(store, ref, .envelope)
    let bodies = try await all(store, ref, .message)
    await store.close()
    try bed.execute(damage)
    store = try bed.openSQL()
    let problems = try await store.check().problems
    #expect(problems.contains { $0.contains("what is kept of the message, in chunk") }, "\(problems)")
    for problem in problems { #expect(RepairKinds.remedy(for: problem) == .repaired, "\(problem)") }
    // From the message's bytes where the chunk says nothing.
    #expect(try await all(store, ref, .envelope) == envelopes)
    if !damage.contains("trace_size") {
      for uid in UID(5)...8 {
        // Without its trace it would be another message, so it is whole or refused.
        do { #expect(try await store.body(uid, in: ref)?.hasPrefix(trace(Int(uid))) == true) } catch let error
          as StoreError
        {
          guard case .corrupt = error else { throw error }
        }
      }
    }
    await store.close()
    try bed.repairClean()
    store = try bed.openSQL()
    #expect(try await all(store, ref, .envelope) == envelopes)
    #expect(try await all(store, ref, .message) == bodies)
    let left = try await store.check().problems
    #expect(left == [])
    await store.close()
  }

  @Test func `A damaged page of older rows keeps no mail from coming in`() async throws {
    let bed = try StoreBed()
    var store = try bed.openSQL(Self.rows)
    let ana = try await store.add("ana")
    try await deliver(1...60, to: ana, store)
    await store.close()
    let page = try count(
      "SELECT pageno FROM dbstat WHERE name = 'content' AND pagetype = 'leaf' ORDER BY path LIMIT 1", bed)
    let file = open(bed.volume, O_WRONLY)
    #expect(pwrite(file, "rubbish, no page", 16, off_t((page - 1) * Int64(SQLTuning.pageSize))) == 16)
    close(file)
    store = try bed.openSQL()
    try await deliver(61...70, to: ana, store)
    let ref = try await store.ref("INBOX", of: ana)
    #expect(try await store.body(70, in: ref)?.hasPrefix(trace(70)) == true)
    await store.close()
    try bed.repairClean()
  }

  /// SQLite reads rows in the order of a page, whatever their numbers.
  @Test func `Rows that are out of order stay rows, and mail comes in`() async throws {
    let bed = try StoreBed()
    var store = try bed.openSQL(Self.rows)
    let ana = try await store.add("ana")
    try await deliver(1...20, to: ana, store)
    let ref = try await store.ref("INBOX", of: ana)
    await store.close()
    // The number of a row in the middle of a leaf, as it stands in front of the row.
    let key = ContentKey.key(ana.id.rawValue, 12)
    #expect(try damageRowid(key, to: key + (1 << 15), bed))
    store = try bed.openSQL()
    try await deliver(21...30, to: ana, store)
    #expect(try await store.body(30, in: ref)?.hasPrefix(trace(30)) == true)
    #expect(try await store.body(11, in: ref)?.hasPrefix(trace(11)) == true)
    await store.close()
  }

  /// A varint of nine octets has the same length for both.
  private func damageRowid(_ key: Int64, to other: Int64, _ bed: StoreBed) throws -> Bool {
    func varint(_ value: Int64) -> [UInt8] {
      var rest = UInt64(bitPattern: value)
      var bytes: [UInt8] = [UInt8(rest & 0x7F)]
      rest >>= 7
      while rest > 0 {
        bytes.insert(UInt8(rest & 0x7F) | 0x80, at: 0)
        rest >>= 7
      }
      return bytes
    }
    let (old, new) = (varint(key), varint(other))
    guard old.count == new.count else { return false }
    let pages = DiskFile.contents(bed.volume)
    guard let place = pages.firstRange(of: old) else { return false }
    DiskFile.change(bed.volume) { $0.replaceSubrange(place, with: new) }
    return true
  }

  @Test(arguments: [
    "UPDATE content_chunk SET first = first + 90000 WHERE id = 2", "UPDATE content_chunk SET last = 1 WHERE id = 2",
    "UPDATE content_chunk SET keys = zeroblob(20) WHERE id = 2",
  ])
  func `A chunk whose place is damaged is not let go with what is in it`(_ damage: String) async throws {
    let bed = try StoreBed()
    var store = try bed.openSQL()
    let ana = try await store.add("ana")
    try await deliver(1...20, to: ana, store)
    let before = try await all(store, try await store.ref("INBOX", of: ana), .message)
    let chunks = try chunks(bed)
    await store.close()
    try bed.execute(damage)
    store = try bed.openSQL()
    let ref = try await store.ref("INBOX", of: ana)
    // All but one of the chunk.
    _ = try await store.changeFlags(FlagChange(.add, .deleted), of: [5, 6, 7], in: ref)
    _ = try await store.expunge(nil, in: ref)
    _ = try await store.compact()
    #expect(try self.chunks(bed) == chunks)
    await store.close()
    try bed.repairClean()
    store = try bed.openSQL()
    let after = try await all(store, ref, .message)
    #expect(after == before.enumerated().filter { !(4...6).contains($0.offset) }.map(\.element))
    await store.close()
  }

  @Test func `One commit makes few chunks, and the rows wait for the next`() async throws {
    let bed = try StoreBed()
    var store = try bed.openSQL(Self.rows)
    var accounts: [Account] = []
    for number in 1...12 {
      let account = try await store.add("a\(number)")
      accounts.append(account)
      try await deliver(1...10, to: account, store)
    }
    await store.close()
    store = try bed.openSQL()
    for round in 1...2 {
      let results = await store.deliver(
        try await store.prepare(Mail.text("Untuk semua")), to: accounts.map { DeliveryTarget(account: $0.id) },
        date: InternalDate(seconds: 1))
      for result in results { _ = try result.get() }
      #expect(try chunks(bed) == Int64(round * StoreLimits.sealsPerCommit))
    }
    #expect(try await store.check().problems == [])
    await store.close()
  }

  @Test func `A store that was closed has nothing left in its WAL`() async throws {
    let bed = try StoreBed()
    let store = try bed.openSQL()
    let ana = try await store.add("ana")
    try await deliver(1...20, to: ana, store)
    #expect(try await all(store, try await store.ref("INBOX", of: ana), .envelope).count == 20)
    await store.close()
    #expect(DiskFile.contents(bed.volume + "-wal").isEmpty)
  }

  @Test func `A chunk of nobody is named and repaired`() async throws {
    let bed = try StoreBed()
    var store = try bed.openSQL()
    try await deliver(1...12, to: try await store.add("ana"), store)
    await store.close()
    try bed.execute(
      """
      INSERT INTO content_chunk SELECT 99, account, first, last, keys, parts, trace, structure, envelope, headers, sort,
        body, preview FROM content_chunk WHERE id = 1
      """)
    store = try bed.openSQL()
    #expect(try await store.check().problems.map { RepairKinds.remedy(for: $0) } == [.repaired])
    await store.close()
    try bed.repairClean()
    store = try bed.openSQL()
    #expect(try await store.check().problems == [])
    await store.close()
  }

  @Test(arguments: [9, 40]) func `Any octet of a chunk that is another is found out`(_ count: Int) throws {
    let place = ContentChunk.Place(account: 7, last: 900)
    let columns = (0..<count).map { Array("piece \($0) of the same kind".utf8.prefix($0 % 10 * 3)) }
    let groups = stride(from: 0, to: count, by: 16).map { start in
      let some = columns[start..<min(start + 16, count)]
      return ContentChunk.raw(some.map(\.count), some.flatMap { $0 })
    }
    // A single group may have a base.
    let base: [UInt8] = groups.count == 1 ? ContentChunk.raw([20], Array("piece of the same ki".utf8)) : []
    let stored = Array(try ContentChunk.encoded(groups, .headers, after: base, at: place).readableBytesView)
    let column = ChunkColumn()
    var unsqueezer = Unsqueezer()
    func isGood(_ bytes: [UInt8], at place: ContentChunk.Place, part: ContentPart = .headers) -> Bool {
      bytes.withUnsafeBytes { bytes in
        base.withUnsafeBytes {
          ContentChunk.decode(bytes, part, count: count, after: $0, at: place, &unsqueezer, into: column)
        }
      }
    }
    #expect(isGood(stored, at: place))
    // In any order.
    for slot in (0..<count).reversed() {
      #expect(column.prepare(slot, &unsqueezer))
      #expect(Array(column[slot]) == columns[slot])
    }
    #expect((0..<count).map { Array(column[$0]) } == columns)
    for index in stored.indices {
      var bytes = stored
      bytes[index] ^= 0x10
      #expect(!isGood(bytes, at: place), "octet \(index)")
      #expect(!isGood(Array(stored.prefix(index)), at: place))
    }
    #expect(!isGood(stored, at: ContentChunk.Place(account: 7, last: 901)))
    #expect(!isGood(stored, at: ContentChunk.Place(account: 8, last: 900)))
    #expect(!isGood(stored, at: place, part: .sort))
    let written = ContentChunk.Keys(numbers: [3, 4, 900], version: 300, tellsInTraces: true)
    let keys = Array(ContentChunk.encodedKeys(written, at: place).readableBytesView)
    #expect(keys.withUnsafeBytes { ContentChunk.keys($0, at: place) } == written)
    for index in keys.indices {
      var bytes = keys
      bytes[index] ^= 1
      #expect(bytes.withUnsafeBytes { ContentChunk.keys($0, at: place) } == nil)
    }
  }
}

extension SQLStore {
  /// The UIDs of a mailbox.
  fileprivate func snapshotUIDs(_ ref: MailboxRef, _ name: String) async throws -> [UID] {
    let open = try await openMailbox(name, of: ref.account) {}
    defer { open.close() }
    let snapshot = try #require(open.current)
    return (0..<snapshot.count).map { snapshot[$0].uid }
  }
}
