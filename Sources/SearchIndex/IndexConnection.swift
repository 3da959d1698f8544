import CSQLite

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// A connection to the index's file, for one thread.
final class IndexConnection {
  let handle: OpaquePointer
  let path: String
  private var statements: [UnsafePointer<UInt8>: IndexStatement] = [:]

  /// - Parameter creates: makes the file if there is none.
  init(_ path: String, creates: Bool, cacheKiB: Int) throws(IndexError) {
    if creates {
      // SQLite gives its other files the mode of this one.
      let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
      guard descriptor >= 0 else { throw .system(code: errno, "\(path) cannot be made") }
      close(descriptor)
    }
    var handle: OpaquePointer?
    let code = sqlite3_open_v2(path, &handle, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, nil)
    guard code == SQLITE_OK, let handle else {
      sqlite3_close_v2(handle)
      throw Self.error(code, path)
    }
    self.handle = handle
    self.path = path
    sqlite3_busy_timeout(handle, 2000)
    sqlite3_extended_result_codes(handle, 1)
    // Nothing is lost with it, so nothing is synced: every row can tell whether it is whole (see `IndexBlock`).
    try execute("PRAGMA synchronous = OFF")
    try execute("PRAGMA cache_size = -\(cacheKiB)")
    try execute("PRAGMA temp_store = MEMORY")
  }

  deinit {
    statements.removeAll()
    sqlite3_close_v2(handle)
  }

  /// The prepared form of a literal, found by its address.
  func callAsFunction(_ sql: StaticString) throws(IndexError) -> IndexStatement {
    if let statement = statements[sql.utf8Start] { return statement }
    let statement = try IndexStatement(sql.description, self)
    statements[sql.utf8Start] = statement
    return statement
  }

  func execute(_ sql: String) throws(IndexError) {
    let code = sqlite3_exec(handle, sql, nil, nil, nil)
    guard code == SQLITE_OK else { throw failure(code) }
  }

  func failure(_ code: Int32) -> IndexError { Self.error(code, "\(path): \(String(cString: sqlite3_errmsg(handle)))") }

  private static func error(_ code: Int32, _ what: String) -> IndexError {
    switch code & 0xFF {
    // A file that is shorter than it should be, cannot be read, or has not the tables it should have, is damaged too.
    case SQLITE_CORRUPT, SQLITE_NOTADB, SQLITE_ERROR, SQLITE_CONSTRAINT, SQLITE_MISMATCH, SQLITE_FORMAT: .damaged(what)
    // SQLITE_IOERR_READ and SQLITE_IOERR_SHORT_READ, macros that Swift does not see.
    case SQLITE_IOERR where code >> 8 == 1 || code >> 8 == 2: .damaged(what)
    default: .system(code: code, what)
    }
  }

  /// All that is read in it is of one moment; what is written is written as a whole.
  func transaction<Value>(
    writes: Bool, _ body: () throws(IndexError) -> Value
  ) throws(IndexError) -> Value {
    try self(writes ? "BEGIN IMMEDIATE" : "BEGIN").run()
    do throws(IndexError) {
      let value = try body()
      try self("COMMIT").run()
      return value
    } catch {
      // SQLite may have done so by itself.
      try? self("ROLLBACK").run()
      throw error
    }
  }

  func number(_ sql: StaticString) throws(IndexError) -> Int64 {
    let statement = try self(sql)
    defer { statement.reset() }
    return try statement.step() ? statement.int(0) : 0
  }
}

/// A prepared statement. Parameters count from 1, columns from 0.
final class IndexStatement {
  private let pointer: OpaquePointer
  private unowned let connection: IndexConnection

  init(_ sql: String, _ connection: IndexConnection) throws(IndexError) {
    var pointer: OpaquePointer?
    let code = sqlite3_prepare_v3(connection.handle, sql, -1, UInt32(SQLITE_PREPARE_PERSISTENT), &pointer, nil)
    guard code == SQLITE_OK, let pointer else { throw connection.failure(code) }
    self.pointer = pointer
    self.connection = connection
  }

  deinit { sqlite3_finalize(pointer) }

  func bind(_ index: Int32, _ value: Int64) { sqlite3_bind_int64(pointer, index, value) }

  /// The bytes must stay until the statement has run.
  func withBlob(
    _ index: Int32, _ bytes: [UInt8], _ body: () throws(IndexError) -> Void
  ) throws(IndexError) {
    var result: Result<Void, IndexError> = .success(())
    bytes.withUnsafeBytes { raw in
      sqlite3_bind_blob64(pointer, index, raw.baseAddress, UInt64(raw.count), nil)
      do throws(IndexError) { try body() } catch { result = .failure(error) }
      sqlite3_bind_null(pointer, index)
    }
    try result.get()
  }

  func bind(_ index: Int32, _ value: String) {
    // SQLITE_TRANSIENT: SQLite takes a copy.
    sqlite3_bind_text(pointer, index, value, -1, unsafeBitCast(-1, to: sqlite3_destructor_type.self))
  }

  func step() throws(IndexError) -> Bool {
    let code = sqlite3_step(pointer)
    switch code {
    case SQLITE_ROW: return true
    case SQLITE_DONE: return false
    default:
      let failure = connection.failure(code)
      sqlite3_reset(pointer)
      throw failure
    }
  }

  func run() throws(IndexError) {
    defer { reset() }
    while try step() {}
  }

  func reset() { sqlite3_reset(pointer) }

  func int(_ column: Int32) -> Int64 { sqlite3_column_int64(pointer, column) }

  func text(_ column: Int32) -> String { sqlite3_column_text(pointer, column).map { String(cString: $0) } ?? "" }

  /// Good until the next `step` or `reset`.
  func blob(_ column: Int32) -> UnsafeRawBufferPointer {
    let bytes = sqlite3_column_blob(pointer, column)
    return UnsafeRawBufferPointer(start: bytes, count: Int(sqlite3_column_bytes(pointer, column)))
  }
}
