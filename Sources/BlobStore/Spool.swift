public import NIOCore
import Synchronization

/// DIR/spool: where messages too large for memory wait until they are delivered. Nothing in it outlives the process.
public final class SpoolDirectory: Sendable {
  public let path: String
  let fileSystem: any FileSystem
  let threshold: Int
  private let counter = Atomic<UInt64>(0)
  /// Octets of all messages under way that are in memory.
  private let held = Atomic<Int>(0)
  /// Beyond this, messages go to disk early: thousands of senders who stop in the middle of a small message would else
  /// fill memory.
  static let heldLimit = 32 << 20
  /// What one of them may then still hold.
  static let crowdedThreshold = 4 << 10

  /// Creates the directory if need be and removes what a former process left.
  public init(path: String, fileSystem: any FileSystem, threshold: Int = 256 << 10) throws(BlobError) {
    self.path = path
    self.fileSystem = fileSystem
    self.threshold = threshold
    if try !fileSystem.createDirectory(path) {
      for name in try fileSystem.list(path) { try fileSystem.unlink("\(path)/\(name)") }
    }
  }

  public func makeSpool() -> Spool { Spool(in: self) }

  /// More is in memory than is good; what comes goes to disk.
  public var isCrowded: Bool { held.load(ordering: .relaxed) > Self.heldLimit }
  /// Octets after which a message goes to disk just now.
  public var currentThreshold: Int { isCrowded ? min(threshold, Self.crowdedThreshold) : threshold }

  func hold(_ octets: Int) { held.wrappingAdd(octets, ordering: .relaxed) }

  func createFile() throws(BlobError) -> any FileHandle {
    let number = counter.wrappingAdd(1, ordering: .relaxed).newValue
    return try fileSystem.open("\(path)/\(number).spool", .createNew)
  }
}

/// Takes bytes: in memory up to the threshold, then in a file. One writer at a time. The file goes with the spool.
public final class Spool: Sendable {
  private struct State {
    /// All bytes, or those the file doesn't have yet.
    var memory = ByteBuffer()
    var file: (any FileHandle)?
    var flushed: Int64 = 0
    var isDiscarded = false
  }

  private let directory: SpoolDirectory
  private let state = Mutex(State())

  public init(in directory: SpoolDirectory) { self.directory = directory }

  deinit { discard() }

  /// Bytes taken so far.
  public var size: Int { state.withLock { Int($0.flushed) + $0.memory.readableBytes } }
  public var isOnDisk: Bool { state.withLock { $0.file != nil } }

  /// Writes to disk only when more than the threshold has gathered. A call that throws has taken the bytes, and the
  /// next one tries again; a spool that threw is best discarded.
  public func append(_ bytes: ByteBuffer) throws(BlobError) {
    try state.withLock { state throws(BlobError) in
      guard !state.isDiscarded else { return }
      state.memory.writeImmutableBuffer(bytes)
      directory.hold(bytes.readableBytes)
      if state.memory.readableBytes > directory.threshold { try flush(&state) }
    }
  }

  /// Writes what is in memory to the file, which is made if need be.
  public func spill() throws(BlobError) {
    try state.withLock { state throws(BlobError) in
      guard !state.isDiscarded else { return }
      try flush(&state)
    }
  }

  /// Makes room in memory for a message whose size was announced, as far as the threshold.
  public func reserve(_ size: Int) {
    state.withLock { $0.memory.reserveCapacity(min(max(size, 0), directory.threshold)) }
  }

  /// Forgets the bytes and removes the file. Whoever is in `withBytes` keeps them until it returns. Idempotent.
  public func discard() {
    let file = state.withLock { state in
      let file = state.file
      directory.hold(-state.memory.readableBytes)
      state = State(isDiscarded: true)
      return file
    }
    // A file that stays is removed at the next start.
    if let file { try? directory.fileSystem.unlink(file.path) }
  }

  /// All bytes taken so far: the memory itself, or the file mapped.
  public func withBytes<Result>(_ body: (RawSpan) throws(BlobError) -> Result) throws(BlobError) -> Result {
    try withBytes { (bytes, _) throws(BlobError) in try body(bytes) }
  }

  /// - body: gets the bytes and what lets go of those in memory, nil where they are nowhere else: called now and then on the
  ///   way through a large message, it keeps no more of it in memory than was looked at since.
  public func withBytes<Result>(
    _ body: (RawSpan, (() -> Void)?) throws(BlobError) -> Result
  ) throws(BlobError) -> Result {
    let (memory, file, size) = try contents()
    guard let file else { return try body(memory.readableBytesSpan, nil) }
    let mapping = try file.map(size: Int(size))
    let result: Result
    do throws(BlobError) { result = try body(mapping.bytes.bytes) { mapping.forget() } } catch {
      extendLifetime(mapping)
      throw error
    }
    extendLifetime(mapping)
    return result
  }

  /// Calls `body` with `length` bytes at a time (the last time with what is left), holding no more than that of a file
  /// in memory.
  func forEachPiece(
    _ length: Int, _ body: (UnsafeRawBufferPointer) throws(BlobError) -> Void
  ) throws(BlobError) {
    let (memory, file, size) = try contents()
    guard let file else {
      try memory.withUnsafeReadableBytes { bytes throws(BlobError) in
        var start = 0
        while start < bytes.count {
          let end = min(start + length, bytes.count)
          try body(UnsafeRawBufferPointer(rebasing: bytes[start..<end]))
          start = end
        }
      }
      return
    }
    let piece = RawBuffer(capacity: min(length, Int(size)))
    var offset: Int64 = 0
    while offset < size {
      let count = Int(min(Int64(length), size - offset))
      let target = UnsafeMutableRawBufferPointer(rebasing: piece.bytes[..<count])
      guard try file.pread(into: target, at: offset) == count else {
        throw .corrupt(what: "\(file.path) ends before \(offset + Int64(count))")
      }
      try body(UnsafeRawBufferPointer(target))
      offset += Int64(count)
    }
  }

  /// The bytes as one buffer when they are in memory.
  var memory: ByteBuffer? { state.withLock { $0.file == nil ? $0.memory : nil } }
  var sibling: Spool { directory.makeSpool() }
  var home: SpoolDirectory { directory }

  private func contents() throws(BlobError) -> (memory: ByteBuffer, file: (any FileHandle)?, size: Int64) {
    try state.withLock { state throws(BlobError) in
      guard state.file != nil else { return (state.memory, nil, Int64(state.memory.readableBytes)) }
      try flush(&state)
      return (ByteBuffer(), state.file, state.flushed)
    }
  }

  private func flush(_ state: inout State) throws(BlobError) {
    guard state.memory.readableBytes > 0 else { return }
    let file: any FileHandle
    if let open = state.file {
      file = open
    } else {
      file = try directory.createFile()
      state.file = file
    }
    let at = state.flushed
    try state.memory.withUnsafeReadableBytes { bytes throws(BlobError) in try file.pwrite(bytes, at: at) }
    state.flushed += Int64(state.memory.readableBytes)
    directory.hold(-state.memory.readableBytes)
    state.memory.clear()
  }
}
