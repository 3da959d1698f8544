public import Crypto
public import NIOCore

/// What a message is, whatever line ends it is kept with: SHA-256 over its bytes with every CRLF as LF. The same from
/// POP3, IMAP, a Maildir file or an mbox entry.
public struct Fingerprint: Sendable, Hashable {
  /// 32 octets.
  public var bytes: [UInt8]
  public init(bytes: [UInt8]) { self.bytes = bytes }
}

/// Computes a `Fingerprint` over chunks cut anywhere.
public struct FingerprintStream: Sendable {
  public init() {}
  public mutating func update(_ bytes: ByteBuffer) { fatalError() }
  public consuming func finish() -> Fingerprint { fatalError() }
}
