import Bytes
import Crypto
public import NIOCore

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// A message for an mbox file.
public struct MboxMessage: Sendable {
  public enum Content: Sendable {
    case bytes(ByteBuffer)
    /// A file that holds it, for messages too large for memory.
    case file(String)
  }
  public var content: Content
  /// Of the envelope; `MAILER-DAEMON` if empty.
  public var sender: String
  /// Seconds since 1970; nil: now.
  public var date: Int64?
  /// Written where the settings say so.
  public var status: MboxStatus
  public init(_ content: Content, sender: String = "", date: Int64? = nil, status: MboxStatus = MboxStatus()) {
    self.content = content
    self.sender = sender
    self.date = date
    self.status = status
  }
}

/// Where a message came to lie.
public struct MboxPlace: Sendable, Hashable {
  /// Of its From line.
  public var offset: Int64
  /// Octets with From line, quoting and the empty line behind.
  public var length: Int64
  public var fingerprint: Fingerprint
}

public struct MboxWriteSettings: Sendable, Hashable {
  /// Puts `Status:` and its kin before every message.
  public var writesStatus = false
  /// After the sync the bytes are read from the disk, not from memory.
  public var readsBackFromDisk = true
  /// Beside the record lock also `FILE.lock`; where the folder lets us create none, the record lock must do.
  public var usesDotLock = true
  public init() {}
}

/// Appends to an mbox file: LF line ends, From lines quoted by the mboxrd rule. Blocks.
public struct MboxWriter: Sendable {
  public let path: String
  let settings: MboxWriteSettings
  let disk: any LocalDisk

  public init(path: String, settings: MboxWriteSettings = MboxWriteSettings(), disk: any LocalDisk = PosixDisk()) {
    self.path = path
    self.settings = settings
    self.disk = disk
  }

  /// Octets of the file; 0 if there is none.
  public func length() throws(LocalMailError) -> Int64 { try disk.status(of: path, followingLinks: true)?.size ?? 0 }

  /// Appends all messages, or none: what is returned is durable and was read back and compared. After an error the file
  /// is cut back to what it was.
  ///
  /// - Parameter beforeWriting: called under the lock with the length of the file before; what a journal writes down
  ///   for `recover(to:)`.
  public func append(
    _ messages: [MboxMessage], beforeWriting: (Int64) throws(LocalMailError) -> Void = { _ in }
  ) throws(LocalMailError) -> [MboxPlace] {
    guard !messages.isEmpty else { return [] }
    let lock = try MboxLock.acquire(path, disk: disk, usesDotLock: settings.usesDotLock)
    defer { lock.release() }
    let before = try lock.file.status().size
    try beforeWriting(before)
    do throws(LocalMailError) {
      var output = MboxOutput(lock.file, at: before)
      try output.write(try separator(lock.file, before))
      var places: [MboxPlace] = []
      for message in messages { places.append(try write(message, &output)) }
      let hash = try output.finish()
      try lock.file.sync(dataOnly: false)
      // The name too, should the file be new.
      if before == 0 { try disk.syncDirectory(path.parentDirectory) }
      try verify(lock.file, before, output.position, hash)
      return places
    } catch {
      cutBack(to: before)
      throw error
    }
  }

  /// Cuts off what an append that was interrupted (crash, power) left behind.
  ///
  /// - Parameters:
  ///   - length: of the file before that append began, from the journal.
  ///   - limit: where that append would have ended at most, if known: a longer file was written by others since, and
  ///     is left alone (`.differs`).
  public func recover(to length: Int64, limit: Int64? = nil) throws(LocalMailError) {
    guard try disk.status(of: path, followingLinks: true) != nil else {
      if length == 0 { return }
      throw LocalMailError(.missing, path: path)
    }
    let lock = try MboxLock.acquire(path, disk: disk, usesDotLock: settings.usesDotLock)
    defer { lock.release() }
    let size = try lock.file.status().size
    guard size >= length, size <= limit ?? .max else { throw LocalMailError(.differs, path: path) }
    guard size > length else { return }
    try lock.file.truncate(to: length)
    try lock.file.sync(dataOnly: false)
  }

  // MARK: Steps

  /// What has to stand before the first From line: an empty line, unless it is there.
  private func separator(_ file: any LocalFile, _ size: Int64) throws(LocalMailError) -> [UInt8] {
    guard size > 0 else { return [] }
    var tail: [UInt8] = []
    try file.forEachPiece(from: max(size - 3, 0), to: size) { tail.append(contentsOf: $0) }
    guard tail.last == .lf else { return [.lf, .lf] }
    return tail == [.lf] || tail.suffix(2) == [.lf, .lf] || tail.suffix(3) == [.lf, .cr, .lf] ? [] : [.lf]
  }

  private func write(_ message: MboxMessage, _ output: inout MboxOutput) throws(LocalMailError) -> MboxPlace {
    let offset = output.position
    let source: (any LocalFile)?
    let last: UInt8?
    switch message.content {
    case .bytes(let bytes):
      source = nil
      last = bytes.getInteger(at: bytes.writerIndex - 1, as: UInt8.self)
    case .file(let path):
      let file = try disk.open(path, .read)
      source = file
      var tail: UInt8?
      let size = try file.status().size
      if size > 0 { try file.forEachPiece(from: size - 1, to: size) { tail = $0.last } }
      last = tail
    }
    defer { source?.close() }
    let isUnterminated = last != nil && last != .lf
    let line = FromLine.write(
      sender: message.sender, date: message.date ?? WallClock.seconds(), isUnterminated: isUnterminated)
    try output.write(Array(line.utf8))
    if settings.writesStatus { try output.write(Array(message.status.block.utf8)) }
    var body = MboxBody()
    switch message.content {
    case .bytes(let bytes):
      try bytes.withUnsafeReadableBytes { bytes throws(LocalMailError) in
        var start = 0
        while start < bytes.count {
          let end = min(start + LocalMailLimits.piece, bytes.count)
          try body.write(UnsafeRawBufferPointer(rebasing: bytes[start..<end]), &output)
          start = end
        }
      }
    case .file:
      try source?.forEachPiece { piece throws(LocalMailError) in try body.write(piece, &output) }
    }
    let fingerprint = try body.finish(&output)
    try output.write(isUnterminated ? [.lf, .lf] : [.lf])
    return MboxPlace(offset: offset, length: output.position - offset, fingerprint: fingerprint)
  }

  private func verify(
    _ file: any LocalFile, _ start: Int64, _ end: Int64, _ expected: [UInt8]
  ) throws(LocalMailError) {
    if settings.readsBackFromDisk { file.dropCache() }
    var hash = SHA256()
    let count = try file.forEachPiece(from: start, to: end) { hash.update(bufferPointer: $0) }
    guard count == end - start, hash.finalBytes() == expected else { throw LocalMailError(.differs, path: path) }
  }

  /// By a descriptor of its own: one whose sync has failed does nothing more. If this fails as well, `recover(to:)` is
  /// left.
  private func cutBack(to length: Int64) {
    guard let file = try? disk.open(path, .readWrite) else { return }
    defer { file.close() }
    try? file.truncate(to: length)
    try? file.sync(dataOnly: false)
  }
}
