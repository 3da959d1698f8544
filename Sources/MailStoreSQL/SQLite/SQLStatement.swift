import GRDBSQLite
import MailStore
import NIOCore

/// A prepared statement, kept for the life of its connection. GRDB's cursors cost about 0.1 µs a row and several
/// microseconds a call more than the C interface, so hot paths speak to SQLite directly.
///
/// Indexes of parameters count from 1, of columns from 0, as in SQLite. Not for two threads at once.
final class SQLStatement {
  let pointer: OpaquePointer
  private let connection: OpaquePointer
  private let path: String
  /// The first failure of a `bind` since the last `reset`; told by `step`.
  private var bindFailure: Int32 = SQLITE_OK

  /// `path`: the database's file, for errors.
  init(_ sql: String, on connection: OpaquePointer, of path: String) throws(StoreError) {
    var pointer: OpaquePointer?
    let code = sqlite3_prepare_v3(connection, sql, -1, UInt32(SQLITE_PREPARE_PERSISTENT), &pointer, nil)
    guard code == SQLITE_OK, let pointer else {
      throw SQLFailure.error(
        code, String(cString: sqlite3_errmsg(connection)), sql: sql, path: path,
        systemError: SQLFailure.takeErrno(connection))
    }
    self.pointer = pointer
    self.connection = connection
    self.path = path
  }

  deinit { sqlite3_finalize(pointer) }

  // MARK: Parameters

  func bind(_ index: Int32, _ value: Int64) { note(sqlite3_bind_int64(pointer, index, value)) }
  func bind(_ index: Int32, _ value: Int) { bind(index, Int64(value)) }
  func bind(_ index: Int32, _ value: UInt32) { bind(index, Int64(value)) }
  /// Bits are kept as they are: values above Int64.max come back as they went in.
  func bind(_ index: Int32, _ value: UInt64) { bind(index, Int64(bitPattern: value)) }
  func bindNull(_ index: Int32) { note(sqlite3_bind_null(pointer, index)) }

  func bind(_ index: Int32, _ value: Int64?) {
    if let value { bind(index, value) } else { bindNull(index) }
  }

  func bind(_ index: Int32, _ value: String) {
    var value = value
    let code = value.withUTF8 { bytes in
      sqlite3_bind_text64(
        pointer, index, UnsafeRawPointer(bytes.baseAddress)?.assumingMemoryBound(to: CChar.self) ?? Self.empty,
        UInt64(bytes.count), Self.transient, UInt8(SQLITE_UTF8))
    }
    note(code)
  }

  func bind(_ index: Int32, _ value: String?) {
    if let value { bind(index, value) } else { bindNull(index) }
  }

  /// Empty bytes are stored as NULL.
  func bind(_ index: Int32, _ value: ByteBuffer) {
    value.withUnsafeReadableBytes { bind(index, bytes: $0) }
  }

  /// Empty bytes are stored as NULL. SQLite takes a copy.
  func bind(_ index: Int32, bytes: UnsafeRawBufferPointer) {
    if bytes.isEmpty { return bindNull(index) }
    note(sqlite3_bind_blob64(pointer, index, bytes.baseAddress, UInt64(bytes.count), Self.transient))
  }

  private func note(_ code: Int32) {
    if code != SQLITE_OK, bindFailure == SQLITE_OK { bindFailure = code }
  }

  // MARK: Running

  /// True when a row is ready.
  func step() throws(StoreError) -> Bool {
    if bindFailure != SQLITE_OK { throw failure(bindFailure) }
    let code = sqlite3_step(pointer)
    switch code {
    case SQLITE_ROW: return true
    case SQLITE_DONE: return false
    default: throw failure(code)
    }
  }

  /// Runs a statement that returns no rows, and makes it ready for the next time.
  func run() throws(StoreError) {
    defer { reset() }
    while try step() {}
  }

  /// Runs a query for one row; nil if there is none.
  func first<Value>(_ body: (SQLStatement) throws(StoreError) -> Value) throws(StoreError) -> Value? {
    defer { reset() }
    guard try step() else { return nil }
    return try body(self)
  }

  func forEach(_ body: (SQLStatement) throws(StoreError) -> Void) throws(StoreError) {
    defer { reset() }
    while try step() { try body(self) }
  }

  func reset() {
    sqlite3_reset(pointer)
    bindFailure = SQLITE_OK
  }

  private func failure(_ code: Int32) -> StoreError {
    let systemError = SQLFailure.takeErrno(connection)
    let message = String(cString: sqlite3_errmsg(connection))
    sqlite3_reset(pointer)
    bindFailure = SQLITE_OK
    return SQLFailure.error(
      code, message, sql: sqlite3_sql(pointer).map { String(cString: $0) } ?? "", path: path, systemError: systemError)
  }

  // MARK: Columns

  func int(_ column: Int32) -> Int64 { sqlite3_column_int64(pointer, column) }
  func isNull(_ column: Int32) -> Bool { sqlite3_column_type(pointer, column) == SQLITE_NULL }
  func optionalInt(_ column: Int32) -> Int64? { isNull(column) ? nil : int(column) }
  func bits(_ column: Int32) -> UInt64 { UInt64(bitPattern: int(column)) }
  func uid(_ column: Int32) -> UID { UID(truncatingIfNeeded: int(column)) }

  func text(_ column: Int32) -> String {
    guard let bytes = sqlite3_column_text(pointer, column) else { return "" }
    let count = Int(sqlite3_column_bytes(pointer, column))
    return String(decoding: UnsafeBufferPointer(start: bytes, count: count), as: UTF8.self)
  }

  func optionalText(_ column: Int32) -> String? { isNull(column) ? nil : text(column) }

  /// Good until the next `step` or `reset`.
  func blob(_ column: Int32) -> UnsafeRawBufferPointer {
    let bytes = sqlite3_column_blob(pointer, column)
    return UnsafeRawBufferPointer(start: bytes, count: Int(sqlite3_column_bytes(pointer, column)))
  }

  func buffer(_ column: Int32) -> ByteBuffer {
    let bytes = blob(column)
    return bytes.isEmpty ? ByteBuffer() : ByteBuffer(bytes: bytes)
  }

  // MARK: Constants that are macros in C

  /// SQLITE_TRANSIENT: SQLite copies the bytes before the call returns.
  private static var transient: sqlite3_destructor_type { unsafeBitCast(-1, to: sqlite3_destructor_type.self) }
  private static let emptyString: StaticString = ""
  private static var empty: UnsafePointer<CChar> {
    UnsafeRawPointer(emptyString.utf8Start).assumingMemoryBound(to: CChar.self)
  }
}
