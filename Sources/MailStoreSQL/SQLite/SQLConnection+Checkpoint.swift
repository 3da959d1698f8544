import CSQLite
import CSQLiteWAL
import GRDBSQLite
import MailStore

/// Checkpoints by ourselves: SQLite's automatic ones keep their errors from us, and a failed sync of the database file must
/// not go unseen. By then SQLite has counted pages as carried over that are not on the disk, and the next checkpoint, which
/// "succeeds", would let go of the only good copy in the WAL.
extension SQLConnection {
  /// Writing connections only, once.
  func countWALFrames() {
    _ = sqlite3_wal_hook(
      handle,
      { context, _, _, frames in
        context?.assumingMemoryBound(to: Int32.self).pointee = frames
        return SQLITE_OK
      }, walFrames)
  }

  /// One write to the WAL for each commit instead of two for each page. Only for the connection that commits deliveries and
  /// keeps `synchronous = FULL`: without the sync at its end others would read a commit that is not in the file yet.
  /// False: everything is written as it comes, which is slower and no worse.
  @discardableResult
  func gatherWALWrites() -> Bool { merpati_wal_gather(handle) == SQLITE_OK }

  /// Carries the WAL over when it has grown enough. Between two transactions.
  func checkpointIfDue() throws(StoreError) {
    guard walFrames.pointee >= Int32(SQLTuning.checkpointPages) else { return }
    // What readers still need stays behind, and is looked at again after the next commit.
    try checkpoint(SQLITE_CHECKPOINT_PASSIVE)
    walFrames.pointee = 0
  }

  /// Carries the whole WAL over and cuts its file, waiting for nobody: false when somebody reads from it.
  @discardableResult
  func truncateWAL() throws(StoreError) -> Bool {
    try execute("PRAGMA busy_timeout = 50")
    defer { try? execute("PRAGMA busy_timeout = 10000") }
    let isDone = try checkpoint(SQLITE_CHECKPOINT_TRUNCATE)
    if isDone { walFrames.pointee = 0 }
    return isDone
  }

  @discardableResult
  private func checkpoint(_ mode: Int32) throws(StoreError) -> Bool {
    let code = sqlite3_wal_checkpoint_v2(handle, "main", mode, nil, nil)
    if code & 0xFF == SQLITE_BUSY { return false }
    guard code == SQLITE_OK else { throw failure(code, "checkpoint") }
    return true
  }

  /// The WAL stays when this connection closes: the next opening reads all of it anew.
  func keepWAL() { _ = merpati_sqlite_keep_wal(handle) }
}
