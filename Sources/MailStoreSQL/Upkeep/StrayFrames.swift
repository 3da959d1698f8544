import BlobStore
import Logging
import MailStore

/// Frames that no row has ever accounted for.
///
/// A killed process leaves some: those of the commit under way, and copies of a compaction. But so does a `mail.sqlite`
/// that is older than the packs, or that has lost its WAL, and then they are mail. One cannot be told from the other for
/// certain, so neither is destroyed: every commit notes how far it has filled its packs (`pack.known_bytes`), the opening
/// writes down what lies beyond as a row of `stray`, and compaction leaves packs with such a row alone. What this process
/// itself has written and not committed is no stray. See docs/decisions/006-never-unlink-what-no-row-knew.md.
enum StrayFrames {
  /// Values of `is_open` in `volume_state`: how the last process that had the volume open left it.
  private enum Left: Int64 {
    /// Never opened by a version that notes where packs end: they are taken as they are.
    case unknown = -1
    case closed = 0
    case open = 1
    /// Closed after a write had failed; what became of the last commit is not known.
    case failed = 2
  }

  private struct Stray {
    var pack: Int64
    var offset: Int64
    var end: Int64
    var frames = 0
  }

  /// For the opening, before anything is written to a pack. `hadWAL`: the database had one before it was opened.
  static func note(
    _ db: SQLConnection, _ packs: PackStore, hadWAL: Bool, now: Int64, logger: Logger
  ) throws(StoreError) {
    let row = try db("SELECT value FROM volume_state WHERE name = 'is_open'")
    let left = try row.first { Left(rawValue: $0.int(0)) ?? .unknown } ?? .unknown
    let tails = try tails(db, packs)
    var strays: [Stray] = []
    if left != .unknown {
      for tail in tails {
        let frames = try count(tail, packs)
        if frames > 0 { strays.append(Stray(pack: tail.pack, offset: tail.offset, end: tail.end, frames: frames)) }
      }
    }
    let isAlarming = isMoreThanACrash(strays, left, hadWAL: hadWAL)
    try inTransaction(db) { () throws(StoreError) in
      for stray in strays { try insert(stray, isAlarming: isAlarming, now: now, db) }
      try setKnown(tails, db)
      try set(.open, db)
    }
    guard !strays.isEmpty else { return }
    let text =
      "\(strays.reduce(0) { $0 + $1.frames }) messages in packs \(strays.map { "\($0.pack)" }.joined(separator: ", ")) "
      + "are known to no row; they are kept"
    if isAlarming {
      logger.critical("\(db.path) is older than its packs or has lost its -wal file: \(text)")
    } else {
      logger.notice("after a crash: \(text)")
    }
  }

  /// For the closing, when nobody writes any more. `hasFailed`: the outcome of the last commit is in doubt.
  static func close(
    _ db: SQLConnection, _ packs: PackStore, _ ages: AgeKeeper, hasFailed: Bool
  ) throws(StoreError) {
    // What lies beyond the last commit was written by this process, for commits that it took back.
    let tails = hasFailed ? [] : try tails(db, packs)
    try inTransaction(db) { () throws(StoreError) in
      try setKnown(tails, db)
      try ages.save(db)
      try set(hasFailed ? .failed : .closed, db)
    }
  }

  /// A crash leaves the frames of one commit and one slice of compaction, in the packs under way or in new ones, and a
  /// WAL. This decides on the words only; kept they are in any case.
  private static func isMoreThanACrash(_ strays: [Stray], _ left: Left, hadWAL: Bool) -> Bool {
    guard !strays.isEmpty else { return false }
    if left == .closed || left == .open && !hadWAL { return true }
    // How many packs they fill says nothing: one commit can fill several, since packs may be small and messages large.
    return strays.reduce(0) { $0 + $1.frames } > StoreLimits.jobsPerCommit + StoreLimits.compactionSlice
  }

  /// Where packs go on beyond what commits know of.
  private static func tails(_ db: SQLConnection, _ packs: PackStore) throws(StoreError) -> [Stray] {
    var known: [Int64: Int64] = [:]
    try db("SELECT id, known_bytes FROM pack").forEach { known[$0.int(0)] = $0.int(1) }
    // The blobs as well, so that a damaged count makes no strays of mail in use. By the index, so that a start does not
    // take longer the more mail there is: frames do not overlap, so the last one ends last.
    let last = try db("SELECT offset + frame FROM blob WHERE pack = ? ORDER BY offset DESC LIMIT 1")
    var tails: [Stray] = []
    for pack in packs.packs() {
      last.bind(1, pack.number)
      let end = try last.first { $0.int(0) } ?? 0
      let offset = max(known[pack.number] ?? 0, end)
      if pack.bytes > offset { tails.append(Stray(pack: pack.number, offset: offset, end: pack.bytes)) }
    }
    return tails
  }

  /// Whole frames of a tail; half a frame is of no use to anybody.
  private static func count(_ tail: Stray, _ packs: PackStore) throws(StoreError) -> Int {
    var frames = 0
    let result = try blobCall { () throws(BlobError) in
      try packs.scan(tail.pack, verify: false) { frame in
        if frame.location.offset >= tail.offset { frames += 1 }
      }
    }
    // Those whose dictionary is missing: it may come back.
    return frames + result.damaged.count { $0.frame.location.offset >= tail.offset }
  }

  private static func insert(
    _ stray: Stray, isAlarming: Bool, now: Int64, _ db: SQLConnection
  ) throws(StoreError) {
    let row = try db("INSERT INTO stray (pack, offset, bytes, frames, found, alarming) VALUES (?, ?, ?, ?, ?, ?)")
    row.bind(1, stray.pack)
    row.bind(2, stray.offset)
    row.bind(3, stray.end - stray.offset)
    row.bind(4, Int64(stray.frames))
    row.bind(5, now)
    row.bind(6, isAlarming ? 1 : 0)
    try row.run()
  }

  private static func setKnown(_ tails: [Stray], _ db: SQLConnection) throws(StoreError) {
    let row = try db(
      """
      INSERT INTO pack (id, live_frames, live_bytes, known_bytes) VALUES (?1, 0, 0, ?2)
      ON CONFLICT (id) DO UPDATE SET known_bytes = ?2
      """)
    for tail in tails {
      row.bind(1, tail.pack)
      row.bind(2, tail.end)
      try row.run()
    }
  }

  private static func set(_ left: Left, _ db: SQLConnection) throws(StoreError) {
    let row = try db("UPDATE volume_state SET value = ? WHERE name = 'is_open'")
    row.bind(1, left.rawValue)
    try row.run()
  }

  private static func inTransaction(_ db: SQLConnection, _ body: () throws(StoreError) -> Void) throws(StoreError) {
    try db("BEGIN IMMEDIATE").run()
    do throws(StoreError) {
      try body()
      try db("COMMIT").run()
    } catch {
      if db.isInTransaction { try? db("ROLLBACK").run() }
      throw error
    }
  }
}
