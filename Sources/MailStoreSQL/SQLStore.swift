public import BlobStore
import GRDB
public import Logging
public import MailStore
import Synchronization

/// The embedded store: a data folder with the directory and one volume (an SQLite file and its packs).
///
///     DIR/lock               held while the store is open
///     DIR/directory.sqlite   accounts
///     DIR/marks.sqlite       numbers that clients may know, for a restore; not part of backups
///     DIR/volumes/1/mail.sqlite
///     DIR/volumes/1/packs/   message bytes, and `spool` for large ones under way
///
/// Threads: one writes (`Writer`), a few read (`Reader`), a few parse and compress mail on its way in, one does the
/// upkeep. Calls hop to one of them and back.
public final class SQLStore: MailStore {
  public let settings: StoreSettings
  let logger: Logger
  let folder: String
  let volumePath: String
  let directory: DirectoryCache
  let cache: MailCache
  let access: AccessCache
  let views: ViewRegistry
  let pins: PinRegistry
  let packs: PackStore
  let writer: Writer
  let readers: WorkerPool<Reader>
  let preparers: WorkerPool<PrepareWorker>
  let upkeep: Upkeep
  let freeSpace: FreeSpace
  let ages: AgeKeeper
  let scrubber: Scrubber
  let indexer: SearchIndexer?
  let contentMaps = ContentMaps()
  let snapshots = SnapshotTaker()
  private let readerList: [Reader]
  private let lock: FolderLock
  private let isClosed = Atomic(false)

  /// Opens the data folder, making it if need be (its parent must exist), and takes its lock. Blocks.
  public static func open(
    directory path: String, settings: StoreSettings = StoreSettings(),
    fileSystem: any FileSystem = PosixFileSystem(), logger: Logger = Logger(label: "merpati.store")
  ) throws(StoreError) -> SQLStore {
    try SQLStore(path: path, settings: settings, fileSystem: fileSystem, logger: logger)
  }

  private init(
    path: String, settings: StoreSettings, fileSystem: any FileSystem, logger: Logger
  ) throws(StoreError) {
    self.settings = settings
    self.logger = logger
    folder = path
    volumePath = "\(path)/volumes/1"
    // SQLite and the lock need the real folders; the packs may be on a file system that a test provides.
    let folders = [path, "\(path)/volumes", volumePath]
    _ = try blobCall { () throws(BlobError) in try PosixFileSystem().createDirectory(path) }
    lock = try FolderLock(folder: path)
    // A restore that was cut, or a repair after it was complete: before anything of the folder is looked at.
    try RestoreSwap.finish(in: path)
    try RepairFolder(data: path).finish()
    SnapshotTaker.removeLeftovers(volumePath)
    for folder in folders { _ = try blobCall { () throws(BlobError) in try PosixFileSystem().createDirectory(folder) } }
    for folder in folders {
      try blobCall { () throws(BlobError) in
        if try fileSystem.createDirectory(folder) { try fileSystem.syncDirectory(Self.parent(of: folder)) }
      }
    }
    let packFolder = "\(volumePath)/packs"
    packs = try blobCall { () throws(BlobError) in
      try PackStore(directory: packFolder, fileSystem: fileSystem, settings: settings.packs)
    }
    let database = "\(volumePath)/mail.sqlite"
    if FileSizes.of(database) == 0, !packs.packs().isEmpty { throw Self.lostVolume(database) }
    ReadAhead.begin(database)
    let hadWAL = FileSizes.exists("\(database)-wal")
    let db = try SQLConnection.writer(path: database, migrator: VolumeSchema.migrator)
    db.gatherWALWrites()
    let directoryFile = "\(path)/directory.sqlite"
    if FileSizes.of(directoryFile) == 0 { try Self.refuseLostDirectory(directoryFile, db) }
    try FlagSealing.sealAll(db, sizes: settings.flagChunks, logger: logger)
    try StrayFrames.note(db, packs, hadWAL: hadWAL, now: settings.now(), logger: logger)
    let directoryDB = try SQLConnection.writer(path: directoryFile, migrator: DirectorySchema.migrator)
    let marks = try Marks.open(path, volume: db, logger: logger)
    let index = try SearchIndexer.check(volumePath, db, settings.searchIndexing, logger: logger)
    // Names of new files are durable only when their folders are.
    for folder in folders.reversed() + [Self.parent(of: path)] {
      try blobCall { () throws(BlobError) in try PosixFileSystem().syncDirectory(folder) }
    }
    directory = DirectoryCache()
    cache = MailCache()
    access = try AccessCache(db)
    var readerList: [Reader] = []
    let damage = DamageReports()
    for _ in 0..<max(settings.readerThreads, 1) {
      readerList.append(try Reader(path: database, packs: packs, damage: damage))
    }
    self.readerList = readerList
    readers = try WorkerPool(name: "store-reader", workers: readerList) { $0.rest() }
    // Refused when the store closes: then nothing has to rest.
    views = ViewRegistry(idleEntries: settings.cachedViewEntries) { [readers] snapshot in
      _ = readers.submit { _ in snapshot.restWhole() }
    }
    pins = PinRegistry()
    freeSpace = FreeSpace(path: volumePath, floor: settings.freeSpaceFloor, logger: logger)
    ages = try AgeKeeper(db, settings: settings, logger: logger)
    writer = try Writer(
      db: db, directoryDB: directoryDB, directory: directory, packs: packs, cache: cache, access: access,
      views: views, marks: marks, freeSpace: freeSpace, settings: settings, logger: logger)
    preparers = try WorkerPool(
      name: "store-prepare", workers: (0..<max(settings.prepareThreads, 1)).map { _ in PrepareWorker() })
    upkeep = Upkeep(
      writer: writer, packs: packs, cache: cache, pins: pins, ages: ages, database: database, settings: settings,
      damage: damage, logger: logger)
    scrubber = Scrubber(upkeep: upkeep)
    indexer =
      settings.searchIndexing == .on
      ? index.map { [packs, freeSpace] in
        SearchIndexer(
          $0, database: database, packs: packs, damage: damage, freeSpace: freeSpace, settings: settings, logger: logger
        )
      } : nil
    try AccountTable.load(directoryDB, into: directory)
    try writer.start()
    try upkeep.start()
    // What a crash may have left between the directory's commit and the volume's.
    try upkeep.reconcileAccounts(directory)
    try scrubber.start()
    try indexer?.start()
  }

  /// A store that was dropped without `close`: its threads must not go on writing after the lock is gone.
  deinit {
    if !isClosed.exchange(true, ordering: .sequentiallyConsistent) { shutDown() }
  }

  /// Without its database a volume would look empty, and the packs like rubbish.
  private static func lostVolume(_ path: String) -> StoreError {
    .database(
      message: """
        \(path) is missing or empty, and there are packs with mail beside it: put it back from a backup (an older one will \
        do, no pack is lost by it), let 'merpati check --repair' make it anew from the packs, or move the folder packs away \
        to begin without mail
        """)
  }

  /// Without the directory all mail would look like that of removed accounts.
  private static func refuseLostDirectory(_ path: String, _ db: SQLConnection) throws(StoreError) {
    let accounts = try db("SELECT COUNT(*) FROM account_state WHERE state <> 1").first { $0.int(0) } ?? 0
    guard accounts > 0 else { return }
    db.close()
    throw .database(
      message: """
        \(path) is missing or empty, and the volume has mail of \(accounts) accounts: put it back from a backup (an older \
        one will do, no mail is lost by it), let 'merpati check --repair' make it anew (without passwords), or move the \
        folder volumes away to begin without accounts and mail
        """)
  }

  static func parent(of path: String) -> String {
    guard let slash = path.lastIndex(of: "/") else { return "." }
    return slash == path.startIndex ? "/" : String(path[..<slash])
  }

  func checkOpen() throws(StoreError) {
    if isClosed.load(ordering: .acquiring) { throw .shuttingDown }
  }

  public func close() async {
    guard !isClosed.exchange(true, ordering: .sequentiallyConsistent) else { return }
    // Ends threads, so it blocks; a thread of its own keeps the caller's free.
    await withUnsafeContinuation { (continuation: UnsafeContinuation<Void, Never>) in
      let thread = StoreThread("store-close") { [self] in
        shutDown()
        continuation.resume()
      }
      if thread == nil {
        shutDown()
        continuation.resume()
      }
    }
  }

  /// New work is refused, queued work is finished, in the order in which work is handed on.
  private func shutDown() {
    indexer?.stop()
    scrubber.stop()
    snapshots.stop()
    upkeep.stop()
    preparers.close()
    readers.close()
    writer.close()
    for reader in readerList { reader.close() }
    // Of what a failed sync has left, SQLite's own count is wrong as well: the next opening carries over the whole WAL.
    if writer.hasFailed != nil { writer.transaction.db.keepWAL() }
    if writer.directoryFailure != nil { writer.directoryDB.keepWAL() }
    // If it cannot be noted, the next opening keeps a little more than it needs to.
    try? StrayFrames.close(writer.transaction.db, packs, ages, hasFailed: writer.hasFailed != nil)
    // The last connection to close folds the WAL into the database.
    writer.transaction.db.close()
    writer.directoryDB.close()
    writer.marks.db.close()
    packs.close()
    lock.release()
  }
}
