import BlobStore
import MailFormat
import MailStore
import NIOCore

/// Reads contents whose columns stand in a chunk: the chunk used last is kept decompressed, so neighbours cost little.
///
/// A chunk is never changed, and its number never given to another, so what is kept stays right from one transaction to
/// the next. That does not hold for a connection that rolls back chunks of its own: the writer makes one of these for each
/// use.
///
/// `@exclusivity(unchecked)`: see `SQLMessageRow`.
final class ContentChunks {
  private let db: SQLConnection
  @exclusivity(unchecked) private var statements: [ContentParts: SQLStatement] = [:]
  @exclusivity(unchecked) private var unsqueezer = Unsqueezer()
  private let columns: [ChunkColumn] = ContentPart.allCases.map { _ in ChunkColumn() }

  // The chunk at hand
  @exclusivity(unchecked) private var id: Int64 = -1
  /// False: it is missing or damaged, or there is none.
  @exclusivity(unchecked) private var isGood = false
  @exclusivity(unchecked) private var loaded: ContentParts = []
  /// Columns of what is loaded that are decompressed group by group.
  @exclusivity(unchecked) private var grouped: [ChunkColumn] = []
  @exclusivity(unchecked) private(set) var keys: [Int64] = []
  /// The parser's, that made what is in it.
  @exclusivity(unchecked) private(set) var version: Int64 = 0
  @exclusivity(unchecked) private var tellsInTraces = false
  @exclusivity(unchecked) private var slot = -1

  init(_ db: SQLConnection) { self.db = db }

  /// An older database may have none.
  static func isThere(_ db: SQLConnection) throws(StoreError) -> Bool {
    try db("SELECT 1 FROM sqlite_schema WHERE name = 'content_chunk'").first { _ in true } ?? false
  }

  /// Makes `parts` of a content the ones that `bytes` gives, if it is one of the chunk at hand: then its row need not be
  /// looked at.
  func holds(_ key: Int64, _ parts: ContentParts) -> Bool {
    guard isGood, parts.isSubset(of: loaded) else { return false }
    return seek(key)
  }

  /// The same of any chunk. False: the parts are damaged or missing.
  func find(_ key: Int64, in chunk: Int64, _ parts: ContentParts) throws(StoreError) -> Bool {
    guard try load(chunk, parts) else { return false }
    return seek(key)
  }

  private func seek(_ key: Int64) -> Bool {
    let next = slot + 1
    if next < keys.count, keys[next] == key { return stand(next) }
    guard let first = keys.first, first <= key, key <= keys[keys.count - 1] else { return false }
    var low = 0
    var high = keys.count
    while low < high {
      let middle = (low + high) / 2
      if keys[middle] < key { low = middle + 1 } else { high = middle }
    }
    guard low < keys.count, keys[low] == key else { return false }
    return stand(low)
  }

  /// What is loaded of a message is there to be read. False: it is damaged.
  func stand(_ slot: Int) -> Bool {
    self.slot = slot
    for column in grouped where !column.prepare(slot, &unsqueezer) {
      isGood = false
      return false
    }
    return true
  }

  /// Good until the next call of `find`, `holds`, `stand` or `load`. Empty: not asked for.
  func bytes(_ part: ContentPart) -> UnsafeRawBufferPointer {
    guard loaded.contains(part) else { return UnsafeRawBufferPointer(start: nil, count: 0) }
    return columns[part.rawValue][slot]
  }

  func buffer(_ part: ContentPart) -> ByteBuffer {
    let bytes = bytes(part)
    return bytes.isEmpty ? ByteBuffer() : ByteBuffer(bytes: bytes)
  }

  /// All columns of the content found, as a row of `content` has them, in the order of `ContentPart`.
  func bind(to statement: SQLStatement, from first: Int32) {
    for part in ContentPart.allCases where part != .preview {
      statement.bind(first + Int32(part.rawValue), bytes: bytes(part))
    }
    let preview = String(decoding: bytes(.preview), as: UTF8.self)
    statement.bind(first + Int32(ContentPart.preview.rawValue), preview)
  }

  /// Gives memory back after long columns.
  func trim(to limit: Int = 1 << 20) {
    if columns.reduce(0, { $0 + $1.capacity }) > limit { forget() }
  }

  /// Before the connection is closed: one with statements stays half open, and what it should fold in stays in the WAL.
  func close() {
    forget()
    statements.removeAll()
  }

  private func forget() {
    id = -1
    isGood = false
    loaded = []
    grouped = []
    keys = []
    for column in columns { column.letGo() }
  }

  /// False: `parts` of the chunk are damaged, or there is no such chunk.
  func load(_ chunk: Int64, _ parts: ContentParts) throws(StoreError) -> Bool {
    if chunk == id {
      guard isGood else { return false }
      if parts.isSubset(of: loaded) { return true }
    } else {
      loaded = []
    }
    var wanted = parts.union(loaded).withBases
    try read(chunk, wanted)
    // What lines are looked for in traces is the parser's to say.
    let needsTraces = tellsInTraces || version != Int64(MessageSummary.parserVersion)
    if isGood, needsTraces, wanted.contains(.headers), !wanted.contains(.trace) {
      wanted.insert(ContentParts(.trace))
      try read(chunk, wanted)
    }
    return isGood
  }

  private func read(_ chunk: Int64, _ wanted: ContentParts) throws(StoreError) {
    id = -1
    isGood = false
    slot = -1
    let statement = try statement(wanted)
    statement.bind(1, chunk)
    isGood = try statement.first { row in decode(row, wanted) } ?? false
    id = chunk
    loaded = isGood ? wanted : []
    grouped.removeAll(keepingCapacity: true)
    for part in ContentPart.allCases where loaded.contains(part) && part.group < .max {
      grouped.append(columns[part.rawValue])
    }
  }

  private func decode(_ row: SQLStatement, _ wanted: ContentParts) -> Bool {
    let place = ContentChunk.Place(account: row.int(0), last: row.int(1))
    // Numbers that cannot be are damage like any other.
    guard (0...StoreLimits.accounts).contains(place.account), let found = ContentChunk.keys(row.blob(2), at: place)
    else {
      return false
    }
    version = found.version
    tellsInTraces = found.tellsInTraces
    keys.removeAll(keepingCapacity: true)
    for number in found.numbers { keys.append(ContentKey.key(place.account, number)) }
    var column: Int32 = 3
    for part in ContentPart.allCases where wanted.contains(part) {
      let base = part.base.map { columns[$0.rawValue].raw } ?? UnsafeRawBufferPointer(start: nil, count: 0)
      let isWhole = ContentChunk.decode(
        row.blob(column), part, count: keys.count, after: base, at: place, &unsqueezer, into: columns[part.rawValue])
      guard isWhole else { return false }
      column += 1
    }
    return true
  }

  private func statement(_ parts: ContentParts) throws(StoreError) -> SQLStatement {
    if let statement = statements[parts] { return statement }
    var sql = "SELECT account, last, keys"
    for part in ContentPart.allCases where parts.contains(part) { sql += ", \(part)" }
    let statement = try db.statement(sql + " FROM content_chunk WHERE id = ?")
    statements[parts] = statement
    return statement
  }
}
