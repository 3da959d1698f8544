import BlobStore
import Logging
import MailStore

/// Marking frames that cannot be read, and mending them while the store is in use.
extension Upkeep {
  /// What readers have met since the last time.
  func noteReportedDamage() {
    for location in damage.take() {
      do throws(StoreError) {
        _ = try noteDamage(location.pack, location.offset..<location.offset + 1, "a reader found the frame damaged")
      } catch {
        if error != .shuttingDown { logger.error("damage could not be noted: \(error)") }
      }
    }
  }

  /// Looks whether frames in use lie in `range` of a pack and cannot be read; those are marked and told to the log, once.
  /// Returns a sentence for each message concerned.
  func noteDamage(_ pack: Int64, _ range: Range<Int64>, _ what: String) throws(StoreError) -> [String] {
    // Read anew, so that a compaction or a reader's bad luck is not taken for damage.
    let broken = try blobs(of: pack, in: range).filter { isDamaged($0.location) }
    var sentences: [String] = []
    for blob in broken {
      let isNews = try writer.writeBlocking { [settings] transaction throws(StoreError) in
        // It may have moved between the reading and now.
        let still = try transaction.db("SELECT 1 FROM blob WHERE id = ? AND pack = ? AND offset = ?")
        still.bind(1, blob.id)
        still.bind(2, blob.location.pack)
        still.bind(3, blob.location.offset)
        guard try still.first({ _ in true }) == true else { return false }
        let row = try transaction.db("INSERT OR IGNORE INTO damaged (pack, offset, found, what) VALUES (?, ?, ?, ?)")
        row.bind(1, blob.location.pack)
        row.bind(2, blob.location.offset)
        row.bind(3, settings.now())
        row.bind(4, what)
        try row.run()
        guard transaction.db.changes > 0 else { return false }
        transaction.hasWritten = true
        return true
      }
      guard isNews else { continue }
      let messages = try messages(of: blob.id)
      sentences += messages
      logger.critical(
        """
        pack \(blob.location.pack) at \(blob.location.offset) is damaged (\(what)): \
        \(messages.isEmpty ? "no message shows it" : messages.joined(separator: "; ")); \
        'merpati check --repair' looks for another copy
        """)
    }
    return sentences
  }

  private func isDamaged(_ location: BlobLocation) -> Bool {
    var scratch = BlobScratch()
    do throws(BlobError) {
      try packs.read(location, scratch: &scratch)
      return false
    } catch {
      guard case .io = error else { return true }
      // The disk did not answer, or there was no descriptor or memory left: nothing is proved, and the message may be whole.
      logger.warning("whether a frame is damaged cannot be said now: \(error)")
      damage.forget(location)
      return false
    }
  }

  /// A damaged frame that nobody uses is noted, so that it is not told again and again. Returns 1 for news.
  func noteDeadDamage(_ pack: Int64, _ offset: Int64) throws(StoreError) -> Int {
    try writer.writeBlocking { [settings] transaction throws(StoreError) in
      let row = try transaction.db(
        """
        INSERT OR IGNORE INTO damaged (pack, offset, found, what)
        SELECT ?1, ?2, ?3, 'a frame that is not in use is damaged'
        WHERE NOT EXISTS (SELECT 1 FROM blob WHERE pack = ?1 AND offset = ?2)
        """)
      row.bind(1, pack)
      row.bind(2, offset)
      row.bind(3, settings.now())
      try row.run()
      guard transaction.db.changes > 0 else { return 0 }
      transaction.hasWritten = true
      return 1
    }
  }

  struct PlacedBlob: Sendable {
    var id: Int64
    var location: BlobLocation
  }

  private func blobs(of pack: Int64, in range: Range<Int64>) throws(StoreError) -> [PlacedBlob] {
    try reading { db throws(StoreError) in
      let rows = try db(
        "SELECT id, offset, frame, size FROM blob WHERE pack = ? AND offset >= ? AND offset < ? ORDER BY offset")
      rows.bind(1, pack)
      rows.bind(2, range.lowerBound)
      rows.bind(3, range.upperBound)
      var result: [PlacedBlob] = []
      try rows.forEach { row in
        let location = BlobLocation(pack: pack, offset: row.int(1), frameLength: row.int(2), rawSize: row.int(3))
        result.append(PlacedBlob(id: row.int(0), location: location))
      }
      return result
    }
  }

  /// The messages that show a blob, a sentence each.
  func messages(of blob: Int64) throws(StoreError) -> [String] {
    let directory = writer.directory
    return try reading { db throws(StoreError) in
      let rows = try db("SELECT key FROM content WHERE blob = ?")
      rows.bind(1, blob)
      var keys: [Int64] = []
      try rows.forEach { keys.append($0.int(0)) }
      var result: [String] = []
      for key in keys {
        result += try DamagedFrames.messages(of: key, db, names: { directory.account($0)?.name }).map(\.sentence)
      }
      return result
    }
  }

  /// One look at the database, with a connection of its own.
  func reading<Value>(_ body: (SQLConnection) throws(StoreError) -> Value) throws(StoreError) -> Value {
    let db = try SQLConnection.reader(path: database)
    defer { db.close() }
    return try db.reading { () throws(StoreError) in try body(db) }
  }
}
