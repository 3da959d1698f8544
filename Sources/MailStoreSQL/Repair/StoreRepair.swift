public import BlobStore
import GRDB
public import Logging
public import MailStore

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// `check --repair` on a data folder that nobody has open (docs/repair.md).
///
/// Everything is worked out on copies in DATA/repair.work; the originals are only read. At the end the copies take their
/// places in one step that a crash cannot cut in half, and the originals stay beside them under a dated name.
public struct StoreRepair {
  private let data: String
  private let settings: StoreSettings
  private let options: RepairOptions
  private let logger: Logger
  private let progress: (RepairProgress) -> Void
  private let packs: PackStore
  private let folder: RepairFolder
  /// Nil: what the marks beside the volume remember.
  private let ceilings: UIDCeilings?

  /// Takes the folder's lock; `folderInUse` when a server or another command has it. Blocks until all is done.
  public static func run(
    directory: String, settings: StoreSettings = StoreSettings(), options: RepairOptions = RepairOptions(),
    fileSystem: any FileSystem = PosixFileSystem(), logger: Logger = Logger(label: "merpati.repair"),
    progress: @escaping (RepairProgress) -> Void = { _ in }
  ) throws(StoreError) -> RepairReport {
    try run(
      directory: directory, settings: settings, options: options, fileSystem: fileSystem, logger: logger,
      ceilings: nil, progress: progress)
  }

  static func run(
    directory: String, settings: StoreSettings, options: RepairOptions, fileSystem: any FileSystem, logger: Logger,
    ceilings: UIDCeilings?, progress: @escaping (RepairProgress) -> Void
  ) throws(StoreError) -> RepairReport {
    let lock = try FolderLock(folder: directory)
    defer { lock.release() }
    let folder = RepairFolder(data: directory)
    try folder.finish()
    try folder.make()
    let packs = try blobCall { () throws(BlobError) in
      try PackStore(directory: "\(directory)/volumes/1/packs", fileSystem: fileSystem, settings: settings.packs)
    }
    defer { packs.close() }
    let repair = StoreRepair(
      data: directory, settings: settings, options: options, logger: logger, progress: progress, packs: packs,
      folder: folder, ceilings: ceilings)
    do throws(StoreError) {
      let report = try repair.run()
      if options.dryRun { try folder.remove() }
      return report
    } catch {
      try? folder.remove()
      throw error
    }
  }

  private func run() throws(StoreError) -> RepairReport {
    let volume = try open("\(data)/volumes/1/mail.sqlite", as: folder.mail, VolumeSchema.migrator)
    let db = volume.db
    var isOpen = true
    defer { if isOpen { db.close() } }
    let catalog = try FrameCatalog.read(packs, into: db, scratch: folder.scratch) { done, total in
      progress(RepairProgress(phase: "reading packs", done: Int(done), total: Int(total)))
    }
    let directory = try open("\(data)/directory.sqlite", as: folder.directory, DirectorySchema.migrator)
    defer { if isOpen { directory.db.close() } }
    var accounts = DirectoryRepair(db: directory.db, isLost: directory.isLost, now: settings.now())
    var names = try accounts.accounts()
    try directory.db("BEGIN").run()
    try accounts.add(try wanted(db, catalog, volume, isDirectoryLost: directory.isLost), to: &names)

    let rows = VolumeRepair(
      db: db, packs: packs, catalog: catalog, harvested: volume.harvested, isLost: volume.isLost, options: options,
      ceilings: ceilings ?? .marked(data: data, volume: db), names: names, now: settings.now(), progress: progress)
    try rows.run()
    // Strays may have brought accounts back that nothing else knew.
    var late: [Int64: String?] = [:]
    for id in try rows.all(try db("SELECT account FROM account_state WHERE state = 0"), { $0.int(0) })
    where names[id] == nil {
      late.updateValue(try catalog.accountName(id), forKey: id)
    }
    try accounts.add(late, to: &names)
    try directory.db("COMMIT").run()

    var report = rows.report
    report.isDryRun = options.dryRun
    tell(&report, volume, directory, accounts, catalog)
    try verify(&report, db, directory.db)
    let changesVolume = volume.isRebuilt || !rows.report.actions.isEmpty
    let changesDirectory = directory.isRebuilt || !accounts.actions.isEmpty
    try settle(db)
    try settle(directory.db)
    isOpen = false
    guard !options.dryRun else { return report }
    if !changesVolume { unlink(folder.mail) }
    if !changesDirectory { unlink(folder.directory) }
    unlink(folder.scratch)
    guard changesVolume || changesDirectory else {
      try folder.remove()
      return report
    }
    report.setAside = try folder.exchange(suffix: suffix())
    logger.notice("repaired \(data): \(report.actions.joined(separator: "; "))")
    return report
  }

  // MARK: Databases

  private struct Opened {
    var db: SQLConnection
    /// What was saved; nil when the file could be read whole, or when there was none.
    var harvested: Harvested?
    var isLost: Bool
    var isRebuilt: Bool { isLost || harvested != nil }
  }

  /// A copy of the database if it is whole, else a new one with what can be read of it.
  private func open(_ original: String, as made: String, _ migrator: DatabaseMigrator) throws(StoreError) -> Opened {
    guard try folder.copy(original, to: made) else {
      // A WAL without its database is of no use to anybody, but it is not thrown away either.
      return Opened(db: tuned(try SQLConnection.writer(path: made, migrator: migrator)), harvested: nil, isLost: true)
    }
    progress(RepairProgress(phase: "reading \(original)", done: 0, total: 1))
    if let db = try soundCopy(made, migrator) { return Opened(db: tuned(db), harvested: nil, isLost: false) }
    for suffix in ["", "-wal", "-shm", "-journal"] { unlink(made + suffix) }
    let db = tuned(try SQLConnection.writer(path: made, migrator: migrator))
    guard let pages = try DatabasePages(path: original) else { return Opened(db: db, harvested: nil, isLost: true) }
    let harvested = try Harvest.run(pages, into: db) { done, total in
      progress(RepairProgress(phase: "saving rows of \(original)", done: done, total: total))
    }
    let saved = harvested.rows.filter { !["volume_state", "pack", "stray"].contains($0.key) }
    return Opened(db: db, harvested: harvested, isLost: saved.isEmpty)
  }

  /// Nil: the copy is damaged.
  private func soundCopy(_ path: String, _ migrator: DatabaseMigrator) throws(StoreError) -> SQLConnection? {
    let db: SQLConnection
    do throws(StoreError) { db = try SQLConnection.writer(path: path, migrator: migrator) } catch {
      switch error {
      case .database(let message) where message.hasSuffix(SQLConnection.newerVersion): throw error
      case .corrupt, .database: return nil
      default: throw error
      }
    }
    do throws(StoreError) {
      let verdict = try SQLStatement("PRAGMA integrity_check(1)", on: db.handle, of: path).first { $0.text(0) }
      if verdict == "ok", try hasAllTables(db, migrator) { return db }
    } catch {
      switch error {
      case .corrupt, .database: break
      default:
        db.close()
        throw error
      }
    }
    db.close()
    return nil
  }

  /// A schema that lost a row is a sound file without a table.
  private func hasAllTables(_ db: SQLConnection, _ migrator: DatabaseMigrator) throws(StoreError) -> Bool {
    let path = "\(folder.path)/fresh.sqlite"
    let fresh = try SQLConnection.writer(path: path, migrator: migrator)
    defer {
      fresh.close()
      unlink(path)
    }
    func names(_ db: SQLConnection) throws(StoreError) -> Set<String> {
      var names: Set<String> = []
      try db("SELECT type || ' ' || name FROM sqlite_schema WHERE name NOT LIKE 'sqlite%'").forEach {
        names.insert($0.text(0))
      }
      return names
    }
    return try names(fresh).isSubset(of: names(db))
  }

  /// Nobody else sees a copy, and it is synced before it counts.
  private func tuned(_ db: SQLConnection) -> SQLConnection {
    try? db.execute("PRAGMA synchronous = OFF; PRAGMA temp_store = FILE")
    return db
  }

  /// Folds the WAL in; the file is then complete by itself.
  private func settle(_ db: SQLConnection) throws(StoreError) {
    try? db.execute("DETACH DATABASE scan")
    try db.execute("PRAGMA synchronous = FULL; PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()
    guard FileSizes.of("\(db.path)-wal") == 0 else {
      throw .database(message: "\(db.path): its WAL could not be folded in")
    }
    unlink("\(db.path)-wal")
    unlink("\(db.path)-shm")
  }

  // MARK: Accounts

  /// Accounts that must be in the directory, and the names that frames know them by.
  private func wanted(
    _ db: SQLConnection, _ catalog: FrameCatalog, _ volume: Opened, isDirectoryLost: Bool
  ) throws(StoreError) -> [Int64: String?] {
    var ids: Set<Int64> = []
    // A removal that was under way goes on, unless the only one who could say is lost.
    let states = try db("SELECT account FROM account_state WHERE state = 0 OR ? AND state = 2")
    states.bind(1, isDirectoryLost ? 1 : 0)
    try states.forEach { ids.insert($0.int(0)) }
    var framed: Set<Int64> = []
    try db("SELECT DISTINCT account FROM scan.owner").forEach { framed.insert($0.int(0)) }
    if volume.isLost {
      ids.formUnion(framed)
    } else if volume.harvested != nil {
      let removed = try db("SELECT account FROM account_state WHERE state <> 0")
      var gone: Set<Int64> = []
      try removed.forEach { gone.insert($0.int(0)) }
      let rows = try db(
        "SELECT account FROM mailbox UNION SELECT account FROM message UNION SELECT DISTINCT key >> 36 FROM content")
      try rows.forEach { if framed.contains($0.int(0)), !gone.contains($0.int(0)) { ids.insert($0.int(0)) } }
    }
    var result: [Int64: String?] = [:]
    for id in ids where (1..<StoreLimits.accounts).contains(id) {
      result.updateValue(try catalog.accountName(id), forKey: id)
    }
    return result
  }

  // MARK: The report

  private func tell(
    _ report: inout RepairReport, _ volume: Opened, _ directory: Opened, _ accounts: DirectoryRepair,
    _ catalog: FrameCatalog
  ) {
    var first: [String] = []
    for (opened, file) in [(volume, "mail.sqlite"), (directory, "directory.sqlite")] {
      if let harvested = opened.harvested {
        first.append("\(file) was damaged; \(harvested.rows.values.reduce(0, +)) rows of it were saved into a new one")
        if !harvested.incomplete.isEmpty {
          first.append("rows may be missing of: \(harvested.incomplete.sorted().joined(separator: ", "))")
        }
        first += harvested.notes
      } else if opened.isLost {
        first.append("\(file) was lost; a new one was made from the packs")
      }
    }
    report.actions = first + accounts.actions + report.actions
    for problem in catalog.unreadable {
      report.remaining.append("\(problem); mend the disk or put the pack back from a backup")
    }
    let missing = volume.isLost
    for index in report.accounts.indices {
      guard report.accounts[index].restored > 0 || missing else { continue }
      report.accounts[index].unknown.append(
        missing
          ? "flags, keywords, read state, subscriptions, renames, copies and moves since delivery are lost; what was deleted "
            + "and not yet cleared away is back"
          : "messages that came back are unread and without flags and keywords")
    }
    for name in accounts.named.values.sorted() {
      if let index = report.accounts.firstIndex(where: { $0.name == name }) {
        report.accounts[index].needsPassword = true
      } else {
        var news = RepairReport.AccountNews(name: name)
        news.needsPassword = true
        report.accounts.append(news)
      }
    }
    if directory.isRebuilt, !accounts.named.isEmpty {
      for index in report.accounts.indices where report.accounts[index].needsPassword {
        report.accounts[index].unknown.append("password, quota and POP3 expiry are lost; set them anew")
      }
    }
    if directory.harvested != nil {
      report.remaining.append(
        "directory.sqlite was damaged: values changed by the damage cannot be told from right ones; "
          + "look through 'merpati account list'")
    }
  }

  /// The proof: what `check` would say of the result.
  private func verify(_ report: inout RepairReport, _ db: SQLConnection, _ directory: SQLConnection) throws(StoreError)
  {
    progress(RepairProgress(phase: "checking the result", done: 0, total: 1))
    let cache = DirectoryCache()
    try AccountTable.load(directory, into: cache)
    let result = try db.reading { () throws(StoreError) in
      try Checker(db: db, packs: packs, accounts: cache.all(), isStopping: { false }).run()
    }
    // A dry run writes no frames, so what only new frames can mend is still to be seen.
    for problem in result.problems {
      report.remaining.append(RepairKinds.advice(for: problem, isDryRun: options.dryRun))
    }
  }

  /// `damaged-20261125-181530.`; the full stop ends the note of it and is no part of the name.
  private func suffix() -> String {
    var time = time_t(settings.now())
    var parts = tm()
    gmtime_r(&time, &parts)
    func two(_ value: Int32) -> String { value < 10 ? "0\(value)" : "\(value)" }
    let stamp =
      "damaged-\(parts.tm_year + 1900)\(two(parts.tm_mon + 1))\(two(parts.tm_mday))-\(two(parts.tm_hour))"
      + "\(two(parts.tm_min))\(two(parts.tm_sec))"
    var number = 1
    while true {
      let name = number == 1 ? stamp : "\(stamp)-\(number)"
      let taken = ["\(data)/volumes/1/mail.sqlite", "\(data)/directory.sqlite"].contains {
        FileSizes.exists("\($0).\(name)")
      }
      if !taken { return "\(name)." }
      number += 1
    }
  }
}
