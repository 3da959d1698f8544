public import Bytes
public import NIOCore

/// The content after DATA: dots off, ended by CRLF.CRLF alone. What comes out has yet to go through
/// `LineEndNormalizer`.
public typealias DataDecoder = DotDecoder

/// The content of one BDAT: so many octets, whatever they are (RFC 3030 §2). What comes out has yet to go through the
/// `LineEndNormalizer` of the message, one for all its chunks.
public struct ChunkDecoder: Sendable {
  /// Octets that have not come yet.
  public private(set) var remaining: Int64

  public init(size: Int64) { remaining = max(size, 0) }

  public var isAtEnd: Bool { remaining == 0 }

  /// Takes the next piece off the front of `input`, as a slice; nil when the chunk is complete or the input used up.
  public mutating func next(from input: inout ByteBuffer) -> ByteBuffer? {
    let length = Int(min(remaining, Int64(input.readableBytes)))
    guard length > 0, let piece = input.readSlice(length: length) else { return nil }
    remaining -= Int64(length)
    return piece
  }
}
