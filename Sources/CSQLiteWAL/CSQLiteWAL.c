// SQLite writes each frame of a WAL with two calls, 24 octets and the page. Here a file's methods are put in front of those
// of SQLite's own VFS: neighbouring writes are kept and go out together. What reaches the file, and when it is synced,
// stays as it was: nothing is synced, read, cut or closed before all that was written is in the file.

#include "CSQLiteWAL.h"

#include <stdlib.h>
#include <string.h>

struct gather {
  // First: a file's `pMethods` is the only way from the file to here.
  sqlite3_io_methods methods;
  const sqlite3_io_methods *real;
  sqlite3_int64 offset;
  int count;
  unsigned char bytes[MERPATI_WAL_GATHERED];
};

static struct gather *of(sqlite3_file *file) { return (struct gather *)file->pMethods; }

static int flush(sqlite3_file *file) {
  struct gather *gather = of(file);
  int count = gather->count;
  if (count == 0) return SQLITE_OK;
  // A write that fails has failed: the commit that it belongs to is rolled back, and the next one begins where it did.
  gather->count = 0;
  return gather->real->xWrite(file, gather->bytes, count, gather->offset);
}

static int write_(sqlite3_file *file, const void *bytes, int count, sqlite3_int64 offset) {
  struct gather *gather = of(file);
  if (gather->count > 0 && (offset != gather->offset + gather->count || count > MERPATI_WAL_GATHERED - gather->count)) {
    int code = flush(file);
    if (code != SQLITE_OK) return code;
  }
  if (count > MERPATI_WAL_GATHERED) return gather->real->xWrite(file, bytes, count, offset);
  if (gather->count == 0) gather->offset = offset;
  memcpy(gather->bytes + gather->count, bytes, (size_t)count);
  gather->count += count;
  return SQLITE_OK;
}

static int read_(sqlite3_file *file, void *bytes, int count, sqlite3_int64 offset) {
  int code = flush(file);
  return code == SQLITE_OK ? of(file)->real->xRead(file, bytes, count, offset) : code;
}

static int truncate_(sqlite3_file *file, sqlite3_int64 size) {
  int code = flush(file);
  return code == SQLITE_OK ? of(file)->real->xTruncate(file, size) : code;
}

static int sync_(sqlite3_file *file, int flags) {
  int code = flush(file);
  return code == SQLITE_OK ? of(file)->real->xSync(file, flags) : code;
}

static int size_(sqlite3_file *file, sqlite3_int64 *size) {
  int code = flush(file);
  return code == SQLITE_OK ? of(file)->real->xFileSize(file, size) : code;
}

static int control_(sqlite3_file *file, int operation, void *argument) {
  int code = flush(file);
  return code == SQLITE_OK ? of(file)->real->xFileControl(file, operation, argument) : code;
}

static int close_(sqlite3_file *file) {
  struct gather *gather = of(file);
  // Frames that no commit has followed: as good as never written.
  int written = flush(file);
  file->pMethods = gather->real;
  int code = gather->real->xClose(file);
  free(gather);
  return code != SQLITE_OK ? code : written;
}

int merpati_wal_gather(sqlite3 *connection) {
  sqlite3_file *file = NULL;
  int code = sqlite3_file_control(connection, "main", SQLITE_FCNTL_JOURNAL_POINTER, &file);
  if (code != SQLITE_OK) return code;
  if (file == NULL || file->pMethods == NULL || file->pMethods->xWrite == write_) return SQLITE_MISUSE;
  struct gather *gather = malloc(sizeof *gather);
  if (gather == NULL) return SQLITE_NOMEM;
  gather->real = file->pMethods;
  gather->methods = *gather->real;
  gather->methods.xClose = close_;
  gather->methods.xRead = read_;
  gather->methods.xWrite = write_;
  gather->methods.xTruncate = truncate_;
  gather->methods.xSync = sync_;
  gather->methods.xFileSize = size_;
  gather->methods.xFileControl = control_;
  gather->count = 0;
  gather->offset = 0;
  file->pMethods = &gather->methods;
  return SQLITE_OK;
}
