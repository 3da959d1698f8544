#ifndef MERPATI_CSQLITEWAL_H
#define MERPATI_CSQLITEWAL_H

#include <sqlite3.h>

/// Octets that are gathered for one write; what goes beyond is written in several. SQLite's own VFS masks the length of a write
/// with this: given 128 KiB it writes nothing and says that the disk is full.
#define MERPATI_WAL_GATHERED 0x1FFFF

/// From now on this connection writes the frames of a commit to its WAL with one call rather than two for each page: they are
/// gathered until SQLite syncs, reads, cuts, measures or closes the file. Only for a connection in WAL mode that keeps
/// `synchronous = FULL`, under which every commit ends with a sync of the WAL before other connections may read it.
/// Returns SQLITE_OK, SQLITE_NOMEM, or SQLITE_MISUSE where there is no WAL (or it gathers already).
int merpati_wal_gather(sqlite3 *connection);

#endif
