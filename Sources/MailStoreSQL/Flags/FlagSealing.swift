import Logging
import MailStore

/// Whole volumes: chunks for what an older version has left in rows, and everything back into rows for work that looks at
/// rows alone (repair, restore).
enum FlagSealing {
  /// When a store is opened for the first time by a version that knows chunks, or after a repair or a restore: a mailbox
  /// with many messages above its seal gets chunks. Some messages a transaction, so that it may end anywhere and goes on
  /// at the next opening; whatever is not sealed stays right in its row.
  static func sealAll(_ db: SQLConnection, sizes: FlagChunkSizes, logger: Logger) throws(StoreError) {
    let isDone = try db("SELECT value FROM volume_state WHERE name = 'flags_sealed'").first { $0.int(0) == 1 } ?? false
    if isDone { return }
    do throws(StoreError) {
      var mailboxes: [MailboxRef] = []
      let rows = try db("SELECT account, id FROM mailbox WHERE name IS NOT NULL AND messages >= ?")
      rows.bind(1, sizes.loose)
      try rows.forEach { row in
        mailboxes.append(MailboxRef(account: AccountID(row.int(0)), mailbox: MailboxID(row.int(1))))
      }
      if !mailboxes.isEmpty {
        logger.notice("flags of large mailboxes are brought together", metadata: ["mailboxes": "\(mailboxes.count)"])
      }
      for ref in mailboxes { while try sealPart(ref, db, sizes) {} }
      try db("INSERT OR REPLACE INTO volume_state (name, value) VALUES ('flags_sealed', 1)").run()
    } catch {
      if db.isInTransaction { try? db("ROLLBACK").run() }
      // A full disk keeps nobody from reading, and a damaged page is for `check`.
      guard !error.isFailedSync else { throw error }
      logger.warning("flags of large mailboxes could not be brought together: \(error)")
    }
  }

  /// One transaction. False when the mailbox has no more for a whole chunk.
  private static func sealPart(
    _ ref: MailboxRef, _ db: SQLConnection, _ sizes: FlagChunkSizes
  ) throws(StoreError) -> Bool {
    let seal = try FlagTable.seal(ref, db)
    var entries: [MessageEntry] = []
    try FlagTable.rows(above: seal, in: ref, db, limit: StoreLimits.rowsPerSlice) { entries.append($0) }
    guard entries.count >= sizes.capacity else { return false }
    try db("BEGIN IMMEDIATE").run()
    var rest = entries[...]
    while rest.count >= sizes.capacity {
      _ = try FlagTable.insert(Array(rest.prefix(sizes.capacity)), in: ref, db)
      rest = rest.dropFirst(sizes.capacity)
    }
    try db("COMMIT").run()
    return entries.count >= StoreLimits.rowsPerSlice
  }

  /// Where chunks were damaged or gone.
  struct Loss: Hashable {
    var ref: MailboxRef
    /// UIDs whose flags are as they were when the message was sealed.
    var uids: ClosedRange<UID>
  }

  /// Rows have everything afterwards, and there are no chunks. Within the caller's transaction.
  static func unseal(_ db: SQLConnection) throws(StoreError) -> [Loss] {
    var losses: [Loss] = []
    var before: (ref: MailboxRef, last: UID)?
    let update = try db(
      "UPDATE message SET flags = ?4, keywords = ?5, modseq = ?6 WHERE account = ?1 AND mailbox = ?2 AND uid = ?3")
    let count = try db("SELECT COUNT(*) FROM message WHERE account = ? AND mailbox = ? AND uid BETWEEN ? AND ?")
    let chunks = try db("SELECT account, mailbox, last, data FROM flag_chunk ORDER BY account, mailbox, last")
    try chunks.forEach { row throws(StoreError) in
      let ref = MailboxRef(account: AccountID(row.int(0)), mailbox: MailboxID(row.int(1)))
      // Numbers that cannot be are damage like any other.
      let last = UID(clamping: row.int(2))
      let first = before.map { $0.ref == ref ? min($0.last, UID.max - 1) + 1 : 1 } ?? 1
      before = (ref, last)
      guard let entries = FlagChunk.decoded(row.blob(3), at: FlagChunk.Place(ref, last: last)) else {
        losses.append(Loss(ref: ref, uids: min(first, last)...last))
        return
      }
      update.bind(1, ref.account.rawValue)
      update.bind(2, ref.mailbox.rawValue)
      var updated = 0
      for entry in entries {
        update.bind(3, entry.uid)
        update.bind(4, Int64(entry.flags.rawValue))
        update.bind(5, entry.keywords)
        update.bind(6, entry.modSeq)
        try update.run()
        updated += db.changes
      }
      count.bind(1, ref.account.rawValue)
      count.bind(2, ref.mailbox.rawValue)
      count.bind(3, first)
      count.bind(4, last)
      // The next chunk answers for the messages of one that is gone.
      if try count.first({ Int($0.int(0)) }) ?? 0 > updated {
        losses.append(Loss(ref: ref, uids: min(first, last)...last))
      }
    }
    try db("DELETE FROM flag_chunk").run()
    try db("DELETE FROM volume_state WHERE name = 'flags_sealed'").run()
    return losses
  }
}
