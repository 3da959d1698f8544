import CZstd
import NIOCore
import Synchronization

/// A dictionary of zstd that the messages of a pack are compressed with, digested once for all who use it.
///
/// `@unchecked Sendable`: all is constant but `tables`, which has a lock. What `reading` points to is made before anybody else sees
/// the object, zstd only reads it (any number of threads may decompress with it), and it is freed with the object, which
/// whoever decompresses holds on to.
final class PackDictionary: @unchecked Sendable {
  /// What compressing needs: a good part of a megabyte, so it is made at the first use.
  ///
  /// `@unchecked Sendable`: constant from `init` on. zstd only reads what `pointer` points to when it compresses with it, each
  /// thread by a context of its own, and it is freed with the object, which whoever compresses holds on to.
  final class Tables: @unchecked Sendable {
    let level: Int32
    let pointer: OpaquePointer

    init?(_ bytes: ByteBuffer, level: Int32) {
      guard let pointer = bytes.withUnsafeReadableBytes({ ZSTD_createCDict($0.baseAddress, $0.count, level) }) else {
        return nil
      }
      self.pointer = pointer
      self.level = level
    }

    deinit { ZSTD_freeCDict(pointer) }
  }

  /// The CRC-32 of its bytes; frames name it by that. Never 0.
  let id: UInt32
  /// When it was trained, seconds since 1970; between then and the year 9999 whatever the disk says, so that one may reckon
  /// with it.
  let made: Int64
  static let dates: ClosedRange<Int64> = 0...253_402_300_799
  let bytes: ByteBuffer
  let reading: OpaquePointer
  private let tables = Mutex<Tables?>(nil)

  /// Nil: no dictionary, one that is too large, or no memory.
  init?(_ bytes: ByteBuffer, made: Int64) {
    let id = bytes.withUnsafeReadableBytes { checksum($0) }
    guard id != 0, (1...DictionaryLimits.believedOctets).contains(bytes.readableBytes),
      let reading = bytes.withUnsafeReadableBytes({ ZSTD_createDDict($0.baseAddress, $0.count) })
    else { return nil }
    self.id = id
    self.made = min(max(made, Self.dates.lowerBound), Self.dates.upperBound)
    self.bytes = bytes
    self.reading = reading
  }

  deinit { ZSTD_freeDDict(reading) }

  /// Nil: no memory.
  func tables(level: Int32) -> Tables? {
    tables.withLock { tables in
      if let tables, tables.level == level { return tables }
      tables = Tables(bytes, level: level)
      return tables
    }
  }
}

extension Compressor {
  /// Bytes written to `target`, or nil when the source doesn't fit into it compressed.
  func compress(
    _ source: UnsafeRawBufferPointer, with tables: PackDictionary.Tables, into target: UnsafeMutableRawBufferPointer
  ) -> Int? {
    // Until zstd is done, and not only until the pointer has been taken out of it: others may let go of it meanwhile.
    let count = withExtendedLifetime(tables) {
      ZSTD_compress_usingCDict(
        context, target.baseAddress, target.count, source.baseAddress, source.count, tables.pointer)
    }
    return ZSTD_isError(count) == 0 ? count : nil
  }
}

extension Decompressor {
  /// True when `source` is one zstd frame that fills `target` to the last byte.
  mutating func decompress(
    _ source: UnsafeRawBufferPointer, with dictionary: PackDictionary, into target: UnsafeMutableRawBufferPointer
  ) -> Bool {
    guard let context = ready() else { return false }
    // As above: a shelf keeps the last few only.
    let count = withExtendedLifetime(dictionary) {
      ZSTD_decompress_usingDDict(
        context, target.baseAddress, target.count, source.baseAddress, source.count, dictionary.reading)
    }
    return count == target.count
  }
}
