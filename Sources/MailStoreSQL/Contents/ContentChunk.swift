import BlobStore
import MailStore
import NIOCore

/// One part of the contents of a chunk, in the form of a column of `content_chunk`. *varint* is LEB128, numbers are little
/// endian:
///
/// | what | octets |
/// |---|---|
/// | CRC-32 of what follows and of the chunk's place | 4 |
/// | of each group: octets before compression, and after | varints |
/// | each group: one zstd frame, compressed after the bytes of the part's base | |
///
/// A group is of `ContentPart.group` messages, the last one of what is left. Before compression: a 1, the length of each
/// message's bytes as a varint, then all the bytes. The 1 keeps them from being taken for a dictionary of zstd where they are
/// a base; a base and what needs it are one group each. The column `keys` is not compressed: the checksum, the version
/// of the parser that made all of it, 1 or 0 (see `Keys.tellsInTraces`), the count of messages, and the distance of each
/// content number from the one before; varints all.
enum ContentChunk {
  /// Of zstd. Level 6 would save another 6 %.
  private static let level: Int32 = 3
  /// Where a chunk belongs: a page that turns up in another place is not believed.
  struct Place: Hashable {
    var account: Int64
    /// The highest content number.
    var last: Int64
  }

  /// Whose contents these are, and what is the same for all of them.
  struct Keys: Equatable {
    /// Content numbers, ascending.
    var numbers: [Int64] = []
    /// `MessageSummary.parserVersion` of them.
    var version: Int64 = 0
    /// Some trace has a field of `CommonHeaders`. Where none has, who asks for those needs no traces.
    var tellsInTraces = false
  }

  static let version: UInt8 = 1
  /// Of the checksum of `keys`, beside the numbers of the parts.
  private static let keysTag: UInt8 = 0xFF

  // MARK: Writing

  /// `lengths` of the pieces that follow each other in `bytes`.
  static func raw(_ lengths: [Int], _ bytes: some Collection<UInt8>) -> [UInt8] {
    var raw: [UInt8] = []
    raw.reserveCapacity(1 + lengths.count * 2 + bytes.count)
    raw.append(version)
    for length in lengths { appendVarint(UInt64(length), to: &raw) }
    raw += bytes
    return raw
  }

  /// - groups: each as `raw` makes it.
  static func encoded(
    _ groups: [[UInt8]], _ part: ContentPart, after base: [UInt8], at place: Place
  ) throws(StoreError) -> ByteBuffer {
    var head: [UInt8] = []
    var frames = ByteBuffer()
    var failure: BlobError?
    for raw in groups {
      let before = frames.readableBytes
      raw.withUnsafeBytes { raw in
        base.withUnsafeBytes { base in
          do throws(BlobError) {
            try Squeeze.compress(raw, after: base, level: Self.level, into: &frames)
          } catch {
            failure = error
          }
        }
      }
      if let failure { throw StoreError(failure) }
      appendVarint(UInt64(raw.count), to: &head)
      appendVarint(UInt64(frames.readableBytes - before), to: &head)
    }
    var buffer = ByteBuffer()
    buffer.writeInteger(UInt32(0))
    buffer.writeBytes(head)
    buffer.writeImmutableBuffer(frames)
    seal(&buffer, UInt8(part.rawValue), place)
    return buffer
  }

  static func encodedKeys(_ keys: Keys, at place: Place) -> ByteBuffer {
    var bytes: [UInt8] = []
    appendVarint(UInt64(min(max(keys.version, 0), 1 << 32)), to: &bytes)
    bytes.append(keys.tellsInTraces ? 1 : 0)
    appendVarint(UInt64(keys.numbers.count), to: &bytes)
    var before: Int64 = 0
    for number in keys.numbers {
      appendVarint(UInt64(number - before), to: &bytes)
      before = number
    }
    var buffer = ByteBuffer()
    buffer.writeInteger(UInt32(0))
    buffer.writeBytes(bytes)
    seal(&buffer, keysTag, place)
    return buffer
  }

  private static func seal(_ buffer: inout ByteBuffer, _ tag: UInt8, _ place: Place) {
    let sum = buffer.withUnsafeReadableBytes {
      checksum(UnsafeRawBufferPointer(rebasing: $0.dropFirst(4)), tag, place)
    }
    buffer.setInteger(sum, at: buffer.readerIndex, endianness: .little)
  }

  private static func appendVarint(_ value: UInt64, to bytes: inout [UInt8]) {
    var value = value
    while value >= 0x80 {
      bytes.append(UInt8(truncatingIfNeeded: value) | 0x80)
      value >>= 7
    }
    bytes.append(UInt8(value))
  }

  private static func checksum(_ bytes: UnsafeRawBufferPointer, _ tag: UInt8, _ place: Place) -> UInt32 {
    let numbers = [place.account.littleEndian, place.last.littleEndian, Int64(tag).littleEndian]
    let seed = numbers.withUnsafeBytes { Squeeze.checksum($0) }
    return Squeeze.checksum(bytes, continuing: seed)
  }

  // MARK: Reading

  /// Nil: damaged.
  static func keys(_ stored: UnsafeRawBufferPointer, at place: Place) -> Keys? {
    guard let cursor = opened(stored, keysTag, place) else { return nil }
    return keys(behindChecksum: cursor.rest, last: place.last)
  }

  static func keys(behindChecksum bytes: UnsafeRawBufferPointer, last: Int64) -> Keys? {
    var cursor = VarintCursor(rest: bytes)
    guard let version = cursor.varint(), let tells = cursor.varint(), tells <= 1, let count = cursor.varint(),
      count <= UInt64(StoreLimits.believedContentChunk)
    else { return nil }
    var keys = Keys(version: Int64(version), tellsInTraces: tells == 1)
    keys.numbers.reserveCapacity(Int(count))
    var number: Int64 = 0
    for _ in 0..<count {
      guard let step = cursor.varint(), step > 0, step <= UInt64(StoreLimits.contentsPerAccount) else { return nil }
      number += Int64(step)
      guard number <= last else { return nil }
      keys.numbers.append(number)
    }
    return cursor.rest.isEmpty ? keys : nil
  }

  /// Makes `column` the one that is stored, of `count` messages. A single group is decompressed at once, others when they are
  /// asked for. False: damaged.
  static func decode(
    _ stored: UnsafeRawBufferPointer, _ part: ContentPart, count: Int, after base: UnsafeRawBufferPointer,
    at place: Place, _ unsqueezer: inout Unsqueezer, into column: ChunkColumn
  ) -> Bool {
    guard let cursor = opened(stored, UInt8(part.rawValue), place) else { return false }
    return column.fill(behindChecksum: cursor.rest, count: count, group: part.group, after: base, &unsqueezer)
  }

  /// Behind the checksum, if that fits.
  private static func opened(_ stored: UnsafeRawBufferPointer, _ tag: UInt8, _ place: Place) -> VarintCursor? {
    guard stored.count > 4 else { return nil }
    let rest = UnsafeRawBufferPointer(rebasing: stored.dropFirst(4))
    guard UInt32(littleEndian: stored.loadUnaligned(as: UInt32.self)) == checksum(rest, tag, place) else { return nil }
    return VarintCursor(rest: rest)
  }
}

/// Reads numbers off the front of bytes.
struct VarintCursor {
  var rest: UnsafeRawBufferPointer

  /// Nil: the bytes end, or the number has more than 56 bits.
  mutating func varint() -> UInt64? {
    var value: UInt64 = 0
    for (index, byte) in rest.prefix(8).enumerated() {
      value |= UInt64(byte & 0x7F) << UInt64(7 * index)
      guard byte < 0x80 else { continue }
      rest = UnsafeRawBufferPointer(rebasing: rest.dropFirst(index + 1))
      return value
    }
    return nil
  }
}
