import GRDBSQLite
import MailStore

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// Copies a database page by page as one read transaction sees it.
enum DatabaseCopy {
  /// `source` has a read transaction open: then pages come from that moment, whatever others write meanwhile, and the copy
  /// never begins anew. The copy is not synced. `isStopping` is asked between steps.
  static func copy(
    _ source: SQLConnection, to path: String, isStopping: () -> Bool = { false }
  ) throws(StoreError) {
    let descriptor = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else { throw .io(operation: "create", path: path, errno: errno) }
    close(descriptor)
    var target: OpaquePointer?
    let opened = sqlite3_open_v2(path, &target, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, nil)
    defer { sqlite3_close_v2(target) }
    guard opened == SQLITE_OK, let target else { throw failure(opened, target, path) }
    // Whoever wants the copy syncs it as a whole.
    guard sqlite3_exec(target, "PRAGMA synchronous = OFF; PRAGMA journal_mode = OFF", nil, nil, nil) == SQLITE_OK,
      let backup = sqlite3_backup_init(target, "main", source.handle, "main")
    else { throw failure(sqlite3_errcode(target), target, path) }
    var code = SQLITE_OK
    var isCut = false
    while code == SQLITE_OK {
      if isStopping() {
        isCut = true
        break
      }
      code = sqlite3_backup_step(backup, BackupLimits.pagesPerStep)
    }
    let finished = sqlite3_backup_finish(backup)
    if isCut { throw .shuttingDown }
    guard code == SQLITE_DONE, finished == SQLITE_OK else { throw failure(code, target, path) }
  }

  private static func failure(_ code: Int32, _ handle: OpaquePointer?, _ path: String) -> StoreError {
    let message = handle.map { String(cString: sqlite3_errmsg($0)) } ?? "it cannot be opened"
    return SQLFailure.error(
      code, message, sql: "copy to \(path)", path: path, systemError: SQLFailure.takeErrno())
  }
}
