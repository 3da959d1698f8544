import BlobStore
import MailFormat
import MailStore
import NIOCore

/// The row that a visit hands over: the columns as they stand in SQLite's memory, copied once, into the caller's buffer.
///
/// `@exclusivity(unchecked)`: a row belongs to one visit, which runs on one thread and neither keeps a property open while it
/// calls the visitor nor writes to one while the visitor reads; the checks would cost a tenth of a FETCH.
final class SQLMessageRow: MessageRow {
  private let reader: Reader
  @exclusivity(unchecked) private(set) var uid: UID = 0
  @exclusivity(unchecked) private(set) var internalDate = InternalDate(seconds: 0)
  @exclusivity(unchecked) private(set) var saveDate: Int64 = 0
  @exclusivity(unchecked) private(set) var size = 0
  @exclusivity(unchecked) var query: ContentQuery
  /// Where columns of `content` are: `query`, or what is looked up beside it.
  @exclusivity(unchecked) private var contents: ContentQuery
  private let cursor: ContentCursor?
  @exclusivity(unchecked) private var isLoaded = false
  /// The columns stand in a chunk, which the reader has at hand.
  @exclusivity(unchecked) private var isSealed = false
  /// Made from the message because the row's columns are of an older parser.
  @exclusivity(unchecked) private(set) var remade: MessageSummary?

  /// - cursor: for queries of `ContentSource.messagesAlone`.
  init(_ reader: Reader, _ query: ContentQuery, _ cursor: ContentCursor? = nil) {
    self.reader = reader
    self.query = query
    self.cursor = cursor
    contents = cursor?.query ?? query
  }

  /// The statement stands on a row of `message` or `expunged`.
  func fill(_ query: ContentQuery) throws(StoreError) {
    self.query = query
    let row = query.statement
    uid = row.uid(0)
    size = Int(row.int(1))
    if query.internalDate >= 0 {
      let column = query.internalDate
      internalDate = InternalDate(
        seconds: row.int(column), zoneMinutes: Int16(truncatingIfNeeded: row.int(column + 1)))
      saveDate = row.int(column + 2)
    }
    try begin()
  }

  /// The statement stands on a row of `content`.
  func fill(_ query: ContentQuery, uid: UID, size: Int, date: InternalDate, saved: Int64) throws(StoreError) {
    self.query = query
    self.uid = uid
    self.size = size
    internalDate = date
    saveDate = saved
    try begin()
  }

  private func begin() throws(StoreError) {
    isLoaded = false
    isSealed = false
    remade = nil
    guard query.isAlone, let cursor else {
      contents = query
      if query.version >= 0 { try beginContent() }
      return
    }
    let key = query.statement.int(query.key)
    if reader.chunks.holds(key, query.needed) {
      isSealed = true
      if reader.chunks.version != Int64(MessageSummary.parserVersion) { try remakeOlder(key) }
      return
    }
    guard try cursor.find(key) else { throw Self.rowless(uid) }
    contents = cursor.query
    try beginContent()
  }

  /// `contents` stands on a row of `content`, or on none.
  private func beginContent() throws(StoreError) {
    let row = contents.statement
    guard !row.isNull(contents.key) else { throw Self.rowless(uid) }
    let key = row.int(contents.key)
    var version = row.int(contents.version)
    if !contents.needed.isEmpty, !row.isNull(contents.chunk) {
      isSealed = try reader.chunks.find(key, in: row.int(contents.chunk), contents.needed)
      guard isSealed else { return try remakeLost(key) }
      version = reader.chunks.version
    }
    if version != Int64(MessageSummary.parserVersion) { try remakeOlder(key) }
  }

  private static func rowless(_ uid: UID) -> StoreError {
    .corrupt(what: "the message with UID \(uid) has no row in content")
  }

  /// The parser's version has risen since the delivery: the answer is made from the bytes.
  private func remakeOlder(_ key: Int64) throws(StoreError) {
    do throws(StoreError) { remade = try reader.remake(key: key) } catch {
      // The bytes are damaged: what the older parser made of them is still better than nothing, and the message itself is
      // refused where it is asked for.
      guard case .corrupt = error else { throw error }
      return
    }
    isLoaded = true
  }

  /// The chunk with the columns is damaged or gone. Everything but the trace can be made from the bytes, and without the
  /// trace the message would be another.
  private func remakeLost(_ key: Int64) throws(StoreError) {
    if contents.traceSize >= 0, contents.statement.int(contents.traceSize) > 0 {
      throw .corrupt(what: Self.damagedChunk(key))
    }
    remade = try reader.remake(key: key)
    isLoaded = true
  }

  static func damagedChunk(_ key: Int64) -> String {
    "what is kept of content \(ContentKey.content(key)) of account \(ContentKey.account(key)) is damaged: "
      + "'merpati check --repair' makes it anew"
  }

  // MARK: Columns

  func column(_ part: ContentPart) -> UnsafeRawBufferPointer {
    if isSealed { return reader.chunks.bytes(part) }
    let index = contents.column(part)
    return index < 0 ? UnsafeRawBufferPointer(start: nil, count: 0) : contents.statement.blob(index)
  }

  private func buffer(_ part: ContentPart) -> ByteBuffer {
    let bytes = column(part)
    return bytes.isEmpty ? ByteBuffer() : ByteBuffer(bytes: bytes)
  }

  private func append(_ part: ContentPart, _ remade: ByteBuffer?, to buffer: inout ByteBuffer) {
    if let remade { buffer.writeImmutableBuffer(remade) } else { buffer.writeBytes(column(part)) }
  }

  func appendEnvelope(to buffer: inout ByteBuffer) { append(.envelope, remade?.envelope, to: &buffer) }
  func appendBody(to buffer: inout ByteBuffer) { append(.body, remade?.body, to: &buffer) }
  func appendBodyStructure(to buffer: inout ByteBuffer) { append(.structure, remade?.bodyStructure, to: &buffer) }

  func withCommonHeaders<Result>(_ body: (RawSpan) throws -> Result) rethrows -> Result {
    if let headers = remade?.commonHeaders { return try body(headers.readableBytesSpan) }
    return try body(column(.headers).bytes)
  }

  var trace: ByteBuffer { buffer(.trace) }

  func withTrace<Result>(_ body: (RawSpan) throws -> Result) rethrows -> Result {
    try body(column(.trace).bytes)
  }

  var sortKeys: SortKeys { remade.map { SortKeys($0) } ?? SortKeys(decoding: column(.sort)) }

  var preview: String {
    if let remade { return remade.preview }
    return String(decoding: column(.preview), as: UTF8.self)
  }

  var uidl: String {
    guard query.uidl >= 0 else { return "" }
    let row = query.statement
    return row.optionalText(query.uidl)
      ?? PrintedID.uidl(epoch: row.int(query.uidl + 2), instance: row.int(query.uidl + 1))
  }

  var emailID: String {
    guard query.key >= 0 else { return "" }
    let key = query.statement.int(query.key)
    return PrintedID.email(account: ContentKey.account(key), content: ContentKey.content(key))
  }

  var threadID: String {
    guard query.thread >= 0 else { return "" }
    return PrintedID.thread(
      account: ContentKey.account(query.statement.int(query.key)), thread: query.statement.int(query.thread))
  }

  // MARK: The message

  func index() throws(StoreError) -> MessageIndex {
    if let remade { return remade.index }
    if query.parts >= 0, let index = MessageIndex.decode(buffer(.parts)) { return index }
    return try withMessage { MessageIndex.parse($0) }
  }

  var messageSize: Int {
    isLoaded ? reader.scratch.count : query.blob < 0 ? 0 : Int(query.statement.int(query.blob + 4))
  }

  func appendMessage(to buffer: inout ByteBuffer) throws(StoreError) {
    guard !isLoaded else {
      reader.scratch.withBytes { message in message.withUnsafeBytes { _ = buffer.writeBytes($0) } }
      return
    }
    try reader.append(blob: query.statement.int(query.blob), at: try location(), to: &buffer)
  }

  private func location() throws(StoreError) -> BlobLocation {
    guard let location = query.location else {
      throw .corrupt(what: "the message with UID \(uid) has no row in blob, or the visit did not ask for it")
    }
    return location
  }

  func withMessage<Result>(_ body: (RawSpan) throws(StoreError) -> Result) throws(StoreError) -> Result {
    if !isLoaded {
      try reader.load(blob: query.statement.int(query.blob), at: try location())
      isLoaded = true
    }
    return try reader.scratch.withBytes(body)
  }
}

extension Reader {
  /// What today's parser makes of a message.
  func remake(key: Int64) throws(StoreError) -> MessageSummary {
    let row = try db(
      "SELECT b.id, b.pack, b.offset, b.frame, b.size FROM content c JOIN blob b ON b.id = c.blob WHERE c.key = ?")
    row.bind(1, key)
    let found = try row.first { row in
      (
        row.int(0),
        BlobLocation(pack: row.int(1), offset: row.int(2), frameLength: row.int(3), rawSize: row.int(4))
      )
    }
    guard let (blob, location) = found else {
      throw .corrupt(what: "content \(ContentKey.content(key)) of account \(ContentKey.account(key)) has no blob")
    }
    try load(blob: blob, at: location)
    return scratch.withBytes { MessageSummary.make($0) }
  }
}
