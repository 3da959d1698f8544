import BlobStore
public import MailStore
public import NIOCore
import Synchronization

/// One account of a generation, for a restore into a store that goes on. Blocks; one thread at a time.
///
/// `@unchecked`: its owner uses it from one thread of a pool at a time, each call waited for before the next is made.
public final class BackupReader: @unchecked Sendable {
  public struct Mailbox: Sendable, Hashable {
    public var id: Int64
    public var name: String
    public var isSelectable: Bool
    public var isSubscribed: Bool
    public var specialUse: SpecialUse?
    public var messages: Int
  }

  public struct Message: Sendable, Hashable {
    public var uid: UID
    public var uidl: String
    public var flags: SystemFlags
    public var keywords: [String]
    public var date: InternalDate
    public var size: Int
  }

  public enum Body: Sendable {
    case whole(ByteBuffer)
    /// Larger than `BackupLimits.wholeMessage`: read by `piece`.
    case large(LargeBody)
  }

  public final class LargeBody: Sendable {
    public let size: Int
    private let trace: ByteBuffer
    private let blob: BlobReader

    init(size: Int, trace: ByteBuffer, blob: BlobReader) {
      self.size = size
      self.trace = trace
      self.blob = blob
    }

    /// Empty at the end. Blocks.
    public func piece(at offset: Int) throws(StoreError) -> ByteBuffer {
      let seam = trace.readableBytes
      if offset < seam {
        return trace.getSlice(at: trace.readerIndex + offset, length: seam - offset) ?? ByteBuffer()
      }
      let start = offset - seam
      return try blobCall { () throws(BlobError) in try blob.read(start..<start + BackupLimits.wholeMessage) }
    }
  }

  public let generation: String
  /// The account as it was: name, stored password, quota, POP3 policy.
  public let account: Account
  /// All of the backup.
  private let accounts: DirectoryCache
  private let folder: String
  private let manifest: BackupManifest
  let db: SQLConnection
  private var handles: [Int64: any FileHandle] = [:]
  private var scratch = BlobScratch()
  private let dictionaries: DictionaryShelf
  /// Nil: a backup of an older version, which has all in the rows.
  private let chunks: ContentChunks?

  /// - Parameter generation: nil: the latest.
  public init(_ path: String, generation: String?, account name: String) throws(StoreError) {
    let source = BackupFolder(path)
    let (found, manifest) = try source.manifest(generation)
    self.generation = found
    self.manifest = manifest
    let folder = source.folder(found)
    self.folder = folder
    let packs = Dictionary(manifest.packs.map { ($0.number, $0) }) { $1 }
    dictionaries = DictionaryShelf(packs: Array(packs.keys)) { number throws(BlobError) in
      guard let pack = packs[number] else { throw .missing(what: "\(folder): pack \(number)") }
      return try SegmentHandle(pack, in: folder)
    }
    let directory = try SQLConnection.immutable(path: "\(folder)/\(manifest.directory.name)")
    defer { directory.close() }
    let accounts = DirectoryCache()
    try AccountTable.load(directory, into: accounts)
    guard let account = accounts.account(named: name) else { throw .noSuchAccount(name) }
    self.account = account
    self.accounts = accounts
    db = try SQLConnection.immutable(path: "\(folder)/\(manifest.mail.name)")
    chunks = try ContentChunks.isThere(db) ? ContentChunks(db) : nil
  }

  /// Any account of the backup. Nil: it was none any more.
  public func known(_ id: AccountID) -> Account? { accounts.account(id.rawValue) }

  public func close() {
    handles.removeAll()
    chunks?.close()
    db.close()
  }

  public func mailboxes() throws(StoreError) -> (mailboxes: [Mailbox], lone: [String]) {
    guard let box = try MailTables.loadAccount(account.id.rawValue, db) else { return ([], []) }
    let all = box.mailboxes.values.map { mailbox in
      Mailbox(
        id: mailbox.state.id, name: mailbox.state.name, isSelectable: mailbox.state.isSelectable,
        isSubscribed: box.subscriptions.contains(mailbox.state.name), specialUse: mailbox.state.specialUse,
        messages: Int(mailbox.state.messages))
    }.sorted { Names.precedes($0.name, $1.name) }
    return (all, box.subscriptions.filter { box.names[$0] == nil }.sorted())
  }

  public func messages(_ mailbox: Int64) throws(StoreError) -> [Message] {
    guard let box = try MailTables.loadAccount(account.id.rawValue, db), let state = box.mailboxes[mailbox]?.state
    else {
      return []
    }
    let epoch = box.counters.uidlEpoch
    var result: [Message] = []
    // A backup of an older version has all in the rows.
    let ref = MailboxRef(account: account.id, mailbox: MailboxID(mailbox))
    var flags: FlagCursor? = try FlagTable.isThere(db) ? FlagCursor(ref, db) : nil
    let rows = try db(
      """
      SELECT uid, flags, keywords, internal, zone, size, instance, uidl FROM message
      WHERE account = ? AND mailbox = ? ORDER BY uid
      """)
    rows.bind(1, account.id.rawValue)
    rows.bind(2, mailbox)
    try rows.forEach { row throws(StoreError) in
      let entry = try flags?.entry(row.uid(0))
      let bits = entry?.keywords ?? row.bits(2)
      result.append(
        Message(
          uid: row.uid(0), uidl: row.optionalText(7) ?? PrintedID.uidl(epoch: epoch, instance: row.int(6)),
          flags: entry?.flags ?? SystemFlags(rawValue: UInt8(truncatingIfNeeded: row.int(1))),
          keywords: state.keywords.indices.filter { bits & (1 << UInt64($0)) != 0 }.map { state.keywords[$0] },
          date: InternalDate(seconds: row.int(3), zoneMinutes: Int16(truncatingIfNeeded: row.int(4))),
          size: Int(row.int(5))))
    }
    return result
  }

  /// The message as FETCH sent it, every chunk against its checksum.
  public func body(_ uid: UID, in mailbox: Int64) throws(StoreError) -> Body {
    let row = try db.statement(
      """
      SELECT c.trace, b.pack, b.offset, b.frame, b.size, c.key\(chunks == nil ? "" : ", c.chunk, c.trace_size")
      FROM message m JOIN content c ON c.key = (m.account << 36) + m.content JOIN blob b ON b.id = c.blob
      WHERE m.account = ? AND m.mailbox = ? AND m.uid = ?
      """)
    row.bind(1, account.id.rawValue)
    row.bind(2, mailbox)
    row.bind(3, uid)
    let found = try row.first { row throws(StoreError) in
      (
        try trace(row),
        BlobLocation(pack: row.int(1), offset: row.int(2), frameLength: row.int(3), rawSize: row.int(4))
      )
    }
    guard let (trace, location) = found else {
      throw .corrupt(what: "\(folder): the message with UID \(uid) has no bytes")
    }
    let pack = PackFile(location.pack, try handle(location.pack), dictionaries)
    if location.rawSize > BackupLimits.wholeMessage {
      let blob = try blobCall { () throws(BlobError) in try pack.reader(location) }
      return .large(LargeBody(size: blob.size + trace.readableBytes, trace: trace, blob: blob))
    }
    _ = try blobCall { () throws(BlobError) in try pack.read(location, scratch: &scratch) }
    var bytes = trace
    scratch.withBytes { span in span.withUnsafeBytes { _ = bytes.writeBytes($0) } }
    return .whole(bytes)
  }

  private func trace(_ row: SQLStatement) throws(StoreError) -> ByteBuffer {
    guard let chunks, let chunk = row.optionalInt(6), row.int(7) > 0 else { return row.buffer(0) }
    guard try chunks.find(row.int(5), in: chunk, ContentParts(.trace)) else {
      throw .corrupt(what: "\(folder): \(SQLMessageRow.damagedChunk(row.int(5)))")
    }
    return chunks.buffer(.trace)
  }

  private func handle(_ number: Int64) throws(StoreError) -> any FileHandle {
    if let known = handles[number] { return known }
    guard let pack = manifest.packs.first(where: { $0.number == number }) else {
      throw .corrupt(what: "\(folder): pack \(number) is not in the backup")
    }
    if handles.count >= BackupLimits.openPacks { handles.removeAll() }
    let handle = try blobCall { () throws(BlobError) in try SegmentHandle(pack, in: folder) }
    handles[number] = handle
    return handle
  }
}
