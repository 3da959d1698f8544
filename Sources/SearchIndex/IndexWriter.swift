import SearchText

/// Fills the index. One at a time for a file, and for one thread.
public final class IndexWriter {
  let db: IndexConnection
  public let place: IndexPlace
  private let opened: FileIdentity?
  var identity: UInt64 { place.seed }

  /// Opens the index, or begins a new one where there is none that counts.
  public convenience init(_ place: IndexPlace) throws(IndexError) {
    do throws(IndexError) { try self.init(opening: place) } catch {
      guard case .damaged = error else { throw error }
      place.remove()
      try self.init(opening: place)
    }
  }

  private init(opening place: IndexPlace) throws(IndexError) {
    self.place = place
    db = try IndexConnection(place.path, creates: true, cacheKiB: 4096)
    // They count only while the file is still empty.
    try db.execute("PRAGMA page_size = 8192")
    try db.execute("PRAGMA auto_vacuum = INCREMENTAL")
    try db.execute("PRAGMA journal_mode = WAL")
    try db.execute("PRAGMA wal_autocheckpoint = 1000")
    try db.execute("PRAGMA journal_size_limit = 0")
    opened = FileIdentity(place.path)
    if try db.number("SELECT COUNT(*) FROM sqlite_schema") == 0 { try create() }
    guard try place.isOwn(db) else { throw .damaged("\(place.path) is of another store or version") }
  }

  private func create() throws(IndexError) {
    try db.transaction(writes: true) { () throws(IndexError) in
      for sql in [
        "CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID",
        """
        CREATE TABLE segment (
          id INTEGER PRIMARY KEY,
          account INTEGER NOT NULL,
          first INTEGER NOT NULL,
          last INTEGER NOT NULL,
          data BLOB NOT NULL
        ) STRICT
        """,
        "CREATE INDEX segment_place ON segment (account, first)",
        "CREATE TABLE block (key INTEGER PRIMARY KEY, data BLOB NOT NULL) STRICT",
      ] { try db.execute(sql) }
      let row = try db("INSERT INTO meta (name, value) VALUES ('identity', ?)")
      row.bind(1, place.identity)
      try row.run()
    }
  }

  // MARK: What there is

  /// Up to where each account's contents have been looked at. Segments follow one another without a gap; where a power cut
  /// has lost one, those behind it go too, and are made anew.
  public func reached() throws(IndexError) -> [Int64: Int64] {
    let rows = try db("SELECT account, id, first, last FROM segment ORDER BY account, first")
    var result: [Int64: Int64] = [:]
    var stray: [Int64] = []
    while try rows.step() {
      let account = rows.int(0)
      if rows.int(2) == (result[account] ?? 0) + 1, rows.int(3) >= rows.int(2) {
        result[account] = rows.int(3)
      } else {
        stray.append(rows.int(1))
      }
    }
    rows.reset()
    for segment in stray {
      try db.transaction(writes: true) { () throws(IndexError) in try delete(segment) }
    }
    return result
  }

  /// Segments and messages there are.
  public func size() throws(IndexError) -> (segments: Int64, octets: Int64) {
    (try db.number("SELECT COUNT(*) FROM segment"), place.octets)
  }

  /// Files that belong to this connection are still those at its path.
  public var isInPlace: Bool { FileIdentity(place.path) == opened }

  // MARK: Adding

  /// Writes what has been gathered: all contents there are from `first` to `last` have been looked at.
  public func add(_ builder: inout SegmentBuilder, first: Int64, last: Int64) throws(IndexError) {
    let messages = builder.messages
    try db.transaction(writes: true) { () throws(IndexError) in
      let segment = IndexSegment(
        id: try nextSegment(), account: builder.account, first: first, last: last,
        nonce: UInt64.random(in: .min ... .max), contents: messages.map(\.content),
        unindexed: messages.map { !$0.isIndexed }, fieldOctets: builder.fields.map(\.count))
      try insert(segment)
      for kind in [IndexBlock.Kind.header, .body] {
        var writer = BlockWriter(count: segment.count)
        let put = { (first: UInt32, payload: [UInt8]) throws(IndexError) in
          try self.insert(payload, IndexBlock.key(segment.id, kind.rawValue, first), segment)
        }
        try builder.takeLists(kind) { trigram, places throws(IndexError) in
          try writer.append(trigram, places, emit: put)
        }
        try writer.finish(emit: put)
      }
      for (field, values) in builder.fields.enumerated() where !values.isEmpty {
        try insert(values, IndexBlock.key(segment.id, IndexBlock.Kind.field(UInt8(field)), 0), segment)
      }
    }
  }

  func nextSegment() throws(IndexError) -> Int64 {
    let id = try db.number("SELECT COALESCE(MAX(id), 0) + 1 FROM segment")
    guard id > 0, id <= IndexBlock.largestSegment else { throw .damaged("segments have no more numbers") }
    return id
  }

  func insert(_ segment: IndexSegment) throws(IndexError) {
    let data = IndexBlock.seal(
      segment.encoded(),
      seed: IndexSegment.seed(
        identity, id: segment.id, account: segment.account, first: segment.first, last: segment.last))
    let row = try db("INSERT INTO segment (id, account, first, last, data) VALUES (?, ?, ?, ?, ?)")
    row.bind(1, segment.id)
    row.bind(2, segment.account)
    row.bind(3, segment.first)
    row.bind(4, segment.last)
    try row.withBlob(5, data) { () throws(IndexError) in try row.run() }
  }

  func insert(_ payload: [UInt8], _ key: Int64, _ segment: IndexSegment) throws(IndexError) {
    let data = IndexBlock.seal(payload, seed: segment.seed(identity, block: key))
    let row = try db("INSERT OR REPLACE INTO block (key, data) VALUES (?, ?)")
    row.bind(1, key)
    try row.withBlob(2, data) { () throws(IndexError) in try row.run() }
  }

  func delete(_ segment: Int64) throws(IndexError) {
    let blocks = try db("DELETE FROM block WHERE key BETWEEN ? AND ?")
    blocks.bind(1, IndexBlock.key(segment, 0, 0))
    blocks.bind(2, IndexBlock.key(segment + 1, 0, 0) - 1)
    try blocks.run()
    let row = try db("DELETE FROM segment WHERE id = ?")
    row.bind(1, segment)
    try row.run()
  }

  /// All of an account.
  public func drop(account: Int64) throws(IndexError) {
    let rows = try db("SELECT id FROM segment WHERE account = ?")
    rows.bind(1, account)
    var segments: [Int64] = []
    while try rows.step() { segments.append(rows.int(0)) }
    rows.reset()
    for segment in segments {
      try db.transaction(writes: true) { () throws(IndexError) in try delete(segment) }
    }
  }

  /// Carries the WAL over and gives back what the file does not need; when nothing is to be done for a while.
  /// - givesAllBack: also a little.
  public func rest(givesAllBack: Bool = false) throws(IndexError) {
    if try db.number("PRAGMA freelist_count") > (givesAllBack ? 0 : 1024) {
      try db.execute("PRAGMA incremental_vacuum")
    }
    let row = try db("PRAGMA wal_checkpoint(TRUNCATE)")
    defer { row.reset() }
    _ = try row.step()
  }
}

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// Which file it is that has a name.
struct FileIdentity: Equatable {
  let device: UInt64
  let number: UInt64

  /// Nil: there is none.
  init?(_ path: String) {
    var info = stat()
    guard lstat(path, &info) == 0 else { return nil }
    device = UInt64(truncatingIfNeeded: info.st_dev)
    number = UInt64(truncatingIfNeeded: info.st_ino)
  }
}
