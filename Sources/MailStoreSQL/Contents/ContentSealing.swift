import BlobStore
import MailFormat
import MailStore
import NIOCore

/// The columns of contents in chunks (`content_chunk`), and back in their rows.
///
/// A row of `content` keeps its columns until so many newer ones of the account have come; then the oldest are brought
/// together, in the transaction of a delivery. A row whose columns stand in a chunk has NULL in them, the chunk's number in
/// `chunk` and the length of its trace in `trace_size`. A chunk is never changed: when half of its contents are gone, the
/// others get a new one.
enum ContentSealing {
  /// The highest content number of the account that stands in a chunk, 0 when none does.
  static func last(of account: Int64, _ db: SQLConnection) throws(StoreError) -> Int64 {
    let row = try db("SELECT MAX(last) FROM content_chunk WHERE account = ?")
    row.bind(1, account)
    return try row.first { $0.int(0) } ?? 0
  }

  /// One chunk of the oldest contents after `from`, if there are enough. Returns the number up to which all has been
  /// looked at, and whether there is a chunk of it.
  static func seal(
    _ account: Int64, after from: Int64, below end: Int64, _ sizes: ContentChunkSizes, _ db: SQLConnection
  ) throws(StoreError) -> (last: Int64, isSealed: Bool) {
    let rows = try db(
      """
      SELECT key, parts, trace, structure, envelope, headers, sort, body, preview, blob, thread, size, version
      FROM content WHERE key > ?1 AND key < ?2 AND chunk IS NULL ORDER BY key LIMIT ?3
      """)
    rows.bind(1, ContentKey.key(account, from))
    rows.bind(2, ContentKey.key(account, end))
    rows.bind(3, sizes.capacity)
    var builder = ChunkBuilder()
    var narrow: [(blob: Int64, thread: Int64, size: Int64, version: Int64)] = []
    var seen = 0
    var last = from
    var isOver = false
    try rows.forEach { row throws(StoreError) in
      // A chunk is of one version of the parser, so that its rows need not be asked.
      if seen > 0, row.int(12) != builder.version { isOver = true }
      guard !isOver else { return }
      builder.version = row.int(12)
      seen += 1
      let number = ContentKey.content(row.int(0))
      // SQLite does not look whether a page's rows are in order.
      guard number > last else { throw Self.isOutOfOrder(db, account, number) }
      last = number
      let isTaken = builder.add(last, limit: StoreLimits.sealedContentOctets) { row.blob(1 + Int32($0.rawValue)) }
      if isTaken { narrow.append((row.int(9), row.int(10), row.int(11), row.int(12))) }
    }
    if seen < sizes.capacity, !isOver { last = end - 1 }
    // Few are left of many numbers: they stay as they are.
    guard !narrow.isEmpty, narrow.count * 4 >= sizes.capacity else { return (last, false) }
    let id = try insert(builder, account, db)
    try remove(builder.numbers, isRun: narrow.count == seen, account, db)
    let row = try db(
      "INSERT INTO content (key, blob, thread, size, version, chunk, trace_size) VALUES (?, ?, ?, ?, ?, ?, ?)")
    row.bind(6, id)
    for (index, number) in builder.numbers.enumerated() {
      row.bind(1, ContentKey.key(account, number))
      row.bind(2, narrow[index].blob)
      row.bind(3, narrow[index].thread)
      row.bind(4, narrow[index].size)
      row.bind(5, narrow[index].version)
      row.bind(7, builder.length(.trace, index))
      try row.run()
    }
    return (last, true)
  }

  /// The rows whose columns are in a chunk now; they come back without them. An UPDATE that makes rows small leaves their
  /// pages nearly empty, a DELETE joins them.
  ///
  /// `isRun`: there are no others between the first and the last that stand by themselves.
  private static func remove(
    _ numbers: [Int64], isRun: Bool, _ account: Int64, _ db: SQLConnection
  ) throws(StoreError) {
    var removed = 0
    if isRun {
      let delete = try db("DELETE FROM content WHERE key BETWEEN ?1 AND ?2 AND chunk IS NULL")
      delete.bind(1, ContentKey.key(account, numbers.first ?? 0))
      delete.bind(2, ContentKey.key(account, numbers.last ?? 0))
      try delete.run()
      removed = db.changes
    } else {
      let delete = try db("DELETE FROM content WHERE key = ?")
      for number in numbers {
        delete.bind(1, ContentKey.key(account, number))
        try delete.run()
        removed += db.changes
      }
    }
    // A tree that is out of order: a row that was not read must not go.
    guard removed == numbers.count else { throw isOutOfOrder(db, account, numbers.first ?? 0) }
  }

  private static func isOutOfOrder(_ db: SQLConnection, _ account: Int64, _ content: Int64) -> StoreError {
    .corrupt(
      what: """
        \(db.path): contents of account \(account) around \(content) are out of order; run 'merpati check --repair'
        """)
  }

  /// The chunk's row. Returns its number, which is to go into those of its contents.
  private static func insert(
    _ builder: ChunkBuilder, _ account: Int64, _ db: SQLConnection
  ) throws(StoreError) -> Int64 {
    let place = ContentChunk.Place(account: account, last: builder.numbers.last ?? 0)
    let row = try db(
      """
      INSERT INTO content_chunk (account, first, last, keys, parts, trace, structure, envelope, headers, sort, body,
        preview)
      VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id
      """)
    row.bind(1, account)
    row.bind(2, builder.numbers.first ?? 0)
    row.bind(3, place.last)
    row.bind(4, ContentChunk.encodedKeys(builder.keys, at: place))
    var bases: [ContentPart: [UInt8]] = [:]
    for part in ContentPart.allCases {
      let groups = builder.groups(part)
      // Bases come before the parts that need them.
      let base = part.base.flatMap { bases[$0] } ?? []
      row.bind(5 + Int32(part.rawValue), try ContentChunk.encoded(groups, part, after: base, at: place))
      if groups.count == 1 { bases[part] = groups[0] }
    }
    // To its end, or SQLite takes the row back with the statement.
    var id: Int64?
    try row.forEach { id = $0.int(0) }
    guard let id else { throw .database(message: "\(db.path): a chunk of contents has no number") }
    return id
  }

  /// After contents of this chunk went: it goes as well, or is made anew when few are left.
  static func thin(_ id: Int64, _ db: SQLConnection) throws(StoreError) {
    let find = try db("SELECT account, first, last FROM content_chunk WHERE id = ?")
    find.bind(1, id)
    guard let (account, first, last) = try find.first({ ($0.int(0), $0.int(1), $0.int(2)) }) else { return }
    let chunks = ContentChunks(db)
    // A damaged one stays for `check` to name: what its row says of its place is under no checksum, its list of contents is.
    guard try chunks.load(id, []), first == ContentKey.content(chunks.keys.first ?? 0),
      last == ContentKey.content(chunks.keys.last ?? 0)
    else { return }
    let rows = try db("SELECT key FROM content WHERE key BETWEEN ?1 AND ?2 AND chunk = ?3 ORDER BY key")
    rows.bind(1, ContentKey.key(account, first))
    rows.bind(2, ContentKey.key(account, last))
    rows.bind(3, id)
    var left: [Int64] = []
    try rows.forEach { left.append($0.int(0)) }
    if !left.isEmpty {
      guard left.count * 2 <= chunks.keys.count, try chunks.load(id, .all) else { return }
      var builder = ChunkBuilder()
      builder.version = chunks.version
      for key in left {
        guard try chunks.find(key, in: id, .all) else { return }
        builder.add(ContentKey.content(key), limit: .max) { chunks.bytes($0) }
      }
      let new = try insert(builder, account, db)
      let update = try db("UPDATE content SET chunk = ?4 WHERE key BETWEEN ?1 AND ?2 AND chunk = ?3")
      update.bind(1, ContentKey.key(account, first))
      update.bind(2, ContentKey.key(account, last))
      update.bind(3, id)
      update.bind(4, new)
      try update.run()
    }
    let delete = try db("DELETE FROM content_chunk WHERE id = ?")
    delete.bind(1, id)
    try delete.run()
  }

  struct Unsealed {
    /// Contents whose chunk was damaged or missing: their columns are NULL, `trace_size` still says how long their trace
    /// was.
    var lost: Set<Int64> = []
    /// Those of them whose trace was not damaged.
    var traced: Set<Int64> = []
    /// Chunks of nobody.
    var strays = 0
    /// Contents whose rows said another length of their trace than it has, or another version of the parser.
    var wrongRows = 0
  }

  /// Rows have everything afterwards, and there are no chunks. Within the caller's transaction.
  static func unseal(_ db: SQLConnection) throws(StoreError) -> Unsealed {
    var result = Unsealed()
    let chunks = ContentChunks(db)
    let find = try db("SELECT trace_size, version FROM content WHERE key = ? AND chunk = ?")
    let update = try db(
      """
      UPDATE content SET chunk = NULL, trace_size = NULL, parts = ?3, trace = ?4, structure = ?5, envelope = ?6,
        headers = ?7, sort = ?8, body = ?9, preview = ?10, version = ?11 WHERE key = ?1 AND chunk = ?2
      """)
    var after: Int64 = .min
    while true {
      let next = try db("SELECT id FROM content_chunk WHERE id > ? ORDER BY id LIMIT 1")
      next.bind(1, after)
      guard let id = try next.first({ $0.int(0) }) else { break }
      after = id
      guard try chunks.load(id, .all) else {
        try unsealTraces(id, &result, db)
        continue
      }
      update.bind(2, id)
      update.bind(11, chunks.version)
      find.bind(2, id)
      var isStray = true
      for (slot, key) in chunks.keys.enumerated() {
        find.bind(1, key)
        guard let (size, version) = try find.first({ ($0.int(0), $0.int(1)) }) else { continue }
        isStray = false
        // Its row stays without columns.
        guard chunks.stand(slot) else { break }
        if size != Int64(chunks.bytes(.trace).count) || version != chunks.version { result.wrongRows += 1 }
        update.bind(1, key)
        chunks.bind(to: update, from: 3)
        try update.run()
      }
      if isStray { result.strays += 1 }
    }
    try db("SELECT key FROM content WHERE chunk IS NOT NULL").forEach { result.lost.insert($0.int(0)) }
    try db("UPDATE content SET chunk = NULL WHERE chunk IS NOT NULL").run()
    try db("DELETE FROM content_chunk").run()
    return result
  }

  /// Of a chunk that is damaged elsewhere: all but the trace can be made from the message.
  private static func unsealTraces(_ id: Int64, _ result: inout Unsealed, _ db: SQLConnection) throws(StoreError) {
    let chunks = ContentChunks(db)
    guard try chunks.load(id, ContentParts(.trace)) else { return }
    let update = try db("UPDATE content SET trace = ?3, trace_size = ?4 WHERE key = ?1 AND chunk = ?2")
    update.bind(2, id)
    for (slot, key) in chunks.keys.enumerated() {
      guard chunks.stand(slot) else { return }
      update.bind(1, key)
      update.bind(3, bytes: chunks.bytes(.trace))
      update.bind(4, chunks.bytes(.trace).count)
      try update.run()
      if db.changes > 0 { result.traced.insert(key) }
    }
  }
}

/// Gathers the columns of contents for a chunk.
struct ChunkBuilder {
  /// Of the parser, for all of them.
  var version: Int64 = 0
  private(set) var numbers: [Int64] = []
  private var tellsInTraces = false
  private var lengths: [[Int]] = ContentPart.allCases.map { _ in [] }
  private var bytes: [[UInt8]] = ContentPart.allCases.map { _ in [] }

  /// A content with more than `limit` octets is left where it is: its neighbours would be slow to read.
  @discardableResult
  mutating func add(_ number: Int64, limit: Int, _ part: (ContentPart) -> UnsafeRawBufferPointer) -> Bool {
    var sum = 0
    for each in ContentPart.allCases { sum += part(each).count }
    guard sum <= limit else { return false }
    numbers.append(number)
    if !tellsInTraces { tellsInTraces = Self.tells(part(.trace)) }
    for each in ContentPart.allCases {
      let piece = part(each)
      lengths[each.rawValue].append(piece.count)
      bytes[each.rawValue] += piece
    }
    return true
  }

  var keys: ContentChunk.Keys {
    ContentChunk.Keys(numbers: numbers, version: version, tellsInTraces: tellsInTraces)
  }

  /// Some line of `trace` may be of a field of `CommonHeaders`. Whatever may end a line ends one here.
  static func tells(_ trace: UnsafeRawBufferPointer) -> Bool {
    var start = 0
    while start < trace.count {
      var end = start
      var colon: Int?
      while end < trace.count, trace[end] != UInt8(ascii: "\n"), trace[end] != UInt8(ascii: "\r") {
        if colon == nil, trace[end] == UInt8(ascii: ":") { colon = end }
        end += 1
      }
      if var last = colon {
        while last > start, trace[last - 1] == UInt8(ascii: " ") || trace[last - 1] == UInt8(ascii: "\t") { last -= 1 }
        if CommonHeaders.contains(Array(trace[start..<last])) { return true }
      }
      start = end + 1
    }
    return false
  }

  func groups(_ part: ContentPart) -> [[UInt8]] {
    let lengths = lengths[part.rawValue]
    let size = max(min(part.group, lengths.count), 1)
    var start = 0
    return stride(from: 0, to: max(lengths.count, 1), by: size).map { first in
      let some = Array(lengths[first..<min(first + size, lengths.count)])
      let end = start + some.reduce(0, +)
      defer { start = end }
      return ContentChunk.raw(some, bytes[part.rawValue][start..<end])
    }
  }

  func length(_ part: ContentPart, _ index: Int) -> Int { lengths[part.rawValue][index] }
}

extension Transaction {
  /// After a new content: the oldest loose ones get a chunk when there are enough. One at a time, so an older store's
  /// rows are brought together by and by; and few in one commit, for which others wait.
  func sealContents(of account: AccountBox) throws(StoreError) {
    let sizes = settings.contentChunks
    if let sealed = account.counters.sealedContents,
      account.counters.nextContent - 1 - sealed < Int64(sizes.loose)
    {
      return
    }
    guard maySeal, !unsealable.contains(account.id), seals < StoreLimits.sealsPerCommit else { return }
    seals += 1
    try db("SAVEPOINT sealing").run()
    do throws(StoreError) {
      let sealed =
        if let known = account.counters.sealedContents { known } else { try ContentSealing.last(of: account.id, db) }
      account.counters.sealedContents = sealed
      let end = account.counters.nextContent
      var from = sealed
      // Past some that stay rows, or they would be looked at again by every delivery that finds the account not in memory.
      for _ in 0..<StoreLimits.sealingLooks where end - 1 - from >= Int64(sizes.loose) {
        let (last, isSealed) = try ContentSealing.seal(account.id, after: from, below: end, sizes, db)
        from = last
        if isSealed { break }
      }
      account.counters.sealedContents = from
      try db("RELEASE sealing").run()
    } catch {
      // Damaged pages keep rows where they are, and not mail from coming in. SQLite takes nothing more in a transaction that
      // has come upon one, so it begins anew without coming here (see `Writer.run`); the next opening tries again.
      switch error {
      case .corrupt, .database, .io(SQLFailure.read, _, _):
        unsealable.insert(account.id)
        sealingFailed = true
      default: break
      }
      throw error
    }
  }
}
