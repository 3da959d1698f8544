import Bytes
import Crypto
public import NIOCore

/// What a message is, whatever line ends it is kept with: SHA-256 over its bytes with every CRLF as LF. The same from
/// POP3, IMAP, a Maildir file or an mbox entry.
public struct Fingerprint: Sendable, Hashable {
  /// 32 octets.
  public var bytes: [UInt8]
  public init(bytes: [UInt8]) { self.bytes = bytes }

  /// Of a whole message.
  public init(of message: ByteBuffer) {
    var stream = FingerprintStream()
    stream.update(message)
    self = stream.finish()
  }
}

/// Computes a `Fingerprint` over chunks cut anywhere.
public struct FingerprintStream: Sendable {
  private var hash: SHA256
  private var folder: LineFolder

  public init() {
    hash = SHA256()
    folder = LineFolder(keepsDoubled: false)
  }

  /// Goes on behind octets in LF form that were hashed already.
  init(continuing hash: SHA256, holdsCR: Bool, isDoubled: Bool) {
    self.hash = hash
    folder = LineFolder(keepsDoubled: false, holdsCR: holdsCR, isDoubled: isDoubled)
  }

  /// LF without CR before them, so far.
  var bareLineFeeds: Int64 { folder.bareLineFeeds }

  public mutating func update(_ bytes: ByteBuffer) {
    bytes.withUnsafeReadableBytes { update($0) }
  }

  public mutating func update(_ bytes: UnsafeRawBufferPointer) {
    let piece = min(bytes.count, LocalMailLimits.piece)
    guard piece > 0 else { return }
    let scratch = UnsafeMutableRawBufferPointer.allocate(byteCount: piece + 1, alignment: 16)
    defer { scratch.deallocate() }
    var start = 0
    while start < bytes.count {
      let input = UnsafeRawBufferPointer(rebasing: bytes[start..<min(start + piece, bytes.count)])
      let count = folder.fold(input, into: scratch)
      hash.update(bufferPointer: UnsafeRawBufferPointer(rebasing: scratch[..<count]))
      start += input.count
    }
  }

  public consuming func finish() -> Fingerprint {
    if folder.finish() { hash.update(cr: ()) }
    return Fingerprint(bytes: hash.finalBytes())
  }
}

extension SHA256 {
  mutating func update(cr: Void) {
    withUnsafeBytes(of: UInt8.cr) { update(bufferPointer: $0) }
  }

  /// 32 octets.
  func finalBytes() -> [UInt8] { finalize().withUnsafeBytes { [UInt8]($0) } }
}
