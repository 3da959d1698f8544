import GRDBSQLite

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// The journal's file, by SQLite's C interface: a few prepared statements, one connection, one thread at a time.
///
/// WAL, because a commit then costs one flush where a rollback journal costs three; `synchronous = FULL`, because under
/// NORMAL a power cut loses commits, and what this file says allows DELE. `locking_mode = EXCLUSIVE` keeps WAL's index in
/// memory instead of a shared file, so that a home folder on NFS is no trouble; the account lock lets nobody else in.
final class JournalDatabase {
  private let handle: OpaquePointer
  let path: String
  private var statements: [UnsafePointer<UInt8>: JournalStatement] = [:]

  init(path: String) throws(PullError) {
    let descriptor = Self.openPrivately(path)
    guard descriptor >= 0 else { throw Self.failure(path, errno: errno) }
    close(descriptor)
    var opened: OpaquePointer?
    let flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX
    let code = sqlite3_open_v2(path, &opened, flags, nil)
    guard code == SQLITE_OK, let opened else {
      let text = opened.flatMap { sqlite3_errmsg($0) }.map { String(cString: $0) } ?? "SQLite \(code)"
      sqlite3_close_v2(opened)
      throw PullError(.journal(path: path, text), account: "")
    }
    handle = opened
    self.path = path
    sqlite3_busy_timeout(handle, Int32(PullLimits.busySeconds * 1000))
    try execute("PRAGMA locking_mode = EXCLUSIVE")
    try execute("PRAGMA journal_mode = WAL")
    try execute("PRAGMA synchronous = FULL")
    try execute("PRAGMA temp_store = MEMORY")
    guard try pragma("synchronous") == 2 else {
      throw PullError(.journal(path: path, "synchronous = FULL did not hold"), account: "")
    }
  }

  deinit {
    statements.removeAll()
    sqlite3_close_v2(handle)
  }

  private static func openPrivately(_ path: String) -> Int32 {
    // The mode counts at creation only.
    #if canImport(Glibc)
      Glibc.open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
    #else
      Darwin.open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
    #endif
  }

  static func failure(_ path: String, errno code: Int32) -> PullError {
    if code == noSpaceCode || code == quotaCode { return PullError(.noSpace(path: path), account: "") }
    return PullError(.journal(path: path, String(cString: strerror(code))), account: "")
  }

  func failure(_ code: Int32) -> PullError {
    if code & 0xFF == SQLITE_FULL || [noSpaceCode, quotaCode].contains(sqlite3_system_errno(handle)) {
      return PullError(.noSpace(path: path), account: "")
    }
    return PullError(.journal(path: path, "SQLite \(code): \(String(cString: sqlite3_errmsg(handle)))"), account: "")
  }

  func execute(_ sql: String) throws(PullError) {
    let code = sqlite3_exec(handle, sql, nil, nil, nil)
    guard code == SQLITE_OK else { throw failure(code) }
  }

  func pragma(_ name: String) throws(PullError) -> Int64 {
    let statement = try JournalStatement("PRAGMA \(name)", on: handle, in: self)
    return try statement.step() ? statement.int(0) : 0
  }

  /// The prepared form of a literal, kept.
  func callAsFunction(_ sql: StaticString) throws(PullError) -> JournalStatement {
    if let statement = statements[sql.utf8Start] { return statement }
    let statement = try JournalStatement(sql.description, on: handle, in: self)
    statements[sql.utf8Start] = statement
    return statement
  }

  /// All of `body` durable when it returns, or nothing of it.
  func transaction<Value>(_ body: () throws -> Value) throws -> Value {
    try execute("BEGIN IMMEDIATE")
    do {
      let value = try body()
      try execute("COMMIT")
      return value
    } catch {
      // SQLite may have rolled back by itself (no space); then this one has nothing to do.
      if sqlite3_get_autocommit(handle) == 0 { try? execute("ROLLBACK") }
      throw error
    }
  }

  var lastRow: Int64 { sqlite3_last_insert_rowid(handle) }
}

/// A prepared statement. Parameters count from 1, columns from 0.
final class JournalStatement {
  private let pointer: OpaquePointer
  private unowned let database: JournalDatabase
  private var bindFailure = SQLITE_OK

  init(_ sql: String, on handle: OpaquePointer, in database: JournalDatabase) throws(PullError) {
    var pointer: OpaquePointer?
    let code = sqlite3_prepare_v3(handle, sql, -1, UInt32(SQLITE_PREPARE_PERSISTENT), &pointer, nil)
    guard code == SQLITE_OK, let pointer else { throw database.failure(code) }
    self.pointer = pointer
    self.database = database
  }

  deinit { sqlite3_finalize(pointer) }

  private static var transient: sqlite3_destructor_type { unsafeBitCast(-1, to: sqlite3_destructor_type.self) }

  func bind(_ index: Int32, _ value: Int64?) {
    note(value.map { sqlite3_bind_int64(pointer, index, $0) } ?? sqlite3_bind_null(pointer, index))
  }

  func bind(_ index: Int32, _ value: String?) {
    guard let value else { return note(sqlite3_bind_null(pointer, index)) }
    note(sqlite3_bind_text(pointer, index, value, Int32(clamping: value.utf8.count), Self.transient))
  }

  func bind(_ index: Int32, _ value: [UInt8]?) {
    guard let value else { return note(sqlite3_bind_null(pointer, index)) }
    note(sqlite3_bind_blob64(pointer, index, value, UInt64(value.count), Self.transient))
  }

  private func note(_ code: Int32) {
    if code != SQLITE_OK, bindFailure == SQLITE_OK { bindFailure = code }
  }

  /// True: a row is ready.
  func step() throws(PullError) -> Bool {
    guard bindFailure == SQLITE_OK else {
      let code = bindFailure
      reset()
      throw database.failure(code)
    }
    let code = sqlite3_step(pointer)
    if code == SQLITE_ROW { return true }
    if code == SQLITE_DONE { return false }
    let failure = database.failure(code)
    reset()
    throw failure
  }

  func run() throws(PullError) {
    defer { reset() }
    while try step() {}
  }

  func reset() {
    sqlite3_reset(pointer)
    bindFailure = SQLITE_OK
  }

  func int(_ column: Int32) -> Int64 { sqlite3_column_int64(pointer, column) }
  func isNull(_ column: Int32) -> Bool { sqlite3_column_type(pointer, column) == SQLITE_NULL }

  func text(_ column: Int32) -> String? {
    guard let bytes = sqlite3_column_text(pointer, column) else { return nil }
    let count = Int(sqlite3_column_bytes(pointer, column))
    return String(decoding: UnsafeBufferPointer(start: bytes, count: count), as: UTF8.self)
  }

  func blob(_ column: Int32) -> [UInt8]? {
    guard let bytes = sqlite3_column_blob(pointer, column) else { return nil }
    return Array(UnsafeRawBufferPointer(start: bytes, count: Int(sqlite3_column_bytes(pointer, column))))
  }
}
