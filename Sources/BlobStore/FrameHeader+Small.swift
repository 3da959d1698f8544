import NIOCore

/// The short form of a frame's header: of messages of one chunk, and of the dictionary itself, in packs that begin with a
/// dictionary. A message of 6 KB compresses to 2.5 KB; the long form would add 0.3 KB, half of it trace headers.
///
/// | offset | bytes | field | must be |
/// |---|---|---|---|
/// | 0 | 4 | magic | as in the long form |
/// | 4 | 1 | version | 2 |
/// | 5 | 1 | flags, see `SmallFlags` | |
/// | 6 | 2 | headerLength, from the magic to the CRC inclusive | 32 at least |
/// | 8 | 4 | id of the dictionary | not 0 |
/// | 12 | 4 | rawSize | at most 2^20 |
/// | 16 | 4 | dataLength | rawSize, or less if the chunk is compressed |
/// | 20 | 4 | CRC-32 of the raw bytes and, if compressed, the stored ones behind them | |
/// | 24 | 2 | ownerCount | |
/// | 26 | 2 | octets of the owners before they were compressed | |
/// | 28 | | owners (see `OwnersCoding`), one zstd frame compressed with the dictionary, or as they are | |
/// | | 4 | CRC-32 of the pack's number, the offset in it (8 octets each), and the header up to here | |
/// | headerLength | dataLength | the chunk | |
///
/// A dictionary has no owners; in their place stands when it was trained (8 octets, seconds since 1970).
struct SmallPart: Sendable {
  var flags: SmallFlags
  var entry: ChunkEntry
  /// Octets of the owners before they were compressed.
  var ownersRaw: Int
}

struct SmallFlags: OptionSet, Sendable {
  let rawValue: UInt8
  /// The chunk is stored as it is.
  static let plainChunk = SmallFlags(rawValue: 1)
  /// The chunk is compressed with the dictionary.
  static let withDictionary = SmallFlags(rawValue: 2)
  /// The owners are stored as they are.
  static let plainOwners = SmallFlags(rawValue: 4)
  /// This is the dictionary of the pack.
  static let dictionary = SmallFlags(rawValue: 8)
  static let all: SmallFlags = [.plainChunk, .withDictionary, .plainOwners, .dictionary]
}

extension FrameHeader {
  static let smallVersion: UInt8 = 2
  /// Of the part in front of the owners.
  static let smallLength = 28
  static let maximumSmallSize = 1 << 20
  static let dictionaryOwners = 8

  var isDictionary: Bool { small?.flags.contains(.dictionary) ?? false }

  /// The owners cannot be read without the dictionary.
  var hasPackedOwners: Bool { small.map { !$0.flags.contains(.plainOwners) } ?? false }

  /// What the checksum of a small header covers in front of it.
  var place: UInt32 {
    guard small != nil else { return 0 }
    return withUnsafeBytes(of: (pack.littleEndian, offset.littleEndian)) { checksum($0) }
  }

  // MARK: Reading

  /// `bytes` begin with the magic and the version.
  init?(small bytes: UnsafeRawBufferPointer, pack: Int64, offset: Int64) {
    let flags = SmallFlags(rawValue: bytes[5])
    let headerLength = Int(bytes.littleEndian(6, as: UInt16.self))
    let dictionaryID: UInt32 = bytes.littleEndian(8)
    let rawSize = Int(bytes.littleEndian(12, as: UInt32.self))
    let dataLength = Int(bytes.littleEndian(16, as: UInt32.self))
    let owners = Int(bytes.littleEndian(24, as: UInt16.self))
    let ownersRaw = Int(bytes.littleEndian(26, as: UInt16.self))
    let stored = headerLength - Self.smallLength - 4
    guard SmallFlags.all.isSuperset(of: flags), !flags.isSuperset(of: [.plainChunk, .withDictionary]),
      dictionaryID != 0, pack >= 0, offset >= 0, (0...Self.maximumSmallSize).contains(rawSize),
      flags.contains(.plainChunk) ? dataLength == rawSize : (0..<rawSize).contains(dataLength), stored >= 0,
      flags.contains(.plainOwners) ? stored == ownersRaw : stored < ownersRaw
    else { return nil }
    if flags.contains(.dictionary) {
      guard owners == 0, ownersRaw == Self.dictionaryOwners, flags.contains(.plainOwners),
        flags.isDisjoint(with: .withDictionary)
      else { return nil }
    }
    let checksum: UInt32 = bytes.littleEndian(20)
    let isPlain = flags.contains(.plainChunk)
    self.init(
      codec: isPlain ? .raw : .zstd, headerLength: headerLength, dictionaryID: dictionaryID, rawSize: Int64(rawSize),
      dataLength: Int64(dataLength), chunkSize: Self.maximumSmallSize, chunkCount: rawSize > 0 ? 1 : 0,
      ownerCount: owners, ownersLength: stored, pack: pack, offset: offset,
      small: SmallPart(
        flags: flags, entry: ChunkEntry(storedLength: dataLength, isRaw: isPlain, checksum: checksum),
        ownersRaw: ownersRaw))
  }

  func smallOwners(
    _ small: SmallPart, in bytes: UnsafeRawBufferPointer, _ dictionary: PackDictionary?,
    _ decompressor: inout Decompressor
  ) -> [FrameOwner]? {
    guard headerLength <= bytes.count, !isDictionary else { return nil }
    let stored = UnsafeRawBufferPointer(rebasing: bytes[Self.smallLength..<headerLength - 4])
    if small.flags.contains(.plainOwners) { return OwnersCoding.read(stored, count: ownerCount) }
    guard let dictionary else { return nil }
    let raw = RawBuffer(capacity: small.ownersRaw)
    guard decompressor.decompress(stored, with: dictionary, into: raw.bytes) else { return nil }
    return OwnersCoding.read(UnsafeRawBufferPointer(raw.bytes), count: ownerCount)
  }

  /// When the dictionary that this header is of was trained.
  func dictionaryDate(in bytes: UnsafeRawBufferPointer) -> Int64 {
    bytes.count >= headerLength ? bytes.littleEndian(Self.smallLength) : 0
  }

  // MARK: Writing

  /// The header of a blob of one chunk at most; nil where it needs the long form. `owners`: how many, and their octets as
  /// they are stored and before they were compressed.
  init?(
    small blob: EncodedBlob, dictionaryID: UInt32, owners: (count: Int, stored: Int, raw: Int),
    _ flags: SmallFlags = []
  ) {
    let length = Self.smallLength + owners.stored + 4
    guard blob.chunks.count <= 1, blob.rawSize <= Int64(Self.maximumSmallSize), owners.count <= Int(UInt16.max),
      owners.raw <= Int(UInt16.max), length <= Int(UInt16.max)
    else { return nil }
    let entry = blob.chunks.first ?? ChunkEntry(storedLength: 0, isRaw: true, checksum: 0)
    var flags = flags
    if entry.isRaw { flags.insert(.plainChunk) } else if blob.dictionary != nil { flags.insert(.withDictionary) }
    if owners.stored == owners.raw { flags.insert(.plainOwners) }
    self.init(
      codec: entry.isRaw ? .raw : .zstd, headerLength: length, dictionaryID: dictionaryID, rawSize: blob.rawSize,
      dataLength: blob.storedSize, chunkSize: Self.maximumSmallSize, chunkCount: blob.chunks.count,
      ownerCount: owners.count, ownersLength: owners.stored, pack: 0, offset: 0,
      small: SmallPart(flags: flags, entry: entry, ownersRaw: owners.raw))
  }

  /// Appends the whole header to `buffer`. `owners`: as they are stored.
  func write(small: SmallPart, owners: UnsafeRawBufferPointer, to buffer: inout ByteBuffer) {
    buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: headerLength) { bytes in
      (bytes[0], bytes[1], bytes[2], bytes[3]) = Self.magic
      bytes[4] = Self.smallVersion
      bytes[5] = small.flags.rawValue
      bytes.setLittleEndian(UInt16(headerLength), at: 6)
      bytes.setLittleEndian(dictionaryID, at: 8)
      bytes.setLittleEndian(UInt32(rawSize), at: 12)
      bytes.setLittleEndian(UInt32(dataLength), at: 16)
      bytes.setLittleEndian(small.entry.checksum, at: 20)
      bytes.setLittleEndian(UInt16(ownerCount), at: 24)
      bytes.setLittleEndian(UInt16(small.ownersRaw), at: 26)
      let target = UnsafeMutableRawBufferPointer(
        rebasing: bytes[Self.smallLength..<Self.smallLength + owners.count])
      target.copyMemory(from: owners)
      seal(bytes)
      return headerLength
    }
  }
}
