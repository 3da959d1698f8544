import GRDB

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// For tests: called before and after everything that changes a side or the state; what it throws is a crash.
typealias CrashPoint = @Sendable (String) throws -> Void

/// The journal of one target: what both sides were like when they agreed last, and what is under way. One SQLite file with
/// synchronous commits; every call is one transaction.
///
/// The view of the server (UIDs, flags, UIDNEXT, HIGHESTMODSEQ) is saved as a whole, together with what has not been done
/// about it yet: a message without a base is still to be fetched, one that `isGone` is still to be removed here. So the next
/// run can go on from HIGHESTMODSEQ, whatever happened to this one.
final class SyncState: Sendable {
  static let fileName = ".merpati-sync.sqlite"

  let path: String
  /// Partial files lie beside the database.
  let folder: String
  private let queue: DatabaseQueue
  /// Nil: a reader beside the runs, which takes no part in their order.
  private let lock: StateLock?
  private let crash: CrashPoint

  /// Blocks: a few milliseconds.
  /// - account: refused when the file was made for another one; nil: whose it is does not matter, but it must be there.
  init(folder: String, account: String?, crash: @escaping CrashPoint = { _ in }) throws {
    self.folder = folder
    path = "\(folder)/\(Self.fileName)"
    self.crash = crash
    if account == nil, access(path, F_OK) != 0 { throw SyncError.state(path: path, String(cString: strerror(errno))) }
    let lock = try StateLock(path: "\(folder)/.merpati-sync.lock", folder: folder)
    self.lock = lock
    let path = path
    // SQLite gives its own files (WAL, shared memory) the mode of the database.
    let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else { throw SyncError.state(path: path, String(cString: strerror(errno))) }
    _ = Glibc.close(descriptor)
    var configuration = Self.configuration
    configuration.prepareDatabase { db in
      // Not by `journalMode`: that ends with `synchronous = NORMAL`, under which a power cut loses what was journalled, and
      // writes and flushes a table that nobody needs at every opening.
      try db.execute(sql: "PRAGMA journal_mode = WAL")
      try db.execute(sql: "PRAGMA synchronous = FULL")
    }
    do {
      queue = try DatabaseQueue(path: path, configuration: configuration)
      let migrator = StateSchema.migrator
      try migrator.migrate(queue)
      if try queue.read({ try migrator.hasBeenSuperseded($0) }) {
        throw SyncError.state(path: path, "it was written by a newer version of this program")
      }
      try queue.inDatabase { db in
        guard try Int.fetchOne(db, sql: "PRAGMA synchronous") == 2 else {
          throw SyncError.state(path: path, "synchronous = FULL did not hold")
        }
      }
      let owner = try queue.write { db in
        if let account {
          try db.execute(sql: "INSERT OR IGNORE INTO info VALUES ('account', ?)", arguments: [account])
        }
        return try String.fetchOne(db, sql: "SELECT value FROM info WHERE key = 'account'")
      }
      guard account == nil || owner == account else { throw SyncError.otherAccount(path: path, account: owner ?? "") }
    } catch let error as DatabaseError {
      throw SyncError.state(path: path, error.message ?? "SQLite \(error.resultCode.rawValue)")
    }
  }

  /// Beside runs that hold the lock, for the header replica: reads, and adds parts by short transactions, each of which
  /// makes sure that what it adds to is still what it was. Makes no file and changes no table.
  init(sharing folder: String) throws {
    self.folder = folder
    let path = "\(folder)/\(Self.fileName)"
    self.path = path
    crash = { _ in }
    lock = nil
    guard access(path, F_OK) == 0 else { throw ReplicaError.noReplica(path: folder) }
    var configuration = Self.configuration
    configuration.readonly = access(path, W_OK) != 0
    configuration.prepareDatabase { db in try db.execute(sql: "PRAGMA synchronous = FULL") }
    do {
      queue = try DatabaseQueue(path: path, configuration: configuration)
      let migrator = StateSchema.migrator
      let (isNewer, isComplete) = try queue.read {
        (try migrator.hasBeenSuperseded($0), try migrator.hasCompletedMigrations($0))
      }
      if isNewer { throw SyncError.state(path: path, "it was written by a newer version of this program") }
      guard isComplete else { throw ReplicaError.noReplica(path: folder) }
    } catch let error as DatabaseError {
      throw SyncError.state(path: path, error.message ?? "SQLite \(error.resultCode.rawValue)")
    }
  }

  /// The file belongs to this user, and nobody else may write to it.
  var isOwn: Bool {
    var status = stat()
    return stat(path, &status) == 0 && status.st_uid == geteuid() && status.st_mode & 0o022 == 0
  }

  private static var configuration: Configuration {
    var configuration = Configuration()
    configuration.busyMode = .timeout(10)
    configuration.foreignKeysEnabled = true
    return configuration
  }

  func close() {
    // A file that can't be closed properly is recovered by the next opening.
    try? queue.close()
    lock?.release()
  }

  func read<Value: Sendable>(_ body: @escaping @Sendable (Database) throws -> Value) async throws -> Value {
    do { return try await queue.read(body) } catch let error as DatabaseError { throw failure(error) }
  }

  /// One durable transaction.
  func write<Value: Sendable>(
    _ what: String, _ body: @escaping @Sendable (Database) throws -> Value
  ) async throws -> Value {
    try crash("before \(what)")
    let value: Value
    do { value = try await queue.write(body) } catch let error as DatabaseError { throw failure(error) }
    try crash("after \(what)")
    return value
  }

  private func failure(_ error: DatabaseError) -> SyncError {
    .state(path: path, error.message ?? "SQLite \(error.resultCode.rawValue)")
  }

  // MARK: Facts about the whole

  func info(_ key: String) async throws -> String? {
    try await read { try String.fetchOne($0, sql: "SELECT value FROM info WHERE key = ?", arguments: [key]) }
  }

  func setInfo(_ key: String, _ value: String) async throws {
    try await write("info") {
      try $0.execute(sql: "INSERT OR REPLACE INTO info VALUES (?, ?)", arguments: [key, value])
    }
  }

  func hasMessages() async throws -> Bool {
    try await read { try Bool.fetchOne($0, sql: "SELECT EXISTS (SELECT 1 FROM message)") ?? false }
  }
}
