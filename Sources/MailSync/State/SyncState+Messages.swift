import GRDB
import IMAPCore
import LocalMail

/// What one transaction does to the messages of a mailbox.
struct MessageChanges: Sendable {
  /// Whole rows: inserted when `id` is 0.
  var saved: [KnownMessage] = []
  /// Ids.
  var removed: [Int64] = []
  /// Bases whose APPEND is settled.
  var settledAppends: [String] = []
  var isEmpty: Bool { saved.isEmpty && removed.isEmpty && settledAppends.isEmpty }
}

extension SyncState {
  func messages(of mailbox: Int64) async throws -> [KnownMessage] {
    try await read { db in
      let rows = try Row.fetchCursor(
        db, sql: "SELECT * FROM message WHERE mailbox = ? ORDER BY uid", arguments: [mailbox])
      var messages: [KnownMessage] = []
      while let row = try rows.next() { messages.append(KnownMessage(row)) }
      return messages
    }
  }

  /// The view of the server and everything that follows from it, at once. Returns the ids of `changes.saved`, in order.
  @discardableResult
  func saveView(_ mailbox: KnownMailbox, _ changes: MessageChanges, renumbering: Bool) async throws -> [Int64] {
    try await write("save view") { db in
      if renumbering {
        // Every UID gets a new meaning: no new one may meet an old one.
        try db.execute(sql: "UPDATE message SET uid = -uid - 1 WHERE mailbox = ?", arguments: [mailbox.id])
        try db.execute(sql: "DELETE FROM partial WHERE mailbox = ?", arguments: [mailbox.id])
      }
      let ids = try Self.apply(changes, to: mailbox.id, db)
      try db.execute(
        sql: """
          UPDATE mailbox SET uid_validity = ?, uid_next = ?, mod_seq = ?, permanent = ?, accepts_new_keywords = ?,
            permanent_keywords = ?, is_read_only = ? WHERE id = ?
          """,
        arguments: [
          mailbox.uidValidity.map { Int64($0) }, mailbox.uidNext.map { Int64($0) },
          mailbox.highestModSeq.map { Int64(bitPattern: $0) }, mailbox.permanent.rawValue, mailbox.acceptsNewKeywords,
          KeywordText.text(mailbox.permanentKeywords), mailbox.isReadOnly, mailbox.id,
        ])
      return ids
    }
  }

  /// Returns the ids of `changes.saved`, in order.
  @discardableResult
  func save(_ changes: MessageChanges, in mailbox: Int64, _ what: String) async throws -> [Int64] {
    if changes.isEmpty { return [] }
    return try await write(what) { try Self.apply(changes, to: mailbox, $0) }
  }

  /// A message that went from one mailbox to another on the server: one row less there, one more here. Returns the new ids.
  func saveMove(
    removing ids: [Int64], adding messages: [KnownMessage], settling bases: [String], to mailbox: Int64
  ) async throws -> [Int64] {
    try await write("save move") { db in
      try Self.remove(ids, db)
      return try Self.apply(MessageChanges(saved: messages, settledAppends: bases), to: mailbox, db)
    }
  }

  private static func remove(_ ids: [Int64], _ db: Database) throws {
    let statement = try db.cachedStatement(sql: "DELETE FROM message WHERE id = ?")
    for id in ids { try statement.execute(arguments: [id]) }
  }

  private static func apply(_ changes: MessageChanges, to mailbox: Int64, _ db: Database) throws -> [Int64] {
    try remove(changes.removed, db)
    let insert = try db.cachedStatement(
      sql: """
        INSERT INTO message (mailbox, uid, base, is_landed, is_gone, remote_flags, remote_keywords, agreed_flags,
          agreed_keywords, withheld, mod_seq, size, seconds, zone, message_id, email_id, fingerprint)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
        """)
    let update = try db.cachedStatement(
      sql: """
        UPDATE message SET mailbox = ?, uid = ?, base = ?, is_landed = ?, is_gone = ?, remote_flags = ?,
          remote_keywords = ?, agreed_flags = ?, agreed_keywords = ?, withheld = ?, mod_seq = ?, size = ?, seconds = ?,
          zone = ?, message_id = ?, email_id = ?, fingerprint = ?
        WHERE id = ?
        """)
    var ids: [Int64] = []
    ids.reserveCapacity(changes.saved.count)
    for message in changes.saved {
      let values = message.columns(mailbox: mailbox)
      if message.id == 0 {
        try insert.execute(arguments: StatementArguments(values))
        ids.append(db.lastInsertedRowID)
      } else {
        try update.execute(arguments: StatementArguments(values + [message.id]))
        ids.append(message.id)
      }
    }
    for base in changes.settledAppends {
      try db.execute(sql: "DELETE FROM append_intent WHERE mailbox = ? AND base = ?", arguments: [mailbox, base])
    }
    return ids
  }
}

extension KnownMessage {
  init(_ row: Row) {
    self.init(
      uid: UInt32(truncatingIfNeeded: row["uid"] as Int64),
      remote: SyncFlags(
        FlagSet(rawValue: UInt8(truncatingIfNeeded: row["remote_flags"] as Int64)),
        keywords: KeywordText.set(row["remote_keywords"])),
      size: row["size"])
    id = row["id"]
    base = row["base"]
    isLanded = row["is_landed"]
    isGone = row["is_gone"]
    if let flags = row["agreed_flags"] as Int64? {
      agreed = SyncFlags(
        FlagSet(rawValue: UInt8(truncatingIfNeeded: flags)), keywords: KeywordText.set(row["agreed_keywords"] ?? ""))
    }
    withheld = KeywordText.set(row["withheld"])
    modSeq = UInt64(bitPattern: row["mod_seq"] as Int64)
    if let seconds = row["seconds"] as Int64? {
      date = IMAPDateTime(seconds: seconds, zoneMinutes: Int16(truncatingIfNeeded: (row["zone"] as Int64?) ?? 0))
    }
    messageID = row["message_id"]
    emailID = row["email_id"]
    fingerprint = Blob.fingerprint(row)
  }

  fileprivate func columns(mailbox: Int64) -> [(any DatabaseValueConvertible)?] {
    [
      mailbox, Int64(uid), base, isLanded, isGone, Int64(remote.system.rawValue), KeywordText.text(remote.keywords),
      agreed.map { Int64($0.system.rawValue) }, agreed.map { KeywordText.text($0.keywords) },
      KeywordText.text(withheld),
      Int64(bitPattern: modSeq), size, date?.seconds, date.map { Int64($0.zoneMinutes) }, messageID, emailID,
      fingerprint.map { Blob.value($0.bytes) },
    ]
  }
}
