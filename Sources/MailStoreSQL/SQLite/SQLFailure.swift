import GRDB
import GRDBSQLite
import MailStore

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// SQLite's result codes as errors of the store. What the system said is told as such (`io`), so that clients hear of a
/// passing trouble; `database` is left for what only a mistake of ours can cause.
enum SQLFailure {
  /// Operations as they stand in `StoreError.io`. The text is for the log, apart from these.
  static let read = "read"
  static let write = "write"
  static let sync = "sync"

  /// - Parameter systemError: the system's last error number, 0 if there was none.
  static func error(_ code: Int32, _ message: String, sql: String, path: String, systemError: Int32) -> StoreError {
    func io(_ operation: String, _ fallback: Int32) -> StoreError {
      .io(operation: operation, path: path, errno: systemError == 0 ? fallback : systemError)
    }
    switch code & 0xFF {
    case SQLITE_FULL: return .io(operation: write, path: path, errno: ENOSPC)
    case SQLITE_READONLY: return .io(operation: write, path: path, errno: EROFS)
    case SQLITE_IOERR: return io(operation(code), EIO)
    case SQLITE_CANTOPEN: return io("open", EIO)
    case SQLITE_NOMEM: return .io(operation: "allocate memory", path: path, errno: ENOMEM)
    case SQLITE_BUSY, SQLITE_LOCKED, SQLITE_PROTOCOL: return .io(operation: "lock", path: path, errno: EBUSY)
    case SQLITE_CORRUPT, SQLITE_NOTADB:
      // SQLite tells a sector that cannot be read as damage, and keeps only the system's number.
      if readErrors.contains(systemError) { return io(read, EIO) }
      return .corrupt(what: "the database: \(message)")
    default: return .database(message: "SQLite \(code): \(message) in: \(sql)")
    }
  }

  private static func operation(_ code: Int32) -> String {
    switch code >> 8 {
    // SQLITE_IOERR_READ, _SHORT_READ, _WRITE, _FSYNC, _DIR_FSYNC, _TRUNCATE: macros that Swift does not see.
    case 1, 2, 33: read
    case 3: write
    case 4, 5: sync
    case 6: "truncate"
    default: "SQLite \(code)"
    }
  }

  /// For errors of GRDB, which opens and migrates.
  static func error(_ error: any Error, path: String) -> StoreError {
    if let error = error as? StoreError { return error }
    guard let error = error as? DatabaseError else { return .database(message: "\(path): \(error)") }
    return Self.error(
      error.extendedResultCode.rawValue, error.message ?? "", sql: path, path: path, systemError: takeErrno())
  }

  /// The number that the last failing call of this thread has left; it does not stand for the next failure as well.
  static func takeErrno() -> Int32 {
    defer { errno = 0 }
    return errno
  }

  /// The same after a call on a connection: what went wrong with the database file itself is kept there, whatever SQLite has
  /// called since to clear up.
  static func takeErrno(_ connection: OpaquePointer) -> Int32 {
    let last = takeErrno()
    var kept: Int32 = 0
    _ = sqlite3_file_control(connection, "main", SQLITE_FCNTL_LAST_ERRNO, &kept)
    return readErrors.contains(kept) ? kept : last
  }

  private static let readErrors: Set<Int32> = [EIO, ENXIO, ERANGE]
}

extension StoreError {
  /// A COMMIT that fails like this has not happened, and that is known: pages are read and the WAL is written first, and
  /// synced then; the next transaction overwrites what was written of this one.
  var precedesSync: Bool {
    switch self {
    case .io(SQLFailure.write, _, _), .io(SQLFailure.read, _, _), .corrupt: true
    default: false
    }
  }

  var isFailedSync: Bool {
    if case .io(SQLFailure.sync, _, _) = self { return true }
    return false
  }
}
