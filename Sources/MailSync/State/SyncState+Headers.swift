import GRDB
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

  /// Messages of a mailbox with their headers, by UID.
  func replica(of mailbox: Int64, uids: ClosedRange<UInt32>, limit: Int) async throws -> [ReplicaMessage] {
    try await read { db in
      try Row.fetchAll(
        db,
        sql: """
          SELECT message.*, header.bytes AS header_bytes, header.structure AS header_structure
          FROM message JOIN header ON header.message = message.id
          WHERE message.mailbox = ? AND NOT message.is_gone AND message.uid BETWEEN ? AND ?
          ORDER BY message.uid LIMIT ?
          """,
        arguments: [mailbox, Int64(uids.lowerBound), Int64(uids.upperBound), limit]
      ).map(ReplicaMessage.init)
    }
  }

  func part(of message: Int64, section: String) async throws -> StoredPart? {
    try await read { db in
      try Row.fetchOne(
        db, sql: "SELECT id, octets, is_complete FROM part WHERE message = ? AND section = ?",
        arguments: [message, section]
      ).map { StoredPart(id: $0["id"], octets: $0["octets"], isComplete: $0["is_complete"]) }
    }
  }

  /// Adds a piece to a part that is being fetched; the first one makes it.
  func append(_ bytes: ByteBuffer, to section: String, of message: Int64, isLast: Bool) async throws {
    try await write("part") { db in
      try db.execute(
        sql: """
          INSERT INTO part (message, section, octets, is_complete) VALUES (?, ?, 0, 0) ON CONFLICT DO NOTHING
          """,
        arguments: [message, section])
      guard
        let row = try Row.fetchOne(
          db, sql: "SELECT id, octets FROM part WHERE message = ? AND section = ?", arguments: [message, section])
      else { return }
      let (id, octets) = (row["id"] as Int64, row["octets"] as Int64)
      if bytes.readableBytes > 0 {
        try db.execute(
          sql: """
            INSERT INTO part_piece VALUES (?1, (SELECT COALESCE(MAX(number) + 1, 0) FROM part_piece WHERE part = ?1), ?2)
            """,
          arguments: [id, Blob.value(bytes)])
      }
      try db.execute(
        sql: "UPDATE part SET octets = ?, is_complete = ? WHERE id = ?",
        arguments: [octets + Int64(bytes.readableBytes), isLast, id])
    }
  }

  /// Nil behind the last one.
  func piece(_ number: Int, of part: Int64) async throws -> ByteBuffer? {
    try await read { db in
      try Row.fetchOne(
        db, sql: "SELECT bytes FROM part_piece WHERE part = ? AND number = ?", arguments: [part, number]
      ).map { Blob.buffer($0, "bytes") }
    }
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
