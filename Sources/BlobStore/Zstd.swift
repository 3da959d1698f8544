import CZstd
import Synchronization

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// A zstd compression context. They cost about a megabyte and a good part of compressing a small message to set up, so
/// they are kept and handed round.
///
/// `@unchecked Sendable`: `CompressorPool` hands a context to one caller at a time, and nobody else makes one.
final class Compressor: @unchecked Sendable {
  let context: OpaquePointer

  fileprivate init?() {
    guard let context = ZSTD_createCCtx() else { return nil }
    self.context = context
  }

  deinit { ZSTD_freeCCtx(context) }

  /// Bytes written to `target`, or nil when the source doesn't fit into it compressed.
  func compress(_ source: UnsafeRawBufferPointer, into target: UnsafeMutableRawBufferPointer, level: Int32) -> Int? {
    let count = ZSTD_compressCCtx(
      context, target.baseAddress, target.count, source.baseAddress, source.count, level)
    return ZSTD_isError(count) == 0 ? count : nil
  }

  /// The same; `source` may refer to `base`, which must not begin like a dictionary of zstd.
  func compress(
    _ source: UnsafeRawBufferPointer, after base: UnsafeRawBufferPointer, into target: UnsafeMutableRawBufferPointer,
    level: Int32
  ) -> Int? {
    let count = ZSTD_compress_usingDict(
      context, target.baseAddress, target.count, source.baseAddress, source.count, base.baseAddress, base.count, level)
    return ZSTD_isError(count) == 0 ? count : nil
  }
}

enum CompressorPool {
  private static let idle = Mutex<[Compressor]>([])
  /// More than this many at a time are made when needed, but not kept.
  private static let kept = 16

  static func with<Result>(_ body: (Compressor) throws(BlobError) -> Result) throws(BlobError) -> Result {
    guard let compressor = idle.withLock({ $0.popLast() }) ?? Compressor() else {
      throw .io(operation: "zstd context", path: "", errno: ENOMEM)
    }
    defer { idle.withLock { if $0.count < kept { $0.append(compressor) } } }
    return try body(compressor)
  }
}

/// A zstd decompression context, made at first use.
///
/// `@unchecked Sendable`: it has one owner, and using it takes exclusive access.
struct Decompressor: ~Copyable, @unchecked Sendable {
  private var context: OpaquePointer?

  deinit { if let context { ZSTD_freeDCtx(context) } }

  init() { context = nil }

  /// Nil: no memory.
  mutating func ready() -> OpaquePointer? {
    if context == nil { context = ZSTD_createDCtx() }
    return context
  }

  /// True when `source` is one zstd frame that fills `target` to the last byte.
  mutating func decompress(_ source: UnsafeRawBufferPointer, into target: UnsafeMutableRawBufferPointer) -> Bool {
    guard let context = ready() else { return false }
    return ZSTD_decompressDCtx(context, target.baseAddress, target.count, source.baseAddress, source.count)
      == target.count
  }

  /// The same for what was compressed after `base`.
  mutating func decompress(
    _ source: UnsafeRawBufferPointer, after base: UnsafeRawBufferPointer, into target: UnsafeMutableRawBufferPointer
  ) -> Bool {
    guard let context = ready() else { return false }
    return ZSTD_decompress_usingDict(
      context, target.baseAddress, target.count, source.baseAddress, source.count, base.baseAddress, base.count)
      == target.count
  }

  /// The raw bytes of a stored chunk into `target`, which has their length. False if they are not what was written.
  /// `dictionary`: what it was compressed with.
  mutating func decode(
    _ source: UnsafeRawBufferPointer, _ entry: ChunkEntry, into target: UnsafeMutableRawBufferPointer,
    _ dictionary: PackDictionary?
  ) -> Bool {
    if entry.isRaw {
      guard source.count == target.count else { return false }
      target.copyMemory(from: source)
      return checksum(UnsafeRawBufferPointer(target)) == entry.checksum
    }
    if let dictionary {
      guard decompress(source, with: dictionary, into: target) else { return false }
    } else {
      guard decompress(source, into: target) else { return false }
    }
    // The raw bytes are what counts; the stored ones are in it because some of their bits have no effect, and damage
    // there is a warning worth having.
    return checksum(source, continuing: checksum(UnsafeRawBufferPointer(target))) == entry.checksum
  }
}
