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
  @exclusivity(unchecked) private var isLoaded = false
  /// Made from the message because the row's columns are of an older parser.
  @exclusivity(unchecked) private(set) var remade: MessageSummary?

  init(_ reader: Reader, _ query: ContentQuery) {
    self.reader = reader
    self.query = query
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
    remade = nil
    guard query.version >= 0 else { return }
    guard !query.statement.isNull(query.key) else {
      throw .corrupt(what: "the message with UID \(uid) has no row in content")
    }
    // The parser's version has risen since the delivery: the answer is made from the bytes.
    guard query.statement.int(query.version) != Int64(MessageSummary.parserVersion) else { return }
    do throws(StoreError) { remade = try reader.remake(key: query.statement.int(query.key)) } catch {
      // The bytes are damaged: what the older parser made of them is still better than nothing, and the message itself is
      // refused where it is asked for.
      guard case .corrupt = error else { throw error }
      return
    }
    isLoaded = true
  }

  // MARK: Columns

  func column(_ index: Int32) -> UnsafeRawBufferPointer {
    index < 0 ? UnsafeRawBufferPointer(start: nil, count: 0) : query.statement.blob(index)
  }

  private func append(_ index: Int32, _ remade: ByteBuffer?, to buffer: inout ByteBuffer) {
    if let remade { buffer.writeImmutableBuffer(remade) } else { buffer.writeBytes(column(index)) }
  }

  func appendEnvelope(to buffer: inout ByteBuffer) { append(query.envelope, remade?.envelope, to: &buffer) }
  func appendBody(to buffer: inout ByteBuffer) { append(query.body, remade?.body, to: &buffer) }
  func appendBodyStructure(to buffer: inout ByteBuffer) { append(query.structure, remade?.bodyStructure, to: &buffer) }

  func withCommonHeaders<Result>(_ body: (RawSpan) throws -> Result) rethrows -> Result {
    if let headers = remade?.commonHeaders { return try body(headers.readableBytesSpan) }
    return try body(column(query.headers).bytes)
  }

  var trace: ByteBuffer { query.trace < 0 ? ByteBuffer() : query.statement.buffer(query.trace) }

  func withTrace<Result>(_ body: (RawSpan) throws -> Result) rethrows -> Result {
    try body(column(query.trace).bytes)
  }

  var sortKeys: SortKeys { remade.map { SortKeys($0) } ?? SortKeys(decoding: column(query.sort)) }

  var preview: String {
    if let remade { return remade.preview }
    return query.preview < 0 ? "" : query.statement.text(query.preview)
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
    if query.parts >= 0, let index = MessageIndex.decode(query.statement.buffer(query.parts)) { return index }
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
