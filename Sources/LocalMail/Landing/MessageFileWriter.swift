import Bytes
import Crypto

/// Writes one message into a file, and hashes it on the way. Not finished: `finish()` says what was written.
struct MessageFileWriter: Sendable {
  let file: any LocalFile
  private let converts: Bool
  private var folder: LineFolder
  /// Over the file's bytes.
  private var hash = SHA256()
  /// From where the file's bytes are not the LF form any more.
  private var split: FingerprintStream?
  private(set) var size: Int64 = 0
  private(set) var wireSize: Int64 = 0

  init(_ file: any LocalFile, converts: Bool) {
    self.file = file
    self.converts = converts
    folder = LineFolder(keepsDoubled: true)
    if !converts { split = FingerprintStream() }
  }

  mutating func write(_ bytes: UnsafeRawBufferPointer) throws(LocalMailError) {
    var start = 0
    while start < bytes.count {
      let end = min(start + LocalMailLimits.largestWrite, bytes.count)
      let piece = UnsafeRawBufferPointer(rebasing: bytes[start..<end])
      if converts { try writeFolded(piece) } else { try writeAsItIs(piece) }
      wireSize += Int64(piece.count)
      start = end
    }
  }

  private mutating func writeAsItIs(_ piece: UnsafeRawBufferPointer) throws(LocalMailError) {
    hash.update(bufferPointer: piece)
    split?.update(piece)
    try file.pwrite(piece, at: size)
    size += Int64(piece.count)
  }

  private mutating func writeFolded(_ piece: UnsafeRawBufferPointer) throws(LocalMailError) {
    let scratch = UnsafeMutableRawBufferPointer.allocate(byteCount: piece.count + 1, alignment: 16)
    defer { scratch.deallocate() }
    let (holdsCR, isDoubled) = (folder.holdsCR, folder.isDoubled)
    let count = folder.fold(piece, into: scratch)
    if split == nil, folder.keptLineEnds > 0 {
      // The first CRLF that stays in the file: from here on two hashes are needed.
      split = FingerprintStream(continuing: hash, holdsCR: holdsCR, isDoubled: isDoubled)
    }
    split?.update(piece)
    let written = UnsafeRawBufferPointer(rebasing: scratch[..<count])
    hash.update(bufferPointer: written)
    try file.pwrite(written, at: size)
    size += Int64(count)
  }

  struct Result: Sendable {
    var fingerprint: Fingerprint
    var fileHash: [UInt8]
    /// Octets of the file, and of the message with CRLF line ends as `W=` has them.
    var size: Int64
    var wireForm: Int64
  }

  mutating func finish() throws(LocalMailError) -> Result {
    if folder.finish() {
      hash.update(cr: ())
      try file.pwrite([.cr], at: size)
      size += 1
    }
    let fileHash = hash.finalBytes()
    let grows = converts ? folder.lineFeeds - folder.keptLineEnds : split?.bareLineFeeds ?? 0
    return Result(
      fingerprint: split?.finish() ?? Fingerprint(bytes: fileHash), fileHash: fileHash, size: size,
      wireForm: size + grows)
  }

  // MARK: Going on later

  func partial(temporaryPath: String, unique: String) -> Partial {
    Partial(
      temporaryPath: temporaryPath, unique: unique, size: size, wireSize: wireSize, hash: hash.finalBytes(),
      holdsCR: folder.holdsCR, isDoubled: folder.isDoubled)
  }

  /// Reads what is there, and throws `.differs` when it is not what the partial says.
  init(_ file: any LocalFile, converts: Bool, resuming partial: Partial) throws(LocalMailError) {
    self.init(file, converts: converts)
    guard try file.status().size >= partial.size else { throw LocalMailError(.differs, path: file.path) }
    try file.truncate(to: partial.size)
    // The line ends of the file are those that were folded (LF) and those that were kept (CRLF).
    var counter = LineFolder(keepsDoubled: false)
    let scratch = UnsafeMutableRawBufferPointer.allocate(byteCount: LocalMailLimits.piece + 1, alignment: 16)
    defer { scratch.deallocate() }
    var fingerprint = FingerprintStream()
    var fileHash = SHA256()
    try file.forEachPiece(to: partial.size) { piece in
      fileHash.update(bufferPointer: piece)
      fingerprint.update(piece)
      _ = counter.fold(piece, into: scratch)
    }
    hash = fileHash
    size = partial.size
    wireSize = partial.wireSize
    guard hash.finalBytes() == partial.hash else { throw LocalMailError(.differs, path: file.path) }
    guard converts else {
      split = fingerprint
      return
    }
    let kept = counter.lineFeeds - counter.bareLineFeeds
    folder = LineFolder(
      keepsDoubled: true, holdsCR: partial.holdsCR, isDoubled: partial.isDoubled, lineFeeds: counter.lineFeeds,
      keptLineEnds: kept)
    guard kept > 0 else { return }
    // The CR that waits is not in the file, but the fingerprint has to know of it.
    if partial.holdsCR { withUnsafeBytes(of: UInt8.cr) { fingerprint.update($0) } }
    split = fingerprint
  }
}
