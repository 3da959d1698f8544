import GRDB

/// The directory: account names, their permanent numbers, and where their mail lies. Renaming an account touches only
/// this file.
enum DirectorySchema {
  static var migrator: DatabaseMigrator {
    var migrator = DatabaseMigrator()
    migrator.registerMigration("1 accounts") { db in
      // AUTOINCREMENT: the number of a removed account is never given out again.
      // `expire`: -1 never, 0 on retrieve, else days.
      try db.execute(
        sql: """
          CREATE TABLE account (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            name TEXT NOT NULL UNIQUE,
            volume INTEGER NOT NULL DEFAULT 1,
            enabled INTEGER NOT NULL DEFAULT 1,
            credentials TEXT NOT NULL,
            generation INTEGER NOT NULL DEFAULT 1,
            quota_bytes INTEGER,
            quota_messages INTEGER,
            expire INTEGER NOT NULL DEFAULT -1,
            created INTEGER NOT NULL
          ) STRICT
          """)
    }
    migrator.registerMigration("12 quota resources") { db in
      // Of RFC 9208 §5.3 and §5.4.
      try db.execute(sql: "ALTER TABLE account ADD COLUMN quota_mailboxes INTEGER")
      try db.execute(sql: "ALTER TABLE account ADD COLUMN quota_annotations INTEGER")
    }
    return migrator
  }
}
