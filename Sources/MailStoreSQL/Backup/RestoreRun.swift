import BlobStore
import Logging
public import MailStore

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// Puts a whole store from a backup into a data folder that no server uses. What was there before is set aside, never
/// deleted.
///
/// Everything is built in `DIR/restoring`, verified as it is copied, and durable before it takes its place
/// (`RestoreSwap`).
public struct RestoreRun {
  public struct Report: Codable, Sendable, Hashable {
    public var generation = ""
    public var accounts = 0
    public var messages = 0
    public var octets: Int64 = 0
    /// The folder that holds what was there before; nil: nothing was.
    public var setAside: String?
    /// The high-water mark of the data folder knew of the backup.
    public var hadMarks = false
    public var mailboxes = 0
    /// Mailboxes that clients read anew.
    public var newUIDValidity = 0
    /// Messages that got new UIDs, since clients may have seen them go.
    public var renumbered = 0
    public var problems: [String] = []
    public init() {}
  }

  let source: BackupFolder
  let target: String
  var files = BackupFiles()
  private let now: Int64
  private let progress: BackupRun.Progress
  private let isCancelled: () -> Bool

  public init(
    from path: String, to data: String, now: Int64 = Clock.seconds(), isCancelled: @escaping () -> Bool = { false },
    progress: @escaping BackupRun.Progress = { _, _ in }
  ) {
    source = BackupFolder(path)
    target = data
    self.now = now
    self.isCancelled = isCancelled
    self.progress = progress
  }

  /// What `run` would do; changes nothing.
  public func plan(_ generation: String?) throws(StoreError) -> Report {
    let (name, manifest) = try source.manifest(generation)
    var report = report(name, manifest)
    report.hadMarks = Self.marksStore(target) == manifest.store
    if FileSizes.exists("\(target)/volumes/1/mail.sqlite") { report.setAside = "\(target)/\(aside)" }
    let parent = FileSizes.exists(target) ? target : SQLStore.parent(of: target)
    try BackupFiles.requireFree(manifest.octets, in: parent, for: "the restored store")
    return report
  }

  private func report(_ name: String, _ manifest: BackupManifest) -> Report {
    var report = Report()
    report.generation = name
    report.accounts = manifest.accounts
    report.messages = manifest.messages
    report.octets = manifest.octets
    report.problems = manifest.problems
    return report
  }

  private var aside: String { "replaced-\(BackupFolder.name(now))" }
  private var building: String { RestoreSwap.building(target) }

  /// The store whose marks are in a data folder; nil: none, or they cannot be read.
  private static func marksStore(_ folder: String) -> Int64? {
    guard FileSizes.of(Marks.path(folder)) > 0, let db = try? SQLConnection.reader(path: Marks.path(folder)) else {
      return nil
    }
    defer { db.close() }
    return try? Marks.value("store", db)
  }

  public func run(_ generation: String?) throws(StoreError) -> Report {
    let (name, manifest) = try source.manifest(generation)
    var report = report(name, manifest)
    let isNew = !FileSizes.exists(target)
    try files.makeFolder(target)
    if isNew { try files.syncFolder(SQLStore.parent(of: target)) }
    try refuseMounts()
    // No server runs here, and none starts meanwhile.
    let lock = try FolderLock(folder: target)
    defer { lock.release() }
    // One that was cut: its own end comes first.
    try RestoreSwap.finish(in: target, files: files)
    try files.removeTree(building)
    try BackupFiles.requireFree(manifest.octets, in: target, for: "the restored store")
    let folders = [building, "\(building)/volumes", "\(building)/volumes/1", "\(building)/volumes/1/packs"]
    for folder in folders { try files.makeFolder(folder) }
    do throws(StoreError) {
      try copy(manifest, from: source.folder(name))
      let lifted = try lift(manifest, &report)
      report.mailboxes = lifted.mailboxes
      report.newUIDValidity = lifted.newUIDValidity
      report.renumbered = lifted.renumbered
      for name in ["directory.sqlite", "marks.sqlite"] where FileSizes.exists("\(building)/\(name)") {
        try files.sync("\(building)/\(name)")
      }
      for folder in folders.reversed() { try files.syncFolder(folder) }
      try own(building)
      let isReplacing = FileSizes.exists("\(target)/volumes") || FileSizes.exists("\(target)/directory.sqlite")
      let aside = unusedAside()
      try RestoreSwap.begin(in: target, aside: aside, files: files)
      if isReplacing {
        report.setAside = "\(target)/\(aside)"
      } else {
        rmdir("\(target)/\(aside)")
      }
    } catch {
      // With the note written the next run or the next start goes on.
      if !FileSizes.exists(RestoreSwap.note(target)) { try? files.removeTree(building) }
      throw error
    }
    return report
  }

  /// What is a mount point cannot be moved away, and half a swap would be the worst of all.
  private func refuseMounts() throws(StoreError) {
    let own = FileSizes.device(target)
    for path in ["\(target)/volumes", "\(target)/volumes/1", "\(target)/volumes/1/packs"] {
      guard let device = FileSizes.device(path), device != own else { continue }
      throw .database(
        message: """
          \(path) is on another file system than \(target), so the old store cannot be set aside there: restore into an \
          empty folder by --data, and move it into place by hand
          """)
    }
  }

  private func unusedAside() -> String {
    var name = aside
    var number = 2
    while FileSizes.exists("\(target)/\(name)") {
      name = "\(aside)-\(number)"
      number += 1
    }
    return name
  }

  // MARK: Copying

  private func copy(_ manifest: BackupManifest, from folder: String) throws(StoreError) {
    var done: Int64 = 0
    var shown: Int64 = 0
    func each(_ octets: Int64) throws(StoreError) {
      if isCancelled() { throw .shuttingDown }
      done += octets
      guard done - shown >= BackupLimits.progressStep else { return }
      shown = done
      progress(done, manifest.octets)
    }
    try copy([manifest.mail], of: folder, to: "volumes/1/mail.sqlite", each)
    try copy([manifest.directory], of: folder, to: "directory.sqlite", each)
    for pack in manifest.packs {
      try copy(pack.segments, of: folder, to: "volumes/1/packs/\(PackFile.name(pack.number))", each)
    }
    progress(manifest.octets, manifest.octets)
  }

  private func copy(
    _ segments: [BackupManifest.File], of folder: String, to name: String, _ each: (Int64) throws(StoreError) -> Void
  ) throws(StoreError) {
    let target = "\(building)/\(name)"
    try files.concatenate(segments.map { ("\(folder)/\($0.name)", $0.octets, $0.sha256) }, to: target, each)
  }

  // MARK: Numbers

  private func lift(_ manifest: BackupManifest, _ report: inout Report) throws(StoreError) -> Lift.Report {
    let marks = try carryMarks(manifest)
    defer { marks?.close() }
    report.hadMarks = marks != nil
    let mail = "\(building)/volumes/1/mail.sqlite"
    let db = try SQLConnection.writer(path: mail, migrator: VolumeSchema.migrator)
    defer { db.close() }
    // Every message's row is written: without a journal that takes no room. If it fails, all is built anew.
    try db.execute("PRAGMA journal_mode = OFF")
    // An older version's rows become those of this one.
    try SQLConnection.writer(path: "\(building)/directory.sqlite", migrator: DirectorySchema.migrator).close()
    let start = marks == nil ? try firstUIDValidity(db) : 0
    var lift = Lift(db: db, marks: marks, epoch: manifest.epoch, now: now, uidValidity: start)
    let result = try lift.run()
    let given = try db("SELECT MAX(last_uidvalidity) FROM account_state WHERE last_uidvalidity < ?")
    given.bind(1, Int64(start) + MarkLimits.uidValidityHorizon)
    if marks == nil, let highest = try given.first({ $0.int(0) }) {
      // Before a client can hear of them. Where it cannot be noted, the values are scattered.
      try? files.write(Array("\(highest)\n".utf8), to: restoredNote)
    }
    try numberPacks(manifest, marks)
    try files.sync(mail)
    return result
  }

  /// In the folder of backups: the highest UIDVALIDITY that a restore without marks has given. The disk that knew it may
  /// be the next one to be lost.
  private var restoredNote: String { "\(source.path)/.restored-uidvalidity" }

  /// Above all that clients can know: the backup's, those of earlier restores, those that follow the clock, and those of
  /// whatever store is in the folder now.
  private func firstUIDValidity(_ db: SQLConnection) throws(StoreError) -> UInt32 {
    // Those that imports brought from far ahead of the clock are their account's own concern.
    let bound = now + MarkLimits.uidValidityHorizon
    let row = try db("SELECT MAX(last_uidvalidity) FROM account_state WHERE last_uidvalidity < ?")
    row.bind(1, bound)
    var highest = max(now, try row.first { $0.int(0) } ?? 0)
    let text = (try? BackupFiles.read(restoredNote, limit: 64)).map { String(decoding: $0, as: UTF8.self) } ?? ""
    highest = max(highest, Int64(text.filter(\.isNumber)) ?? 0)
    if let old = try? SQLConnection.reader(path: Marks.path(target)) {
      defer { old.close() }
      let known = try? old.statement("SELECT MAX(uidvalidity) FROM account_mark WHERE uidvalidity < \(bound)").first {
        $0.int(0)
      }
      highest = max(highest, (known ?? nil) ?? 0)
    }
    var leap = Int64(MarkLimits.uidValidityLeap)
    if access(source.path, W_OK) != 0 { leap += Int64.random(in: 0..<Int64(MarkLimits.uidValidityScatter)) }
    // An import may have brought a value near the end; then the few that are left must do.
    return highest + leap < Int64(UInt32.max) ? UInt32(highest + leap) : UInt32(clamping: highest)
  }

  /// A copy of the marks that know of this backup.
  private func carryMarks(_ manifest: BackupManifest) throws(StoreError) -> SQLConnection? {
    guard Self.marksStore(target) == manifest.store else { return nil }
    do throws(StoreError) {
      let old = try SQLConnection.reader(path: Marks.path(target))
      defer { old.close() }
      guard try old("PRAGMA quick_check(1)").first({ $0.text(0) }) == "ok" else { return nil }
      try old("BEGIN").run()
      _ = try Marks.value("store", old)
      try DatabaseCopy.copy(old, to: Marks.path(building))
    } catch {
      guard case .corrupt = error else { throw error }
      try files.remove(Marks.path(building))
      return nil
    }
    return try SQLConnection.writer(path: Marks.path(building), migrator: MarksSchema.migrator)
  }

  /// Packs are numbered from far above all that this store has ever made: the next backup must not take a new one for one
  /// of the same number that a later generation has. The empty file tells the next start where to go on counting, and no
  /// pack of the backup is written on.
  private func numberPacks(_ manifest: BackupManifest, _ marks: SQLConnection?) throws(StoreError) {
    var highest = manifest.packs.map(\.number).max() ?? 0
    if let marks { highest = max(highest, try Marks.value("pack", marks)) }
    highest += MarkLimits.packLeap
    try files.write([], to: "\(building)/volumes/1/packs/\(PackFile.name(highest))")
    guard let marks else { return }
    let row = try marks("INSERT OR REPLACE INTO mark_state (name, value) VALUES ('pack', ?)")
    row.bind(1, highest)
    try row.run()
  }

  /// Restored by root, the files belong to whom the data folder belongs to.
  private func own(_ path: String) throws(StoreError) {
    guard geteuid() == 0 else { return }
    var info = stat()
    guard stat(target, &info) == 0, info.st_uid != 0 || info.st_gid != 0 else { return }
    try files.own(path, info.st_uid, info.st_gid)
  }
}
