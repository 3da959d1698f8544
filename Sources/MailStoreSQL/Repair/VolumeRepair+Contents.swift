import BlobStore
import MailFormat
import MailStore
import NIOCore

/// Contents against blobs, and messages against contents.
extension VolumeRepair {
  // MARK: Contents without a blob

  func findBlobsOfContents() throws(StoreError) {
    let orphans = try all(
      try db("SELECT c.key FROM content c WHERE NOT EXISTS (SELECT 1 FROM blob b WHERE b.id = c.blob) ORDER BY c.key")
    ) { $0.int(0) }
    for key in orphans where !lostContents.contains(key) { try findBlob(of: key, isFinal: true) }
    // Where nothing is kept and no message's place says whose the frame is, the row is given up: it says no more than its
    // messages do (see `findContentsOfMessages`).
    for key in orphans where lostContents.contains(key) { try findBlob(of: key, isFinal: true) }
  }

  /// Points a content at its frame. `isFinal`: where there is none the content goes.
  @discardableResult
  private func findBlob(of key: Int64, isFinal: Bool) throws(StoreError) -> Bool {
    if let place = try frame(of: key, byRowsToo: isFinal) {
      try point(key, at: try claim(place))
      did("messages joined to their bytes again")
      return true
    }
    if isFinal, mayGiveUp {
      try bound(try db("DELETE FROM content WHERE key = ?"), key).run()
      try bound(try db("DELETE FROM scan.use WHERE key = ?"), key).run()
      did("contents without bytes removed")
    }
    return false
  }

  /// The frame of a content: a whole one of the account that no other content of it uses, and that is as large as the
  /// content and like it in everything that is kept. `byRowsToo`: what is kept may itself be damaged; then it is the frame
  /// whose owner and size, or date and size, are those of a message of the content.
  func frame(of key: Int64, byRowsToo: Bool) throws(StoreError) -> BlobLocation? {
    // Of which nothing is kept, it would be like any of its size.
    let isLost = lostContents.contains(key)
    if !isLost {
      let alike = try candidates(
        of: key,
        """
        scan.use u JOIN scan.frame f ON f.size = u.size
        JOIN scan.owner o ON o.pack = f.pack AND o.offset = f.offset AND o.account = ?1 >> 36 WHERE u.key = ?1
        """)
      for place in alike where try fits(place, key) { return place }
      // Copied out of somebody else's mailbox. A row of an older parser could be like any of its size.
      let elsewhere = try candidates(of: key, "scan.use u JOIN scan.frame f ON f.size = u.size WHERE u.key = ?1")
      for place in elsewhere where try fits(place, key, mayGuess: false) { return place }
    }
    guard byRowsToo else { return nil }
    return isLost ? try frameByRows(of: key, isExact: true) : try frameByRows(of: key)
  }

  private func frameByRows(of key: Int64) throws(StoreError) -> BlobLocation? {
    if let place = try frameByRows(of: key, isExact: true) { return place }
    return try frameByRows(of: key, isExact: false)
  }

  /// The frame whose owner and size, or (not `isExact`) date and size, are those of a message of the content. One that came
  /// to a place where another message is now is that one's.
  func frameByRows(of key: Int64, isExact: Bool) throws(StoreError) -> BlobLocation? {
    try candidates(
      of: key,
      isExact
        ? """
        scan.ref r JOIN scan.owner o ON o.account = ?1 >> 36 AND o.mailbox = r.mailbox AND o.uid = r.uid
        JOIN scan.frame f ON f.pack = o.pack AND f.offset = o.offset
        WHERE r.key = ?1 AND f.size + COALESCE(LENGTH(o.trace), 0) = r.size
        """
        : """
        scan.ref r JOIN message m ON m.account = ?1 >> 36 AND m.mailbox = r.mailbox AND m.uid = r.uid
        JOIN scan.owner o ON o.account = ?1 >> 36 AND o.internal = m.internal AND o.zone = m.zone
        JOIN scan.frame f ON f.pack = o.pack AND f.offset = o.offset
        WHERE r.key = ?1 AND r.gone = 0 AND f.size + COALESCE(LENGTH(o.trace), 0) = r.size AND NOT EXISTS (
          SELECT 1 FROM message x WHERE x.account = o.account AND x.mailbox = o.mailbox AND x.uid = o.uid
            AND x.content <> ?1 & 68719476735)
        """
    ).first
  }

  /// Whole frames of what `middle` joins that no other content of the account uses.
  private func candidates(of key: Int64, _ middle: String) throws(StoreError) -> [BlobLocation] {
    let sql =
      "SELECT DISTINCT f.pack, f.offset, f.length, f.size FROM " + middle
        + """
         AND f.whole = 1 AND NOT EXISTS (
          SELECT 1 FROM blob b JOIN scan.use v ON v.blob = b.id
          WHERE b.pack = f.pack AND b.offset = f.offset AND v.key >> 36 = ?1 >> 36 AND v.key <> ?1)
        ORDER BY f.pack, f.offset
        """
    return try all(bound(try db.statement(sql), key)) {
      BlobLocation(pack: $0.int(0), offset: $0.int(1), frameLength: $0.int(2), rawSize: $0.int(3))
    }
  }

  private func point(_ key: Int64, at blob: Int64) throws(StoreError) {
    for sql: StaticString in [
      "UPDATE content SET blob = ?2 WHERE key = ?1", "UPDATE scan.use SET blob = ?2 WHERE key = ?1",
    ] {
      let row = try db(sql)
      row.bind(1, key)
      row.bind(2, blob)
      try row.run()
    }
  }

  /// The blob at a frame; made if there is none.
  func claim(_ location: BlobLocation) throws(StoreError) -> Int64 {
    if let known = try blob(at: location) { return known }
    if nextBlob == 1 {
      let row = try db(
        """
        SELECT MAX(1 + COALESCE((SELECT MAX(id) FROM blob), 0), 1 + COALESCE((SELECT MAX(blob) FROM content), 0),
          COALESCE((SELECT value FROM volume_state WHERE name = 'next_blob'), 1))
        """)
      nextBlob = try row.first { $0.int(0) } ?? 1
    }
    let row = try db("INSERT INTO blob (id, pack, offset, frame, size, refs) VALUES (?, ?, ?, ?, ?, 0)")
    row.bind(1, nextBlob)
    row.bind(2, location.pack)
    row.bind(3, location.offset)
    row.bind(4, location.frameLength)
    row.bind(5, location.rawSize)
    try row.run()
    nextBlob += 1
    return nextBlob - 1
  }

  // MARK: What is kept of contents

  /// Reads every message that can be read and puts right what is kept beside it. A content that stands at somebody else's
  /// bytes, which nobody else may see, finds its own or goes.
  func compareContents() throws(StoreError) {
    try db.execute("CREATE TABLE scan.work (key INTEGER NOT NULL)")
    try db("INSERT INTO scan.work SELECT c.key FROM content c JOIN blob b ON b.id = c.blob ORDER BY b.pack, b.offset")
      .run()
    let total = Int(try db("SELECT COUNT(*) FROM scan.work").first { $0.int(0) } ?? 0)
    var done: Int64 = 0
    while true {
      progress(RepairProgress(phase: "comparing messages with their rows", done: Int(done), total: total))
      let rows = try db("SELECT key, rowid FROM scan.work WHERE rowid > ? ORDER BY rowid LIMIT 500")
      let keys = try all(bound(rows, done)) { ($0.int(0), $0.int(1)) }
      guard let last = keys.last else { return }
      done = last.1
      try inTransaction { () throws(StoreError) in
        for (key, _) in keys { try compare(key) }
      }
      scratch.trim()
    }
  }

  /// Where a content stands, and what speaks against it.
  private struct Standing {
    var location: BlobLocation
    var size: Int64
    var isCurrent: Bool
    /// False: the frame is another account's.
    var isOwn: Bool
    /// It has messages, and none of them is as large as this.
    var isStrange: Bool
  }

  private func standing(_ key: Int64) throws(StoreError) -> Standing? {
    let row = try db(
      """
      SELECT b.pack, b.offset, b.frame, b.size, c.size, c.version,
        NOT EXISTS (SELECT 1 FROM scan.owner o WHERE o.pack = b.pack AND o.offset = b.offset)
        OR EXISTS (SELECT 1 FROM scan.owner o WHERE o.pack = b.pack AND o.offset = b.offset AND o.account = c.key >> 36),
        EXISTS (SELECT 1 FROM scan.ref r WHERE r.key = c.key) AND NOT EXISTS (
          SELECT 1 FROM scan.ref r WHERE r.key = c.key AND r.size = b.size + COALESCE(LENGTH(c.trace), 0))
      FROM content c JOIN blob b ON b.id = c.blob WHERE c.key = ?
      """)
    return try bound(row, key).first { row in
      Standing(
        location: BlobLocation(pack: row.int(0), offset: row.int(1), frameLength: row.int(2), rawSize: row.int(3)),
        size: row.int(4), isCurrent: row.int(5) == Int64(MessageSummary.parserVersion), isOwn: row.int(6) != 0,
        isStrange: row.int(7) != 0)
    }
  }

  /// A message that was copied out of somebody else's mailbox stands at that one's frame, which does not name the copier.
  /// It is known by being like its row in everything.
  private func isCopied(_ found: Standing, _ key: Int64) throws(StoreError) -> Bool {
    guard found.size == found.location.rawSize, !found.isStrange else { return false }
    return try fits(found.location, key)
  }

  private func compare(_ key: Int64) throws(StoreError) {
    guard var found = try standing(key) else { return }
    let isLost = lostContents.contains(key)
    var hasMoved = false
    if !found.isOwn, try !isCopied(found, key) {
      hasMoved = try findBlob(of: key, isFinal: true)
      if !hasMoved {
        nameDamage(
          "\(name(ContentKey.account(key))): content \(ContentKey.content(key)) stood at another account's message and is gone"
        )
        return
      }
    } else if found.isStrange, let place = try frameByRows(of: key), place != found.location {
      // The row's number or its blob's is another's: the message's own place says which bytes are its own.
      try point(key, at: try claim(place))
      did("messages joined to their bytes again")
      hasMoved = true
    }
    if hasMoved {
      guard let new = try standing(key) else { return }
      found = new
      if isLost { try restoreTrace(key) }
    }
    guard (try? packs.read(found.location, scratch: &scratch)) != nil else {
      // Nothing is left to answer with: what an empty message would be, until the frame can be read again.
      let nothing = ByteBuffer()
      if isLost { try write(ContentColumns(MessageSummary.make(nothing.readableBytesSpan)), size: found.size, key) }
      return
    }
    let columns = scratch.withBytes { ContentColumns(MessageSummary.make($0)) }
    if isLost { return try write(columns, size: found.location.rawSize, key) }
    let isLikeRow = try matches(columns, key) ?? true
    guard found.size != found.location.rawSize || !isLikeRow else { return }
    if found.isCurrent, !hasMoved, try findBlob(of: key, isFinal: false) { return }
    try write(columns, size: found.location.rawSize, key)
    did("what is kept of messages computed anew")
  }

  private func write(_ columns: ContentColumns, size: Int64, _ key: Int64) throws(StoreError) {
    let row = try db(
      """
      UPDATE content SET size = ?2, version = ?3, envelope = ?4, structure = ?5, body = ?6, sort = ?7, headers = ?8,
        parts = ?9, preview = ?10 WHERE key = ?1
      """)
    row.bind(1, key)
    row.bind(2, size)
    row.bind(3, Int64(columns.version))
    row.bind(4, columns.envelope)
    row.bind(5, columns.structure)
    row.bind(6, columns.body)
    row.bind(7, columns.sort)
    row.bind(8, columns.headers)
    row.bind(9, columns.parts)
    row.bind(10, columns.preview)
    try row.run()
  }

  // MARK: Messages without a content

  private struct Headless {
    var key: Int64
    var mailbox: Int64
    var uid: UID
    var size: Int64
    var date: InternalDate
    var isGone: Bool
  }

  /// A message's row is there and what it refers to is not. Its frame is known by the mailbox and the UID at delivery, or
  /// by its size to the octet and its date to the second.
  func findContentsOfMessages() throws(StoreError) {
    for isExact in [true, false] {
      for headless in try headless() {
        guard let owner = try frame(of: headless, isExact: isExact) else { continue }
        try insertContent(owner, key: headless.key)
        did("messages joined to their bytes again")
      }
    }
    for headless in try headless() where mayGiveUp {
      let ref = MailboxRef(account: AccountID(ContentKey.account(headless.key)), mailbox: MailboxID(headless.mailbox))
      if headless.isGone {
        let row = try db("UPDATE expunged SET content = NULL WHERE account = ? AND mailbox = ? AND uid = ?")
        bind(row, ref, headless.uid)
        try row.run()
        did("expunged messages without bytes let go")
        continue
      }
      try removeMessage(ref, headless.uid)
      let box = try mailboxName(ref) ?? "mailbox \(ref.mailbox)"
      nameDamage("\(name(ref.account.rawValue)), \(box), UID \(headless.uid): nothing is left of the message")
      tell(ref.account.rawValue) { $0.lost += 1 }
      did("messages of which nothing is left removed")
    }
  }

  private func headless() throws(StoreError) -> [Headless] {
    let rows = try db(
      """
      SELECT (m.account << 36) + m.content, m.mailbox, m.uid, m.size, m.internal, m.zone, 0 FROM message m
      WHERE NOT EXISTS (SELECT 1 FROM content c WHERE c.key = (m.account << 36) + m.content)
      UNION ALL SELECT (m.account << 36) + m.content, m.mailbox, m.uid, m.size, m.internal, m.zone, 1 FROM expunged m
      WHERE m.content IS NOT NULL AND NOT EXISTS (SELECT 1 FROM content c WHERE c.key = (m.account << 36) + m.content)
      ORDER BY 1
      """)
    return try all(rows) { row in
      Headless(
        key: row.int(0), mailbox: row.int(1), uid: row.uid(2), size: row.int(3),
        date: InternalDate(seconds: row.int(4), zoneMinutes: Int16(truncatingIfNeeded: row.int(5))),
        isGone: row.int(6) != 0)
    }
  }

  private func frame(of message: Headless, isExact: Bool) throws(StoreError) -> FrameCatalog.Owner? {
    let account = ContentKey.account(message.key)
    // Found for another message of the same content meanwhile.
    let known = try db("SELECT 1 FROM content WHERE key = ?")
    if try bound(known, message.key).first({ _ in true }) == true { return nil }
    let end =
      " AND f.size + COALESCE(LENGTH(o.trace), 0) = ?4 AND f.whole = 1 "
      + "AND NOT EXISTS (SELECT 1 FROM blob b JOIN scan.use u ON u.blob = b.id JOIN scan.ref r ON r.key = u.key "
      + "WHERE b.pack = f.pack AND b.offset = f.offset AND u.key >> 36 = ?1) "
    let start =
      "SELECT \(FrameCatalog.ownerColumns) FROM scan.owner o "
      + "JOIN scan.frame f ON f.pack = o.pack AND f.offset = o.offset WHERE o.account = ?1 "
    let row = try db.statement(
      isExact
        ? start + "AND o.mailbox = ?2 AND o.uid = ?3" + end
          + "ORDER BY o.uidvalidity DESC, f.pack DESC, f.offset DESC LIMIT 1"
        : start + "AND o.internal = ?2 AND o.zone = ?3" + end + "ORDER BY f.pack, f.offset LIMIT 1")
    row.bind(1, account)
    row.bind(2, isExact ? message.mailbox : message.date.seconds)
    row.bind(3, isExact ? Int64(message.uid) : Int64(message.date.zoneMinutes))
    row.bind(4, message.size)
    return try row.first { FrameCatalog.owner($0) }
  }

  // MARK: Rows

  /// A row of `content` for a frame, made by the parser as at a delivery; an unused content of that frame is taken as it
  /// is. `key` nil: a new number. Nil: the message cannot be read.
  @discardableResult
  func insertContent(_ owner: FrameCatalog.Owner, key: Int64?) throws(StoreError) -> Int64? {
    guard (try? packs.read(owner.location, scratch: &scratch)) != nil else { return nil }
    let columns = scratch.withBytes { ContentColumns(MessageSummary.make($0)) }
    scratch.trim()
    let blob = try claim(owner.location)
    // A content of the same frame that no message refers to gives way.
    for sql: StaticString in [
      """
      DELETE FROM content WHERE key IN (SELECT u.key FROM scan.use u WHERE u.blob = ?1 AND u.key >> 36 = ?2
        AND NOT EXISTS (SELECT 1 FROM scan.ref r WHERE r.key = u.key))
      """,
      """
      DELETE FROM scan.use WHERE blob = ?1 AND key >> 36 = ?2
        AND NOT EXISTS (SELECT 1 FROM scan.ref r WHERE r.key = use.key)
      """,
    ] {
      let unused = try db(sql)
      unused.bind(1, blob)
      unused.bind(2, owner.account)
      try unused.run()
    }
    let number: Int64
    if let key { number = key } else { number = ContentKey.key(owner.account, try takeContent(owner.account)) }
    let thread = try ContentRow.thread(
      of: columns.identifiers, content: ContentKey.content(number), account: owner.account, db)
    try ContentRow.insert(
      columns, key: number, blob: blob, thread: thread, size: owner.location.rawSize,
      trace: ByteBuffer(bytes: owner.trace), db)
    let use = try db("INSERT OR REPLACE INTO scan.use (blob, key, size) VALUES (?, ?, ?)")
    use.bind(1, blob)
    use.bind(2, number)
    use.bind(3, owner.location.rawSize)
    try use.run()
    // Rows that referred to the number all the while were noted already.
    return number
  }

  func bind(_ statement: SQLStatement, _ ref: MailboxRef, _ uid: UID) {
    statement.bind(1, ref.account.rawValue)
    statement.bind(2, ref.mailbox.rawValue)
    statement.bind(3, uid)
  }

  /// The message is gone for clients too: the expunge log says so.
  private func removeMessage(_ ref: MailboxRef, _ uid: UID) throws(StoreError) {
    let log = try db(
      """
      INSERT OR REPLACE INTO expunged (account, mailbox, uid, modseq, expunged, content, flags, keywords, internal, zone,
        saved, size, instance, uidl, retrieved)
      SELECT account, mailbox, uid, ?4, ?5, NULL, flags, keywords, internal, zone, saved, size, instance, uidl, retrieved
      FROM message WHERE account = ?1 AND mailbox = ?2 AND uid = ?3
      """)
    bind(log, ref, uid)
    log.bind(4, try modSeq(ref.account.rawValue))
    log.bind(5, now)
    try log.run()
    let row = try db("DELETE FROM message WHERE account = ? AND mailbox = ? AND uid = ?")
    bind(row, ref, uid)
    try row.run()
    touched.insert(ref)
  }
}
