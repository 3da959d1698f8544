import MailStore

/// Reading `flag_chunk`, which keeps flags, keywords and MODSEQs of the messages of a mailbox up to some UID, its *seal*: a
/// STORE on 20,000 messages writes twenty rows and a SELECT of a million reads a thousand.
///
/// - A message above the seal has all in its row of `message`.
/// - For one up to the seal these three columns of the row stand as they were when it was sealed and mean nothing; a chunk
///   names exactly the messages that are there. (In a deleted mailbox the reaper takes rows away and leaves the chunks.)
/// - Chunks follow each other by `last`, the highest UID each may name; the highest `last` is the seal.
///
/// New messages come above the seal, as rows like ever, and `Transaction.seal` moves it up when they are many.
enum FlagTable {
  struct Chunk {
    var id: Int64
    var last: UID
    var entries: [MessageEntry]
  }

  /// False in a database of an older version.
  static func isThere(_ db: SQLConnection) throws(StoreError) -> Bool {
    try db("SELECT 1 FROM sqlite_schema WHERE name = 'flag_chunk'").first { _ in true } ?? false
  }

  /// 0: nothing is sealed.
  static func seal(_ ref: MailboxRef, _ db: SQLConnection) throws(StoreError) -> UID {
    let row = try db(
      "SELECT last FROM flag_chunk WHERE account = ? AND mailbox = ? ORDER BY last DESC LIMIT 1")
    row.bind(1, ref.account.rawValue)
    row.bind(2, ref.mailbox.rawValue)
    return try row.first { $0.uid(0) } ?? 0
  }

  /// The chunk that a message with this UID would be in; nil above the seal.
  static func chunk(_ uid: UID, in ref: MailboxRef, _ db: SQLConnection) throws(StoreError) -> Chunk? {
    let row = try db(
      "SELECT id, last, data FROM flag_chunk WHERE account = ? AND mailbox = ? AND last >= ? ORDER BY last LIMIT 1")
    row.bind(1, ref.account.rawValue)
    row.bind(2, ref.mailbox.rawValue)
    row.bind(3, uid)
    return try row.first { row throws(StoreError) in try chunk(row, of: ref) }
  }

  /// All of the mailbox, ascending. Returns the seal.
  @discardableResult
  static func forEach(
    in ref: MailboxRef, _ db: SQLConnection, _ body: (Chunk) throws(StoreError) -> Void
  ) throws(StoreError) -> UID {
    let rows = try db("SELECT id, last, data FROM flag_chunk WHERE account = ? AND mailbox = ? ORDER BY last")
    rows.bind(1, ref.account.rawValue)
    rows.bind(2, ref.mailbox.rawValue)
    var seal: UID = 0
    try rows.forEach { row throws(StoreError) in
      let chunk = try chunk(row, of: ref)
      seal = chunk.last
      try body(chunk)
    }
    return seal
  }

  private static func chunk(_ row: SQLStatement, of ref: MailboxRef) throws(StoreError) -> Chunk {
    let last = row.uid(1)
    guard let entries = FlagChunk.decoded(row.blob(2), at: FlagChunk.Place(ref, last: last)) else {
      throw .corrupt(
        what: """
          mailbox \(ref.mailbox) of account \(ref.account): the flags of messages up to UID \(last) are damaged; run \
          'merpati check --repair'
          """)
    }
    return Chunk(id: row.int(0), last: last, entries: entries)
  }

  /// A new chunk above the seal. Returns its `last`, the new seal. `entries` are not empty.
  static func insert(_ entries: [MessageEntry], in ref: MailboxRef, _ db: SQLConnection) throws(StoreError) -> UID {
    let last = entries[entries.count - 1].uid
    let row = try db("INSERT INTO flag_chunk (account, mailbox, last, data) VALUES (?, ?, ?, ?)")
    row.bind(1, ref.account.rawValue)
    row.bind(2, ref.mailbox.rawValue)
    row.bind(3, last)
    FlagChunk.encoded(entries, at: FlagChunk.Place(ref, last: last)).withUnsafeBytes { row.bind(4, bytes: $0) }
    try row.run()
    return last
  }

  /// The mailbox's last chunk with more behind it. Returns the new seal. `more` is not empty.
  static func fill(
    _ chunk: Chunk, with more: ArraySlice<MessageEntry>, in ref: MailboxRef, _ db: SQLConnection
  ) throws(StoreError) -> UID {
    let last = more[more.endIndex - 1].uid
    let row = try db("UPDATE flag_chunk SET last = ?2, data = ?3 WHERE id = ?1")
    row.bind(1, chunk.id)
    row.bind(2, last)
    FlagChunk.encoded(chunk.entries + more, at: FlagChunk.Place(ref, last: last)).withUnsafeBytes {
      row.bind(3, bytes: $0)
    }
    try row.run()
    return last
  }

  /// Entries of the messages above the seal, the first `limit` of them.
  static func rows(
    above seal: UID, in ref: MailboxRef, _ db: SQLConnection, limit: Int = .max,
    _ body: (MessageEntry) throws(StoreError) -> Void
  ) throws(StoreError) {
    let rows = try db(
      """
      SELECT uid, flags, keywords, modseq FROM message WHERE account = ? AND mailbox = ? AND uid > ? ORDER BY uid LIMIT ?
      """)
    rows.bind(1, ref.account.rawValue)
    rows.bind(2, ref.mailbox.rawValue)
    rows.bind(3, seal)
    rows.bind(4, limit)
    try rows.forEach { row throws(StoreError) in try body(MessageEntry(row)) }
  }
}

/// Entries by ascending UIDs, out of the chunks of a mailbox, deleted or not.
struct FlagCursor {
  let ref: MailboxRef
  let db: SQLConnection
  private var chunk: FlagTable.Chunk?
  private var index = 0
  private var isAboveSeal = false

  init(_ ref: MailboxRef, _ db: SQLConnection) {
    self.ref = ref
    self.db = db
  }

  /// Nil above the seal, where the row of `message` has it, and when no chunk names the message. UIDs must ascend.
  mutating func entry(_ uid: UID) throws(StoreError) -> MessageEntry? {
    if isAboveSeal { return nil }
    if chunk.map({ $0.last < uid }) ?? true {
      chunk = try FlagTable.chunk(uid, in: ref, db)
      index = 0
    }
    guard let chunk else {
      isAboveSeal = true
      return nil
    }
    while index < chunk.entries.count, chunk.entries[index].uid < uid { index += 1 }
    guard index < chunk.entries.count, chunk.entries[index].uid == uid else { return nil }
    return chunk.entries[index]
  }
}

extension MessageEntry {
  /// Columns: uid, flags, keywords, modseq.
  init(_ row: SQLStatement) {
    self.init(
      uid: row.uid(0), flags: SystemFlags(rawValue: UInt8(truncatingIfNeeded: row.int(1))), keywords: row.bits(2),
      modSeq: row.bits(3))
  }
}

/// How many messages a chunk has. Tests make it small, so that a few messages are many chunks.
public struct FlagChunkSizes: Sendable, Hashable {
  /// Messages of a chunk when it is made.
  public var capacity: Int
  /// Messages without a chunk from which on a delivery makes chunks of them.
  public var loose: Int
  /// A STORE on fewer messages without a chunk writes their rows, and makes no chunk of them.
  public var least: Int

  public init(
    capacity: Int = StoreLimits.flagChunk, loose: Int = StoreLimits.looseFlags, least: Int = StoreLimits.leastFlagChunk
  ) {
    self.capacity = capacity
    self.loose = loose
    self.least = least
  }
}
