import BlobStore
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

/// One of the two databases is lost, or an older one was put in its place: mail must never be destroyed by that.
@Suite struct LostDatabaseTests {
  private func directory(_ bed: StoreBed) -> String { "\(bed.data)/directory.sqlite" }
  private func volume(_ bed: StoreBed) -> String { "\(bed.data)/volumes/1/mail.sqlite" }

  private func remove(_ database: String) { for suffix in ["", "-wal", "-shm"] { unlink(database + suffix) } }

  /// Copies a database with its WAL, if it has one.
  private func copy(_ database: String, to target: String) throws {
    remove(target)
    for suffix in ["", "-wal"] where access(database + suffix, F_OK) == 0 {
      let bytes = try #require(contents(database + suffix))
      let file = open(target + suffix, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
      #expect(write(file, bytes, bytes.count) == bytes.count)
      close(file)
    }
  }

  private func contents(_ path: String) -> [UInt8]? {
    let file = open(path, O_RDONLY)
    guard file >= 0 else { return nil }
    defer { close(file) }
    var bytes = [UInt8](repeating: 0, count: Int(lseek(file, 0, SEEK_END)))
    return pread(file, &bytes, bytes.count, 0) == bytes.count ? bytes : nil
  }

  private func message(_ error: StoreError?) -> String {
    guard case .database(let message) = error else { return "\(String(describing: error))" }
    return message
  }

  /// Whole frames in all packs.
  private func frames(_ store: SQLStore) throws -> Int {
    try store.packs.packs().reduce(0) { $0 + (try store.packs.scan($1.number, verify: true) { _ in }).frames }
  }

  private func expectKept(_ bed: StoreBed, frames expected: Int, sourceLocation: SourceLocation = #_sourceLocation)
    async throws -> [String]
  {
    let store = try bed.openSQL()
    _ = try await store.compact()
    _ = try await store.compact()
    #expect(try frames(store) == expected, sourceLocation: sourceLocation)
    let problems = try await store.check().problems
    await store.close()
    return problems
  }

  // MARK: The directory

  @Test(arguments: [true, false]) func `A missing or empty directory is refused, and nothing is lost`(_ isEmpty: Bool)
    async throws
  {
    let bed = try StoreBed()
    let store = try bed.openSQL()
    let ana = try await store.add("ana")
    try await store.put(of: ana)
    await store.close()
    try copy(directory(bed), to: "\(bed.path)/saved")
    remove(directory(bed))
    if isEmpty { close(open(directory(bed), O_CREAT, 0o600)) }
    let text = message(await thrown { _ = try bed.openSQL() })
    #expect(text.contains("directory.sqlite is missing") && text.contains("1 accounts"), "\(text)")
    #expect(text.contains("check --repair"), "\(text)")
    try copy("\(bed.path)/saved", to: directory(bed))
    #expect(try await expectKept(bed, frames: 1) == [])
  }

  @Test func `An older directory buries nobody and gives out no number twice`() async throws {
    let bed = try StoreBed()
    var store = try bed.openSQL()
    try await store.put(of: try await store.add("ana"))
    await store.close()
    try copy(directory(bed), to: "\(bed.path)/saved")
    store = try bed.openSQL()
    try await store.put(of: try await store.add("budi"))
    let gone = try await store.add("gone")
    try await store.removeAccount(gone.id)
    _ = try await store.compact()
    await store.close()
    try copy("\(bed.path)/saved", to: directory(bed))
    let problems = try await expectKept(bed, frames: 2)
    #expect(problems.count == 1 && problems.contains { $0.contains("account 2: it has mail") }, "\(problems)")
    store = try bed.openSQL()
    let carl = try await store.add("carl")
    #expect(carl.id == AccountID(4))
    #expect(try await store.put(of: carl) == 1)
    #expect(try await store.accounts().map(\.name) == ["ana", "carl"])
    await store.close()
  }

  @Test func `An account that an older directory brings back opens, and gets mailboxes when its mail is gone`()
    async throws
  {
    let bed = try StoreBed()
    var store = try bed.openSQL()
    let ana = try await store.add("ana")
    try await store.put(of: ana)
    await store.close()
    try copy(directory(bed), to: "\(bed.path)/saved")
    store = try bed.openSQL()
    try await store.removeAccount(ana.id)
    await store.close()
    try copy("\(bed.path)/saved", to: directory(bed))
    store = try bed.openSQL()
    #expect(await thrown { try await store.put(of: ana) } != nil)
    #expect(try await store.compact().purgedMessages == 1)
    await store.close()
    store = try bed.openSQL()
    try await store.put(of: ana)
    #expect(try await store.check().problems == [])
    await store.close()
  }

  @Test func `A removal that the directory never heard of came to nothing`() async throws {
    let bed = try StoreBed()
    var store = try bed.openSQL()
    let ana = try await store.add("ana")
    try await store.put(of: ana)
    try await store.writer.alone { writer throws(StoreError) in try writer.setRemoving(true, ana.id.rawValue) }
    await store.close()
    store = try bed.openSQL()
    #expect(try await store.put(of: ana) == 2)
    #expect(try await store.check().problems == [])
    await store.close()
  }

  @Test func `A directory that fails to commit loses that change and nothing else`() async throws {
    let bed = try StoreBed()
    let store = try bed.openSQL()
    let ana = try await store.add("ana")
    try await store.put(of: ana)
    // A constraint that is looked at by COMMIT only.
    try await store.writer.alone { writer throws(StoreError) in
      try writer.directoryDB.execute(
        """
        PRAGMA foreign_keys = ON; CREATE TABLE parent (id INTEGER PRIMARY KEY);
        CREATE TABLE child (id INTEGER REFERENCES parent DEFERRABLE INITIALLY DEFERRED);
        CREATE TRIGGER broken AFTER UPDATE ON account BEGIN INSERT INTO child VALUES (7); END;
        CREATE TRIGGER deleted AFTER DELETE ON account BEGIN INSERT INTO child VALUES (7); END;
        """)
    }
    let change = AccountChange(credentials: "y")
    #expect(await thrown { _ = try await store.updateAccount(ana.id, change) } != nil)
    #expect(await thrown { try await store.removeAccount(ana.id) } != nil)
    #expect(try await store.put(of: ana) == 2)
    #expect(try await store.account(ana.id)?.credentials == "x")
    try await store.writer.alone { writer throws(StoreError) in
      try writer.directoryDB.execute("DROP TRIGGER broken; DROP TRIGGER deleted")
    }
    #expect(try await store.updateAccount(ana.id, change).credentials == "y")
    #expect(try await store.check().problems == [])
    await store.close()
    let again = try bed.openSQL()
    #expect(try await again.put(of: ana) == 3)
    await again.close()
  }

  @Test func `A directory without room refuses its change, and mail goes on`() async throws {
    let bed = try StoreBed()
    let store = try bed.openSQL()
    let ana = try await store.add("ana")
    try await store.writer.alone { writer throws(StoreError) in
      try writer.directoryDB.execute("PRAGMA max_page_count = 1")
    }
    let large = AccountChange(credentials: String(repeating: "y", count: 100_000))
    guard case .io(_, _, ENOSPC) = await thrown({ _ = try await store.updateAccount(ana.id, large) }) else {
      Issue.record("the full disk went unnoticed")
      return
    }
    #expect(try await store.put(of: ana) == 1)
    #expect(try await store.updateAccount(ana.id, AccountChange(credentials: "z")).credentials == "z")
    await store.close()
  }

  // MARK: The volume

  @Test(arguments: [true, false]) func `A missing or empty volume database is refused beside packs`(_ isEmpty: Bool)
    async throws
  {
    let bed = try StoreBed()
    let store = try bed.openSQL()
    try await store.put(of: try await store.add("ana"))
    await store.close()
    try copy(volume(bed), to: "\(bed.path)/saved")
    remove(volume(bed))
    if isEmpty { close(open(volume(bed), O_CREAT, 0o600)) }
    let text = message(await thrown { _ = try bed.openSQL() })
    #expect(text.contains("mail.sqlite is missing") && text.contains("backup"), "\(text)")
    #expect(text.contains("check --repair"), "\(text)")
    try copy("\(bed.path)/saved", to: volume(bed))
    #expect(try await expectKept(bed, frames: 1) == [])
  }

  /// Mail came in after the backup: into the pack that the backup knows, and into new ones.
  @Test(arguments: [4_000, 1 << 20]) func `An older volume database costs no frame, and check names the packs`(
    _ packBytes: Int64
  ) async throws {
    let bed = try StoreBed()
    var store = try bed.openSQL(BedSettings(packBytes: packBytes))
    let ana = try await store.add("ana")
    try await store.put(Mail.large(2000), of: ana)
    await store.close()
    try copy(volume(bed), to: "\(bed.path)/saved")
    store = try bed.openSQL(BedSettings(packBytes: packBytes))
    for seed in 2...9 { try await store.put(Mail.large(2000, seed: UInt64(seed)), of: ana) }
    await store.close()
    try copy("\(bed.path)/saved", to: volume(bed))
    let problems = try await expectKept(bed, frames: 9)
    #expect(problems.contains { $0.contains("known to no row") && $0.contains("older than its packs") }, "\(problems)")
    // Life goes on, the strays stay; what is expunged now frees its bytes elsewhere.
    store = try bed.openSQL(BedSettings(packBytes: packBytes))
    #expect(try await store.put(of: ana) == 2)
    let ref = try await store.ref("INBOX", of: ana)
    _ = try await store.changeFlags(FlagChange(.add, .deleted), of: [1, 2], in: ref)
    _ = try await store.expunge(nil, in: ref)
    await store.close()
    let after = try bed.openSQL(BedSettings(packBytes: packBytes))
    _ = try await after.compact()
    #expect(try frames(after) >= 9)
    await after.close()
  }

  @Test func `A lost WAL costs no frame, and check says so`() async throws {
    let bed = try StoreBed()
    let store = try bed.openSQL()
    let ana = try await store.add("ana")
    try await store.put(Mail.text("Folded"), of: ana)
    _ = try await store.compact()
    for number in 0..<5 { try await store.put(Mail.text("Number \(number)"), of: ana) }
    // As it stands on disk, without the WAL; as a crash would leave it.
    let bytes = try #require(contents(volume(bed)))
    await store.close()
    remove(volume(bed))
    let file = open(volume(bed), O_WRONLY | O_CREAT, 0o600)
    #expect(write(file, bytes, bytes.count) == bytes.count)
    close(file)
    let problems = try await expectKept(bed, frames: 6)
    #expect(problems.contains { $0.contains("5 messages") && $0.contains("-wal") }, "\(problems)")
  }

  // MARK: A crash

  @Test func `What a crash leaves over is kept, and check is clean`() async throws {
    let bed = try StoreBed()
    let store = try bed.openSQL()
    let ana = try await store.add("ana")
    try await store.put(of: ana)
    let prepared = try #require(try await store.prepare(Mail.text("Half-way")) as? PreparedSQLMessage)
    let owner = FrameOwner(
      account: 1, accountName: "ana", mailbox: 1, mailboxName: "INBOX", uid: 2, uidValidity: 1, internalSeconds: 0,
      zoneMinutes: 0, trace: ByteBuffer())
    _ = try store.packs.append([(prepared.blob, [owner])])
    try store.packs.sync()
    try copy(volume(bed), to: "\(bed.path)/crashed")
    await store.close()
    try copy("\(bed.path)/crashed", to: volume(bed))
    #expect(try await expectKept(bed, frames: 2) == [])
    // Found once: the next opening has nothing new to note.
    let again = try bed.openSQL()
    let strays = try await again.writer.alone { writer throws(StoreError) in
      try writer.transaction.db("SELECT COUNT(*), SUM(frames) FROM stray").first { [$0.int(0), $0.int(1)] }
    }
    #expect(strays == [1, 1])
    #expect(try await again.put(of: ana) == 2)
    #expect(try await again.check().problems == [])
    await again.close()
  }

  /// Packs may be small and a commit large.
  @Test func `What a crash leaves over may fill several packs, and check is clean`() async throws {
    let bed = try StoreBed()
    let store = try bed.openSQL(BedSettings(packBytes: 4000))
    let ana = try await store.add("ana")
    try await store.put(of: ana)
    let owner = FrameOwner(
      account: 1, accountName: "ana", mailbox: 1, mailboxName: "INBOX", uid: 2, uidValidity: 1, internalSeconds: 0,
      zoneMinutes: 0, trace: ByteBuffer())
    for seed in 1...5 {
      let prepared = try #require(try await store.prepare(Mail.large(3000, seed: UInt64(seed))) as? PreparedSQLMessage)
      _ = try store.packs.append([(prepared.blob, [owner])])
    }
    try store.packs.sync()
    #expect(store.packs.packs().count > 4)
    try copy(volume(bed), to: "\(bed.path)/crashed")
    await store.close()
    try copy("\(bed.path)/crashed", to: volume(bed))
    #expect(try await expectKept(bed, frames: 6) == [])
  }

  /// Of a write that was never synced the power leaves what it likes: here the frame's header and not its data.
  @Test func `A frame that a power cut left in part is no problem to check`() async throws {
    let bed = try StoreBed()
    let store = try bed.openSQL()
    let ana = try await store.add("ana")
    try await store.put(of: ana)
    let prepared = try #require(try await store.prepare(Mail.large(4000)) as? PreparedSQLMessage)
    let owner = FrameOwner(
      account: 1, accountName: "ana", mailbox: 1, mailboxName: "INBOX", uid: 2, uidValidity: 1, internalSeconds: 0,
      zoneMinutes: 0, trace: ByteBuffer())
    let place = try #require(try store.packs.append([(prepared.blob, [owner])]).first)
    try copy(volume(bed), to: "\(bed.path)/crashed")
    await store.close()
    try copy("\(bed.path)/crashed", to: volume(bed))
    let pack = open("\(bed.data)/volumes/1/packs/000000000001.pack", O_WRONLY)
    let zeros = [UInt8](repeating: 0, count: 1000)
    #expect(pwrite(pack, zeros, zeros.count, off_t(place.offset + place.frameLength) - 1000) == zeros.count)
    close(pack)
    let again = try bed.openSQL()
    #expect(try await again.check().problems == [])
    #expect(try await again.put(of: ana) == 2)
    #expect(try await again.check().problems == [])
    await again.close()
  }

  @Test func `What this process wrote in vain is given back, also after a restart`() async throws {
    let bed = try StoreBed()
    var store = try bed.openSQL(BedSettings(packBytes: 5000))
    let ana = try await store.add("ana")
    for seed in 1...6 { try await store.put(Mail.large(2000, seed: UInt64(seed)), of: ana) }
    let ref = try await store.ref("INBOX", of: ana)
    _ = try await store.changeFlags(FlagChange(.add, .deleted), of: Array(1...5), in: ref)
    _ = try await store.expunge(nil, in: ref)
    await store.close()
    store = try bed.openSQL(BedSettings(packBytes: 5000))
    #expect(try await store.compact().removedPacks > 0)
    #expect(try frames(store) == 1)
    #expect(try await store.check().problems == [])
    await store.close()
    store = try bed.openSQL()
    let strays = try await store.writer.alone { writer throws(StoreError) in
      try writer.transaction.db("SELECT COUNT(*) FROM stray").first { $0.int(0) }
    }
    #expect(strays == 0)
    await store.close()
  }
}
