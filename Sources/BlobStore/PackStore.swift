public import NIOCore
import Synchronization

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// Message bytes in append-only pack files: DIR/000000000001.pack and so on, and DIR/spool for large messages under way.
///
/// Invariants:
/// - A byte behind a durable frame is never changed; a pack is only appended to, cut back to what was synced, or removed.
/// - A location handed out is good until `remove`, or until `forgetUnsynced` for those that were not synced.
/// - Numbers of packs are never used twice.
/// - What is read was verified: every call either gives the bytes that were written or throws.
/// - After a failed sync nothing is written until the store is opened anew, since nobody knows any more what reached the
///   disk; reading goes on.
///
/// Deliveries (`append`) and compaction (`copyFrame`) write to packs of their own and don't hold each other up. All
/// calls block and are safe from any thread.
public final class PackStore: Sendable {
  /// What a sync makes durable.
  public enum Scope: Sendable, Hashable {
    /// What `append` wrote.
    case appended
    /// What `copyFrame` wrote.
    case copied
    case everything
  }

  public let directory: String
  public let settings: PackSettings
  public let spools: SpoolDirectory
  let table: PackTable
  let dictionaries: DictionaryShelf
  /// What new messages are compressed with.
  let current = Mutex<PackDictionary?>(nil)
  let plain = PlainMail()
  private let appender: Mutex<PackWriter>
  private let copier: Mutex<PackWriter>
  private let isClosed = Atomic(false)

  /// Opens the packs in `directory`, making it if need be (its parent must exist). The last pack is walked through: if
  /// it ends inside a frame, it is left as it is and the next frame begins a new pack.
  public init(directory: String, fileSystem: any FileSystem, settings: PackSettings = .init()) throws(BlobError) {
    self.directory = directory
    self.settings = settings
    _ = try fileSystem.createDirectory(directory)
    spools = try SpoolDirectory(
      path: "\(directory)/spool", fileSystem: fileSystem, threshold: settings.spoolThreshold)
    let table = PackTable(directory: directory, fileSystem: fileSystem, openPacks: settings.openPacks)
    try table.load()
    // Not only when the directory was made just now: whoever made it may have been killed before this line.
    if table.last == nil { try fileSystem.syncDirectory(Self.parent(of: directory)) }
    let shelf = DictionaryShelf { [table] id, pack throws(BlobError) in
      let packs = table.packs().filter { $0.bytes > 0 }.map(\.number)
      // Not by the table: there may be thousands, and it would let go those in use for them.
      return try DictionaryShelf.search(id, besides: pack, in: packs) { number throws(BlobError) in
        try table.fileSystem.open(table.path(number), .read)
      }
    }
    dictionaries = shelf
    let last = try Self.lastPack(table, shelf, settings)
    self.table = table
    // The former process may have ended between making a pack and syncing its name: the first sync makes up for it.
    appender = Mutex(PackWriter(table, shelf, settings, continuing: last, needsDirectorySync: true))
    copier = Mutex(PackWriter(table, shelf, settings, continuing: nil, needsDirectorySync: false))
    if let known = Self.lastDictionary(table, shelf, settings) { use(known) }
  }

  private static func parent(of path: String) -> String {
    guard let slash = path.lastIndex(of: "/") else { return "." }
    return slash == path.startIndex ? "/" : String(path[..<slash])
  }

  private static func lastPack(
    _ table: PackTable, _ shelf: DictionaryShelf, _ settings: PackSettings
  ) throws(BlobError) -> PackWriter.Pack? {
    guard let last = table.last, last.bytes < settings.maxPackBytes else { return nil }
    let reader = FrameReader(
      handle: try table.fileSystem.open(table.path(last.number), .read), dictionaries: shelf)
    guard try PackScanner(reader: reader, pack: last.number, end: last.bytes).isWhole() else { return nil }
    let head = PackHead(reader, pack: last.number, end: last.bytes)
    // With a copy damaged or not there it is left alone.
    guard last.bytes == 0 || head.isPlain || head.whole == PackHead.copies else { return nil }
    if head.dictionary != nil, !settings.usesDictionaries { return nil }
    if let dictionary = head.dictionary { shelf.add(dictionary) }
    let handle = try table.reopen(last.number)
    table.setHead(head.length, of: last.number)
    return PackWriter.Pack(
      number: last.number, handle: handle, end: last.bytes, synced: last.bytes, dictionary: head.dictionary,
      head: head.length)
  }

  /// What deliveries and compaction begin their packs with.
  func useInWriters(_ dictionary: PackDictionary) {
    appender.withLock { $0.use(dictionary) }
    copier.withLock { $0.use(dictionary) }
  }

  // MARK: Writing

  public func newSpool() -> Spool { spools.makeSpool() }

  /// Compresses as the settings say. Any thread; nothing of the store is locked.
  public func encode(_ spool: Spool) throws(BlobError) -> EncodedBlob {
    let dictionary = current.withLock { $0 }
    let blob = try encoder.encode(spool, with: dictionary)
    if dictionary == nil { plain.count(min(blob.rawSize, Int64(sampleMessage))) }
    return blob
  }
  public func encode(_ message: ByteBuffer) throws(BlobError) -> EncodedBlob {
    try encoder.encode(message, with: current.withLock { $0 })
  }
  var encoder: BlobEncoder { BlobEncoder(codec: settings.codec, level: settings.level) }

  /// Writes frames, small ones many to a system call; one writer at a time, others wait. Not durable until `sync`. A
  /// call that throws has written nothing that counts.
  public func append(_ frames: [(blob: EncodedBlob, owners: [FrameOwner])]) throws(BlobError) -> [BlobLocation] {
    try checkOpen("append")
    return try appender.withLock { writer throws(BlobError) in try writer.append(frames) }
  }

  /// Makes what was written durable: first the data of every pack written since the last sync, then the directory if a
  /// pack was made. When it throws, the frames written since the last one are not to be referred to, and the store
  /// refuses to write until it is opened anew.
  public func sync(_ scope: Scope = .everything) throws(BlobError) {
    try checkOpen("sync")
    if scope != .copied { try appender.withLock { writer throws(BlobError) in try writer.sync() } }
    if scope != .appended { try copier.withLock { writer throws(BlobError) in try writer.sync() } }
  }

  /// The transaction was rolled back: forgets every frame appended since the last sync by cutting the packs back to what
  /// was synced. Where the disk refuses to cut, the frames stay as dead bytes that no row refers to, and the pack is
  /// closed. Locations from `copyFrame` are not affected.
  public func forgetUnsynced() {
    appender.withLock { $0.forgetUnsynced() }
  }

  /// Closes the packs under way, so that they can be compacted; the next frame begins a new one.
  public func roll() {
    appender.withLock { $0.roll() }
    copier.withLock { $0.roll() }
  }

  // MARK: Reading

  /// The message into `scratch`, whole and verified; returns its size. For messages that may be held in memory.
  /// `missing`: the pack was removed; look the location up again, compaction has moved the frame.
  @discardableResult
  public func read(_ location: BlobLocation, scratch: inout BlobScratch) throws(BlobError) -> Int {
    try frameReader(location.pack).message(at: location, &scratch)
    return scratch.count
  }

  /// The message behind what is in `buffer`, whole and verified, in one copy; `buffer` is left as it was if this throws.
  public func append(
    _ location: BlobLocation, to buffer: inout ByteBuffer, scratch: inout BlobScratch
  ) throws(BlobError) {
    try frameReader(location.pack).append(at: location, to: &buffer, &scratch)
  }

  /// For reading a large message in ranges. The pack stays readable as long as the reader lives.
  public func reader(_ location: BlobLocation) throws(BlobError) -> BlobReader {
    try BlobReader(table.handle(location.pack), dictionaries, location)
  }

  /// Keeps the pack readable as long as the pin lives, though it be removed. Nil: it is gone already, or cannot be opened.
  public func pin(_ pack: Int64) -> PackPin? {
    (try? table.handle(pack)).map { PackPin(pack: pack, handle: $0) }
  }

  /// In the order of their numbers, which is the order of their making.
  public func packs() -> [PackInfo] { table.packs() }

  /// A sync failed: nothing is written any more.
  public var hasFailed: Bool { table.hasFailed }

  /// Walks a pack as far as it is written, and hands over every frame in order. With `verify` the data are read and
  /// checked, and damaged frames go to the result instead. What is no frame is passed over to the next magic.
  public func scan(
    _ pack: Int64, verify: Bool, _ body: (FrameInfo) throws(BlobError) -> Void
  ) throws(BlobError) -> ScanResult {
    let info = try table.info(pack)
    let scanner = PackScanner(reader: try frameReader(pack), pack: pack, end: info.bytes)
    return try scanner.scan(verify: verify, body)
  }

  // MARK: Compaction

  /// Copies a frame, verified on the way, to the pack of compaction. Afterwards: `sync(.copied)`, switch the rows, make
  /// that durable, and only then `remove` the old pack. `owners`: nil keeps those in the frame.
  public func copyFrame(_ location: BlobLocation, owners: [FrameOwner]? = nil) throws(BlobError) -> BlobLocation {
    try checkOpen("copy")
    let source = try table.handle(location.pack)
    return try copier.withLock { writer throws(BlobError) in
      try writer.copy(location, from: source, owners: owners)
    }
  }

  /// Unlinks a pack and syncs the directory. Pins and readers go on reading. An active pack is refused with EBUSY: see
  /// `roll`. The highest number stays on disk as an empty file, since it tells the next start where to go on counting;
  /// removing that empty pack does nothing.
  public func remove(_ pack: Int64) throws(BlobError) {
    try checkOpen("remove")
    try table.remove(pack)
  }

  /// Lets descriptors go; nothing is synced. Readers and pins that exist stay good.
  public func close() {
    guard !isClosed.exchange(true, ordering: .sequentiallyConsistent) else { return }
    roll()
    table.close()
  }

  private func checkOpen(_ operation: String) throws(BlobError) {
    if isClosed.load(ordering: .acquiring) { throw .io(operation: operation, path: directory, errno: EBADF) }
  }
}
