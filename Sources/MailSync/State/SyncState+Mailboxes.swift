import GRDB
import IMAPCore

extension SyncState {
  func mailboxes() async throws -> [KnownMailbox] {
    try await read { db in
      try Row.fetchAll(db, sql: "SELECT * FROM mailbox ORDER BY remote").map(KnownMailbox.init)
    }
  }

  /// The mailbox with its id.
  func add(_ mailbox: KnownMailbox) async throws -> KnownMailbox {
    try await write("add mailbox") { db in
      try db.execute(
        sql: """
          INSERT INTO mailbox (remote, local, permanent, accepts_new_keywords, permanent_keywords) VALUES (?, ?, ?, 1, '')
          """,
        arguments: [mailbox.remote, Paths.text(mailbox.local), FlagSet.storable.rawValue])
      var mailbox = mailbox
      mailbox.id = db.lastInsertedRowID
      return mailbox
    }
  }

  /// New names, for several mailboxes at once: a folder takes its children along.
  func rename(_ mailboxes: [KnownMailbox]) async throws {
    try await write("rename mailboxes") { db in
      // Names are unique at every moment, and these may be exchanged: so out of the way first.
      for mailbox in mailboxes {
        try db.execute(
          sql: "UPDATE mailbox SET remote = id || char(0), local = id || char(0) WHERE id = ?", arguments: [mailbox.id])
      }
      for mailbox in mailboxes {
        try db.execute(
          sql: "UPDATE mailbox SET remote = ?, local = ? WHERE id = ?",
          arguments: [mailbox.remote, Paths.text(mailbox.local), mailbox.id])
      }
    }
  }

  func setSubscribed(_ subscribed: [(Int64, Bool)]) async throws {
    try await write("subscriptions") { db in
      for (id, isSubscribed) in subscribed {
        try db.execute(sql: "UPDATE mailbox SET is_subscribed = ? WHERE id = ?", arguments: [isSubscribed, id])
      }
    }
  }

  /// With all that is known of its messages.
  func forget(mailbox id: Int64) async throws {
    try await write("forget mailbox") { try $0.execute(sql: "DELETE FROM mailbox WHERE id = ?", arguments: [id]) }
  }
}

/// Folder paths as text of the state.
enum Paths {
  static let separator: Character = "\u{1F}"
  static func text(_ path: [String]) -> String { path.joined(separator: String(separator)) }
  static func path(_ text: String) -> [String] { text.split(separator: separator).map(String.init) }
}

extension KnownMailbox {
  init(_ row: Row) {
    self.init(remote: row["remote"], local: Paths.path(row["local"]))
    id = row["id"]
    uidValidity = (row["uid_validity"] as Int64?).map { UInt32(truncatingIfNeeded: $0) }
    uidNext = (row["uid_next"] as Int64?).map { UInt32(truncatingIfNeeded: $0) }
    highestModSeq = (row["mod_seq"] as Int64?).map { UInt64(bitPattern: $0) }
    permanent = FlagSet(rawValue: UInt8(truncatingIfNeeded: row["permanent"] as Int64))
    acceptsNewKeywords = row["accepts_new_keywords"]
    permanentKeywords = KeywordText.set(row["permanent_keywords"])
    isReadOnly = row["is_read_only"]
    isSubscribed = row["is_subscribed"]
  }
}

/// Keywords are atoms, so a space parts them.
enum KeywordText {
  static func text(_ keywords: Set<KeywordName>) -> String {
    keywords.isEmpty ? "" : keywords.sorted().map(\.text).joined(separator: " ")
  }
  static func set(_ text: String) -> Set<KeywordName> {
    text.isEmpty ? [] : Set(text.split(separator: " ").map { KeywordName(String($0)) })
  }
}
