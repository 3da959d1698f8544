import BlobStore
import MailStore

/// All frames of all packs and their owners, in tables of a scratch database beside the one that is being repaired: a
/// store may have millions of them.
struct FrameCatalog {
  let db: SQLConnection
  /// Ranges of packs that are no frame (any more), and why.
  private(set) var garbage: [(pack: Int64, range: Range<Int64>)] = []
  /// Packs that could not be read, and why.
  private(set) var unreadable: [String] = []
  /// Packs with a damaged copy of their dictionary.
  private(set) var damagedHeads: [Int64] = []

  /// `whole`: 1 when the frame's bytes are those that were written.
  private static let tables = """
    CREATE TABLE scan.frame (pack INTEGER NOT NULL, offset INTEGER NOT NULL, length INTEGER NOT NULL, size INTEGER NOT NULL,
      whole INTEGER NOT NULL, owners INTEGER NOT NULL, PRIMARY KEY (pack, offset)) WITHOUT ROWID;
    CREATE TABLE scan.owner (account INTEGER NOT NULL, mailbox INTEGER NOT NULL, uidvalidity INTEGER NOT NULL,
      uid INTEGER NOT NULL, pack INTEGER NOT NULL, offset INTEGER NOT NULL, number INTEGER NOT NULL,
      name TEXT NOT NULL, box TEXT NOT NULL, internal INTEGER NOT NULL, zone INTEGER NOT NULL, trace BLOB,
      PRIMARY KEY (account, mailbox, uidvalidity, uid, pack, offset, number)) WITHOUT ROWID;
    CREATE INDEX scan.owner_place ON owner (pack, offset);
    CREATE INDEX scan.owner_date ON owner (account, internal);
    CREATE INDEX scan.frame_size ON frame (size);
    CREATE TABLE scan.use (blob INTEGER NOT NULL, key INTEGER PRIMARY KEY, size INTEGER NOT NULL);
    CREATE INDEX scan.use_blob ON use (blob);
    CREATE INDEX scan.use_size ON use (size);
    CREATE TABLE scan.ref (key INTEGER NOT NULL, mailbox INTEGER NOT NULL, uid INTEGER NOT NULL, size INTEGER NOT NULL,
      gone INTEGER NOT NULL, PRIMARY KEY (key, mailbox, uid)) WITHOUT ROWID;
    """

  /// Attaches `scratch`, which must not exist, and reads every pack. `progress`: octets done and in all.
  static func read(
    _ packs: PackStore, into db: SQLConnection, scratch: String, progress: (Int64, Int64) -> Void
  ) throws(StoreError) -> FrameCatalog {
    try db.execute(
      "ATTACH DATABASE '\(scratch.split(separator: "'", omittingEmptySubsequences: false).joined(separator: "''"))' AS scan"
    )
    try db.execute("PRAGMA scan.journal_mode = OFF; PRAGMA scan.synchronous = OFF")
    try db.execute(tables)
    var catalog = FrameCatalog(db: db)
    let all = packs.packs()
    let total = all.reduce(0) { $0 + $1.bytes }
    var done: Int64 = 0
    for pack in all {
      progress(done, total)
      try catalog.read(pack, packs)
      done += pack.bytes
    }
    progress(total, total)
    return catalog
  }

  private mutating func read(_ pack: PackInfo, _ packs: PackStore) throws(StoreError) {
    try db("BEGIN").run()
    var failure: StoreError?
    do throws(BlobError) {
      let result = try packs.scan(pack.number, verify: true) { (frame) throws(BlobError) in
        do throws(StoreError) { try insert(frame, isWhole: true) } catch { failure = failure ?? error }
      }
      if result.lacksDictionary { damagedHeads.append(pack.number) }
      for damaged in result.damaged {
        do throws(StoreError) { try insert(damaged.frame, isWhole: false) } catch { failure = failure ?? error }
      }
      for range in result.garbage + [result.tornTail].compactMap({ $0 }) { garbage.append((pack.number, range)) }
    } catch {
      unreadable.append("pack \(pack.number): \(error)")
    }
    try db("COMMIT").run()
    if let failure { throw failure }
  }

  private func insert(_ frame: FrameInfo, isWhole: Bool) throws(StoreError) {
    let row = try db(
      "INSERT OR REPLACE INTO scan.frame (pack, offset, length, size, whole, owners) VALUES (?, ?, ?, ?, ?, ?)")
    row.bind(1, frame.location.pack)
    row.bind(2, frame.location.offset)
    row.bind(3, frame.location.frameLength)
    row.bind(4, frame.location.rawSize)
    row.bind(5, isWhole ? 1 : 0)
    row.bind(6, frame.owners.count)
    try row.run()
    let owner = try db(
      """
      INSERT OR IGNORE INTO scan.owner (account, mailbox, uidvalidity, uid, pack, offset, number, name, box, internal, zone,
        trace)
      VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
      """)
    for (number, one) in frame.owners.enumerated() {
      guard (1..<StoreLimits.accounts).contains(one.account), one.mailbox > 0, one.uid > 0, one.uid < UID.max else {
        continue
      }
      owner.bind(1, one.account)
      owner.bind(2, one.mailbox)
      owner.bind(3, one.uidValidity)
      owner.bind(4, one.uid)
      owner.bind(5, frame.location.pack)
      owner.bind(6, frame.location.offset)
      owner.bind(7, number)
      owner.bind(8, one.accountName)
      owner.bind(9, one.mailboxName)
      owner.bind(10, one.internalSeconds)
      owner.bind(11, Int64(one.zoneMinutes))
      owner.bind(12, one.trace)
      try owner.run()
    }
  }

  /// Notes who refers to what, as the rows stand now; every change of the repair keeps it up to date.
  func noteReferences() throws(StoreError) {
    try db("BEGIN").run()
    try db("INSERT INTO scan.use (blob, key, size) SELECT blob, key, size FROM content").run()
    try db(
      """
      INSERT OR IGNORE INTO scan.ref (key, mailbox, uid, size, gone)
      SELECT (account << 36) + content, mailbox, uid, size, 0 FROM message ORDER BY 1, 2, 3
      """
    ).run()
    try db(
      """
      INSERT OR IGNORE INTO scan.ref (key, mailbox, uid, size, gone)
      SELECT (account << 36) + content, mailbox, uid, size, 1 FROM expunged WHERE content IS NOT NULL
      """
    ).run()
    try db("COMMIT").run()
  }

  // MARK: Owners

  /// An owner in a frame whose header is whole.
  struct Owner {
    var account: Int64
    var mailbox: Int64
    var uidValidity: UInt32
    var uid: UID
    var mailboxName: String
    var date: InternalDate
    var trace: [UInt8]
    var location: BlobLocation
  }

  static let ownerColumns = """
    o.account, o.mailbox, o.uidvalidity, o.uid, o.box, o.internal, o.zone, o.trace, f.pack, f.offset, f.length, f.size
    """

  /// Columns as in `ownerColumns`, beginning with `first`.
  static func owner(_ row: SQLStatement, _ first: Int32 = 0) -> Owner {
    Owner(
      account: row.int(first), mailbox: row.int(first + 1),
      uidValidity: UInt32(truncatingIfNeeded: row.int(first + 2)), uid: row.uid(first + 3),
      mailboxName: row.text(first + 4),
      date: InternalDate(seconds: row.int(first + 5), zoneMinutes: Int16(truncatingIfNeeded: row.int(first + 6))),
      trace: Array(row.blob(first + 7)),
      location: BlobLocation(
        pack: row.int(first + 8), offset: row.int(first + 9), frameLength: row.int(first + 10),
        rawSize: row.int(first + 11)))
  }

  /// The name under which an account was known last: deliveries tell the time, other frames only their place.
  func accountName(_ account: Int64) throws(StoreError) -> String? {
    let row = try db(
      """
      SELECT name FROM scan.owner WHERE account = ? AND name <> ''
      ORDER BY trace IS NOT NULL DESC, internal DESC, pack DESC, offset DESC LIMIT 1
      """)
    row.bind(1, account)
    return try row.first { $0.text(0) }
  }

  /// The name that a mailbox had when its last message came.
  func mailboxName(_ account: Int64, _ mailbox: Int64) throws(StoreError) -> String? {
    let row = try db(
      "SELECT box FROM scan.owner WHERE account = ? AND mailbox = ? ORDER BY uidvalidity DESC, uid DESC LIMIT 1")
    row.bind(1, account)
    row.bind(2, mailbox)
    return try row.first { $0.text(0) }
  }
}
