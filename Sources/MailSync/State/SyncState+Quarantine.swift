import GRDB
import IMAPCore
public import LocalMail

/// A message that was deleted and is kept for some days.
public struct QuarantinedMessage: Sendable, Hashable, Identifiable {
  public var id: Int64 = 0
  /// Levels of the local folder it was in.
  public var folder: [String]
  /// `2026-11-25`: its folder in the quarantine.
  public var day: String
  public var base: String
  /// Base name in the folder it was deleted from.
  public var origin: String
  public var flags: SyncFlags
  public var size: Int64
  public var fingerprint: Fingerprint?
  /// Where it was on the server.
  public var uidValidity: UInt32?
  public var uid: UInt32?
  /// Seconds since 1970.
  public var at: Int64
}

extension SyncState {
  /// Journalled before the file goes there; saying it again is no harm.
  /// - replacing: said before under bases that the files did not get.
  func record(_ messages: [QuarantinedMessage], replacing: [QuarantinedMessage] = []) async throws {
    if messages.isEmpty { return }
    try await write("record quarantine") { db in
      for message in replacing {
        try db.execute(
          sql: "DELETE FROM quarantine WHERE day = ? AND base = ? AND folder = ?",
          arguments: [message.day, message.base, Paths.text(message.folder)])
      }
      for message in messages {
        try db.execute(
          sql: """
            INSERT OR REPLACE INTO quarantine (folder, day, base, origin, flags, keywords, size, fingerprint, uid_validity,
              uid, at)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
            """,
          arguments: [
            Paths.text(message.folder), message.day, message.base, message.origin, Int64(message.flags.system.rawValue),
            KeywordText.text(message.flags.keywords), message.size, message.fingerprint.map { Blob.value($0.bytes) },
            message.uidValidity.map { Int64($0) }, message.uid.map { Int64($0) }, message.at,
          ])
      }
    }
  }

  /// Newest first.
  /// - since: seconds since 1970.
  func quarantined(since: Int64 = 0) async throws -> [QuarantinedMessage] {
    try await read { db in
      try Row.fetchAll(db, sql: "SELECT * FROM quarantine WHERE at >= ? ORDER BY at DESC, id DESC", arguments: [since])
        .map(QuarantinedMessage.init)
    }
  }

  /// UIDs of a folder that are in the quarantine already.
  func quarantinedUIDs(folder: [String], uidValidity: UInt32) async throws -> [UInt32: QuarantinedMessage] {
    try await read { db in
      let rows = try Row.fetchAll(
        db, sql: "SELECT * FROM quarantine WHERE folder = ? AND uid_validity = ? AND uid IS NOT NULL",
        arguments: [Paths.text(folder), Int64(uidValidity)])
      var result: [UInt32: QuarantinedMessage] = [:]
      for row in rows.map(QuarantinedMessage.init) {
        if let uid = row.uid { result[uid] = row }
      }
      return result
    }
  }

  func forgetQuarantined(_ ids: [Int64]) async throws {
    if ids.isEmpty { return }
    try await write("forget quarantine") { db in
      for id in ids { try db.execute(sql: "DELETE FROM quarantine WHERE id = ?", arguments: [id]) }
    }
  }
}

extension QuarantinedMessage {
  init(_ row: Row) {
    self.init(
      id: row["id"], folder: Paths.path(row["folder"]), day: row["day"], base: row["base"], origin: row["origin"],
      flags: SyncFlags(
        FlagSet(rawValue: UInt8(truncatingIfNeeded: row["flags"] as Int64)), keywords: KeywordText.set(row["keywords"])),
      size: row["size"], fingerprint: Blob.fingerprint(row),
      uidValidity: (row["uid_validity"] as Int64?).map { UInt32(truncatingIfNeeded: $0) },
      uid: (row["uid"] as Int64?).map { UInt32(truncatingIfNeeded: $0) }, at: row["at"])
  }
}
