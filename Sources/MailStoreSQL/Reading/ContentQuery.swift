import BlobStore
import MailStore

/// Where a visit's rows come from.
enum ContentSource: Hashable {
  /// `message`, a run of UIDs: ?1 account, ?2 mailbox, ?3 and ?4 the UIDs, ?5 the account's first content key.
  case messages
  /// The same without anything of `content`, which is looked up beside it (see `ContentCursor`).
  case messagesAlone
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
  /// What is not in this query has to be looked up beside it.
  let isAlone: Bool
  // Column numbers; -1: not asked for.
  let internalDate: Int32
  let uidl: Int32
  let key: Int32
  let version: Int32
  /// The chunk that has the columns, where it is not the row itself, and the length of the trace there.
  let chunk: Int32
  let traceSize: Int32
  /// The columns that are asked for.
  let needed: ContentParts
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
    var chunk: Int32 = -1
    var traceSize: Int32 = -1
    var needed: ContentParts = []
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
    let isAlone = source == .messagesAlone
    let needsContent = !needs.isSubset(of: [.dates, .uidl]) || !isMessage
    if isMessage {
      _ = add("m.uid", "m.size")
      if needs.contains(.dates) { internalDate = add("m.internal", "m.zone", "m.saved") }
      if needs.contains(.uidl) {
        uidl = add("m.uidl", "m.instance", "(SELECT uidl_epoch FROM account_state WHERE account = ?1)")
      }
    }
    needed = Self.parts(needs)
    if isAlone {
      key = add("?5 + m.content")
    } else if needsContent {
      key = add("c.key")
      // The location also serves to make columns anew that an older parser wrote.
      version = add("c.version")
      chunk = add("c.chunk")
      func addPart(_ part: ContentPart) -> Int32 { add("c.\(part)") }
      if needs.contains(.envelope) { envelope = addPart(.envelope) }
      if needs.contains(.bodyStructure) { structure = addPart(.structure) }
      if needs.contains(.body) { body = addPart(.body) }
      if needs.contains(.headers) { headers = addPart(.headers) }
      if needs.contains(.sortKeys) { sort = addPart(.sort) }
      if needs.contains(.identifiers) { thread = add("c.thread") }
      if needs.contains(.preview) { preview = addPart(.preview) }
      if !needs.isDisjoint(with: [.headers, .message]) {
        trace = addPart(.trace)
        traceSize = add("c.trace_size")
      }
      if needs.contains(.message) {
        parts = addPart(.parts)
        blob = add("b.id", "b.pack", "b.offset", "b.frame", "b.size")
      }
    }
    var sql = "SELECT " + columns.joined(separator: ", ")
    switch source {
    case .messages, .messagesAlone: sql += " FROM message m"
    case .expunged: sql += " FROM expunged m"
    case .contents: sql += " FROM content c"
    }
    // LEFT JOIN: a message without its content is damage to be told, not a row to be passed over.
    if needsContent, isMessage, !isAlone { sql += " LEFT JOIN content c ON c.key = ?5 + m.content" }
    if blob >= 0 { sql += " LEFT JOIN blob b ON b.id = c.blob" }
    if isMessage {
      sql += " WHERE m.account = ?1 AND m.mailbox = ?2 AND m.uid BETWEEN ?3 AND ?4"
      // Keeps ?5 a parameter of the statement when nothing is joined.
      if !needsContent, !isAlone { sql += " AND ?5 IS NOT NULL" }
      if source == .expunged { sql += " AND m.content IS NOT NULL" }
      sql += " ORDER BY m.uid"
    } else {
      sql += " WHERE c.key BETWEEN ?1 AND ?2 ORDER BY c.key"
    }
    statement = try db.statement(sql)
    self.isAlone = isAlone
    self.internalDate = internalDate
    self.uidl = uidl
    self.key = key
    self.version = version
    self.chunk = chunk
    self.traceSize = traceSize
    self.needed = needed
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

  /// What a chunk has to have. Traces belong to the header, but those without a field that is asked for are left alone:
  /// the chunk knows (see `ContentChunks.load`).
  private static func parts(_ needs: ContentNeeds) -> ContentParts {
    let columns: [(need: ContentNeeds, part: ContentPart)] = [
      (.envelope, .envelope), (.bodyStructure, .structure), (.body, .body), (.headers, .headers), (.sortKeys, .sort),
      (.preview, .preview), (.message, .parts), (.message, .trace),
    ]
    return columns.reduce(into: []) { if needs.contains($1.need) { $0.insert(ContentParts($1.part)) } }
  }

  /// Whether a visit had better look `content` up beside a walk along `message`: it asks for nothing but what stands in
  /// chunks.
  static func isBetterAlone(_ needs: ContentNeeds) -> Bool {
    needs.isDisjoint(with: [.message, .identifiers]) && !needs.isSubset(of: [.dates, .uidl])
  }

  /// The number of a part's column; -1: not asked for.
  func column(_ part: ContentPart) -> Int32 {
    switch part {
    case .envelope: envelope
    case .structure: structure
    case .headers: headers
    case .sort: sort
    case .parts: parts
    case .trace: trace
    case .body: body
    case .preview: preview
    }
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
