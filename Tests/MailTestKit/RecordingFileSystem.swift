public import BlobStore
import NIOCore
import Synchronization

/// A disk in memory that remembers every call, and what of it a power cut would leave.
///
/// Bytes are durable after `fdatasync` of their file, names after `syncDirectory` of their directory; `crash` gives the
/// disk as it may be found when the power comes back, at any point of what was recorded.
public final class RecordingFileSystem: FileSystem {
  /// What to do with writes and names that were not synced.
  public enum KeepUnsynced: Sendable, Hashable {
    case none
    case all
    /// Each is kept, dropped, or kept in part (a prefix, or zeros of its length), as the seed says.
    case torn(seed: UInt64)
  }

  public enum Kind: Sendable, Hashable {
    case open, read, write, sync, syncDirectory, truncate, unlink, rename, map
  }

  enum Operation: Sendable {
    case createDirectory(String)
    case create(String, Int)
    case write(Int, Int, ByteBuffer)
    case truncate(Int, Int)
    case sync(Int)
    case rename(String, String)
    case unlink(String)
    case syncDirectory(String)
  }

  struct Failure: Sendable {
    var skipping: Int
    var errno: Int32
    var keeping: Int
  }

  struct State: Sendable {
    var image = DiskImage()
    var log: [Operation] = []
    var nextFile = 0
    var counts: [Kind: Int] = [:]
    var failures: [Kind: Failure] = [:]
    /// Numbers of the calls that do nothing; nil: all of them.
    var droppedSyncs: Range<Int>? = 0..<0
    var droppedDirectorySyncs: Range<Int>? = 0..<0
    var largestTransfer = 0

    /// Is the call of this kind that was counted last one of those to be dropped?
    func drops(_ kind: Kind) -> Bool {
      let dropped = kind == .sync ? droppedSyncs : droppedDirectorySyncs
      return dropped?.contains((counts[kind] ?? 1) - 1) ?? true
    }
  }

  private let state: Mutex<State>
  /// What was on the disk when recording began.
  private let start: DiskImage

  /// An empty disk with the directory `/`.
  public convenience init() { self.init(DiskImage()) }

  init(_ image: DiskImage) {
    start = image
    var state = State()
    state.image = image
    state.nextFile = (image.files.keys.max() ?? -1) + 1
    self.state = Mutex(state)
  }

  // MARK: What tests ask and do

  /// Number of changes recorded so far: a point for `crash`.
  public var point: Int { state.withLock { $0.log.count } }

  /// Calls of a kind since the start.
  public func count(_ kind: Kind) -> Int { state.withLock { $0.counts[kind] ?? 0 } }

  /// Bytes of the largest single read, write or mapping.
  public var largestTransfer: Int { state.withLock { $0.largestTransfer } }

  /// The fault that a power-cut test must find: calls of this kind (`sync` or `syncDirectory`) say they worked and do
  /// nothing. `number`: only that one, counted from 0.
  public func drop(_ kind: Kind, number: Int? = nil) {
    state.withLock { state in
      let dropped = number.map { $0..<$0 + 1 }
      if kind == .sync { state.droppedSyncs = dropped } else { state.droppedDirectorySyncs = dropped }
    }
  }

  /// The call of this kind after `skipping` more fails, once; a write leaves its first `keeping` bytes.
  public func failNext(_ kind: Kind, skipping: Int = 0, errno: Int32, keeping: Int = 0) {
    state.withLock { $0.failures[kind] = Failure(skipping: skipping, errno: errno, keeping: keeping) }
  }

  public func contents(_ path: String) -> [UInt8]? {
    let buffer = state.withLock { state in state.image.names[path].flatMap { state.image.files[$0] } }
    return buffer?.withUnsafeReadableBytes { bytes in
      [UInt8](unsafeUninitializedCapacity: bytes.count) { target, count in
        UnsafeMutableRawBufferPointer(target).copyMemory(from: bytes)
        count = bytes.count
      }
    }
  }

  /// Overwrites a file behind everybody's back, durably.
  public func setContents(_ bytes: [UInt8], of path: String) {
    let bytes = bytes.withUnsafeBytes { ByteBuffer(bytes: $0) }
    state.withLock { state in
      guard let file = state.image.names[path] else { return }
      state.image.files[file] = bytes
      state.log.append(.truncate(file, 0))
      state.log.append(.write(file, 0, bytes))
      state.log.append(.sync(file))
    }
  }

  /// Paths of all files.
  public var paths: [String] { state.withLock { $0.image.names.keys.sorted() } }

  /// The disk after a power cut at `point` (nil: now), as a disk of its own.
  public func crash(at point: Int? = nil, keepUnsynced: KeepUnsynced) -> RecordingFileSystem {
    let log = state.withLock { $0.log }
    var cut = PowerCut(start, keepUnsynced)
    for operation in log.prefix(point ?? log.count) { cut.apply(operation) }
    return RecordingFileSystem(cut.finish())
  }

  // MARK: FileSystem

  public func open(_ path: String, _ mode: OpenMode) throws(BlobError) -> any FileHandle {
    let file = try enter(.open, path) { state throws(BlobError) in
      let existing = state.image.names[path]
      guard mode == .createNew else {
        guard let existing else { throw .missing(what: path) }
        return existing
      }
      guard existing == nil else { throw .io(operation: "open", path: path, errno: 17) }
      guard state.image.directories.contains(DiskImage.parent(path)) else { throw .missing(what: path) }
      let file = state.nextFile
      state.nextFile += 1
      state.image.names[path] = file
      state.image.files[file] = ByteBuffer()
      state.log.append(.create(path, file))
      return file
    }
    return RecordingFileHandle(self, file, path: path, isWritable: mode != .read)
  }

  public func rename(_ path: String, to target: String) throws(BlobError) {
    try enter(.rename, path) { state throws(BlobError) in
      guard let file = state.image.names.removeValue(forKey: path) else { throw .missing(what: path) }
      state.image.names[target] = file
      state.log.append(.rename(path, target))
    }
  }

  public func unlink(_ path: String) throws(BlobError) {
    try enter(.unlink, path) { state throws(BlobError) in
      guard state.image.names.removeValue(forKey: path) != nil else {
        throw .io(operation: "unlink", path: path, errno: 2)
      }
      state.log.append(.unlink(path))
    }
  }

  public func syncDirectory(_ path: String) throws(BlobError) {
    try enter(.syncDirectory, path) { state throws(BlobError) in
      if !state.drops(.syncDirectory) { state.log.append(.syncDirectory(path)) }
    }
  }

  public func list(_ directory: String) throws(BlobError) -> [String] {
    try state.withLock { state throws(BlobError) in
      guard state.image.directories.contains(directory) else {
        throw .io(operation: "list", path: directory, errno: 2)
      }
      let all = Array(state.image.names.keys) + state.image.directories
      return all.filter { $0 != "/" && DiskImage.parent($0) == directory }.map {
        String($0.split(separator: "/").last ?? "")
      }
    }
  }

  public func createDirectory(_ path: String) throws(BlobError) -> Bool {
    try state.withLock { state throws(BlobError) in
      if state.image.directories.contains(path) { return false }
      guard state.image.directories.contains(DiskImage.parent(path)) else {
        throw .io(operation: "create directory", path: path, errno: 2)
      }
      state.image.directories.insert(path)
      state.log.append(.createDirectory(path))
      return true
    }
  }

  public func size(of path: String) throws(BlobError) -> Int64? {
    state.withLock { state in
      state.image.names[path].flatMap { state.image.files[$0] }.map { Int64($0.readableBytes) }
    }
  }

  // MARK: For handles

  /// Counts the call, lets it fail if that was ordered, and runs it under the lock.
  func enter<Result: Sendable>(
    _ kind: Kind, _ path: String, _ body: (inout State) throws(BlobError) -> Result
  ) throws(BlobError) -> Result {
    try state.withLock { state throws(BlobError) in
      if let failure = Self.due(kind, &state) {
        throw .io(operation: "\(kind)", path: path, errno: failure.errno)
      }
      return try body(&state)
    }
  }

  func note(transfer bytes: Int) { state.withLock { $0.largestTransfer = max($0.largestTransfer, bytes) } }

  /// Like `enter`, but a write that fails leaves a part behind.
  func write(_ file: Int, _ path: String, _ bytes: ByteBuffer, at offset: Int) throws(BlobError) {
    try state.withLock { state throws(BlobError) in
      let failure = Self.due(.write, &state)
      let kept =
        failure.flatMap { failure in
          bytes.getSlice(at: bytes.readerIndex, length: min(failure.keeping, bytes.readableBytes))
        } ?? bytes
      let operation = Operation.write(file, offset, kept)
      state.image.apply(operation)
      state.log.append(operation)
      if let failure { throw .io(operation: "write", path: path, errno: failure.errno) }
    }
  }

  private static func due(_ kind: Kind, _ state: inout State) -> Failure? {
    state.counts[kind, default: 0] += 1
    guard var failure = state.failures[kind] else { return nil }
    if failure.skipping > 0 {
      failure.skipping -= 1
      state.failures[kind] = failure
      return nil
    }
    state.failures[kind] = nil
    return failure
  }
}
