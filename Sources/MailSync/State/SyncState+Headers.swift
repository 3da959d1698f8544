import GRDB
import IMAPCore
import NIOCore

struct StoredHeader: Sendable {
  /// Row of the message.
  var message: Int64
  var bytes: ByteBuffer
  var structure: [UInt8]?
  var messageID: String?
}

/// A kept part of a message.
struct StoredPart: Sendable, Hashable {
  var id: Int64
  var octets: Int64
  var isComplete: Bool
}

extension SyncState {
  /// Rows by UID.
  func uidsWithoutHeader(_ mailbox: Int64) async throws -> [UInt32: Int64] {
    try await read { db in
      let rows = try Row.fetchCursor(
        db,
        sql: """
          SELECT message.id, message.uid FROM message LEFT JOIN header ON header.message = message.id
          WHERE message.mailbox = ? AND header.message IS NULL AND NOT message.is_gone
          """,
        arguments: [mailbox])
      var result: [UInt32: Int64] = [:]
      while let row = try rows.next() { result[UInt32(truncatingIfNeeded: row["uid"] as Int64)] = row["id"] }
      return result
    }
  }

  func save(_ headers: [StoredHeader]) async throws {
    try await write("headers") { db in
      for header in headers {
        try db.execute(
          sql: "INSERT OR REPLACE INTO header VALUES (?, ?, ?)",
          arguments: [header.message, Blob.value(header.bytes), header.structure.map { Blob.value($0) }])
        try db.execute(
          sql: "UPDATE message SET message_id = COALESCE(message_id, ?) WHERE id = ?",
          arguments: [header.messageID, header.message])
      }
    }
  }

  /// Messages of a mailbox with their headers, by UID; or the highest ones first.
  func replica(
    of mailbox: Int64, uids: ClosedRange<UInt32>, limit: Int, newestFirst: Bool = false
  ) async throws -> [ReplicaMessage] {
    try await read { db in
      try Row.fetchAll(
        db,
        sql: """
          SELECT message.*, header.bytes AS header_bytes, header.structure AS header_structure
          FROM message JOIN header ON header.message = message.id
          WHERE message.mailbox = ? AND NOT message.is_gone AND message.uid BETWEEN ? AND ?
          ORDER BY message.uid \(newestFirst ? "DESC" : "ASC") LIMIT ?
          """,
        arguments: [mailbox, Int64(uids.lowerBound), Int64(uids.upperBound), limit]
      ).map(ReplicaMessage.init)
    }
  }

  /// What there is, a row a mailbox.
  func replicaMailboxes() async throws -> [ReplicaMailbox] {
    try await read { db in
      try Row.fetchAll(
        db,
        sql: """
          SELECT mailbox.*, COUNT(message.id) AS messages, COUNT(header.message) AS headers,
            COUNT(message.base) AS files,
            COALESCE(SUM(message.size), 0) AS octets,
            COALESCE(SUM(message.id IS NOT NULL AND message.remote_flags & ? = 0), 0) AS unseen
          FROM mailbox LEFT JOIN message ON message.mailbox = mailbox.id AND NOT message.is_gone
            LEFT JOIN header ON header.message = message.id
          GROUP BY mailbox.id ORDER BY mailbox.remote
          """,
        arguments: [Int64(FlagSet.seen.rawValue)]
      ).map(ReplicaMailbox.init)
    }
  }

  func setReplicated(_ mailboxes: [Int64], at seconds: Int64) async throws {
    if mailboxes.isEmpty { return }
    try await write("replicated") { db in
      for id in mailboxes {
        try db.execute(sql: "UPDATE mailbox SET replicated_at = ? WHERE id = ?", arguments: [seconds, id])
      }
    }
  }

  // MARK: Parts. Runs go on meanwhile, so a row is only what it was while its message has its mailbox and its UID.

  func part(of message: PartOwner, section: String) async throws -> StoredPart? {
    try await read { try Self.part(of: message, section: section, $0) }
  }

  private static func part(of message: PartOwner, section: String, _ db: Database) throws -> StoredPart? {
    guard try message.isThere(db) else { throw message.changed }
    return try Row.fetchOne(
      db, sql: "SELECT id, octets, is_complete FROM part WHERE message = ? AND section = ?",
      arguments: [message.row, section]
    ).map { StoredPart(id: $0["id"], octets: $0["octets"], isComplete: $0["is_complete"]) }
  }

  /// Adds a piece to a part that is being fetched; the first one makes it. Another reader may be at the same part: a piece
  /// that does not begin where the part ends is not added. Returns the part as it is then.
  func append(
    _ bytes: ByteBuffer, at offset: Int64, to section: String, of message: PartOwner, isLast: Bool
  ) async throws -> StoredPart {
    try await write("part") { db in
      if try Self.part(of: message, section: section, db) == nil {
        try db.execute(
          sql: "INSERT INTO part (message, section, octets, is_complete) VALUES (?, ?, 0, 0)",
          arguments: [message.row, section])
      }
      guard var part = try Self.part(of: message, section: section, db) else { throw message.changed }
      guard !part.isComplete, part.octets == offset else { return part }
      if bytes.readableBytes > 0 {
        try db.execute(
          sql: """
            INSERT INTO part_piece VALUES (?1, (SELECT COALESCE(MAX(number) + 1, 0) FROM part_piece WHERE part = ?1), ?2)
            """,
          arguments: [part.id, Blob.value(bytes)])
      }
      part.octets += Int64(bytes.readableBytes)
      part.isComplete = isLast
      try db.execute(
        sql: "UPDATE part SET octets = ?, is_complete = ? WHERE id = ?",
        arguments: [part.octets, part.isComplete, part.id])
      return part
    }
  }

  /// Nil behind the last one.
  func piece(_ number: Int, of part: StoredPart, section: String, message: PartOwner) async throws -> ByteBuffer? {
    try await read { db in
      guard try Self.part(of: message, section: section, db) == part else { throw message.changed }
      return try Row.fetchOne(
        db, sql: "SELECT bytes FROM part_piece WHERE part = ? AND number = ?", arguments: [part.id, number]
      ).map { Blob.buffer($0, "bytes") }
    }
  }
}

/// A message that has parts. Rows are given out again when they are free, so a row alone names nothing for long.
struct PartOwner: Sendable, Hashable {
  var row: Int64
  var uid: UInt32
  /// As the server spells it.
  var mailbox: String
  var uidValidity: UInt32?

  var changed: ReplicaError { .changedMeanwhile(mailbox: mailbox, uid: uid) }

  fileprivate func isThere(_ db: Database) throws -> Bool {
    try Bool.fetchOne(
      db,
      sql: """
        SELECT EXISTS (SELECT 1 FROM message JOIN mailbox ON mailbox.id = message.mailbox
          WHERE message.id = ? AND message.uid = ? AND mailbox.remote = ? AND mailbox.uid_validity IS ?)
        """,
      arguments: [row, Int64(uid), mailbox, uidValidity.map { Int64($0) }]) ?? false
  }
}

extension ReplicaMailbox {
  fileprivate init(_ row: Row) {
    let known = KnownMailbox(row)
    self.init(
      id: known.id, name: known.remote, uidValidity: known.uidValidity, uidNext: known.uidNext,
      messages: row["messages"], headers: row["headers"], files: row["files"], unseen: row["unseen"],
      octets: row["octets"],
      replicatedAt: row["replicated_at"])
  }
}

extension ReplicaMessage {
  init(_ row: Row) {
    let message = KnownMessage(row)
    self.init(
      row: message.id, uid: message.uid, flags: message.remote, size: message.size, date: message.date,
      header: Blob.buffer(row, "header_bytes"),
      structure: StructureCoding.decode(Blob.bytes(row, "header_structure")))
  }
}
