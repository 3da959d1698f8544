import MailStore
import NIOCore

/// Rows of `content`, as a delivery and as a repair make them.
enum ContentRow {
  static func insert(
    _ columns: ContentColumns, key: Int64, blob: Int64, thread: Int64, size: Int64, trace: ByteBuffer,
    _ db: SQLConnection
  ) throws(StoreError) {
    let row = try db(
      """
      INSERT INTO content (key, blob, thread, size, version, envelope, structure, body, sort, headers, trace, parts,
        preview)
      VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
      """)
    row.bind(1, key)
    row.bind(2, blob)
    row.bind(3, thread)
    row.bind(4, size)
    row.bind(5, Int64(columns.version))
    row.bind(6, columns.envelope)
    row.bind(7, columns.structure)
    row.bind(8, columns.body)
    row.bind(9, columns.sort)
    row.bind(10, columns.headers)
    row.bind(11, trace)
    row.bind(12, columns.parts)
    row.bind(13, columns.preview)
    try row.run()
  }

  /// The same message in another account, with columns of its own. `chunks`: what has the columns of `key`, if its row does
  /// not.
  static func copy(
    _ key: Int64, to new: Int64, thread: Int64, from chunks: ContentChunks?, _ db: SQLConnection
  ) throws(StoreError) {
    let copy = try db(
      """
      INSERT INTO content (key, blob, thread, size, version, envelope, structure, body, sort, headers, trace, parts,
        preview)
      SELECT ?2, blob, ?3, size, version, envelope, structure, body, sort, headers, trace, parts, preview
      FROM content WHERE key = ?1
      """)
    copy.bind(1, key)
    copy.bind(2, new)
    copy.bind(3, thread)
    try copy.run()
    guard let chunks else { return }
    let update = try db(
      """
      UPDATE content SET parts = ?2, trace = ?3, structure = ?4, envelope = ?5, headers = ?6, sort = ?7, body = ?8,
        preview = ?9, version = ?10 WHERE key = ?1
      """)
    update.bind(1, new)
    chunks.bind(to: update, from: 2)
    update.bind(10, chunks.version)
    try update.run()
  }

  /// The thread that the message's identifiers lead to, or a new one that is called after its first content
  /// (RFC 8474 §5.2). Identifiers not known yet lead there from now on, so that an answer that comes before its question
  /// meets it.
  static func thread(
    of identifiers: [Int64], content: Int64, account: Int64, _ db: SQLConnection
  ) throws(StoreError) -> Int64 {
    guard !identifiers.isEmpty else { return content }
    let find = try db("SELECT thread FROM thread_reference WHERE account = ? AND hash = ?")
    var found: Int64?
    var unknown: [Int64] = []
    for hash in identifiers {
      find.bind(1, account)
      find.bind(2, hash)
      if let thread = try find.first({ $0.int(0) }) { found = found ?? thread } else { unknown.append(hash) }
    }
    let thread = found ?? content
    let add = try db("INSERT INTO thread_reference (account, hash, thread) VALUES (?, ?, ?)")
    for hash in unknown {
      add.bind(1, account)
      add.bind(2, hash)
      add.bind(3, thread)
      try add.run()
    }
    return thread
  }
}
