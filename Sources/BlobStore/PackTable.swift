import Synchronization

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// The packs of a directory and their descriptors. A pack's descriptor is opened at first use and shared; beyond
/// `openPacks` the one used longest ago is let go, and closes when its last reader has ended. A removed pack is found as
/// long as somebody holds its descriptor.
final class PackTable: Sendable {
  private struct Entry {
    var bytes: Int64
    var isActive = false
    /// Octets of dictionary at its beginning; nil: not known yet.
    var head: Int64?
    var handle: (any FileHandle)?
    /// A handle let go may live on with a reader; it is used again rather than opened twice.
    weak var shared: (any FileHandle)?
    var lastUse: UInt64 = 0
  }

  private struct Removed {
    weak var handle: (any FileHandle)?
  }

  private struct State {
    var packs: [Int64: Entry] = [:]
    var removed: [Int64: Removed] = [:]
    var next: Int64 = 1
    var clock: UInt64 = 0
    var open = 0
  }

  let directory: String
  let fileSystem: any FileSystem
  private let limit: Int
  private let state = Mutex(State())
  private let failure = Atomic(false)

  init(directory: String, fileSystem: any FileSystem, openPacks: Int) {
    self.directory = directory
    self.fileSystem = fileSystem
    self.limit = max(openPacks, 1)
  }

  func path(_ pack: Int64) -> String {
    let digits = String(pack)
    return "\(directory)/\(String(repeating: "0", count: max(0, 12 - digits.count)))\(digits).pack"
  }

  /// The number in a file's name; nil for other files.
  static func number(_ name: String) -> Int64? {
    // The next number must be one, too.
    guard name.utf8.count >= 17, name.hasSuffix(".pack"), let number = Int64(name.dropLast(5)),
      (1..<Int64.max - 1).contains(number)
    else { return nil }
    return number
  }

  // MARK: Failure

  var hasFailed: Bool { failure.load(ordering: .acquiring) }
  func fail() { failure.store(true, ordering: .releasing) }

  func checkWritable(_ operation: String) throws(BlobError) {
    if hasFailed { throw .io(operation: "\(operation) after a failed sync", path: directory, errno: EIO) }
  }

  // MARK: Packs

  func load() throws(BlobError) {
    for name in try fileSystem.list(directory) {
      guard let number = Self.number(name), let bytes = try fileSystem.size(of: "\(directory)/\(name)") else {
        continue
      }
      state.withLock { state in
        state.packs[number] = Entry(bytes: bytes)
        state.next = max(state.next, number + 1)
      }
    }
  }

  var last: PackInfo? { packs().last }

  func packs() -> [PackInfo] {
    state.withLock { state in
      state.packs.map { PackInfo(number: $0.key, bytes: $0.value.bytes, isActive: $0.value.isActive) }
    }.sorted { $0.number < $1.number }
  }

  func info(_ pack: Int64) throws(BlobError) -> PackInfo {
    let info = state.withLock { state in
      state.packs[pack].map { PackInfo(number: pack, bytes: $0.bytes, isActive: $0.isActive) }
    }
    guard let info else { throw .missing(what: path(pack)) }
    return info
  }

  /// An empty file with a number never used before. Its name is not durable yet.
  func create() throws(BlobError) -> (number: Int64, handle: any FileHandle) {
    let number = state.withLock { state in
      defer { state.next += 1 }
      return state.next
    }
    let handle = try fileSystem.open(path(number), .createNew)
    state.withLock { state in
      state.packs[number] = Entry(bytes: 0, isActive: true)
      keep(handle, number, &state)
    }
    return (number, handle)
  }

  /// Opens a pack for writing on; nobody may have opened it yet.
  func reopen(_ pack: Int64) throws(BlobError) -> any FileHandle {
    let handle = try fileSystem.open(path(pack), .readWrite)
    state.withLock { state in
      state.packs[pack]?.isActive = true
      keep(handle, pack, &state)
    }
    return handle
  }

  func setBytes(_ bytes: Int64, of pack: Int64) {
    state.withLock { $0.packs[pack]?.bytes = bytes }
  }

  func setHead(_ bytes: Int64, of pack: Int64) {
    state.withLock { $0.packs[pack]?.head = bytes }
  }

  /// From whoever looked into the pack; what its writer said stays.
  func noteHead(_ bytes: Int64, of pack: Int64) {
    state.withLock { if $0.packs[pack]?.head == nil { $0.packs[pack]?.head = bytes } }
  }

  /// Nil: not known yet.
  func head(of pack: Int64) -> Int64? { state.withLock { $0.packs[pack]?.head } }

  func deactivate(_ pack: Int64) {
    state.withLock { $0.packs[pack]?.isActive = false }
  }

  func handle(_ pack: Int64) throws(BlobError) -> any FileHandle {
    try state.withLock { state throws(BlobError) in
      guard let entry = state.packs[pack] else {
        if let handle = state.removed[pack]?.handle { return handle }
        throw .missing(what: path(pack))
      }
      state.clock += 1
      if let handle = entry.handle {
        state.packs[pack]?.lastUse = state.clock
        return handle
      }
      let handle: any FileHandle
      if let shared = entry.shared { handle = shared } else { handle = try fileSystem.open(path(pack), .read) }
      keep(handle, pack, &state)
      return handle
    }
  }

  private func keep(_ handle: any FileHandle, _ pack: Int64, _ state: inout State) {
    guard var entry = state.packs[pack] else { return }
    state.clock += 1
    entry.handle = handle
    entry.shared = handle
    entry.lastUse = state.clock
    state.packs[pack] = entry
    state.open += 1
    guard state.open > limit else { return }
    let oldest = state.packs.filter { $0.value.handle != nil && $0.key != pack }.min {
      $0.value.lastUse < $1.value.lastUse
    }
    if let oldest {
      state.packs[oldest.key]?.handle = nil
      state.open -= 1
    }
  }

  /// Unlinks the pack. Those who hold its descriptor go on reading.
  func remove(_ pack: Int64) throws(BlobError) {
    let info = try info(pack)
    guard !info.isActive else { throw .io(operation: "remove", path: path(pack), errno: EBUSY) }
    // The highest number must stay on disk, or the next start would give it out again.
    if last?.number == pack {
      if info.bytes == 0 { return }
      let created = try create()
      deactivate(created.number)
      try syncDirectory()
    }
    try fileSystem.unlink(path(pack))
    state.withLock { state in
      state.removed = state.removed.filter { $0.value.handle != nil }
      guard let entry = state.packs.removeValue(forKey: pack) else { return }
      if entry.handle != nil { state.open -= 1 }
      if entry.shared != nil { state.removed[pack] = Removed(handle: entry.shared) }
    }
    try syncDirectory()
  }

  private func syncDirectory() throws(BlobError) {
    do throws(BlobError) { try fileSystem.syncDirectory(directory) } catch {
      if !error.precedesSync { fail() }
      throw error
    }
  }

  func close() {
    state.withLock { state in
      state.packs.removeAll()
      state.removed.removeAll()
      state.open = 0
    }
  }
}

/// Keeps a pack readable though it be removed meanwhile.
public final class PackPin: Sendable {
  public let pack: Int64
  private let handle: any FileHandle

  init(pack: Int64, handle: any FileHandle) {
    self.pack = pack
    self.handle = handle
  }
}
