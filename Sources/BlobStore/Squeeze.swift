import CZstd
public import NIOCore

/// zstd for what is not a message: rows of a database that are kept together. `base`: bytes that both sides have, and that
/// what is compressed may resemble.
public enum Squeeze {
  /// Appends `source` to `target`, compressed. Errors: no memory for a context.
  public static func compress(
    _ source: UnsafeRawBufferPointer, after base: UnsafeRawBufferPointer, level: Int32, into target: inout ByteBuffer
  ) throws(BlobError) {
    let room = ZSTD_compressBound(source.count)
    try CompressorPool.with { compressor throws(BlobError) in
      var isDone = false
      target.writeWithUnsafeMutableBytes(minimumWritableBytes: room) { free in
        guard let count = compressor.compress(source, after: base, into: free, level: level) else { return 0 }
        isDone = true
        return count
      }
      if !isDone { throw .io(operation: "zstd", path: "", errno: 0) }
    }
  }

  /// CRC-32 of `bytes`, or of what `seed` was computed of with `bytes` behind it.
  public static func checksum(_ bytes: UnsafeRawBufferPointer, continuing seed: UInt32 = 0) -> UInt32 {
    BlobStore.checksum(bytes, continuing: seed)
  }
}

/// The way back. Its context is made at first use and used again.
public struct Unsqueezer: ~Copyable, Sendable {
  private var decompressor = Decompressor()

  public init() {}

  /// True when `source` is one zstd frame that fills `target` to the last byte.
  public mutating func decompress(
    _ source: UnsafeRawBufferPointer, after base: UnsafeRawBufferPointer, into target: UnsafeMutableRawBufferPointer
  ) -> Bool {
    decompressor.decompress(source, after: base, into: target)
  }
}
