// What of SQLite Swift cannot call: functions with a variable number of arguments.
#include <sqlite3.h>

/// The connection's close does no checkpoint and leaves the WAL where it is.
static inline int merpati_sqlite_keep_wal(sqlite3 *connection) {
  return sqlite3_db_config(connection, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, (int *)0);
}
