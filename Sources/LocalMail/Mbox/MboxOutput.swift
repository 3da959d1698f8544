import Bytes
import Crypto
import NIOCore

/// Collects what goes to the end of the file, and hashes it.
struct MboxOutput {
  private let file: any LocalFile
  private var written: Int64
  private var hash = SHA256()
  private var buffer = ByteBuffer()

  init(_ file: any LocalFile, at offset: Int64) {
    self.file = file
    written = offset
  }

  /// Where the next octet goes.
  var position: Int64 { written + Int64(buffer.readableBytes) }

  mutating func write(_ bytes: [UInt8]) throws(LocalMailError) {
    buffer.writeBytes(bytes)
    try flush(over: LocalMailLimits.piece)
  }

  mutating func append(_ body: (inout ByteBuffer) -> Void) throws(LocalMailError) {
    body(&buffer)
    try flush(over: LocalMailLimits.piece)
  }

  /// SHA-256 of all that was written.
  mutating func finish() throws(LocalMailError) -> [UInt8] {
    try flush(over: 0)
    return hash.finalBytes()
  }

  private mutating func flush(over limit: Int) throws(LocalMailError) {
    guard buffer.readableBytes > limit else { return }
    try buffer.withUnsafeReadableBytes { bytes throws(LocalMailError) in
      try file.pwrite(bytes, at: written)
      hash.update(bufferPointer: bytes)
    }
    written += Int64(buffer.readableBytes)
    buffer.clear()
  }
}

/// A message on its way into an mbox file: LF line ends, From lines quoted.
struct MboxBody {
  private var folder = LineFolder(keepsDoubled: true)
  private var coder = FromLineCoder(.quote)
  private var fingerprint = FingerprintStream()

  mutating func write(_ piece: UnsafeRawBufferPointer, _ output: inout MboxOutput) throws(LocalMailError) {
    fingerprint.update(piece)
    let scratch = UnsafeMutableRawBufferPointer.allocate(byteCount: piece.count + 1, alignment: 16)
    defer { scratch.deallocate() }
    let count = folder.fold(piece, into: scratch)
    try output.append { coder.code(UnsafeRawBufferPointer(rebasing: scratch[..<count]), into: &$0) }
  }

  mutating func finish(_ output: inout MboxOutput) throws(LocalMailError) -> Fingerprint {
    if folder.finish() {
      try output.append { buffer in withUnsafeBytes(of: UInt8.cr) { coder.code($0, into: &buffer) } }
    }
    try output.append { coder.finish(into: &$0) }
    return fingerprint.finish()
  }
}
