import BlobStore
import Logging
import MailStore
import MailStoreMemory
import MailStoreSQL
import MailTestKit
import NIOCore
import Testing

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// The engines that the conformance suite runs against; later ones are added here.
enum Engine: String, CaseIterable, Sendable, CustomTestStringConvertible {
  case sqlite
  /// The oracle of the simulation: where the two differ, the contract's text decides who is wrong.
  case memory
  var testDescription: String { rawValue }
  /// Keeps bytes in files that a compaction rewrites and removes.
  var hasPacks: Bool { self == .sqlite }
}

/// What a test sets; engines map it to their own settings.
struct BedSettings: Sendable {
  var quota = QuotaLimits()
  var maximumMessageBytes = 1 << 20
  var retentionDays = 0
  var packBytes: Int64 = 64 << 20
  var spoolThreshold = 256 << 10
  var readerThreads = 2
  var upkeepInterval = 0
  var cachedViewEntries = 1_000_000
  /// Small, so that a few messages are several chunks.
  var flagChunks = FlagChunkSizes(capacity: 4, loose: 6, least: 2)
  var contentChunks = ContentChunkSizes(capacity: 4, loose: 6)
  var searchIndexing = SearchIndexing.kept
  var usesDictionaries = true
  var freeSpaceFloor: Int64 = 0
}

/// A data folder of its own for one test, with a clock that the test moves. Gone with the object.
final class StoreBed: Sendable {
  let engine: Engine
  let path: String
  let clock = TestClock()
  /// What the store in memory finds when it is opened again.
  private let disk = MemoryStore.Disk()
  private let fileSystem: any FileSystem

  init(_ engine: Engine = .sqlite, fileSystem: any FileSystem = PosixFileSystem()) throws {
    self.engine = engine
    self.fileSystem = fileSystem
    var template = Array("/tmp/merpati-test-XXXXXX".utf8CString)
    guard mkdtemp(&template) != nil else { throw StoreError.io(operation: "mkdtemp", path: "/tmp", errno: errno) }
    path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  deinit { removeTree(path) }

  var data: String { "\(path)/data" }

  func open(_ settings: BedSettings = BedSettings()) throws -> any MailStore {
    switch engine {
    case .sqlite: try openSQL(settings)
    case .memory:
      MemoryStore(
        MemoryStore.Settings(
          defaultQuota: settings.quota, maximumMessageBytes: settings.maximumMessageBytes,
          expungedRetentionDays: settings.retentionDays, now: { [clock] in clock.now }), disk: disk)
    }
  }

  func openSQL(_ settings: BedSettings = BedSettings(), logger given: Logger? = nil) throws -> SQLStore {
    var packs = PackSettings()
    packs.maxPackBytes = settings.packBytes
    packs.spoolThreshold = settings.spoolThreshold
    packs.usesDictionaries = settings.usesDictionaries
    var logger = given ?? Logger(label: "test")
    if given == nil { logger.logLevel = .critical }
    var store = StoreSettings(
      packs: packs, defaultQuota: settings.quota, maximumMessageBytes: settings.maximumMessageBytes,
      readerThreads: settings.readerThreads, expungedRetentionDays: settings.retentionDays,
      upkeepInterval: settings.upkeepInterval,
      cachedViewEntries: settings.cachedViewEntries, freeSpaceFloor: settings.freeSpaceFloor,
      searchIndexing: settings.searchIndexing, searchIndexPause: 5,
      now: { [clock] in clock.now })
    store.flagChunks = settings.flagChunks
    store.contentChunks = settings.contentChunks
    return try SQLStore.open(directory: data, settings: store, fileSystem: fileSystem, logger: logger)
  }
}

/// Runs a test on a fresh store. Whatever the test did, the store must verify at its end.
func withStore(
  _ engine: Engine, _ settings: BedSettings = BedSettings(), sourceLocation: SourceLocation = #_sourceLocation,
  _ body: (any MailStore, StoreBed) async throws -> Void
) async throws {
  let bed = try StoreBed(engine)
  let store = try bed.open(settings)
  do { try await body(store, bed) } catch {
    await store.close()
    throw error
  }
  let report = try await store.check()
  #expect(report.problems == [], sourceLocation: sourceLocation)
  await store.close()
}

func removeTree(_ path: String) {
  if let directory = opendir(path) {
    while let entry = readdir(directory) {
      let name = withUnsafeBytes(of: &entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
      if name != ".", name != ".." { removeTree("\(path)/\(name)") }
    }
    closedir(directory)
    rmdir(path)
  } else {
    unlink(path)
  }
}

/// Octets of all files below a folder.
func treeSize(_ path: String) -> Int64 {
  var total: Int64 = 0
  guard let directory = opendir(path) else {
    var info = stat()
    return stat(path, &info) == 0 ? Int64(info.st_size) : 0
  }
  while let entry = readdir(directory) {
    let name = withUnsafeBytes(of: &entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
    if name != ".", name != ".." { total += treeSize("\(path)/\(name)") }
  }
  closedir(directory)
  return total
}
