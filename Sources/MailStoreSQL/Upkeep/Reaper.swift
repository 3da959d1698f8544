import MailStore

/// Letting go of the bytes of expunged messages, once retention is over and no maildrop needs them.
extension Upkeep {
  private struct Purge {
    var id: Int64
    var account: Int64
    var mailbox: Int64
    var uids: ClosedRange<UID>
    var modSeq: ModSeq
  }

  func purge(_ report: inout CompactionReport) throws(StoreError) {
    // Without retention the date does not matter, and may have been set back since.
    let before = settings.expungedRetentionDays > 0 ? ages.cutoff(days: settings.expungedRetentionDays) : .max
    var last: Int64 = 0
    while !isStopping {
      let start = last
      let due = try writer.aloneBlocking { writer throws(StoreError) in
        try Self.due(after: start, before: before, writer.transaction.db)
      }
      guard let end = due.last?.id else { break }
      last = end
      for item in due {
        // A slice a transaction, so that deliveries go between them.
        while !isStopping {
          let pins = pins
          let (purged, isDone) = try writer.writeBlocking { transaction throws(StoreError) in
            // Asked inside the transaction: a maildrop opened since is seen, one opened later cannot see the rows.
            if let floor = pins.floor(item.account), item.modSeq > floor { return (0, true) }
            return try transaction.purge(item.id, item.account, item.mailbox, item.uids, item.modSeq)
          }
          report.purgedMessages += purged
          if isDone { break }
        }
      }
    }
    try purgeAccounts()
  }

  private static func due(after id: Int64, before: Int64, _ db: SQLConnection) throws(StoreError) -> [Purge] {
    let rows = try db(
      """
      SELECT id, account, mailbox, first_uid, last_uid, modseq FROM purge
      WHERE id > ? AND expunged <= ? ORDER BY id LIMIT 500
      """)
    rows.bind(1, id)
    rows.bind(2, before)
    var result: [Purge] = []
    try rows.forEach { row in
      let first = row.uid(3)
      result.append(
        Purge(
          id: row.int(0), account: row.int(1), mailbox: row.int(2), uids: first...max(first, row.uid(4)),
          modSeq: row.bits(5)))
    }
    return result
  }

  /// What is left of removed accounts when their mail is gone.
  private func purgeAccounts() throws(StoreError) {
    while !isStopping {
      let isDone = try writer.writeBlocking { transaction throws(StoreError) in try transaction.purgeAccount() }
      if isDone { return }
    }
  }

  /// Old lines of the expunge log; mailboxes remember up to where it is complete (RFC 7162 §3.2.5.1).
  func trimExpungeLog() throws(StoreError) {
    let before = ages.cutoff(days: settings.expungeLogDays)
    let db = try SQLConnection.reader(path: database)
    defer { db.close() }
    var old: [(account: Int64, mailbox: Int64, modSeq: ModSeq)] = []
    let rows = try db(
      """
      SELECT account, mailbox, MAX(modseq) FROM expunged WHERE content IS NULL AND expunged < ?
      GROUP BY account, mailbox
      """)
    rows.bind(1, before)
    try rows.forEach { old.append(($0.int(0), $0.int(1), $0.bits(2))) }
    for (account, mailbox, modSeq) in old where !isStopping {
      try writer.writeBlocking { transaction throws(StoreError) in
        try transaction.trimExpungeLog(account, mailbox, upTo: modSeq, before: before)
      }
    }
  }
}

extension Transaction {
  /// One slice. Returns how many messages were purged and whether nothing is left to do for this entry.
  fileprivate func purge(
    _ id: Int64, _ account: Int64, _ mailbox: Int64, _ uids: ClosedRange<UID>, _ modSeq: ModSeq
  ) throws(StoreError) -> (purged: Int, isDone: Bool) {
    hasWritten = true
    // An entry older than the mailbox's end stands for its own messages only: pins and retention were looked at for those.
    let box = try db("SELECT name IS NULL AND COALESCE(died, 0) <= ?3 FROM mailbox WHERE account = ?1 AND id = ?2")
    box.bind(1, account)
    box.bind(2, mailbox)
    box.bind(3, modSeq)
    let isDead = try box.first { $0.int(0) != 0 }
    if isDead == true { return try purgeDead(id, account, mailbox) }
    let rows = try db(
      """
      SELECT uid, content FROM expunged
      WHERE account = ?1 AND mailbox = ?2 AND uid BETWEEN ?3 AND ?4 AND content IS NOT NULL AND modseq <= ?5
      ORDER BY uid LIMIT ?6
      """)
    bind(rows, account, mailbox, uids)
    rows.bind(5, modSeq)
    rows.bind(6, StoreLimits.purgeSlice)
    let found = try contents(rows)
    for (_, content) in found { try release(content, of: account) }
    try thinChunks()
    if let first = found.first?.uid, let last = found.last?.uid {
      let clear = try db(
        """
        UPDATE expunged SET content = NULL
        WHERE account = ?1 AND mailbox = ?2 AND uid BETWEEN ?3 AND ?4 AND content IS NOT NULL AND modseq <= ?5
        """)
      bind(clear, account, mailbox, first...last)
      clear.bind(5, modSeq)
      try clear.run()
    }
    guard found.count < StoreLimits.purgeSlice else { return (found.count, false) }
    try finishPurge(id)
    return (found.count, true)
  }

  /// A deleted mailbox: its messages, its log, its row.
  private func purgeDead(
    _ id: Int64, _ account: Int64, _ mailbox: Int64
  ) throws(StoreError) -> (purged: Int, isDone: Bool) {
    let all: ClosedRange<UID> = 0...UID.max
    let rows = try db(
      "SELECT uid, content FROM message WHERE account = ?1 AND mailbox = ?2 AND uid BETWEEN ?3 AND ?4 ORDER BY uid LIMIT ?5"
    )
    bind(rows, account, mailbox, all)
    rows.bind(5, StoreLimits.purgeSlice)
    let live = try contents(rows)
    if let first = live.first?.uid, let last = live.last?.uid {
      for (_, content) in live { try release(content, of: account) }
      try thinChunks()
      let delete = try db("DELETE FROM message WHERE account = ?1 AND mailbox = ?2 AND uid BETWEEN ?3 AND ?4")
      bind(delete, account, mailbox, first...last)
      try delete.run()
      return (live.count, false)
    }
    let log = try db(
      "SELECT uid, content FROM expunged WHERE account = ?1 AND mailbox = ?2 AND uid BETWEEN ?3 AND ?4 ORDER BY uid LIMIT ?5"
    )
    bind(log, account, mailbox, all)
    log.bind(5, StoreLimits.purgeSlice)
    let gone = try contents(log)
    if let first = gone.first?.uid, let last = gone.last?.uid {
      var purged = 0
      for (_, content) in gone where content != 0 {
        try release(content, of: account)
        purged += 1
      }
      try thinChunks()
      let delete = try db("DELETE FROM expunged WHERE account = ?1 AND mailbox = ?2 AND uid BETWEEN ?3 AND ?4")
      bind(delete, account, mailbox, first...last)
      try delete.run()
      return (purged, false)
    }
    let marks = try db(
      """
      DELETE FROM viewer_mark WHERE account = ?1 AND mailbox = ?2 AND (viewer, uid) IN
        (SELECT viewer, uid FROM viewer_mark WHERE account = ?1 AND mailbox = ?2 ORDER BY viewer, uid LIMIT ?3)
      """)
    marks.bind(1, account)
    marks.bind(2, mailbox)
    marks.bind(3, StoreLimits.purgeSlice * 10)
    try marks.run()
    if db.changes > 0 { return (0, false) }
    for statement in [
      try db("DELETE FROM viewer WHERE account = ? AND mailbox = ?"),
      try db("DELETE FROM keyword WHERE account = ? AND mailbox = ?"),
      try db("DELETE FROM annotation WHERE account = ? AND mailbox = ?"),
      try db("DELETE FROM flag_chunk WHERE account = ? AND mailbox = ?"),
      try db("DELETE FROM mailbox WHERE account = ? AND id = ?"),
    ] {
      statement.bind(1, account)
      statement.bind(2, mailbox)
      try statement.run()
    }
    try finishPurge(id)
    return (0, true)
  }

  private func finishPurge(_ id: Int64) throws(StoreError) {
    let row = try db("DELETE FROM purge WHERE id = ?")
    row.bind(1, id)
    try row.run()
  }

  private func bind(_ statement: SQLStatement, _ account: Int64, _ mailbox: Int64, _ uids: ClosedRange<UID>) {
    statement.bind(1, account)
    statement.bind(2, mailbox)
    statement.bind(3, uids.lowerBound)
    statement.bind(4, uids.upperBound)
  }

  /// A content of NULL reads as 0, which no content has.
  private func contents(_ rows: SQLStatement) throws(StoreError) -> [(uid: UID, content: Int64)] {
    var result: [(uid: UID, content: Int64)] = []
    try rows.forEach { result.append(($0.uid(0), $0.int(1))) }
    return result
  }

  /// One message fewer refers to a content; the last one takes it along, and the last content its blob.
  private func release(_ content: Int64, of account: Int64) throws(StoreError) {
    let key = ContentKey.key(account, content)
    let extra = try db("SELECT refs FROM content_extra WHERE key = ?")
    extra.bind(1, key)
    if let refs = try extra.first({ $0.int(0) }) {
      let row =
        refs > 1
        ? try db("UPDATE content_extra SET refs = refs - 1 WHERE key = ?")
        : try db("DELETE FROM content_extra WHERE key = ?")
      row.bind(1, key)
      try row.run()
      return
    }
    let find = try db("SELECT blob, chunk FROM content WHERE key = ?")
    find.bind(1, key)
    guard let (blob, chunk) = try find.first({ ($0.int(0), $0.optionalInt(1)) }) else { return }
    if let chunk { thinnedChunks.insert(chunk) }
    let delete = try db("DELETE FROM content WHERE key = ?")
    delete.bind(1, key)
    try delete.run()
    try releaseBlob(blob)
  }

  /// What was kept of the contents just released goes as well.
  private func thinChunks() throws(StoreError) {
    let chunks = thinnedChunks
    thinnedChunks = []
    for chunk in chunks.sorted() where !unthinnable.contains(chunk) {
      do throws(StoreError) { try ContentSealing.thin(chunk, db) } catch {
        // A page that cannot be read keeps this chunk as it is, and the next round from stopping here again.
        switch error {
        case .corrupt, .database, .io(SQLFailure.read, _, _): unthinnable.insert(chunk)
        default: break
        }
        throw error
      }
    }
  }

  private func releaseBlob(_ blob: Int64) throws(StoreError) {
    let find = try db("SELECT refs, pack, frame FROM blob WHERE id = ?")
    find.bind(1, blob)
    guard let (refs, pack, frame) = try find.first({ ($0.int(0), $0.int(1), $0.int(2)) }) else { return }
    let row =
      refs > 1 ? try db("UPDATE blob SET refs = refs - 1 WHERE id = ?") : try db("DELETE FROM blob WHERE id = ?")
    row.bind(1, blob)
    try row.run()
    if refs <= 1 { countPack(pack, frames: -1, bytes: -frame) }
  }

  /// One slice of one removed account. True when there is none left.
  fileprivate func purgeAccount() throws(StoreError) -> Bool {
    let find = try db(
      """
      SELECT account FROM account_state s
      WHERE state = 1 AND NOT EXISTS (SELECT 1 FROM mailbox m WHERE m.account = s.account) LIMIT 1
      """)
    guard let account = try find.first({ $0.int(0) }) else { return true }
    hasWritten = true
    let references = try db(
      """
      DELETE FROM thread_reference WHERE account = ?1 AND hash IN
        (SELECT hash FROM thread_reference WHERE account = ?1 ORDER BY hash LIMIT ?2)
      """)
    references.bind(1, account)
    references.bind(2, StoreLimits.purgeSlice * 10)
    try references.run()
    if db.changes > 0 { return false }
    guard try purgeViewer(account) else { return false }
    for statement in [
      try db("DELETE FROM subscription WHERE account = ?"),
      try db("DELETE FROM imported_uidvalidity WHERE account = ?"),
      try db("DELETE FROM annotation WHERE account = ?"),
      try db("DELETE FROM annotation WHERE viewer = ?"),
      try db("DELETE FROM access_key WHERE account = ?"),
      try db("DELETE FROM access WHERE account = ?"),
      try db("DELETE FROM account_state WHERE account = ?"),
    ] {
      statement.bind(1, account)
      try statement.run()
    }
    return false
  }

  /// One slice of the marks that a removed account has left in mailboxes of others. True when there is none left.
  private func purgeViewer(_ viewer: Int64) throws(StoreError) -> Bool {
    let find = try db("SELECT account, mailbox FROM viewer WHERE viewer = ? LIMIT 1")
    find.bind(1, viewer)
    guard let (account, mailbox) = try find.first({ ($0.int(0), $0.int(1)) }) else { return true }
    let marks = try db(
      """
      DELETE FROM viewer_mark WHERE account = ?1 AND mailbox = ?2 AND viewer = ?3 AND uid IN
        (SELECT uid FROM viewer_mark WHERE account = ?1 AND mailbox = ?2 AND viewer = ?3 ORDER BY uid LIMIT ?4)
      """)
    let row = try db("DELETE FROM viewer WHERE account = ?1 AND mailbox = ?2 AND viewer = ?3")
    for statement in [marks, row] {
      statement.bind(1, account)
      statement.bind(2, mailbox)
      statement.bind(3, viewer)
    }
    marks.bind(4, StoreLimits.purgeSlice * 10)
    try marks.run()
    guard db.changes > 0 else {
      try row.run()
      return false
    }
    row.reset()
    let count = try db(
      """
      UPDATE viewer SET seen = (SELECT COALESCE(SUM(m.seen), 0) FROM viewer_mark m
        WHERE m.account = ?1 AND m.mailbox = ?2 AND m.viewer = ?3)
      WHERE account = ?1 AND mailbox = ?2 AND viewer = ?3
      """)
    count.bind(1, account)
    count.bind(2, mailbox)
    count.bind(3, viewer)
    try count.run()
    return false
  }

  fileprivate func trimExpungeLog(
    _ account: Int64, _ mailbox: Int64, upTo modSeq: ModSeq, before: Int64
  ) throws(StoreError) {
    hasWritten = true
    let delete = try db(
      """
      DELETE FROM expunged
      WHERE account = ? AND mailbox = ? AND content IS NULL AND modseq <= ? AND expunged < ?
      """)
    delete.bind(1, account)
    delete.bind(2, mailbox)
    delete.bind(3, modSeq)
    delete.bind(4, before)
    try delete.run()
    let floor = try db(
      "UPDATE mailbox SET expunge_floor = MAX(expunge_floor, ?3) WHERE account = ?1 AND id = ?2")
    floor.bind(1, account)
    floor.bind(2, mailbox)
    floor.bind(3, modSeq)
    try floor.run()
  }
}
