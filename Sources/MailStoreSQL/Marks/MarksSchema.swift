import GRDB

/// The high-water mark (design §4, Durability): numbers that clients may have heard of, kept beside the volume and not
/// copied by a backup, so that a restore can begin beyond them. See docs/decisions/017-backup-and-high-water-mark.md.
enum MarksSchema {
  static var migrator: DatabaseMigrator {
    var migrator = DatabaseMigrator()
    migrator.registerMigration("1 marks") { db in
      // `store`: the same number stands in the volume (`volume_state.store_id`); it tells whose marks these are.
      // `epoch`: rises with each backup. `pack`: packs of a restored store are numbered above it.
      try db.execute(
        sql: """
          CREATE TABLE mark_state (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
          INSERT INTO mark_state (name, value) VALUES ('store', 0), ('epoch', 1), ('pack', 0);
          """)
      // Ceilings: no number above them was ever given out. They are raised in blocks, before a commit goes beyond.
      try db.execute(
        sql: """
          CREATE TABLE account_mark (
            account INTEGER PRIMARY KEY,
            modseq INTEGER NOT NULL,
            next_mailbox INTEGER NOT NULL,
            uidvalidity INTEGER NOT NULL,
            next_content INTEGER NOT NULL,
            next_instance INTEGER NOT NULL
          ) STRICT
          """)
      try db.execute(
        sql: """
          CREATE TABLE mailbox_mark (
            account INTEGER NOT NULL,
            mailbox INTEGER NOT NULL,
            uidnext INTEGER NOT NULL,
            PRIMARY KEY (account, mailbox)
          ) STRICT, WITHOUT ROWID
          """)
      // A message was expunged or moved away among these UIDs (`block` = UID >> 10), last in this epoch. Block -1: the
      // mailbox was deleted.
      try db.execute(
        sql: """
          CREATE TABLE removed_mark (
            account INTEGER NOT NULL,
            mailbox INTEGER NOT NULL,
            block INTEGER NOT NULL,
            epoch INTEGER NOT NULL,
            PRIMARY KEY (account, mailbox, block)
          ) STRICT, WITHOUT ROWID
          """)
    }
    return migrator
  }
}
