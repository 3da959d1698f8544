import BlobStore
import MailStore
import NIOCore
import SearchIndex

/// What one reading thread owns: a connection, the row that visits hand over, and memory for messages.
///
/// `@unchecked`: each reader belongs to one thread of the pool, which alone touches it; `close` comes after that thread
/// has ended.
final class Reader: @unchecked Sendable {
  let db: SQLConnection
  let packs: PackStore
  let damage: DamageReports
  var scratch = BlobScratch()
  /// Contents whose columns stand in a chunk.
  let chunks: ContentChunks
  /// This thread's connection to the search index, and which index it is.
  var index: (generation: Int, reader: IndexReader)?
  /// For looking a blob up again that a compaction has moved since the read transaction began.
  private var fresh: SQLConnection?
  private var statements: [ContentSource: [UInt16: ContentQuery]] = [:]

  init(path: String, packs: PackStore, damage: DamageReports) throws(StoreError) {
    db = try SQLConnection.reader(path: path)
    chunks = ContentChunks(db)
    self.packs = packs
    self.damage = damage
  }

  func close() {
    statements.removeAll()
    chunks.close()
    index = nil
    fresh?.close()
    db.close()
  }

  /// Nothing has been read for a while. On this reader's thread, between two visits.
  func rest() {
    scratch = BlobScratch()
    chunks.trim(to: 0)
    index = nil
    fresh?.releaseMemory()
    db.releaseMemory()
  }

  /// The prepared query for these columns; made at the first use.
  func query(_ source: ContentSource, _ needs: ContentNeeds) throws(StoreError) -> ContentQuery {
    if let query = statements[source]?[needs.rawValue] { return query }
    let query = try ContentQuery(source, needs, db)
    statements[source, default: [:]][needs.rawValue] = query
    return query
  }

  // MARK: Blobs

  /// Reads a whole message into `scratch`.
  func load(blob: Int64, at location: BlobLocation) throws(StoreError) {
    do throws(BlobError) { try packs.read(location, scratch: &scratch) } catch {
      guard case .missing = error, let moved = try relocate(blob), moved != location else {
        throw report(error, location)
      }
      do { try packs.read(moved, scratch: &scratch) } catch { throw report(error, moved) }
    }
  }

  /// Reads a whole message to the end of `buffer`.
  func append(blob: Int64, at location: BlobLocation, to buffer: inout ByteBuffer) throws(StoreError) {
    do throws(BlobError) { try packs.append(location, to: &buffer, scratch: &scratch) } catch {
      guard case .missing = error, let moved = try relocate(blob), moved != location else {
        throw report(error, location)
      }
      do { try packs.append(moved, to: &buffer, scratch: &scratch) } catch { throw report(error, moved) }
    }
  }

  func reader(blob: Int64, at location: BlobLocation) throws(StoreError) -> BlobReader {
    do throws(BlobError) { return try packs.reader(location) } catch {
      guard case .missing = error, let moved = try relocate(blob), moved != location else {
        throw report(error, location)
      }
      do { return try packs.reader(moved) } catch { throw report(error, moved) }
    }
  }

  /// Damage is not only told to whoever asked: it is marked, and named in the log.
  private func report(_ error: BlobError, _ location: BlobLocation) -> StoreError {
    switch error {
    case .corrupt, .missing: damage.add(location)
    case .io: break
    }
    return StoreError(error)
  }

  /// Where the blob lies now, which the transaction under way cannot see.
  private func relocate(_ blob: Int64) throws(StoreError) -> BlobLocation? {
    // It may lie in what was read ahead before it was durable there.
    scratch.endRun()
    let connection: SQLConnection
    if let fresh {
      connection = fresh
    } else {
      connection = try SQLConnection.reader(path: db.path)
      fresh = connection
    }
    let row = try connection("SELECT pack, offset, frame, size FROM blob WHERE id = ?")
    row.bind(1, blob)
    return try row.first { row in
      BlobLocation(pack: row.int(0), offset: row.int(1), frameLength: row.int(2), rawSize: row.int(3))
    }
  }

  // MARK: Views

  /// The mailbox as of one commit.
  func loadView(_ ref: MailboxRef) throws(StoreError) -> (snapshot: MailboxSnapshot, info: MailboxInfo) {
    try db.reading { () throws(StoreError) in
      let row = try db(
        """
        SELECT id, name, uidvalidity, uidnext, highestmodseq, messages, unseen, deleted, bytes, recent_floor, special_use,
          selectable
        FROM mailbox WHERE account = ? AND id = ? AND name IS NOT NULL
        """)
      row.bind(1, ref.account.rawValue)
      row.bind(2, ref.mailbox.rawValue)
      var keywords: [String] = []
      let words = try db("SELECT bit, name FROM keyword WHERE account = ? AND mailbox = ? ORDER BY bit")
      words.bind(1, ref.account.rawValue)
      words.bind(2, ref.mailbox.rawValue)
      try words.forEach { word in
        while keywords.count < min(Int(word.int(0)), StoreLimits.keywordsPerMailbox) { keywords.append("") }
        keywords.append(word.text(1))
      }
      guard let state = try row.first({ MailTables.mailbox($0, keywords: keywords) }) else { throw .mailboxGone }
      let chunks = try loadChunks(ref, expecting: Int(state.messages))
      let snapshot = MailboxSnapshot(
        chunks: chunks, uidNext: state.uidNext, highestModSeq: state.highestModSeq, keywords: keywords)
      return (snapshot, state.info(isSubscribed: false))
    }
  }

  private func loadChunks(_ ref: MailboxRef, expecting count: Int) throws(StoreError) -> [MailboxSnapshot.Chunk] {
    var chunks: [MailboxSnapshot.Chunk] = []
    chunks.reserveCapacity(count / MailboxSnapshot.chunkCapacity + 1)
    var open: [MessageEntry] = []
    func close() {
      if !open.isEmpty { chunks.append(MailboxSnapshot.Chunk(open)) }
      open = []
    }
    let seal = try FlagTable.forEach(in: ref, db) { chunk in
      // One that expunges have thinned out is joined with the next.
      if open.count + chunk.entries.count > MailboxSnapshot.chunkCapacity { close() }
      if open.isEmpty { open = chunk.entries } else { open += chunk.entries }
    }
    try FlagTable.rows(above: seal, in: ref, db) { entry in
      if open.count >= MailboxSnapshot.chunkCapacity { close() }
      open.append(entry)
    }
    close()
    return chunks
  }
}
