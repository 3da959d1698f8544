import MailStore
import MailTestKit
import NIOCore
import Testing

@testable import MailStoreSQL

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

@Suite struct FolderTests {
  /// Exit status of a command; -1 if it could not be run.
  private func run(_ arguments: [String]) -> Int32 {
    var pid = pid_t()
    var list: [UnsafeMutablePointer<CChar>?] = arguments.map { strdup($0) }
    list.append(nil)
    defer { for item in list { free(item) } }
    guard posix_spawnp(&pid, arguments[0], nil, nil, list, environ) == 0 else { return -1 }
    var status: Int32 = 0
    waitpid(pid, &status, 0)
    return (status >> 8) & 0xFF
  }

  @Test func `One process holds the folder, and a second hears whose it is`() async throws {
    let bed = try StoreBed()
    let store = try bed.openSQL()
    let error = await thrown { _ = try bed.openSQL() }
    #expect(error == .folderInUse(folder: bed.data, process: "\(getpid())"))
    // Another process, by the lock itself.
    #expect(run(["flock", "--nonblock", "\(bed.data)/lock", "true"]) == 1)
    await store.close()
    #expect(run(["flock", "--nonblock", "\(bed.data)/lock", "true"]) == 0)
    let again = try bed.openSQL()
    await again.close()
  }

  @Test func `Nothing in the folder is readable by others`() async throws {
    let bed = try StoreBed()
    let store = try bed.openSQL()
    let ana = try await store.add("ana")
    try await store.put(of: ana)
    func walk(_ path: String) {
      var info = stat()
      #expect(stat(path, &info) == 0 && info.st_mode & 0o077 == 0, "\(path)")
      guard let directory = opendir(path) else { return }
      while let entry = readdir(directory) {
        let name = withUnsafeBytes(of: &entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
        if name != ".", name != ".." { walk("\(path)/\(name)") }
      }
      closedir(directory)
    }
    walk(bed.data)
    await store.close()
  }

  @Test func `Commits are synced in full, and the database gives pages back`() async throws {
    let bed = try StoreBed()
    let store = try bed.openSQL()
    let (synchronous, vacuum, page) = try await store.writer.alone { writer throws(StoreError) in
      let db = writer.transaction.db
      return (try db.pragma("synchronous"), try db.pragma("auto_vacuum"), try db.pragma("page_size"))
    }
    #expect(synchronous == 2 && vacuum == 2 && page == Int64(SQLTuning.pageSize))
    await store.close()
    // Every connection and statement was let go: SQLite has folded the WAL into the database and removed it.
    #expect(access("\(bed.data)/volumes/1/mail.sqlite-wal", F_OK) != 0)
    #expect(access("\(bed.data)/directory.sqlite-wal", F_OK) != 0)
  }

  @Test func `An account cut short between the two databases is completed, and so is a removal`()
    async throws
  {
    let bed = try StoreBed()
    do {
      let store = try bed.openSQL()
      let ana = try await store.add("ana")
      try await store.put(of: ana)
      await store.close()
    }
    let directory = try SQLConnection.writer(
      path: "\(bed.data)/directory.sqlite", migrator: DirectorySchema.migrator)
    try directory.execute("DELETE FROM account")
    try directory.execute("INSERT INTO account (name, credentials, created) VALUES ('budi', 'x', 1)")
    directory.close()
    let volume = try SQLConnection.writer(path: "\(bed.data)/volumes/1/mail.sqlite", migrator: VolumeSchema.migrator)
    try volume.execute("UPDATE account_state SET state = 2")
    volume.close()
    let store = try bed.openSQL()
    #expect(try await store.accounts().map(\.name) == ["budi"])
    let budi = try #require(try await store.account(named: "budi"))
    #expect(budi.id == AccountID(2))
    try await store.put(of: budi)
    #expect(try await store.compact().purgedMessages == 1)
    let report = try await store.check()
    #expect(report.problems == [] && report.accounts == 1 && report.blobs == 1)
    await store.close()
  }

  /// A backup's is read as it is, and never changed.
  @Test func `A directory from before there were bounds of mailboxes is read`() async throws {
    let bed = try StoreBed()
    do {
      let store = try bed.openSQL()
      _ = try await store.add("ana", quota: QuotaLimits(bytes: 5, messages: 6, mailboxes: 7, annotationBytes: 8))
      await store.close()
    }
    let path = "\(bed.data)/directory.sqlite"
    let directory = try SQLConnection.writer(path: path, migrator: DirectorySchema.migrator)
    func quota() throws -> QuotaLimits? {
      let cache = DirectoryCache()
      try AccountTable.load(directory, into: cache)
      return cache.account(named: "ana")?.quota
    }
    #expect(try quota() == QuotaLimits(bytes: 5, messages: 6, mailboxes: 7, annotationBytes: 8))
    try directory.execute("ALTER TABLE account DROP COLUMN quota_mailboxes")
    try directory.execute("ALTER TABLE account DROP COLUMN quota_annotations")
    #expect(try quota() == QuotaLimits(bytes: 5, messages: 6))
    directory.close()
  }
}
