import GRDB
import IMAPCore
import LocalMail

/// A message on its way into APPEND or MOVE: by this it is recognised when the answer was lost.
struct AppendIntent: Sendable {
  var base: String
  var fingerprint: Fingerprint
  /// Octets with CRLF.
  var size: Int64
  var messageID: String?
  var flags: SyncFlags
  /// UIDNEXT before: the message cannot have a lower UID.
  var firstUID: UInt32
}

/// A big message of which some octets are here.
struct PartialMessage: Sendable, Hashable {
  var mailbox: Int64
  var uidValidity: UInt32
  var uid: UInt32
  /// RFC822.SIZE.
  var size: Int64
  /// Octets that are durable in the file.
  var durable: Int64
}

extension SyncState {
  func intend(_ appends: [AppendIntent], in mailbox: Int64) async throws {
    try await write("intend append") { db in
      for intent in appends {
        try db.execute(
          sql: "INSERT OR REPLACE INTO append_intent VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
          arguments: [
            mailbox, intent.base, Blob.value(intent.fingerprint.bytes), intent.size, intent.messageID,
            Int64(intent.flags.system.rawValue), KeywordText.text(intent.flags.keywords), Int64(intent.firstUID),
          ])
      }
    }
  }

  func appendIntents(in mailbox: Int64) async throws -> [AppendIntent] {
    try await read { db in
      try Row.fetchAll(db, sql: "SELECT * FROM append_intent WHERE mailbox = ? ORDER BY base", arguments: [mailbox]).map
      {
        row in
        AppendIntent(
          base: row["base"], fingerprint: Fingerprint(bytes: Blob.bytes(row, "fingerprint")), size: row["size"],
          messageID: row["message_id"],
          flags: SyncFlags(
            FlagSet(rawValue: UInt8(truncatingIfNeeded: row["flags"] as Int64)),
            keywords: KeywordText.set(row["keywords"])),
          firstUID: UInt32(truncatingIfNeeded: row["first_uid"] as Int64))
      }
    }
  }

  func partial(mailbox: Int64, uidValidity: UInt32, uid: UInt32) async throws -> PartialMessage? {
    try await read { db in
      try Row.fetchOne(
        db, sql: "SELECT size, durable FROM partial WHERE mailbox = ? AND uid_validity = ? AND uid = ?",
        arguments: [mailbox, Int64(uidValidity), Int64(uid)]
      ).map {
        PartialMessage(
          mailbox: mailbox, uidValidity: uidValidity, uid: uid, size: $0["size"], durable: $0["durable"])
      }
    }
  }

  func save(_ partial: PartialMessage) async throws {
    try await write("save partial") {
      try $0.execute(
        sql: "INSERT OR REPLACE INTO partial VALUES (?, ?, ?, ?, ?)",
        arguments: [partial.mailbox, Int64(partial.uidValidity), Int64(partial.uid), partial.size, partial.durable])
    }
  }

  func forget(_ partial: PartialMessage) async throws {
    try await write("forget partial") {
      try $0.execute(
        sql: "DELETE FROM partial WHERE mailbox = ? AND uid_validity = ? AND uid = ?",
        arguments: [partial.mailbox, Int64(partial.uidValidity), Int64(partial.uid)])
    }
  }

  /// Names of partial files that some message still waits for.
  func partials() async throws -> [PartialMessage] {
    try await read { db in
      // One that was to land may not have (a full disk). A message that vanished or landed meanwhile needs its beginning no more.
      try Row.fetchAll(
        db,
        sql: """
          SELECT partial.* FROM partial JOIN message USING (mailbox, uid) JOIN mailbox ON mailbox.id = partial.mailbox
          WHERE (message.base IS NULL OR NOT message.is_landed) AND NOT message.is_gone AND mailbox.uid_validity = partial.uid_validity
          """
      ).map {
        PartialMessage(
          mailbox: $0["mailbox"], uidValidity: UInt32(truncatingIfNeeded: $0["uid_validity"] as Int64),
          uid: UInt32(truncatingIfNeeded: $0["uid"] as Int64), size: $0["size"], durable: $0["durable"])
      }
    }
  }
}
