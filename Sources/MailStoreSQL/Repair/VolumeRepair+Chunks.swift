import BlobStore
import MailStore

/// A repair begins by putting what is kept of contents back into their rows (`ContentSealing.unseal`) and then looks at rows
/// alone; deliveries bring them together again.
///
/// A content whose chunk is damaged keeps its number, its bytes' place, its size and the length of its trace. Nothing of
/// that tells it from another content of the same size, so where one of these is damaged too, only its messages say which
/// frame is its own, and frames are never given to it by likeness.
extension VolumeRepair {
  func unsealContents() throws(StoreError) {
    let unsealed = try ContentSealing.unseal(db)
    lostContents = unsealed.lost
    keptTraces = unsealed.traced
    did("chunks of what is kept of messages that belonged to none", unsealed.strays)
    did("messages whose rows said otherwise than their chunk", unsealed.wrongRows)
  }

  /// After every content has its frame as far as it can be found: the traces of those of which nothing was kept. What
  /// comes from the message's bytes is made when they are compared with their row.
  func restoreTraces() throws(StoreError) {
    var left = 0
    for key in lostContents.sorted() where try !restoreTrace(key) { left += 1 }
    // A length that belongs to no chunk.
    try db("UPDATE content SET trace_size = NULL WHERE trace_size IS NOT NULL").run()
    did("messages of which nothing was kept, made anew from their bytes", lostContents.count)
    did("messages whose trace lines are lost", left)
  }

  /// From the content's frame. False: there was one, and the frame does not have it.
  ///
  /// Two owners of a frame may be one account. Its messages tell which of them this is, by their place or by their
  /// size, and so does the length of the trace. A message copied out of somebody else's mailbox has the trace of that one.
  @discardableResult
  func restoreTrace(_ key: Int64) throws(StoreError) -> Bool {
    if keptTraces.contains(key) { return true }
    let find = try db(
      """
      WITH found (trace, is_account, is_own, is_sized, is_long) AS (
        SELECT o.trace, o.account = c.key >> 36, EXISTS (
          SELECT 1 FROM scan.ref r
            WHERE r.key = c.key AND o.account = c.key >> 36 AND r.mailbox = o.mailbox AND r.uid = o.uid),
          EXISTS (SELECT 1 FROM scan.ref r WHERE r.key = c.key AND r.size = b.size + LENGTH(o.trace)),
          LENGTH(o.trace) = COALESCE(c.trace_size, 0)
        FROM content c JOIN blob b ON b.id = c.blob
        JOIN scan.owner o ON o.pack = b.pack AND o.offset = b.offset
        WHERE c.key = ?1 AND LENGTH(o.trace) > 0 AND (o.account = c.key >> 36 OR NOT EXISTS (
          SELECT 1 FROM scan.owner a WHERE a.pack = b.pack AND a.offset = b.offset AND a.account = c.key >> 36)))
      SELECT trace FROM found WHERE is_account AND (is_sized OR is_long) OR is_sized AND is_long
      ORDER BY is_own + is_sized + is_long DESC LIMIT 1
      """)
    find.bind(1, key)
    if let trace = try find.first({ $0.buffer(0) }) {
      let update = try db("UPDATE content SET trace = ?2 WHERE key = ?1")
      update.bind(1, key)
      update.bind(2, trace)
      try update.run()
      return true
    }
    let size = try db("SELECT COALESCE(trace_size, 0) FROM content WHERE key = ?")
    size.bind(1, key)
    return try size.first { $0.int(0) } ?? 0 <= 0
  }
}
