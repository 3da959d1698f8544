import GRDB
import GRDBSQLite
import MailStore

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// One connection to a database file, with its prepared statements.
///
/// GRDB opens, configures and migrates; after that the connection's owner, one thread, uses the C handle directly and
/// nobody enters the queue any more.
///
/// `@unchecked`: made by the thread that opens the store and then used by exactly one thread (the writer's, or one
/// reader's) until that thread has ended, after which the opener closes it. Hand-over is by starting and joining
/// threads.
final class SQLConnection: @unchecked Sendable {
  let handle: OpaquePointer
  let path: String
  /// Pages in the WAL as of the last commit (see `checkpointIfDue`).
  let walFrames: UnsafeMutablePointer<Int32>
  /// Nil: opened without GRDB.
  private let queue: DatabaseQueue?
  private var statements: [UnsafePointer<UInt8>: SQLStatement] = [:]
  private var composed: [String: SQLStatement] = [:]

  private init(queue: DatabaseQueue?, handle: OpaquePointer, path: String) {
    self.queue = queue
    self.handle = handle
    self.path = path
    walFrames = .allocate(capacity: 1)
    walFrames.initialize(to: 0)
  }

  deinit { walFrames.deallocate() }

  // MARK: Opening

  static let newerVersion = "was written by a newer version of this program"

  /// Opens for writing, creates what is missing, and makes every commit reach the disk before it returns.
  static func writer(path: String, migrator: DatabaseMigrator) throws(StoreError) -> SQLConnection {
    try createPrivately(path)
    var configuration = Configuration()
    configuration.journalMode = .wal
    configuration.busyMode = .timeout(10)
    configuration.maximumReaderCount = 1
    configuration.prepareDatabase { db in
      // Both count only while the file is still empty.
      try db.execute(sql: "PRAGMA page_size = \(SQLTuning.pageSize)")
      try db.execute(sql: "PRAGMA auto_vacuum = INCREMENTAL")
      try db.execute(sql: "PRAGMA temp_store = MEMORY")
      try db.execute(sql: "PRAGMA cache_size = -\(SQLTuning.writerCacheKiB)")
    }
    let queue: DatabaseQueue
    do {
      queue = try DatabaseQueue(path: path, configuration: configuration)
      try migrator.migrate(queue)
      if try queue.read({ try migrator.hasBeenSuperseded($0) }) {
        throw StoreError.database(message: "\(path) \(newerVersion)")
      }
    } catch { throw SQLFailure.error(error, path: path) }
    let connection = try adopt(queue, path: path)
    // GRDB's set-up of WAL ends with `synchronous = NORMAL`, under which a power cut loses acknowledged mail
    // (design §4, Durability). Therefore FULL afterwards, and a look at what came of it.
    try connection.execute("PRAGMA synchronous = FULL")
    try connection.execute("PRAGMA wal_autocheckpoint = 0")
    connection.countWALFrames()
    // The WAL's file shrinks again after a burst.
    try connection.execute("PRAGMA journal_size_limit = \(SQLTuning.walKeptBytes)")
    guard try connection.pragma("synchronous") == 2 else {
      throw .database(message: "\(path): synchronous = FULL did not hold")
    }
    guard try connection.pragma("auto_vacuum") == 2 else {
      throw .database(message: "\(path): auto_vacuum is not INCREMENTAL")
    }
    // A process that ended after a failed sync leaves a WAL of which some pages are in the system's memory and not on the
    // disk, and look as if they were. Carried over and synced as a whole now, they are.
    do throws(StoreError) { try connection.truncateWAL() } catch {
      // A full or failing disk keeps nobody from reading: what cannot be carried over stays in the WAL.
      guard !error.isFailedSync else { throw error }
    }
    return connection
  }

  /// Opens for reading; the file must exist.
  static func reader(path: String) throws(StoreError) -> SQLConnection {
    var configuration = Configuration()
    configuration.readonly = true
    configuration.busyMode = .timeout(10)
    configuration.prepareDatabase { db in
      try db.execute(sql: "PRAGMA temp_store = MEMORY")
      try db.execute(sql: "PRAGMA cache_size = -\(SQLTuning.readerCacheKiB)")
    }
    let queue: DatabaseQueue
    do { queue = try DatabaseQueue(path: path, configuration: configuration) } catch {
      throw SQLFailure.error(error, path: path)
    }
    return try adopt(queue, path: path)
  }

  /// Opens a file that nobody changes, such as one of a backup: no lock, no WAL, nothing written beside it.
  static func immutable(path: String) throws(StoreError) -> SQLConnection {
    var escaped = ""
    for byte in path.utf8 {
      // What a URI gives a meaning of its own (RFC 3986 §2.2).
      let isPlain = byte > 0x20 && byte < 0x7F && !"%?#".utf8.contains(byte)
      escaped += isPlain ? String(UnicodeScalar(byte)) : "%" + (byte < 16 ? "0" : "") + String(byte, radix: 16)
    }
    var handle: OpaquePointer?
    let code = sqlite3_open_v2(
      "file:\(escaped)?immutable=1", &handle, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX, nil)
    guard code == SQLITE_OK, let handle else {
      sqlite3_close_v2(handle)
      throw SQLFailure.error(
        code, "it cannot be opened", sql: path, path: path, systemError: SQLFailure.takeErrno())
    }
    return SQLConnection(queue: nil, handle: handle, path: path)
  }

  private static func adopt(_ queue: DatabaseQueue, path: String) throws(StoreError) -> SQLConnection {
    guard let handle = queue.inDatabase({ $0.sqliteConnection }) else {
      throw .database(message: "\(path) is not open")
    }
    // GRDB watches transactions and statements through these hooks, for its own accesses only; they assume that the queue
    // has been entered.
    _ = sqlite3_commit_hook(handle, nil, nil)
    _ = sqlite3_rollback_hook(handle, nil, nil)
    _ = sqlite3_update_hook(handle, nil, nil)
    sqlite3_set_authorizer(handle, nil, nil)
    return SQLConnection(queue: queue, handle: handle, path: path)
  }

  /// SQLite gives its own files (WAL, shared memory) the mode of the database.
  private static func createPrivately(_ path: String) throws(StoreError) {
    let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else { throw .io(operation: "open", path: path, errno: errno) }
    _ = Glibc.close(descriptor)
  }

  func close() {
    statements.removeAll()
    composed.removeAll()
    if let queue { try? queue.close() } else { sqlite3_close_v2(handle) }
  }

  /// Gives the cached pages back that nobody looks at; they are read again where they are needed, mostly from the system's
  /// memory.
  func releaseMemory() { _ = sqlite3_db_release_memory(handle) }

  // MARK: Statements

  /// The prepared form of a literal; made at the first use, found by the literal's address later.
  func callAsFunction(_ sql: StaticString) throws(StoreError) -> SQLStatement {
    if let statement = statements[sql.utf8Start] { return statement }
    let statement = try SQLStatement(sql.description, on: handle, of: path)
    statements[sql.utf8Start] = statement
    return statement
  }

  /// The prepared form of a text put together from parts of our own.
  func statement(_ sql: String) throws(StoreError) -> SQLStatement {
    if let statement = composed[sql] { return statement }
    let statement = try SQLStatement(sql, on: handle, of: path)
    composed[sql] = statement
    return statement
  }

  /// Rows changed by the last INSERT, UPDATE or DELETE.
  var changes: Int { Int(sqlite3_changes64(handle)) }
  var isInTransaction: Bool { sqlite3_get_autocommit(handle) == 0 }

  func execute(_ sql: String) throws(StoreError) {
    let code = sqlite3_exec(handle, sql, nil, nil, nil)
    guard code == SQLITE_OK else { throw failure(code, sql) }
  }

  func failure(_ code: Int32, _ sql: String) -> StoreError {
    SQLFailure.error(
      code, String(cString: sqlite3_errmsg(handle)), sql: sql, path: path, systemError: SQLFailure.takeErrno(handle))
  }

  func pragma(_ name: String) throws(StoreError) -> Int64 {
    let statement = try SQLStatement("PRAGMA \(name)", on: handle, of: path)
    return try statement.first { $0.int(0) } ?? 0
  }

  /// Begins a read transaction that ends with the connection. What it sees is fixed by the first read, so one follows.
  func beginReading() throws(StoreError) {
    try self("BEGIN").run()
    let first = try self("SELECT COUNT(*) FROM volume_state")
    _ = try first.first { $0.int(0) }
  }

  /// Runs `body` in one read transaction: everything it reads is of one commit.
  func reading<Value>(_ body: () throws(StoreError) -> Value) throws(StoreError) -> Value {
    try self("BEGIN").run()
    // Nothing was written, so the outcome of ending it does not matter.
    defer { try? self("ROLLBACK").run() }
    return try body()
  }
}

/// What was found to be best by measuring; see docs/decisions.
enum SQLTuning {
  /// Rows of `content` are 1 to 2 KB; with 4 KB pages half of a page would often stay empty.
  static let pageSize = 8192
  /// 32 MB of WAL between two checkpoints.
  static let checkpointPages = 4000
  static let walKeptBytes = 64 << 20
  static let writerCacheKiB = 32 << 10
  /// Each. A walk over many rows goes past it anyway, and the pages are in the memory of the system.
  static let readerCacheKiB = 1 << 10
}
