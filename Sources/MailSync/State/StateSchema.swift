import GRDB

/// Tables of the state. The file belongs to this room alone; a step is added for each change and none is edited later.
enum StateSchema {
  static var migrator: DatabaseMigrator {
    var migrator = DatabaseMigrator()
    migrator.registerMigration("1") { db in
      try db.execute(sql: first)
    }
    migrator.registerMigration("2") { db in
      try db.execute(sql: second)
    }
    migrator.registerMigration("3") { db in
      try db.execute(sql: third)
    }
    return migrator
  }

  /// When the header replica of a mailbox was last brought up to date; seconds since 1970.
  private static let third = "ALTER TABLE mailbox ADD COLUMN replicated_at INTEGER;"

  /// Mailboxes in which there was nothing left to do, and how both sides looked then.
  private static let second = """
    CREATE TABLE settled (
      mailbox INTEGER PRIMARY KEY REFERENCES mailbox (id) ON DELETE CASCADE,
      state TEXT NOT NULL
    ) STRICT;
    """

  private static let first = """
    CREATE TABLE info (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;

    -- local: levels of the folder, parted by U+001F.
    CREATE TABLE mailbox (
      id INTEGER PRIMARY KEY,
      remote TEXT NOT NULL UNIQUE,
      local TEXT NOT NULL UNIQUE,
      uid_validity INTEGER,
      uid_next INTEGER,
      mod_seq INTEGER,
      permanent INTEGER NOT NULL,
      accepts_new_keywords INTEGER NOT NULL,
      permanent_keywords TEXT NOT NULL,
      is_read_only INTEGER NOT NULL DEFAULT 0,
      is_subscribed INTEGER
    ) STRICT;

    -- remote_*: the server's view; agreed_*: what both sides agreed on last. Keywords are parted by spaces.
    CREATE TABLE message (
      id INTEGER PRIMARY KEY,
      mailbox INTEGER NOT NULL REFERENCES mailbox (id) ON DELETE CASCADE,
      uid INTEGER NOT NULL,
      base TEXT,
      is_landed INTEGER NOT NULL,
      is_gone INTEGER NOT NULL,
      remote_flags INTEGER NOT NULL,
      remote_keywords TEXT NOT NULL,
      agreed_flags INTEGER,
      agreed_keywords TEXT,
      withheld TEXT NOT NULL,
      mod_seq INTEGER NOT NULL,
      size INTEGER NOT NULL,
      seconds INTEGER,
      zone INTEGER,
      message_id TEXT,
      email_id TEXT,
      fingerprint BLOB,
      UNIQUE (mailbox, uid)
    ) STRICT;
    CREATE UNIQUE INDEX message_base ON message (mailbox, base) WHERE base IS NOT NULL;

    -- Messages on their way into APPEND.
    CREATE TABLE append_intent (
      mailbox INTEGER NOT NULL REFERENCES mailbox (id) ON DELETE CASCADE,
      base TEXT NOT NULL,
      fingerprint BLOB NOT NULL,
      size INTEGER NOT NULL,
      message_id TEXT,
      flags INTEGER NOT NULL,
      keywords TEXT NOT NULL,
      first_uid INTEGER NOT NULL,
      PRIMARY KEY (mailbox, base)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE quarantine (
      id INTEGER PRIMARY KEY,
      folder TEXT NOT NULL,
      day TEXT NOT NULL,
      base TEXT NOT NULL,
      -- Base in the folder it came from.
      origin TEXT NOT NULL,
      flags INTEGER NOT NULL,
      keywords TEXT NOT NULL,
      size INTEGER NOT NULL,
      fingerprint BLOB,
      uid_validity INTEGER,
      uid INTEGER,
      at INTEGER NOT NULL,
      UNIQUE (day, base, folder)
    ) STRICT;

    -- Big messages of which the first octets are durable in a file.
    CREATE TABLE partial (
      mailbox INTEGER NOT NULL REFERENCES mailbox (id) ON DELETE CASCADE,
      uid_validity INTEGER NOT NULL,
      uid INTEGER NOT NULL,
      size INTEGER NOT NULL,
      durable INTEGER NOT NULL,
      PRIMARY KEY (mailbox, uid_validity, uid)
    ) STRICT, WITHOUT ROWID;

    -- The header replica.
    CREATE TABLE header (
      message INTEGER PRIMARY KEY REFERENCES message (id) ON DELETE CASCADE,
      bytes BLOB NOT NULL,
      structure BLOB
    ) STRICT;
    CREATE TABLE part (
      id INTEGER PRIMARY KEY,
      message INTEGER NOT NULL REFERENCES message (id) ON DELETE CASCADE,
      section TEXT NOT NULL,
      octets INTEGER NOT NULL,
      is_complete INTEGER NOT NULL,
      UNIQUE (message, section)
    ) STRICT;
    CREATE TABLE part_piece (
      part INTEGER NOT NULL REFERENCES part (id) ON DELETE CASCADE,
      number INTEGER NOT NULL,
      bytes BLOB NOT NULL,
      PRIMARY KEY (part, number)
    ) STRICT, WITHOUT ROWID;
    """
}
