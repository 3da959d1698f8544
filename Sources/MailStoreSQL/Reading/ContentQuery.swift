import BlobStore
import MailStore

/// Where a visit's rows come from.
enum ContentSource: Hashable {
  /// `message`, a run of UIDs: ?1 account, ?2 mailbox, ?3 and ?4 the UIDs, ?5 the account's first content key.
  case messages
  /// `expunged`, the same parameters.
  case expunged
  /// `content` by key: ?1 and ?2 the keys.
  case contents
}

/// A query that reads no more columns than a visit needs, and where they are.
///
/// Rows of `message` are joined to their contents in UID order; contents were mostly written in the same order, so the
/// join walks along the pages of `content` rather than hopping about in it.
final class ContentQuery {
  let statement: SQLStatement
  // Column numbers; -1: not asked for.
  let internalDate: Int32
  let uidl: Int32
  let key: Int32
  let version: Int32
  let envelope: Int32
  let structure: Int32
  let body: Int32
  let headers: Int32
  let trace: Int32
  let sort: Int32
  let thread: Int32
  let preview: Int32
  let parts: Int32
  let blob: Int32

  init(_ source: ContentSource, _ needs: ContentNeeds, _ db: SQLConnection) throws(StoreError) {
    var internalDate: Int32 = -1
    var uidl: Int32 = -1
    var key: Int32 = -1
    var version: Int32 = -1
    var envelope: Int32 = -1
    var structure: Int32 = -1
    var body: Int32 = -1
    var headers: Int32 = -1
    var trace: Int32 = -1
    var sort: Int32 = -1
    var thread: Int32 = -1
    var preview: Int32 = -1
    var parts: Int32 = -1
    var blob: Int32 = -1
    var columns: [String] = []
    func add(_ names: String...) -> Int32 {
      columns += names
      return Int32(columns.count - names.count)
    }
    let isMessage = source != .contents
    let needsContent = !needs.isSubset(of: [.dates, .uidl]) || !isMessage
    if isMessage {
      _ = add("m.uid", "m.size")
      if needs.contains(.dates) { internalDate = add("m.internal", "m.zone", "m.saved") }
      if needs.contains(.uidl) {
        uidl = add("m.uidl", "m.instance", "(SELECT uidl_epoch FROM account_state WHERE account = ?1)")
      }
    }
    if needsContent {
      key = add("c.key")
      // The location also serves to make columns anew that an older parser wrote.
      version = add("c.version")
      if needs.contains(.envelope) { envelope = add("c.envelope") }
      if needs.contains(.bodyStructure) {
        structure = add("c.structure")
        body = add("c.body")
      }
      if needs.contains(.headers) {
        headers = add("c.headers")
        trace = add("c.trace")
      }
      if needs.contains(.sortKeys) { sort = add("c.sort") }
      if needs.contains(.identifiers) { thread = add("c.thread") }
      if needs.contains(.preview) { preview = add("c.preview") }
      if needs.contains(.message) {
        if trace < 0 { trace = add("c.trace") }
        parts = add("c.parts")
        blob = add("b.id", "b.pack", "b.offset", "b.frame", "b.size")
      }
    }
    var sql = "SELECT " + columns.joined(separator: ", ")
    switch source {
    case .messages: sql += " FROM message m"
    case .expunged: sql += " FROM expunged m"
    case .contents: sql += " FROM content c"
    }
    // LEFT JOIN: a message without its content is damage to be told, not a row to be passed over.
    if needsContent, isMessage { sql += " LEFT JOIN content c ON c.key = ?5 + m.content" }
    if blob >= 0 { sql += " LEFT JOIN blob b ON b.id = c.blob" }
    if isMessage {
      sql += " WHERE m.account = ?1 AND m.mailbox = ?2 AND m.uid BETWEEN ?3 AND ?4"
      // Keeps ?5 a parameter of the statement when nothing is joined.
      if !needsContent { sql += " AND ?5 IS NOT NULL" }
      if source == .expunged { sql += " AND m.content IS NOT NULL" }
      sql += " ORDER BY m.uid"
    } else {
      sql += " WHERE c.key BETWEEN ?1 AND ?2 ORDER BY c.key"
    }
    statement = try db.statement(sql)
    self.internalDate = internalDate
    self.uidl = uidl
    self.key = key
    self.version = version
    self.envelope = envelope
    self.structure = structure
    self.body = body
    self.headers = headers
    self.trace = trace
    self.sort = sort
    self.thread = thread
    self.preview = preview
    self.parts = parts
    self.blob = blob
  }

  func bind(_ ref: MailboxRef, _ uids: ClosedRange<UID>) {
    statement.bind(1, ref.account.rawValue)
    statement.bind(2, ref.mailbox.rawValue)
    statement.bind(3, uids.lowerBound)
    statement.bind(4, uids.upperBound)
    statement.bind(5, ContentKey.base(ref.account.rawValue))
  }

  var location: BlobLocation? {
    guard blob >= 0, !statement.isNull(blob) else { return nil }
    return BlobLocation(
      pack: statement.int(blob + 1), offset: statement.int(blob + 2), frameLength: statement.int(blob + 3),
      rawSize: statement.int(blob + 4))
  }
}
