import BlobStore
public import MailStore

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// Writes one generation. All of it runs in the process of the command, on files that the store has promised to keep; the
/// server needs no access to the backup's folder.
///
/// Order: the folder of backups has its name; databases and packs, each synced as it is written; `packs` synced; manifest and sums, synced; the generation's
/// folder synced; its name, by one rename; the folder of backups synced. A cut before the rename leaves a folder that has
/// no generation's name.
public struct BackupRun {
  public struct Options: Sendable {
    /// So many generations stay; nil: all.
    public var keep: Int?
    public init(keep: Int? = nil) { self.keep = keep }
  }

  public struct Report: Codable, Sendable, Hashable {
    public var generation = ""
    public var accounts = 0
    public var messages = 0
    /// Octets of the generation.
    public var octets: Int64 = 0
    /// Octets that were read and written for it, the databases included; the rest it shares with the one before.
    public var copied: Int64 = 0
    public var databases: Int64 = 0
    public var packs: Int64 = 0
    /// Generations that were removed.
    public var removed: [String] = []
    public var problems: [String] = []
    public init() {}
  }

  /// Octets done, octets in all.
  public typealias Progress = @Sendable (Int64, Int64) -> Void

  let folder: BackupFolder
  let options: Options
  var files = BackupFiles()
  private let progress: Progress
  private let isCancelled: () -> Bool
  private var done: Int64 = 0
  private var shown: Int64 = 0
  private var total: Int64 = 0
  private var lock: FolderLock?
  private var work = ""
  /// Packs that the generation is to have, and those that it has.
  private var wanted: [Int64] = []
  private var copied: [Int64: BackupManifest.Pack] = [:]
  /// What `copy` has put together.
  private var manifest: BackupManifest?
  private var report = Report()

  /// - isCancelled: asked often; ends the run, which leaves nothing but an unfinished folder.
  public init(
    to path: String, options: Options, isCancelled: @escaping () -> Bool = { false },
    progress: @escaping Progress = { _, _ in }
  ) {
    folder = BackupFolder(path)
    self.options = options
    self.isCancelled = isCancelled
    self.progress = progress
  }

  // MARK: Steps

  /// Makes the folder and takes its lock, clears away what earlier runs left, and makes the folder for the new
  /// generation, which a store that nobody serves can put its databases in.
  public mutating func prepare(now: Int64) throws(StoreError) -> String {
    let isNew = !FileSizes.exists(folder.path)
    try files.makeFolder(folder.path)
    // A power cut would take the folder's name, and with it every backup in it.
    if isNew { try files.syncFolder(SQLStore.parent(of: folder.path)) }
    do throws(StoreError) { lock = try FolderLock(folder: folder.path, name: ".lock") } catch {
      guard case .folderInUse(let path, let process) = error else { throw error }
      throw .folderInUse(folder: path, process: process)
    }
    for name in try BackupFiles.list(folder.path) where Self.isLeftover(name) {
      try files.removeTree("\(folder.path)/\(name)")
    }
    work = "\(folder.path)/\(BackupFolder.unfinished)\(BackupFolder.name(now))"
    try files.makeFolder(work)
    try files.makeFolder("\(work)/packs")
    return work
  }

  private static func isLeftover(_ name: String) -> Bool {
    name.hasPrefix(BackupFolder.unfinished) || name.hasPrefix(BackupFolder.removing)
  }

  /// `prepare` comes first. When it returns, the store may let go of its packs.
  public mutating func copy(_ snapshot: BackupSnapshot) throws(StoreError) {
    var report = Report()
    let previous = newestUsable(try folder.generations(), store: snapshot.store, &report)
    let earlier = report.problems
    report.problems = []
    // The databases first: they say which packs are wanted.
    let mail = try place("mail.sqlite", from: snapshot.folder)
    let directory = try place("directory.sqlite", from: snapshot.folder)
    let db = try SQLConnection.immutable(path: "\(work)/mail.sqlite")
    defer { db.close() }
    let wanted = try Self.packs(db)
    let old = Dictionary((previous?.manifest.packs ?? []).map { ($0.number, $0) }) { $1 }
    let new = wanted.reduce(Int64(0)) { sum, pack in
      let have = old[pack.number]?.octets ?? 0
      return sum + (have <= pack.octets ? pack.octets - have : pack.octets)
    }
    total = new + mail.octets + directory.octets
    try BackupFiles.requireFree(new, in: work, for: "the packs")
    var packs: [BackupManifest.Pack] = []
    self.wanted = wanted.map(\.number)
    for pack in wanted {
      let copied = try copy(
        pack, from: snapshot.packs, previous: old[pack.number], in: previous?.generation, db, &report)
      packs.append(copied)
      self.copied[pack.number] = copied
    }
    try files.syncFolder("\(work)/packs")
    report.databases = mail.octets + directory.octets
    report.copied = report.packs + report.databases
    var manifest = BackupManifest(
      store: snapshot.store, epoch: snapshot.epoch, taken: snapshot.taken, accounts: 0, messages: 0, mail: mail,
      directory: directory, packs: packs, problems: report.problems)
    try count(&manifest, db)
    report.problems = earlier + report.problems
    report.accounts = manifest.accounts
    report.messages = manifest.messages
    report.octets = manifest.octets
    self.report = report
    self.manifest = manifest
  }

  /// Gives the generation its name, and removes old ones.
  public mutating func finish() throws(StoreError) -> Report {
    guard let manifest else { throw .database(message: "\(folder.path): nothing was copied") }
    var report = report
    try finish(manifest, after: folder.generations().last, &report)
    if let keep = options.keep { try prune(keep: max(keep, 1), &report) }
    progress(total, total)
    return report
  }

  /// For a run that came to nothing.
  public func clear() {
    if !work.isEmpty { try? files.removeTree(work) }
  }

  private mutating func advance(_ octets: Int64) throws(StoreError) {
    if isCancelled() { throw .shuttingDown }
    done += octets
    guard done - shown >= BackupLimits.progressStep else { return }
    shown = done
    progress(done, max(total, done))
  }

  /// The newest generation whose files this one may share.
  private func newestUsable(
    _ generations: [String], store: Int64, _ report: inout Report
  ) -> (generation: String, manifest: BackupManifest)? {
    for name in generations.reversed() {
      do throws(StoreError) {
        let manifest = try BackupManifest.read(folder.folder(name))
        // Packs of another store have the same numbers and other mail.
        return manifest.store == store ? (name, manifest) : nil
      } catch {
        report.problems.append("the backup \(name) is damaged and is not built upon: \(Self.text(error))")
      }
    }
    return nil
  }

  static func text(_ error: StoreError) -> String {
    switch error {
    case .corrupt(let what): what
    case .database(let message): message
    case .io(let operation, let path, let code): "\(path): \(operation): \(String(cString: strerror(code)))"
    default: "\(error)"
    }
  }

  // MARK: Databases

  private mutating func place(_ name: String, from source: String) throws(StoreError) -> BackupManifest.File {
    let target = "\(work)/\(name)"
    let origin = "\(source)/\(name)"
    if source != work, try !files.share(origin, as: target) {
      let handle = try BackupFiles.handle(origin)
      defer { handle.close() }
      let size = try blobCall { () throws(BlobError) in try handle.size() }
      try BackupFiles.requireFree(size, in: work, for: name)
      let copied = try files.copy(handle, 0..<size, to: target) { (_) throws(StoreError) in }
      return BackupManifest.File(name: name, octets: copied.octets, sha256: copied.sha256)
    }
    // SQLite or the server wrote it and did not sync it.
    try files.sync(target)
    let sha256 = try BackupFiles.sha256(target) { (bytes) throws(StoreError) in try advance(Int64(bytes.count)) }
    return BackupManifest.File(name: name, octets: FileSizes.of(target), sha256: sha256)
  }

  /// Packs that the copied database needs, up to where it knows them. Dead ones are not wanted.
  private static func packs(_ db: SQLConnection) throws(StoreError) -> [(number: Int64, octets: Int64)] {
    var result: [(number: Int64, octets: Int64)] = []
    let rows = try db(
      """
      SELECT u.pack, MAX(u.needed, COALESCE(p.known_bytes, 0)) FROM (
        SELECT pack, MAX(needed) AS needed FROM (
          SELECT pack, MAX(offset + frame) AS needed FROM blob GROUP BY pack
          UNION ALL SELECT pack, MAX(offset + bytes) FROM stray GROUP BY pack)
        GROUP BY pack) u
      LEFT JOIN pack p ON p.id = u.pack ORDER BY u.pack
      """)
    try rows.forEach { result.append(($0.int(0), $0.int(1))) }
    return result
  }

  private func count(_ manifest: inout BackupManifest, _ db: SQLConnection) throws(StoreError) {
    let row = try db(
      """
      SELECT (SELECT COUNT(*) FROM account_state WHERE state <> 1), COALESCE(SUM(messages), 0)
      FROM mailbox WHERE name IS NOT NULL
      """)
    if let (accounts, messages) = try row.first({ ($0.int(0), $0.int(1)) }) {
      manifest.accounts = Int(accounts)
      manifest.messages = Int(messages)
    }
  }

  // MARK: Packs

  private mutating func copy(
    _ pack: (number: Int64, octets: Int64), from source: String, previous: BackupManifest.Pack?,
    in generation: String?, _ db: SQLConnection, _ report: inout Report
  ) throws(StoreError) -> BackupManifest.Pack {
    var result = BackupManifest.Pack(number: pack.number, segments: [])
    if let previous, let generation, previous.octets <= pack.octets {
      for segment in previous.segments { result.segments.append(try reuse(segment, of: generation, &report)) }
    }
    let start = result.octets
    guard start < pack.octets else { return result }
    let path = "\(source)/\(PackFile.name(pack.number))"
    let handle: any FileHandle
    do throws(StoreError) { handle = try BackupFiles.handle(path) } catch {
      // Missing already before the backup: what else there is must still be saved.
      guard case .io(_, _, let code) = error, code == ENOENT else { throw error }
      report.problems.append("\(path) is missing, and messages refer to it")
      return result
    }
    defer { handle.close() }
    let length = try blobCall { () throws(BlobError) in try handle.size() }
    if length < pack.octets { report.problems.append("\(path) is shorter than its messages need") }
    let end = min(length, pack.octets)
    guard start < end else { return result }
    let name = "packs/\(PackFile.name(pack.number))\(start == 0 ? "" : "+\(start)")"
    let copied = try files.copy(handle, start..<end, to: "\(work)/\(name)") { (octets) throws(StoreError) in
      try advance(octets)
    }
    report.packs += copied.octets
    result.segments.append(BackupManifest.File(name: name, octets: copied.octets, sha256: copied.sha256))
    try verify(result, start..<end, from: source, db, &report)
    return result
  }

  /// A file of the generation before: the same file under a second name, or a copy where there can be none.
  private mutating func reuse(
    _ segment: BackupManifest.File, of generation: String, _ report: inout Report
  ) throws(StoreError) -> BackupManifest.File {
    let origin = "\(folder.folder(generation))/\(segment.name)"
    let target = "\(work)/\(segment.name)"
    if try files.share(origin, as: target) { return segment }
    let handle = try BackupFiles.handle(origin)
    defer { handle.close() }
    try BackupFiles.requireFree(segment.octets, in: work, for: segment.name)
    let copied = try files.copy(handle, 0..<segment.octets, to: target) { (octets) throws(StoreError) in
      try advance(octets)
    }
    guard copied.sha256 == segment.sha256 else {
      throw .corrupt(what: "\(origin): its octets are not those that were written; begin a new folder of backups")
    }
    report.packs += copied.octets
    return segment
  }

  /// Reads what was written, and checks every frame. Damage that was in the store is named and copied as it is.
  private func verify(
    _ copied: BackupManifest.Pack, _ range: Range<Int64>, from source: String, _ db: SQLConnection,
    _ report: inout Report
  ) throws(StoreError) {
    let pack = copied.number
    // With what earlier generations have of it: the dictionary stands at its beginning.
    let segment = try blobCall { () throws(BlobError) in try SegmentHandle(copied, in: work) }
    defer { segment.close() }
    var expected: Set<BlobLocation> = []
    let rows = try db("SELECT offset, frame, size FROM blob WHERE pack = ? AND offset >= ? AND offset < ?")
    rows.bind(1, pack)
    rows.bind(2, range.lowerBound)
    rows.bind(3, range.upperBound)
    try rows.forEach { row in
      expected.insert(BlobLocation(pack: pack, offset: row.int(0), frameLength: row.int(1), rawSize: row.int(2)))
    }
    let file = PackFile(pack, segment, dictionaries(from: source))
    let isWhole = try blobCall { () throws(BlobError) in
      _ = try file.scan(range, verify: true) { frame in expected.remove(frame.location) }
      return file.hasWholeDictionary
    }
    if !isWhole { report.problems.append("pack \(pack): a copy of its dictionary is damaged in the store") }
    for blob in expected.sorted(by: { $0.offset < $1.offset }) {
      report.problems.append("pack \(pack) at \(blob.offset): the message is damaged in the store")
    }
  }

  /// Where all copies in a pack are damaged, those in the other packs of this generation will do: in those that are copied already,
  /// and in the store's that are still to come.
  private func dictionaries(from source: String) -> DictionaryShelf {
    DictionaryShelf(packs: wanted) { [copied, work] number throws(BlobError) in
      if let pack = copied[number] { return try SegmentHandle(pack, in: work) }
      return try PosixFileSystem().open("\(source)/\(PackFile.name(number))", .read)
    }
  }

  // MARK: The end

  private mutating func finish(
    _ manifest: BackupManifest, after last: String?, _ report: inout Report
  ) throws(StoreError) {
    let bytes = try manifest.encoded()
    try files.write(bytes, to: "\(work)/\(BackupManifest.name)")
    try files.write(manifest.sums(manifest: bytes), to: "\(work)/\(BackupManifest.sumsName)")
    try files.syncFolder(work)
    let name = BackupFolder.name(manifest.taken, after: last)
    try files.move(work, to: folder.folder(name))
    try files.syncFolder(folder.path)
    work = ""
    report.generation = name
  }

  /// Damaged generations neither count nor go: somebody should look at them.
  private func prune(keep: Int, _ report: inout Report) throws(StoreError) {
    let good = try folder.generations().filter { (try? BackupManifest.read(folder.folder($0))) != nil }
    for name in good.dropLast(keep) {
      // Renamed first: half a generation must not look like one.
      let away = "\(folder.path)/\(BackupFolder.removing)\(name)"
      try files.move(folder.folder(name), to: away)
      try files.syncFolder(folder.path)
      try files.removeTree(away)
      report.removed.append(name)
    }
  }
}
