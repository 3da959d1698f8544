import GRDB

/// Tables of a volume. Every mail table's key begins with the account number (design §4), so that a volume can be split
/// or moved by ranges.
///
/// Migrations are only ever added; a released one is never edited.
enum VolumeSchema {
  static var migrator: DatabaseMigrator {
    var migrator = DatabaseMigrator()
    migrator.registerMigration("1 mail") { db in
      for statement in accounts + messages + blobs { try db.execute(sql: statement) }
    }
    migrator.registerMigration("2 strays") { db in
      for statement in strays { try db.execute(sql: statement) }
    }
    migrator.registerMigration("3 imports") { db in
      for statement in imports { try db.execute(sql: statement) }
    }
    migrator.registerMigration("4 damaged") { db in
      for statement in damaged { try db.execute(sql: statement) }
    }
    migrator.registerMigration("5 former names") { db in
      // Of a deleted mailbox, for undelete.
      try db.execute(sql: "ALTER TABLE mailbox ADD COLUMN former_name TEXT")
    }
    migrator.registerMigration("6 flag chunks") { db in
      for statement in flagChunks { try db.execute(sql: statement) }
    }
    migrator.registerMigration("9 access keys") { db in
      for statement in accessKeys { try db.execute(sql: statement) }
    }
    migrator.registerMigration("10 sharing") { db in
      for statement in sharing { try db.execute(sql: statement) }
    }
    migrator.registerMigration("13 content chunks") { db in
      for statement in contentChunks { try db.execute(sql: statement) }
    }
    // Nothing changes in the tables; but an older version must not open packs with frames that it does not know, and take
    // them for damaged.
    migrator.registerMigration("14 dictionaries") { _ in }
    return migrator
  }

  private static let accounts = [
    // `state` 0: in use, 1: removed, its mail waits for the reaper, 2: being removed (it still is in use if the directory
    // has it).
    """
    CREATE TABLE account_state (
      account INTEGER PRIMARY KEY,
      state INTEGER NOT NULL DEFAULT 0,
      modseq INTEGER NOT NULL,
      next_mailbox INTEGER NOT NULL,
      last_uidvalidity INTEGER NOT NULL,
      next_content INTEGER NOT NULL,
      next_instance INTEGER NOT NULL,
      uidl_epoch INTEGER NOT NULL,
      bytes INTEGER NOT NULL,
      messages INTEGER NOT NULL
    ) STRICT
    """,
    // `name` NULL: deleted, the messages wait for the reaper; `died` is the MODSEQ of the deletion. `expunge_floor`: the
    // expunge log is complete for changes above this MODSEQ (RFC 7162 §3.2.5.1).
    """
    CREATE TABLE mailbox (
      account INTEGER NOT NULL,
      id INTEGER NOT NULL,
      name TEXT,
      uidvalidity INTEGER NOT NULL,
      uidnext INTEGER NOT NULL,
      highestmodseq INTEGER NOT NULL,
      messages INTEGER NOT NULL DEFAULT 0,
      unseen INTEGER NOT NULL DEFAULT 0,
      deleted INTEGER NOT NULL DEFAULT 0,
      bytes INTEGER NOT NULL DEFAULT 0,
      recent_floor INTEGER NOT NULL DEFAULT 1,
      special_use TEXT,
      selectable INTEGER NOT NULL DEFAULT 1,
      expunge_floor INTEGER NOT NULL DEFAULT 0,
      died INTEGER,
      PRIMARY KEY (account, id)
    ) STRICT, WITHOUT ROWID
    """,
    "CREATE UNIQUE INDEX mailbox_name ON mailbox (account, name) WHERE name IS NOT NULL",
    """
    CREATE TABLE subscription (
      account INTEGER NOT NULL,
      name TEXT NOT NULL,
      PRIMARY KEY (account, name)
    ) STRICT, WITHOUT ROWID
    """,
    """
    CREATE TABLE keyword (
      account INTEGER NOT NULL,
      mailbox INTEGER NOT NULL,
      bit INTEGER NOT NULL,
      name TEXT NOT NULL,
      PRIMARY KEY (account, mailbox, bit)
    ) STRICT, WITHOUT ROWID
    """,
    // For METADATA (RFC 5464) and message annotations; not read yet. `mailbox` 0: the account itself.
    """
    CREATE TABLE annotation (
      account INTEGER NOT NULL,
      mailbox INTEGER NOT NULL,
      uid INTEGER NOT NULL,
      viewer INTEGER NOT NULL,
      entry TEXT NOT NULL,
      value BLOB,
      modseq INTEGER NOT NULL,
      PRIMARY KEY (account, mailbox, uid, viewer, entry)
    ) STRICT, WITHOUT ROWID
    """,
  ]

  private static let messages = [
    // Small and clustered in UID order, without a secondary index. `modseq`, `flags` and `keywords` hold only above the
    // mailbox's seal: see `FlagTable`.
    """
    CREATE TABLE message (
      account INTEGER NOT NULL,
      mailbox INTEGER NOT NULL,
      uid INTEGER NOT NULL,
      modseq INTEGER NOT NULL,
      flags INTEGER NOT NULL,
      keywords INTEGER NOT NULL,
      internal INTEGER NOT NULL,
      zone INTEGER NOT NULL,
      saved INTEGER NOT NULL,
      size INTEGER NOT NULL,
      content INTEGER NOT NULL,
      instance INTEGER NOT NULL,
      uidl TEXT,
      retrieved INTEGER,
      PRIMARY KEY (account, mailbox, uid)
    ) STRICT, WITHOUT ROWID
    """,
    // The expunge log. `content` is there while the row still holds on to the bytes (undelete, sessions that have not
    // been told yet) and NULL after the purge, or when a MOVE took the content along.
    """
    CREATE TABLE expunged (
      account INTEGER NOT NULL,
      mailbox INTEGER NOT NULL,
      uid INTEGER NOT NULL,
      modseq INTEGER NOT NULL,
      expunged INTEGER NOT NULL,
      content INTEGER,
      flags INTEGER NOT NULL,
      keywords INTEGER NOT NULL,
      internal INTEGER NOT NULL,
      zone INTEGER NOT NULL,
      saved INTEGER NOT NULL,
      size INTEGER NOT NULL,
      instance INTEGER NOT NULL,
      uidl TEXT,
      retrieved INTEGER,
      PRIMARY KEY (account, mailbox, uid)
    ) STRICT, WITHOUT ROWID
    """,
    // What the reaper has to do: let go of the bytes of expunged rows between two UIDs. One row an EXPUNGE.
    """
    CREATE TABLE purge (
      id INTEGER PRIMARY KEY AUTOINCREMENT,
      account INTEGER NOT NULL,
      mailbox INTEGER NOT NULL,
      first_uid INTEGER NOT NULL,
      last_uid INTEGER NOT NULL,
      modseq INTEGER NOT NULL,
      expunged INTEGER NOT NULL
    ) STRICT
    """,
    // `key` is account << 36 | content number: begins with the account like all keys, and being a rowid it lets a row
    // fill a page's leaf without overflow pages. `size` is without the trace.
    """
    CREATE TABLE content (
      key INTEGER PRIMARY KEY,
      blob INTEGER NOT NULL,
      thread INTEGER NOT NULL,
      size INTEGER NOT NULL,
      version INTEGER NOT NULL,
      envelope BLOB,
      structure BLOB,
      body BLOB,
      sort BLOB,
      headers BLOB,
      trace BLOB,
      parts BLOB,
      preview TEXT
    ) STRICT
    """,
    // References to a content beyond the first, so that COPY does not rewrite the wide row and a delivery writes nothing
    // here. No row: one reference.
    """
    CREATE TABLE content_extra (
      key INTEGER PRIMARY KEY,
      refs INTEGER NOT NULL
    ) STRICT
    """,
    // Message identifiers seen, for THREADID (RFC 8474 §5.2). `hash` is 64 bits of the identifier.
    """
    CREATE TABLE thread_reference (
      account INTEGER NOT NULL,
      hash INTEGER NOT NULL,
      thread INTEGER NOT NULL,
      PRIMARY KEY (account, hash)
    ) STRICT, WITHOUT ROWID
    """,
  ]

  private static let blobs = [
    // `refs` counts rows of `content`.
    """
    CREATE TABLE blob (
      id INTEGER PRIMARY KEY,
      pack INTEGER NOT NULL,
      offset INTEGER NOT NULL,
      frame INTEGER NOT NULL,
      size INTEGER NOT NULL,
      refs INTEGER NOT NULL
    ) STRICT
    """,
    "CREATE UNIQUE INDEX blob_place ON blob (pack, offset)",
    // What is in use; the rest of the file is dead. Counted this way round, frames written for a transaction that never
    // was committed are dead by themselves.
    """
    CREATE TABLE pack (
      id INTEGER PRIMARY KEY,
      live_frames INTEGER NOT NULL,
      live_bytes INTEGER NOT NULL
    ) STRICT
    """,
    // `next_blob`: blob numbers are never given out twice.
    "CREATE TABLE volume_state (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID",
    "INSERT INTO volume_state (name, value) VALUES ('next_blob', 1)",
  ]

  /// See `StrayFrames`.
  private static let strays = [
    // Up to where commits have filled the pack.
    "ALTER TABLE pack ADD COLUMN known_bytes INTEGER NOT NULL DEFAULT 0",
    // Frames that no row knows of. `alarming`: not explained by a crash, so `check` names them.
    """
    CREATE TABLE stray (
      pack INTEGER NOT NULL,
      offset INTEGER NOT NULL,
      bytes INTEGER NOT NULL,
      frames INTEGER NOT NULL,
      found INTEGER NOT NULL,
      alarming INTEGER NOT NULL,
      PRIMARY KEY (pack, offset)
    ) STRICT, WITHOUT ROWID
    """,
    // `highest_account`: account numbers are never given out twice, not even by an older directory.
    """
    INSERT INTO volume_state (name, value) SELECT 'is_open', -1
    UNION ALL SELECT 'highest_account', COALESCE(MAX(account), 0) FROM account_state
    """,
  ]

  /// See `FlagTable`. A rowid table, so that a chunk of some kilobytes stands on its page whole.
  private static let flagChunks = [
    """
    CREATE TABLE flag_chunk (
      id INTEGER PRIMARY KEY,
      account INTEGER NOT NULL,
      mailbox INTEGER NOT NULL,
      last INTEGER NOT NULL,
      data BLOB NOT NULL
    ) STRICT
    """,
    "CREATE UNIQUE INDEX flag_chunk_place ON flag_chunk (account, mailbox, last)",
    // A store without messages has nothing for `FlagSealing` to do.
    """
    INSERT OR REPLACE INTO volume_state (name, value) SELECT 'flags_sealed', 1 WHERE NOT EXISTS (SELECT 1 FROM message)
    """,
  ]

  /// See `ContentSealing`. AUTOINCREMENT: readers keep a chunk by its number.
  private static let contentChunks = [
    "ALTER TABLE content ADD COLUMN chunk INTEGER",
    "ALTER TABLE content ADD COLUMN trace_size INTEGER",
    """
    CREATE TABLE content_chunk (
      id INTEGER PRIMARY KEY AUTOINCREMENT,
      account INTEGER NOT NULL,
      first INTEGER NOT NULL,
      last INTEGER NOT NULL,
      keys BLOB NOT NULL,
      parts BLOB NOT NULL,
      trace BLOB NOT NULL,
      structure BLOB NOT NULL,
      envelope BLOB NOT NULL,
      headers BLOB NOT NULL,
      sort BLOB NOT NULL,
      body BLOB NOT NULL,
      preview BLOB NOT NULL
    ) STRICT
    """,
    "CREATE INDEX content_chunk_place ON content_chunk (account, last)",
  ]

  private static let damaged = [
    // Frames known to be damaged, in use or not: by place, since a damaged frame is never copied elsewhere. See
    // `DamagedFrames`.
    """
    CREATE TABLE damaged (
      pack INTEGER NOT NULL,
      offset INTEGER NOT NULL,
      found INTEGER NOT NULL,
      what TEXT NOT NULL,
      PRIMARY KEY (pack, offset)
    ) STRICT, WITHOUT ROWID
    """
  ]

  private static let accessKeys = [
    // Of URLAUTH (RFC 4467 §2.2).
    """
    CREATE TABLE access_key (
      account INTEGER NOT NULL,
      mailbox INTEGER NOT NULL,
      key BLOB NOT NULL,
      PRIMARY KEY (account, mailbox)
    ) STRICT, WITHOUT ROWID
    """
  ]

  private static let sharing = [
    // Access control lists (RFC 4314); `grantee` 0: anyone. Rights are the bits of `MailboxRights`; `withheld` are the
    // negative ones.
    """
    CREATE TABLE access (
      account INTEGER NOT NULL,
      mailbox INTEGER NOT NULL,
      grantee INTEGER NOT NULL,
      rights INTEGER NOT NULL,
      withheld INTEGER NOT NULL,
      PRIMARY KEY (account, mailbox, grantee)
    ) STRICT, WITHOUT ROWID
    """,
    // Who has marks of his own in a mailbox of somebody else: how many of them say `\Seen`, and the last MODSEQ.
    """
    CREATE TABLE viewer (
      account INTEGER NOT NULL,
      mailbox INTEGER NOT NULL,
      viewer INTEGER NOT NULL,
      seen INTEGER NOT NULL,
      modseq INTEGER NOT NULL,
      PRIMARY KEY (account, mailbox, viewer)
    ) STRICT, WITHOUT ROWID
    """,
    // A message that is there has a mark of each viewer who ever changed its `\Seen` for himself.
    """
    CREATE TABLE viewer_mark (
      account INTEGER NOT NULL,
      mailbox INTEGER NOT NULL,
      viewer INTEGER NOT NULL,
      uid INTEGER NOT NULL,
      modseq INTEGER NOT NULL,
      seen INTEGER NOT NULL,
      PRIMARY KEY (account, mailbox, viewer, uid)
    ) STRICT, WITHOUT ROWID
    """,
  ]

  private static let imports = [
    // Names that a UIDVALIDITY was ever known under, and the mailbox that had them: of imported mailboxes from the
    // beginning, of others from the day they were deleted or renamed.
    """
    CREATE TABLE imported_uidvalidity (
      account INTEGER NOT NULL,
      name TEXT NOT NULL,
      uidvalidity INTEGER NOT NULL,
      mailbox INTEGER NOT NULL,
      PRIMARY KEY (account, name, uidvalidity)
    ) STRICT, WITHOUT ROWID
    """,
    // Only imported messages have a UIDL in their row, so deliveries write nothing here. Not unique: MOVE has the message
    // twice for a moment.
    "CREATE INDEX message_uidl ON message (account, uidl) WHERE uidl IS NOT NULL",
  ]
}
