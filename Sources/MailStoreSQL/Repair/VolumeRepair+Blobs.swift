import BlobStore
import MailFormat
import MailStore
import NIOCore

/// Blobs against frames.
extension VolumeRepair {
  struct BlobRow {
    var id: Int64
    var location: BlobLocation
  }

  /// Every blob must be a whole frame. One that is not is mended from what is left of it or from another copy, else
  /// marked. Returns those for which only guessing is left (see `mendLater`).
  func mendPlaces() throws(StoreError) -> [BlobRow] {
    // Lengths are what the frames say.
    try mend(
      "places of messages put right",
      """
      UPDATE blob SET frame = f.length, size = f.size FROM scan.frame f
      WHERE f.pack = blob.pack AND f.offset = blob.offset AND (blob.frame <> f.length OR blob.size <> f.size)
      """)
    let broken = try all(
      try db(
        """
        SELECT b.id, b.pack, b.offset, b.frame, b.size FROM blob b LEFT JOIN scan.frame f ON f.pack = b.pack AND f.offset = b.offset
        WHERE COALESCE(f.whole, 0) = 0 ORDER BY b.pack, b.offset
        """)
    ) { row in
      BlobRow(
        id: row.int(0),
        location: BlobLocation(pack: row.int(1), offset: row.int(2), frameLength: row.int(3), rawSize: row.int(4)))
    }
    var waiting: [BlobRow] = []
    for (number, blob) in broken.enumerated() {
      progress(RepairProgress(phase: "mending damaged messages", done: number, total: broken.count))
      let users = try users(of: blob.id)
      // Nobody's message: the row goes later, and there is nothing to mourn.
      if users.isEmpty { continue }
      if try mend(blob) { continue }
      if users.allSatisfy({ lostContents.contains($0) }) {
        waiting.append(blob)
        continue
      }
      try mark(blob.location, "the frame is damaged or missing")
      try describe(blob)
    }
    // Damage in frames that nobody needs is noted, so that it is not told again and again.
    let dead = try all(
      try db(
        """
        SELECT f.pack, f.offset, f.length, f.size FROM scan.frame f WHERE f.whole = 0
          AND NOT EXISTS (SELECT 1 FROM blob b WHERE b.pack = f.pack AND b.offset = f.offset)
        """)
    ) { BlobLocation(pack: $0.int(0), offset: $0.int(1), frameLength: $0.int(2), rawSize: $0.int(3)) }
    for location in dead { try mark(location, "a frame that is not in use is damaged") }
    // What is whole (again) is not damaged.
    try mend(
      "marks of damage taken back",
      """
      DELETE FROM damaged WHERE EXISTS (
        SELECT 1 FROM scan.frame f WHERE f.pack = damaged.pack AND f.offset = damaged.offset AND f.whole = 1)
      """)
    return waiting
  }

  /// Blobs of contents of which nothing is kept: when every other content has its frame, one of their message's size and
  /// date that is left over is theirs.
  func mendLater(_ blobs: [BlobRow]) throws(StoreError) {
    for blob in blobs {
      let keys = try users(of: blob.id)
      if let first = keys.first, let place = try frameByRows(of: first, isExact: false) {
        var isCommon = true
        for key in keys.dropFirst() where isCommon { isCommon = try fits(place, key) }
        if isCommon {
          try move(blob, to: place)
          did("places of messages put right")
          continue
        }
      }
      try mark(blob.location, "the frame is damaged or missing")
      try describe(blob)
    }
  }

  private func mark(_ location: BlobLocation, _ what: String) throws(StoreError) {
    let row = try db("INSERT OR IGNORE INTO damaged (pack, offset, found, what) VALUES (?, ?, ?, ?)")
    row.bind(1, location.pack)
    row.bind(2, location.offset)
    row.bind(3, now)
    row.bind(4, what)
    try row.run()
    did("damaged frames marked", db.changes)
  }

  // MARK: Mending

  private func mend(_ blob: BlobRow) throws(StoreError) -> Bool {
    let keys = try users(of: blob.id)
    if try mendHeader(blob, keys) { return true }
    // Another frame that is the same message: a copy of compaction, or the same bytes delivered twice.
    let candidates = try all(
      bound(
        try db(
          "SELECT f.pack, f.offset, f.length, f.size FROM scan.frame f WHERE f.size = ? AND f.whole = 1 ORDER BY 1, 2"),
        blob.location.rawSize)
    ) { BlobLocation(pack: $0.int(0), offset: $0.int(1), frameLength: $0.int(2), rawSize: $0.int(3)) }
    for candidate in candidates {
      var isCopy = packs.haveSameChunks(blob.location, candidate)
      if !isCopy { isCopy = try hasSameOwner(candidate, keys) }
      for key in keys where isCopy { isCopy = try fits(candidate, key) }
      guard isCopy else { continue }
      try move(blob, to: candidate)
      did("damaged messages mended from another copy")
      return true
    }
    return try mendPlace(blob, keys)
  }

  /// The row may name a wrong place.
  private func mendPlace(_ blob: BlobRow, _ keys: [Int64]) throws(StoreError) -> Bool {
    guard let first = keys.first(where: { !lostContents.contains($0) }) ?? keys.first,
      let place = try frame(of: first, byRowsToo: true)
    else { return false }
    for key in keys where key != first { guard try fits(place, key) else { return false } }
    try move(blob, to: place)
    did("places of messages put right")
    return true
  }

  /// The header's checksum is wrong, or the header does not say whose the frame is, and every chunk is whole: the message
  /// goes into a new frame.
  private func mendHeader(_ blob: BlobRow, _ keys: [Int64]) throws(StoreError) -> Bool {
    guard blob.location.rawSize <= StoreLimits.mendedMessage else { return false }
    var bytes = ByteBuffer()
    let isWhole: Bool
    do throws(BlobError) {
      isWhole = try packs.salvage(blob.location) { piece in
        if case .bytes(let chunk) = piece { bytes.writeImmutableBuffer(chunk) }
      }
    } catch {
      return false
    }
    guard isWhole, Int64(bytes.readableBytes) == blob.location.rawSize else { return false }
    let columns = ContentColumns(MessageSummary.make(bytes.readableBytesSpan))
    for key in keys { guard try matches(columns, key) ?? true else { return false } }
    did("frames with damaged headers written anew")
    try rewrite(blob, bytes, keys)
    return true
  }

  /// `bytes` is the whole message. Owners are what the rows say.
  private func rewrite(_ blob: BlobRow, _ bytes: ByteBuffer, _ keys: [Int64]) throws(StoreError) {
    if options.dryRun { return }
    let owners = try owners(keys)
    let locations = try blobCall { () throws(BlobError) in
      let locations = try packs.append([(packs.encode(bytes), owners)])
      try packs.sync(.appended)
      return locations
    }
    guard let location = locations.first else { return }
    let row = try db(
      "INSERT OR REPLACE INTO scan.frame (pack, offset, length, size, whole, owners) VALUES (?, ?, ?, ?, 1, ?)")
    row.bind(1, location.pack)
    row.bind(2, location.offset)
    row.bind(3, location.frameLength)
    row.bind(4, location.rawSize)
    row.bind(5, owners.count)
    try row.run()
    try move(blob, to: location)
  }

  /// What the rows say of a blob's owners, for a new frame.
  func owners(_ keys: [Int64]) throws(StoreError) -> [FrameOwner] {
    var result: [FrameOwner] = []
    for key in keys {
      let account = ContentKey.account(key)
      let row = try db(
        """
        SELECT r.mailbox, b.name, r.uid, b.uidvalidity, m.internal, m.zone, c.trace
        FROM scan.ref r JOIN content c ON c.key = r.key JOIN mailbox b ON b.account = ?2 AND b.id = r.mailbox
        JOIN message m ON m.account = ?2 AND m.mailbox = r.mailbox AND m.uid = r.uid
        WHERE r.key = ?1 AND r.gone = 0 AND b.name IS NOT NULL ORDER BY r.mailbox, r.uid LIMIT 1
        """)
      row.bind(1, key)
      row.bind(2, account)
      let name = names[account] ?? ""
      let owner = try row.first { row in
        FrameOwner(
          account: account, accountName: name, mailbox: row.int(0), mailboxName: row.text(1), uid: row.uid(2),
          uidValidity: UInt32(truncatingIfNeeded: row.int(3)), internalSeconds: row.int(4),
          zoneMinutes: Int16(truncatingIfNeeded: row.int(5)), trace: row.buffer(6))
      }
      if let owner { result.append(owner) }
    }
    return result
  }

  /// The blob's bytes are at another place from now on; a blob that is there already takes over.
  func move(_ blob: BlobRow, to location: BlobLocation) throws(StoreError) {
    if let other = try self.blob(at: location), other != blob.id {
      for sql: StaticString in [
        "UPDATE content SET blob = ?2 WHERE key IN (SELECT key FROM scan.use WHERE blob = ?1)",
        "UPDATE scan.use SET blob = ?2 WHERE blob = ?1",
      ] {
        let row = try db(sql)
        row.bind(1, blob.id)
        row.bind(2, other)
        try row.run()
      }
      return try bound(try db("DELETE FROM blob WHERE id = ?"), blob.id).run()
    }
    let row = try db("UPDATE blob SET pack = ?2, offset = ?3, frame = ?4, size = ?5 WHERE id = ?1")
    row.bind(1, blob.id)
    row.bind(2, location.pack)
    row.bind(3, location.offset)
    row.bind(4, location.frameLength)
    row.bind(5, location.rawSize)
    try row.run()
  }

  /// Frames in use that do not say whose they are would be nobody's if the database were lost.
  func mendOwners() throws(StoreError) {
    let ownerless = try all(
      try db(
        """
        SELECT b.id, b.pack, b.offset, b.frame, b.size FROM blob b JOIN scan.frame f ON f.pack = b.pack AND f.offset = b.offset
        WHERE f.whole = 1 AND (f.owners = 0
          OR f.owners <> (SELECT COUNT(*) FROM scan.owner o WHERE o.pack = f.pack AND o.offset = f.offset))
          AND EXISTS (SELECT 1 FROM scan.use u WHERE u.blob = b.id)
        """)
    ) { row in
      BlobRow(
        id: row.int(0),
        location: BlobLocation(pack: row.int(1), offset: row.int(2), frameLength: row.int(3), rawSize: row.int(4)))
    }
    for blob in ownerless {
      did("frames told whose they are")
      if options.dryRun { continue }
      let owners = try owners(try users(of: blob.id))
      guard !owners.isEmpty else { continue }
      let location = try blobCall { () throws(BlobError) in
        let location = try packs.copyFrame(blob.location, owners: owners)
        try packs.sync(.copied)
        return location
      }
      try move(blob, to: location)
    }
  }

  // MARK: Looking things up

  func bound(_ statement: SQLStatement, _ value: Int64) -> SQLStatement {
    statement.bind(1, value)
    return statement
  }

  /// Contents that refer to a blob.
  func users(of blob: Int64) throws(StoreError) -> [Int64] {
    try all(bound(try db("SELECT key FROM scan.use WHERE blob = ? ORDER BY key"), blob)) { $0.int(0) }
  }

  func blob(at location: BlobLocation) throws(StoreError) -> Int64? {
    let row = try db("SELECT id FROM blob WHERE pack = ? AND offset = ?")
    row.bind(1, location.pack)
    row.bind(2, location.offset)
    return try row.first { $0.int(0) }
  }

  /// A frame with an owner that some message of these contents is, or was.
  private func hasSameOwner(_ location: BlobLocation, _ keys: [Int64]) throws(StoreError) -> Bool {
    let row = try db(
      """
      SELECT 1 FROM scan.owner o JOIN scan.ref r ON r.key = ?3 AND r.mailbox = o.mailbox AND r.uid = o.uid
      JOIN mailbox b ON b.account = o.account AND b.id = o.mailbox AND b.uidvalidity = o.uidvalidity
      WHERE o.pack = ?1 AND o.offset = ?2 AND o.account = ?3 >> 36 LIMIT 1
      """)
    for key in keys {
      row.bind(1, location.pack)
      row.bind(2, location.offset)
      row.bind(3, key)
      if try row.first({ _ in true }) == true { return true }
    }
    return false
  }

  /// Is the frame what is kept of the content? A content of another parser's version says nothing.
  func fits(_ location: BlobLocation, _ key: Int64, mayGuess: Bool = true) throws(StoreError) -> Bool {
    guard (try? packs.read(location, scratch: &scratch)) != nil else { return false }
    return try matches(scratch.withBytes { ContentColumns(MessageSummary.make($0)) }, key) ?? mayGuess
  }

  /// Nil: the row was made by another version of the parser, or nothing is left of it, so nothing can be said.
  func matches(_ columns: ContentColumns, _ key: Int64) throws(StoreError) -> Bool? {
    guard !lostContents.contains(key) else { return nil }
    let row = try db(
      "SELECT version, envelope, structure, body, sort, headers, parts, preview FROM content WHERE key = ?")
    row.bind(1, key)
    return try row.first { row -> Bool? in
      guard row.int(0) == Int64(MessageSummary.parserVersion) else { return nil }
      return row.buffer(1) == columns.envelope && row.buffer(2) == columns.structure && row.buffer(3) == columns.body
        && row.buffer(4) == columns.sort && row.buffer(5) == columns.headers && row.buffer(6) == columns.parts
        && row.text(7) == columns.preview
    } ?? nil
  }

  // MARK: Telling

  /// Names every message that a damaged blob takes with it, and writes what is left of it where that is wanted.
  private func describe(_ blob: BlobRow) throws(StoreError) {
    for key in try users(of: blob.id) {
      let found = try DamagedFrames.messages(of: key, db, names: { [names] id in names[id] })
      for message in found { nameDamage(message.sentence) }
      tell(ContentKey.account(key)) { $0.damaged += max(found.count, 1) }
      guard !options.salvage.isEmpty, !options.dryRun else { continue }
      let name = "account-\(ContentKey.account(key))-content-\(ContentKey.content(key)).eml"
      if let file = try Salvage.write(blob.location, packs, to: options.salvage, name: name) {
        report.salvaged.append(file)
      }
    }
  }
}
