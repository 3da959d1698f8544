import BlobStore
import Logging
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

extension StoreBed {
  var volume: String { "\(data)/volumes/1/mail.sqlite" }
  var directory: String { "\(data)/directory.sqlite" }
  func pack(_ number: Int) -> String {
    let digits = String(number)
    return "\(data)/volumes/1/packs/\(String(repeating: "0", count: 12 - digits.count))\(digits).pack"
  }

  /// The store must be closed.
  func repair(
    _ options: RepairOptions = RepairOptions(), packBytes: Int64 = 64 << 20, ceilings: UIDCeilings? = nil
  ) throws -> RepairReport {
    var packs = PackSettings()
    packs.maxPackBytes = packBytes
    var logger = Logger(label: "test")
    logger.logLevel = .critical
    return try StoreRepair.run(
      directory: data, settings: StoreSettings(packs: packs, upkeepInterval: 0, now: { [clock] in clock.now }),
      options: options, fileSystem: PosixFileSystem(), logger: logger, ceilings: ceilings, progress: { _ in })
  }

  /// Repairs, and expects that nothing is left to be done.
  @discardableResult
  func repairClean(sourceLocation: SourceLocation = #_sourceLocation) throws -> RepairReport {
    let report = try repair()
    #expect(report.remaining.filter { !$0.contains("look through") } == [], sourceLocation: sourceLocation)
    return report
  }

  func execute(_ sql: String, on path: String? = nil) throws {
    let isDirectory = path == directory
    let db = try SQLConnection.writer(
      path: path ?? volume, migrator: isDirectory ? DirectorySchema.migrator : VolumeSchema.migrator)
    defer { db.close() }
    try db.execute(sql)
  }
}

/// Everything that clients can see of a store: bodies by account and mailbox, sorted.
func everything(_ store: SQLStore) async throws -> [String: [String]] {
  var result: [String: [String]] = [:]
  for account in try await store.accounts() {
    for mailbox in try await store.mailboxes(of: account.id).mailboxes where mailbox.isSelectable {
      let ref = MailboxRef(account: account.id, mailbox: mailbox.id)
      var bodies: [String] = []
      for message in try await store.state(mailbox.name, of: account) {
        bodies.append(try await store.body(message.uid, in: ref) ?? "(nothing)")
      }
      if !bodies.isEmpty { result["\(account.name)/\(mailbox.name)"] = bodies.sorted() }
    }
  }
  return result
}

enum DiskFile {
  static func remove(_ database: String) { for suffix in ["", "-wal", "-shm"] { unlink(database + suffix) } }

  static func contents(_ path: String) -> [UInt8] {
    let file = open(path, O_RDONLY)
    guard file >= 0 else { return [] }
    defer { close(file) }
    var bytes = [UInt8](repeating: 0, count: Int(lseek(file, 0, SEEK_END)))
    return pread(file, &bytes, bytes.count, 0) == bytes.count ? bytes : []
  }

  static func write(_ bytes: [UInt8], to path: String) {
    let file = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
    defer { close(file) }
    _ = Glibc.write(file, bytes, bytes.count)
  }

  static func change(_ path: String, _ body: (inout [UInt8]) -> Void) {
    var bytes = contents(path)
    body(&bytes)
    write(bytes, to: path)
  }

  static func names(_ folder: String) -> [String] { (try? PosixFileSystem().list(folder)) ?? [] }
}
