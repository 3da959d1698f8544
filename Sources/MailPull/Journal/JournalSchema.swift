/// Tables of the journal, by version (`user_version`).
enum JournalSchema {
  static let version: Int64 = 2

  static func prepare(_ database: JournalDatabase, account: String, target: String) throws {
    let found = try database.pragma("user_version")
    guard found <= version else {
      throw PullError(
        .journal(path: database.path, "it was written by a newer version of this program"), account: account)
    }
    if found == 0 {
      try database.transaction {
        for statement in first + second { try database.execute(statement) }
        try note(database, "account", account)
        try note(database, "target", target)
        try database.execute("PRAGMA user_version = \(version)")
      }
    } else if found < version {
      try database.transaction {
        for statement in second { try database.execute(statement) }
        try database.execute("PRAGMA user_version = \(version)")
      }
    }
  }

  /// For people who wonder whose file this is.
  private static func note(_ database: JournalDatabase, _ key: String, _ value: String) throws {
    let statement = try database("INSERT INTO about (key, value) VALUES (?1, ?2)")
    statement.bind(1, key)
    statement.bind(2, value)
    try statement.run()
  }

  private static let first = [
    "CREATE TABLE about (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT",
    "CREATE TABLE witness (uidl TEXT NOT NULL, octets INTEGER NOT NULL) STRICT",
    """
    CREATE TABLE message (
      id INTEGER PRIMARY KEY AUTOINCREMENT,
      uidl TEXT,
      octets INTEGER NOT NULL,
      state INTEGER NOT NULL,
      landed_at INTEGER,
      by_top INTEGER NOT NULL DEFAULT 0,
      fingerprint BLOB NOT NULL,
      top_hash BLOB,
      message_id TEXT,
      receipt TEXT NOT NULL,
      first_seen INTEGER NOT NULL,
      asked_at INTEGER,
      gone_at INTEGER
    ) STRICT
    """,
    // Everything an empty run reads, without a look at the rows themselves; `gone` rows, perhaps many, are not in it.
    "CREATE INDEX live ON message (id, uidl, octets, state, landed_at, by_top) WHERE state < 4",
    "CREATE INDEX unsettled ON message (id) WHERE state < 2",
    "CREATE INDEX gone_uidl ON message (uidl) WHERE state = 4",
    "CREATE INDEX gone_at ON message (gone_at) WHERE state = 4",
  ]

  /// `JournalEntry.Unread`.
  private static let second = ["ALTER TABLE message ADD COLUMN unread INTEGER"]
}
