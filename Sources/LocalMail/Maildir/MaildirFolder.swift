public import NIOCore
import Synchronization

/// One folder. Calls block: not for an event loop.
public struct MaildirFolder: Sendable {
  public let directory: String
  let disk: any LocalDisk

  public init(directory: String) { self.init(directory: directory, disk: PosixDisk()) }

  public init(directory: String, disk: any LocalDisk) {
    self.directory = directory
    self.disk = disk
  }

  var newDirectory: String { directory + "/new" }
  var curDirectory: String { directory + "/cur" }
  var temporaryDirectory: String { directory + "/tmp" }

  func subdirectory(isNew: Bool) -> String { isNew ? newDirectory : curDirectory }

  func path(isNew: Bool, _ fileName: some StringProtocol) -> String {
    "\(subdirectory(isNew: isNew))/\(fileName)"
  }

  /// Where a message's file was when it was listed. Others may rename it at any time: see `find(base:)`.
  public func path(of entry: MaildirEntry) -> String { path(isNew: entry.isNew, entry.fileName) }

  /// `new` and `cur` are durable.
  public func sync() throws(LocalMailError) {
    try disk.syncDirectory(newDirectory)
    try disk.syncDirectory(curDirectory)
  }

  public func fingerprint(of entry: MaildirEntry) throws(LocalMailError) -> Fingerprint {
    let file = try open(entry)
    defer { file.close() }
    var stream = FingerprintStream()
    try file.forEachPiece { stream.update($0) }
    return stream.finish()
  }

  /// Octets of the message with LF as CRLF. Counted, not taken from `W=`: a length announced to a server must be true.
  public func wireSize(of entry: MaildirEntry) throws(LocalMailError) -> Int {
    let file = try open(entry)
    defer { file.close() }
    var unfolder = LineUnfolder()
    var size = 0
    try file.forEachPiece { size += $0.count + unfolder.growth($0) }
    return size
  }

  /// The bytes in pieces, with LF as CRLF, as they go into APPEND.
  public func openWire(_ entry: MaildirEntry) throws(LocalMailError) -> WireReader {
    WireReader(try open(entry))
  }

  /// Opens a message's file, wherever others renamed it to.
  func open(_ entry: MaildirEntry) throws(LocalMailError) -> any LocalFile {
    try following(entry) { entry throws(LocalMailError) in try disk.open(path(of: entry), .read) }
  }

  /// Does something to a file by name; looks for it anew when it is not there any more.
  func following<Value>(
    _ entry: MaildirEntry, _ body: (MaildirEntry) throws(LocalMailError) -> Value
  ) throws(LocalMailError) -> Value {
    var current = entry
    for _ in 1..<LocalMailLimits.renames {
      do throws(LocalMailError) { return try body(current) } catch {
        guard error.isMissing else { throw error }
      }
      guard let found = try find(base: entry.base) else { throw LocalMailError(.missing, path: path(of: entry)) }
      current = found
    }
    return try body(current)
  }
}

/// The same folder is the same path.
extension MaildirFolder: Hashable {
  public static func == (one: MaildirFolder, other: MaildirFolder) -> Bool { one.directory == other.directory }
  public func hash(into hasher: inout Hasher) { hasher.combine(directory) }
}

extension LocalFile {
  /// Reads from `start` to `end` (nil: the end of the file) in bounded memory. Returns the octets read.
  @discardableResult
  func forEachPiece(
    from start: Int64 = 0, to end: Int64? = nil,
    _ body: (UnsafeRawBufferPointer) throws(LocalMailError) -> Void
  ) throws(LocalMailError) -> Int64 {
    let known = if let end { end } else { try status().size }
    let piece = Int(min(Int64(LocalMailLimits.piece), max(known - start, 0) + 1))
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: piece, alignment: 16)
    defer { buffer.deallocate() }
    var offset = start
    while true {
      let wanted = if let end { Int(min(Int64(piece), end - offset)) } else { piece }
      guard wanted > 0 else { return offset - start }
      let count = try pread(into: UnsafeMutableRawBufferPointer(rebasing: buffer[..<wanted]), at: offset)
      if count > 0 { try body(UnsafeRawBufferPointer(rebasing: buffer[..<count])) }
      offset += Int64(count)
      if count < wanted { return offset - start }
    }
  }
}

/// Reads a message file in pieces with CRLF line ends. Blocks. One task at a time.
public final class WireReader: Sendable {
  private struct State {
    var offset: Int64 = 0
    var unfolder = LineUnfolder()
  }
  private let file: any LocalFile
  private let state = Mutex(State())

  init(_ file: any LocalFile) { self.file = file }

  deinit { file.close() }

  /// Nil at the end.
  public func next() throws(LocalMailError) -> ByteBuffer? {
    let piece = LocalMailLimits.piece / 2
    let input = UnsafeMutableRawBufferPointer.allocate(byteCount: piece, alignment: 16)
    defer { input.deallocate() }
    let count = try file.pread(into: input, at: state.withLock { $0.offset })
    guard count > 0 else { return nil }
    var buffer = ByteBufferAllocator().buffer(capacity: 2 * count)
    buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: 2 * count) { output in
      state.withLock { state in
        state.offset += Int64(count)
        return state.unfolder.unfold(UnsafeRawBufferPointer(rebasing: input[..<count]), into: output)
      }
    }
    return buffer
  }
}
