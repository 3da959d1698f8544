import LocalMail
import Synchronization

/// The real disk, which remembers every call, fails where it is told to, and can say what a power cut would leave.
final class RecordingDisk: LocalDisk {
  enum Kind: Sendable, Hashable {
    case open, read, write, sync, truncate, time, status, lock, rename, link, unlink, makeDirectory, removeDirectory
    case syncDirectory, list
  }

  enum Operation: Sendable {
    case create(String, Int)
    case write(Int, Int, [UInt8])
    case truncate(Int, Int)
    case time(Int, Int64)
    case sync(Int, dataOnly: Bool)
    case rename(String, String)
    case link(String, String)
    case unlink(String)
    case makeDirectory(String)
    case syncDirectory(String)
  }

  struct State: Sendable {
    var log: [Operation] = []
    var calls: [(kind: Kind, path: String)] = []
    var names: [String: Int]
    var nextFile: Int
    /// Number of the call that fails, and how.
    var failing: (call: Int, errno: Int32)?
    /// This call of this kind says it worked and does nothing.
    var ignoring: (kind: Kind, number: Int)?
    var ignoredSoFar = 0
    /// Called once, behind the first call of the kind.
    var hook: (kind: Kind, body: @Sendable () -> Void)?
    /// What reading gives is changed by this.
    var damage: (@Sendable (String, UnsafeMutableRawBufferPointer) -> Void)?
  }

  let root: String
  let start: DiskImage
  let state: Mutex<State>
  private let disk = PosixDisk()

  /// - Parameter root: what lies there now counts as durable.
  init(root: String) throws {
    self.root = root
    let image = try DiskImage(of: root)
    start = image
    state = Mutex(State(names: image.names, nextFile: image.files.count))
  }

  // MARK: For tests

  var point: Int { state.withLock { $0.log.count } }
  var callCount: Int { state.withLock { $0.calls.count } }
  var kinds: [Kind] { state.withLock { $0.calls.map(\.kind) } }
  func count(_ kind: Kind) -> Int { state.withLock { $0.calls.count { $0.kind == kind } } }

  func fail(call: Int, errno: Int32) { state.withLock { $0.failing = (call, errno) } }
  func ignore(_ kind: Kind, number: Int) { state.withLock { $0.ignoring = (kind, number) } }
  func after(_ kind: Kind, _ body: @escaping @Sendable () -> Void) { state.withLock { $0.hook = (kind, body) } }
  func damageReads(_ body: (@Sendable (String, UnsafeMutableRawBufferPointer) -> Void)?) {
    state.withLock { $0.damage = body }
  }

  /// The disk after a power cut behind the first `point` changes.
  func crash(at point: Int, _ keep: PowerCut.Unsynced) -> DiskImage {
    var cut = PowerCut(start, keep)
    for operation in state.withLock({ $0.log.prefix(point) }) { cut.apply(operation) }
    return cut.finish()
  }

  /// Counts the call; throws if it is the one to fail. True: the call is to be left undone.
  func enter(_ kind: Kind, _ path: String) throws(LocalMailError) -> Bool {
    try state.withLock { state throws(LocalMailError) in
      state.calls.append((kind, path))
      if let failing = state.failing, failing.call == state.calls.count - 1 {
        throw LocalMailError(.io(operation: "\(kind)", errno: failing.errno), path: path)
      }
      guard let ignoring = state.ignoring, ignoring.kind == kind else { return false }
      state.ignoredSoFar += 1
      return state.ignoredSoFar - 1 == ignoring.number
    }
  }

  func leave(_ kind: Kind, _ operation: Operation? = nil) {
    let hook = state.withLock { state -> (@Sendable () -> Void)? in
      if let operation { state.log.append(operation) }
      guard let hook = state.hook, hook.kind == kind else { return nil }
      state.hook = nil
      return hook.body
    }
    hook?()
  }

  // MARK: LocalDisk

  func open(_ path: String, _ mode: LocalOpenMode) throws(LocalMailError) -> any LocalFile {
    _ = try enter(.open, path)
    let file = try disk.open(path, mode)
    let number = state.withLock { state in
      if let number = state.names[path] { return number }
      let number = state.nextFile
      state.nextFile += 1
      state.names[path] = number
      state.log.append(.create(path, number))
      return number
    }
    leave(.open)
    return RecordingFile(self, file, number)
  }

  func rename(_ path: String, to target: String, replacing: Bool) throws(LocalMailError) {
    _ = try enter(.rename, path)
    try disk.rename(path, to: target, replacing: replacing)
    state.withLock { $0.names[target] = $0.names.removeValue(forKey: path) }
    leave(.rename, .rename(path, target))
  }

  func link(_ path: String, to target: String) throws(LocalMailError) {
    _ = try enter(.link, path)
    try disk.link(path, to: target)
    state.withLock { $0.names[target] = $0.names[path] }
    leave(.link, .link(path, target))
  }

  func unlink(_ path: String) throws(LocalMailError) {
    _ = try enter(.unlink, path)
    try disk.unlink(path)
    state.withLock { $0.names[path] = nil }
    leave(.unlink, .unlink(path))
  }

  func makeDirectory(_ path: String) throws(LocalMailError) -> Bool {
    _ = try enter(.makeDirectory, path)
    let isNew = try disk.makeDirectory(path)
    leave(.makeDirectory, isNew ? .makeDirectory(path) : nil)
    return isNew
  }

  func removeDirectory(_ path: String) throws(LocalMailError) {
    _ = try enter(.removeDirectory, path)
    try disk.removeDirectory(path)
  }

  /// The real disk need not sync: the model knows.
  func syncDirectory(_ path: String) throws(LocalMailError) {
    if try !enter(.syncDirectory, path) { leave(.syncDirectory, .syncDirectory(path)) }
  }

  func list(_ directory: String) throws(LocalMailError) -> [String] {
    _ = try enter(.list, directory)
    let names = try disk.list(directory)
    leave(.list)
    return names
  }

  func status(of path: String, followingLinks: Bool) throws(LocalMailError) -> FileStatus? {
    _ = try enter(.status, path)
    return try disk.status(of: path, followingLinks: followingLinks)
  }
}

final class RecordingFile: LocalFile {
  private let disk: RecordingDisk
  private let file: any LocalFile
  private let number: Int
  private let isPoisoned = Atomic(false)
  var path: String { file.path }

  init(_ disk: RecordingDisk, _ file: any LocalFile, _ number: Int) {
    self.disk = disk
    self.file = file
    self.number = number
  }

  func pread(into buffer: UnsafeMutableRawBufferPointer, at offset: Int64) throws(LocalMailError) -> Int {
    _ = try disk.enter(.read, path)
    let count = try file.pread(into: buffer, at: offset)
    let damage = disk.state.withLock { $0.damage }
    damage?(path, UnsafeMutableRawBufferPointer(rebasing: buffer[..<count]))
    return count
  }

  /// A write that fails leaves its first half, as on a full disk.
  func pwrite(_ bytes: UnsafeRawBufferPointer, at offset: Int64) throws(LocalMailError) {
    try checkPoison()
    do throws(LocalMailError) { _ = try disk.enter(.write, path) } catch {
      try write(UnsafeRawBufferPointer(rebasing: bytes[..<(bytes.count / 2)]), at: offset)
      throw error
    }
    try write(bytes, at: offset)
  }

  private func write(_ bytes: UnsafeRawBufferPointer, at offset: Int64) throws(LocalMailError) {
    try file.pwrite(bytes, at: offset)
    disk.leave(.write, .write(number, Int(offset), [UInt8](bytes)))
  }

  func sync(dataOnly: Bool) throws(LocalMailError) {
    try checkPoison()
    do throws(LocalMailError) {
      if try !disk.enter(.sync, path) { disk.leave(.sync, .sync(number, dataOnly: dataOnly)) }
    } catch {
      isPoisoned.store(true, ordering: .relaxed)
      throw error
    }
  }

  func truncate(to size: Int64) throws(LocalMailError) {
    try checkPoison()
    _ = try disk.enter(.truncate, path)
    try file.truncate(to: size)
    disk.leave(.truncate, .truncate(number, Int(size)))
  }

  func status() throws(LocalMailError) -> FileStatus {
    _ = try disk.enter(.status, path)
    return try file.status()
  }

  func setModified(_ seconds: Int64) throws(LocalMailError) {
    _ = try disk.enter(.time, path)
    try file.setModified(seconds)
    disk.leave(.time, .time(number, seconds))
  }

  func startWriteback() {}
  func dropCache() {}

  func lock() throws(LocalMailError) -> Bool {
    _ = try disk.enter(.lock, path)
    return try file.lock()
  }

  func close() { file.close() }

  private func checkPoison() throws(LocalMailError) {
    if isPoisoned.load(ordering: .relaxed) { throw LocalMailError(.io(operation: "poisoned", errno: 5), path: path) }
  }
}
