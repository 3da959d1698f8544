public import MailStore

/// Reads generations again: every file against its checksum, the databases' own structure, and that every message lies
/// within the packs. Files that generations share are read once.
public struct BackupVerify {
  public struct Report: Codable, Sendable, Hashable {
    public struct Generation: Codable, Sendable, Hashable {
      public var name: String
      public var accounts: Int
      public var messages: Int
      public var octets: Int64
      /// Damage of the backup itself. Empty: it is what was written.
      public var problems: [String]
      /// What was damaged in the store already.
      public var storeProblems: [String]
    }
    public var generations: [Generation] = []
    /// Octets read.
    public var octets: Int64 = 0
    public var isClean: Bool { generations.allSatisfy { $0.problems.isEmpty } }
    public init() {}
  }

  let folder: BackupFolder
  private let progress: BackupRun.Progress
  private let isCancelled: () -> Bool
  /// By inode: what reading the file gave.
  private var seen: [UInt64: String] = [:]
  private var report = Report()

  public init(
    _ path: String, isCancelled: @escaping () -> Bool = { false }, progress: @escaping BackupRun.Progress = { _, _ in }
  ) {
    folder = BackupFolder(path)
    self.isCancelled = isCancelled
    self.progress = progress
  }

  /// One generation, or all.
  public mutating func run(_ generation: String?) throws(StoreError) -> Report {
    let all = try folder.generations()
    if let generation, !all.contains(generation) { _ = try folder.manifest(generation) }
    guard !all.isEmpty else { throw .database(message: "\(folder.path): no finished backup there") }
    for name in all where generation == nil || generation == name { try verify(name) }
    return report
  }

  private mutating func verify(_ name: String) throws(StoreError) {
    let path = folder.folder(name)
    var result = Report.Generation(
      name: name, accounts: 0, messages: 0, octets: 0, problems: [], storeProblems: [])
    defer { report.generations.append(result) }
    let manifest: BackupManifest
    do throws(StoreError) { manifest = try BackupManifest.read(path, sizes: false) } catch {
      result.problems.append(BackupRun.text(error))
      return
    }
    result.accounts = manifest.accounts
    result.messages = manifest.messages
    result.octets = manifest.octets
    result.storeProblems = manifest.problems
    for file in manifest.files {
      do throws(StoreError) {
        guard try digest("\(path)/\(file.name)", manifest.octets) == file.sha256 else {
          throw .corrupt(what: "\(path)/\(file.name): its octets are not those that were written")
        }
      } catch {
        if error == .shuttingDown { throw error }
        result.problems.append(BackupRun.text(error))
      }
    }
    guard result.problems.isEmpty else { return }
    do throws(StoreError) { result.problems += try Self.structure(path, manifest) } catch {
      result.problems.append(BackupRun.text(error))
    }
  }

  private mutating func digest(_ path: String, _ total: Int64) throws(StoreError) -> String {
    let inode = FileSizes.inode(path)
    if let inode, let known = seen[inode] { return known }
    var octets = report.octets
    let sha256 = try BackupFiles.sha256(path) { (bytes) throws(StoreError) in
      if isCancelled() { throw .shuttingDown }
      octets += Int64(bytes.count)
      progress(octets, max(total, octets))
    }
    report.octets = octets
    if let inode { seen[inode] = sha256 }
    return sha256
  }

  private static func structure(_ path: String, _ manifest: BackupManifest) throws(StoreError) -> [String] {
    var problems: [String] = []
    for file in [manifest.mail, manifest.directory] {
      let db = try SQLConnection.immutable(path: "\(path)/\(file.name)")
      defer { db.close() }
      let result = try db("PRAGMA quick_check(1)").first { $0.text(0) }
      if result != "ok" { problems.append("\(path)/\(file.name): \(result ?? "it cannot be read")") }
    }
    let packs = Dictionary(manifest.packs.map { ($0.number, $0.octets) }) { $1 }
    let db = try SQLConnection.immutable(path: "\(path)/\(manifest.mail.name)")
    defer { db.close() }
    let rows = try db("SELECT pack, MAX(offset + frame) FROM blob GROUP BY pack")
    try rows.forEach { row in
      let there = packs[row.int(0)] ?? 0
      if row.int(1) > there, manifest.problems.isEmpty {
        problems.append("\(path): pack \(row.int(0)) has \(there) octets, and messages need \(row.int(1))")
      }
    }
    return problems
  }
}
