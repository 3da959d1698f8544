import GRDBSQLite
import MailStore
import Testing

@testable import MailStoreSQL

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// How SQLite's codes are told. The extended ones are macros that Swift does not see.
@Suite struct SQLFailureTests {
  private func told(_ code: Int32, _ systemError: Int32) -> StoreError {
    SQLFailure.error(code, "message", sql: "COMMIT", path: "/db", systemError: systemError)
  }

  @Test func `What the system refuses is told as the system's refusal`() {
    #expect(told(SQLITE_FULL, 0) == .io(operation: "write", path: "/db", errno: ENOSPC))
    #expect(told(SQLITE_IOERR | 3 << 8, EDQUOT) == .io(operation: "write", path: "/db", errno: EDQUOT))
    #expect(told(SQLITE_IOERR | 1 << 8, EIO) == .io(operation: "read", path: "/db", errno: EIO))
    #expect(told(SQLITE_IOERR | 4 << 8, EIO) == .io(operation: "sync", path: "/db", errno: EIO))
    #expect(told(SQLITE_READONLY, 0) == .io(operation: "write", path: "/db", errno: EROFS))
    #expect(told(SQLITE_CANTOPEN, EMFILE) == .io(operation: "open", path: "/db", errno: EMFILE))
    #expect(told(SQLITE_NOMEM, 0) == .io(operation: "allocate memory", path: "/db", errno: ENOMEM))
    #expect(told(SQLITE_BUSY, 0) == .io(operation: "lock", path: "/db", errno: EBUSY))
    #expect(told(SQLITE_FULL, 0).isNoRoom && told(SQLITE_IOERR | 3 << 8, EDQUOT).isNoRoom)
    guard case .database = told(SQLITE_CONSTRAINT, 0) else {
      Issue.record("a constraint is a mistake of ours")
      return
    }
  }

  @Test func `A sector that cannot be read is not damage, and damage is`() {
    #expect(told(SQLITE_CORRUPT, EIO) == .io(operation: "read", path: "/db", errno: EIO))
    guard case .corrupt = told(SQLITE_CORRUPT, 0) else {
      Issue.record("damage went unnoticed")
      return
    }
  }

  @Test func `Only what fails before the sync is known not to have happened`() {
    #expect(told(SQLITE_FULL, 0).precedesSync)
    #expect(told(SQLITE_IOERR | 3 << 8, EIO).precedesSync)
    #expect(told(SQLITE_IOERR | 1 << 8, EIO).precedesSync)
    // Syncs of the file and of its folder, and growing the shared memory, which comes after the sync.
    for code: Int32 in [4, 5, 19, 21] { #expect(!told(SQLITE_IOERR | code << 8, EIO).precedesSync) }
    #expect(told(SQLITE_IOERR | 4 << 8, EIO).isFailedSync && told(SQLITE_IOERR | 5 << 8, EIO).isFailedSync)
    #expect(!told(SQLITE_IOERR | 3 << 8, EIO).isFailedSync)
  }
}
