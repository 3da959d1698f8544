import BlobStore
import Crypto
import MailStore
import NIOCore

/// Messages whose rows are gone come back.
extension VolumeRepair {
  // MARK: From contents and blobs

  /// A content that nothing refers to: the message's row is lost, since a purge would have taken both.
  func placeUnreferencedContents() throws(StoreError) {
    let keys = try all(
      try db(
        "SELECT u.key FROM scan.use u WHERE NOT EXISTS (SELECT 1 FROM scan.ref r WHERE r.key = u.key) ORDER BY u.key")
    ) { $0.int(0) }
    let isLogComplete = harvested?.isComplete("expunged") ?? true
    for key in keys where !removed.contains(ContentKey.account(key)) {
      let row = try db.statement(
        """
        SELECT \(FrameCatalog.ownerColumns) FROM content c JOIN blob b ON b.id = c.blob
        JOIN scan.owner o ON o.pack = b.pack AND o.offset = b.offset AND o.account = c.key >> 36
        JOIN scan.frame f ON f.pack = o.pack AND f.offset = o.offset
        WHERE c.key = ? ORDER BY (SELECT 1 FROM message m WHERE m.account = o.account AND m.mailbox = o.mailbox AND m.uid = o.uid)
          IS NOT NULL, o.number LIMIT 1
        """)
      let owner = try bound(row, key).first { FrameCatalog.owner($0) }
      if let owner, try rejoin(owner, key) { continue }
      try placeMessage(of: key, owner, keepsUID: isLogComplete)
    }
  }

  /// The row is there and refers to something else, which is of another size than the row says.
  private func rejoin(_ owner: FrameCatalog.Owner, _ key: Int64) throws(StoreError) -> Bool {
    let row = try db(
      """
      UPDATE message SET content = ?4 WHERE account = ?1 AND mailbox = ?2 AND uid = ?3
        AND size = (SELECT size + COALESCE(LENGTH(trace), 0) FROM content WHERE key = ?5)
        AND size <> COALESCE((SELECT c.size + COALESCE(LENGTH(c.trace), 0) FROM content c
          WHERE c.key = (message.account << 36) + message.content), -1)
      """)
    bind(row, MailboxRef(account: AccountID(owner.account), mailbox: MailboxID(owner.mailbox)), owner.uid)
    row.bind(4, ContentKey.content(key))
    row.bind(5, key)
    try row.run()
    guard db.changes > 0 else { return false }
    try noteReference(key, owner.mailbox, owner.uid, size: 0)
    did("messages joined to their bytes again")
    return true
  }

  /// A blob that no content refers to: row and content are lost.
  func placeUnusedBlobs() throws(StoreError) {
    let rows = try db.statement(
      """
      SELECT \(FrameCatalog.ownerColumns) FROM blob b
      JOIN scan.owner o ON o.pack = b.pack AND o.offset = b.offset
      JOIN scan.frame f ON f.pack = o.pack AND f.offset = o.offset AND f.whole = 1
      JOIN account_state s ON s.account = o.account AND s.state <> 1
      WHERE NOT EXISTS (SELECT 1 FROM scan.use u WHERE u.blob = b.id) ORDER BY b.pack, b.offset, o.number
      """)
    let isLogComplete = harvested?.isComplete("expunged") ?? true
    for owner in try all(rows, { FrameCatalog.owner($0) }) {
      guard let key = try insertContent(owner, key: nil) else { continue }
      try placeMessage(of: key, owner, keepsUID: isLogComplete)
    }
    try mend(
      "rows of unused frames removed",
      "DELETE FROM blob WHERE NOT EXISTS (SELECT 1 FROM scan.use u WHERE u.blob = blob.id)")
  }

  // MARK: From frames alone

  /// Every frame that no row knows, once for each owner: (account, mailbox, UIDVALIDITY, UID) is one message, however
  /// many copies of its frame compaction left.
  func placeLostFrames() throws(StoreError) {
    try db.execute("CREATE TABLE scan.lost (account INTEGER, mailbox INTEGER, uidvalidity INTEGER, uid INTEGER)")
    try db(
      """
      INSERT INTO scan.lost SELECT DISTINCT o.account, o.mailbox, o.uidvalidity, o.uid
      FROM scan.owner o JOIN scan.frame f ON f.pack = o.pack AND f.offset = o.offset AND f.whole = 1
      JOIN account_state s ON s.account = o.account AND s.state <> 1
      WHERE NOT EXISTS (
        SELECT 1 FROM scan.owner p JOIN blob b ON b.pack = p.pack AND b.offset = p.offset
        JOIN scan.use u ON u.blob = b.id AND u.key >> 36 = p.account
        WHERE p.account = o.account AND p.mailbox = o.mailbox AND p.uidvalidity = o.uidvalidity AND p.uid = o.uid)
      ORDER BY o.account, o.mailbox, o.uidvalidity DESC, o.uid
      """
    ).run()
    let total = Int(try db("SELECT COUNT(*) FROM scan.lost").first { $0.int(0) } ?? 0)
    var done: Int64 = 0
    while true {
      progress(RepairProgress(phase: "bringing messages back", done: Int(done), total: total))
      let rows = try db(
        "SELECT rowid, account, mailbox, uidvalidity, uid FROM scan.lost WHERE rowid > ? ORDER BY rowid LIMIT 500")
      let slice = try all(bound(rows, done)) { [$0.int(0), $0.int(1), $0.int(2), $0.int(3), $0.int(4)] }
      guard let last = slice.last else { return }
      done = last[0]
      try inTransaction { () throws(StoreError) in
        for item in slice { try placeLost(item[1], item[2], item[3], item[4]) }
      }
    }
  }

  private func placeLost(_ account: Int64, _ mailbox: Int64, _ validity: Int64, _ uid: Int64) throws(StoreError) {
    let row = try db.statement(
      """
      SELECT \(FrameCatalog.ownerColumns) FROM scan.owner o JOIN scan.frame f ON f.pack = o.pack AND f.offset = o.offset
      WHERE o.account = ?1 AND o.mailbox = ?2 AND o.uidvalidity = ?3 AND o.uid = ?4 AND f.whole = 1
      ORDER BY f.pack DESC, f.offset DESC LIMIT 1
      """)
    row.bind(1, account)
    row.bind(2, mailbox)
    row.bind(3, validity)
    row.bind(4, uid)
    guard let owner = try row.first({ FrameCatalog.owner($0) }), let key = try insertContent(owner, key: nil) else {
      return
    }
    // The log says of a message that was moved on and of one that was purged the same; where it went to may be lost.
    let log = try db(
      """
      SELECT 1 FROM expunged e JOIN mailbox m ON m.account = e.account AND m.id = e.mailbox AND m.uidvalidity = ?4
      WHERE e.account = ?1 AND e.mailbox = ?2 AND e.uid = ?3
      """)
    bind(log, MailboxRef(account: AccountID(account), mailbox: MailboxID(mailbox)), owner.uid)
    log.bind(4, validity)
    let hasLeft = try log.first { _ in true } ?? false
    // Whether it was expunged is not known, so in a mailbox that clients know it gets a UID that none has seen.
    try placeMessage(of: key, hasLeft ? nil : owner, date: owner.date, keepsUID: false)
  }

  // MARK: Strays

  /// Frames beyond what the last commit knew of: mail of commits that are lost, or copies that a crash left. Their packs
  /// are pinned until this is done (docs/decisions/006).
  func placeStrays() throws(StoreError) {
    let rows = try db.statement(
      """
      SELECT \(FrameCatalog.ownerColumns) FROM stray t
      JOIN scan.frame f ON f.pack = t.pack AND f.offset >= t.offset AND f.offset < t.offset + t.bytes AND f.whole = 1
      JOIN scan.owner o ON o.pack = f.pack AND o.offset = f.offset
      WHERE NOT EXISTS (SELECT 1 FROM blob b WHERE b.pack = f.pack AND b.offset = f.offset)
      ORDER BY f.pack, f.offset, o.number
      """)
    for owner in try all(rows, { FrameCatalog.owner($0) }) {
      let account = owner.account
      guard !removed.contains(account) else { continue }
      if let twin = try twin(of: owner) {
        did(
          twin ? "stray frames released: the account has the same message" : "stray frames that cannot be read released"
        )
        continue
      }
      let state = try db("SELECT 1 FROM account_state WHERE account = ?")
      if try bound(state, account).first({ _ in true }) == nil {
        try addState(account)
        try addMailbox(account, id: nil, Names.inbox)
      }
      guard let key = try insertContent(owner, key: nil) else { continue }
      try placeMessage(of: key, nil, date: owner.date, keepsUID: false)
    }
    try mend("pins of packs ended", "DELETE FROM stray")
  }

  /// True: the account has a message of the same bytes. False: the frame cannot be read. Nil: it is news.
  private func twin(of owner: FrameCatalog.Owner) throws(StoreError) -> Bool? {
    guard (try? packs.read(owner.location, scratch: &scratch)) != nil else { return false }
    let hash = scratch.withBytes { Self.hash($0) }
    let rows = try db(
      """
      SELECT b.pack, b.offset, b.frame, b.size FROM scan.use u JOIN blob b ON b.id = u.blob
      WHERE u.size = ?1 AND u.key >= ?2 AND u.key < ?3 AND EXISTS (SELECT 1 FROM scan.ref r WHERE r.key = u.key)
      """)
    rows.bind(1, owner.location.rawSize)
    rows.bind(2, ContentKey.base(owner.account))
    rows.bind(3, ContentKey.base(owner.account + 1))
    let places = try all(rows) {
      BlobLocation(pack: $0.int(0), offset: $0.int(1), frameLength: $0.int(2), rawSize: $0.int(3))
    }
    for place in places where (try? packs.read(place, scratch: &scratch)) != nil {
      if scratch.withBytes({ Self.hash($0) }) == hash { return true }
    }
    return nil
  }

  static func hash(_ bytes: RawSpan) -> SHA256Digest {
    bytes.withUnsafeBytes {
      var hasher = SHA256()
      hasher.update(bufferPointer: $0)
      return hasher.finalize()
    }
  }

  // MARK: Rows

  /// A row of `message` for a content. It goes to the mailbox of `owner`, under its old UID where that is free and the
  /// mailbox is a new one for clients, or where `keepsUID` and the UID means this message to every client that knows it;
  /// else under a new one. Without an owner or its mailbox it goes to "Recovered".
  func placeMessage(
    of key: Int64, _ owner: FrameCatalog.Owner?, date: InternalDate? = nil, keepsUID: Bool
  ) throws(StoreError) {
    let account = ContentKey.account(key)
    var ref = try recoveredIfNeeded(owner, account)
    let isHome = owner.map { ref.mailbox.rawValue == $0.mailbox } ?? false
    var uid: UID?
    if isHome, let owner {
      let state = try db("SELECT uidvalidity, selectable FROM mailbox WHERE account = ? AND id = ?")
      state.bind(1, account)
      state.bind(2, owner.mailbox)
      let (validity, isSelectable) = try state.first { ($0.int(0), $0.int(1) != 0) } ?? (0, true)
      let isKnown = keepsUID && validity == Int64(owner.uidValidity)
      let isNew = fresh.contains(ref) || renewed.contains(ref)
      if isKnown || isNew, try isFree(owner.uid, ref) { uid = owner.uid }
      if !isSelectable { ref = try recovered(account) }
    }
    let number: UID
    if let uid { number = uid } else { number = try takeUID(ref) }
    let row = try db(
      """
      INSERT INTO message (account, mailbox, uid, modseq, flags, keywords, internal, zone, saved, size, content, instance)
      SELECT ?1, ?2, ?3, ?4, 0, 0, ?5, ?6, ?5, size + COALESCE(LENGTH(trace), 0), ?7, ?8 FROM content WHERE key = ?9
      """)
    let date = date ?? owner?.date ?? InternalDate(seconds: now)
    bind(row, ref, number)
    row.bind(4, try modSeq(account))
    row.bind(5, date.seconds)
    row.bind(6, Int64(date.zoneMinutes))
    row.bind(7, ContentKey.content(key))
    row.bind(8, try takeInstance(account))
    row.bind(9, key)
    try row.run()
    try noteReference(key, ref.mailbox.rawValue, number, size: 0)
    touched.insert(ref)
    tell(account) { if isHome { $0.restored += 1 } else { $0.recovered += 1 } }
    did(isHome ? "messages brought back to their mailboxes" : "messages brought back to the mailbox Recovered")
  }

  private func recoveredIfNeeded(_ owner: FrameCatalog.Owner?, _ account: Int64) throws(StoreError) -> MailboxRef {
    guard let owner else { return try recovered(account) }
    let home = MailboxRef(account: AccountID(account), mailbox: MailboxID(owner.mailbox))
    if try mailboxName(home) != nil { return home }
    return try recovered(account)
  }

  private func isFree(_ uid: UID, _ ref: MailboxRef) throws(StoreError) -> Bool {
    let row = try db(
      """
      SELECT EXISTS (SELECT 1 FROM message WHERE account = ?1 AND mailbox = ?2 AND uid = ?3)
        OR EXISTS (SELECT 1 FROM expunged WHERE account = ?1 AND mailbox = ?2 AND uid = ?3)
      """)
    bind(row, ref, uid)
    guard try row.first({ $0.int(0) }) == 0 else { return false }
    // Numbers handed out by this repair are behind all that the rows had when it began.
    return uid < nextUID[ref] ?? UID.max
  }

  private func noteReference(_ key: Int64, _ mailbox: Int64, _ uid: UID, size: Int64) throws(StoreError) {
    let row = try db("INSERT OR IGNORE INTO scan.ref (key, mailbox, uid, size, gone) VALUES (?, ?, ?, ?, 0)")
    row.bind(1, key)
    row.bind(2, mailbox)
    row.bind(3, uid)
    row.bind(4, size)
    try row.run()
  }
}
