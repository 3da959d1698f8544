import CChecksum
import NIOCore

/// The fixed part of a frame's header, bounds-checked.
///
/// A frame is a header and the stored chunks of one blob. All integers are little-endian. There are two forms: this one, and
/// a shorter one for small messages in packs with a dictionary (see `FrameHeader+Small`).
///
/// | offset | bytes | field | must be |
/// |---|---|---|---|
/// | 0 | 4 | magic | B7 4D 72 F3 |
/// | 4 | 1 | version | 1 |
/// | 5 | 1 | codec | 0 raw, 1 zstd |
/// | 6 | 2 | flags | 0 |
/// | 8 | 4 | headerLength, from the magic to the CRC inclusive | 64 + 8 × chunkCount + ownersLength + 4 |
/// | 12 | 4 | id of the zstd dictionary | 0: none; else the chunk, one at most, is compressed with it |
/// | 16 | 8 | rawSize: bytes of the message | at most 2^40 |
/// | 24 | 8 | dataLength: bytes of all stored chunks | at most rawSize |
/// | 32 | 4 | chunkSize: raw bytes of every chunk but the last | 2^12 to 2^24 |
/// | 36 | 4 | chunkCount | rawSize ÷ chunkSize, rounded up |
/// | 40 | 4 | ownerCount | 44 × ownerCount is at most ownersLength |
/// | 44 | 4 | ownersLength | |
/// | 48 | 8 | number of the pack | where the frame lies: a frame inside a mailed pack, or one |
/// | 56 | 8 | offset in the pack | that the disk put elsewhere, is not taken for one of ours |
/// | 64 | 8 × chunkCount | chunk table: stored length (4; top bit: stored as it is), CRC-32 (4), of the raw bytes and, if compressed, the stored ones behind them | |
/// | | ownersLength | owners, see below | |
/// | | 4 | CRC-32 of the header up to here | |
/// | headerLength | dataLength | stored chunks, one after the other | |
///
/// An owner:
///
/// | offset | bytes | field |
/// |---|---|---|
/// | 0 | 8 | account |
/// | 8 | 8 | mailbox |
/// | 16 | 4 | UID |
/// | 20 | 4 | UIDVALIDITY |
/// | 24 | 8 | INTERNALDATE, seconds since 1970 |
/// | 32 | 2 | its zone, minutes east of UTC |
/// | 34 | 2 | length of the account's name |
/// | 36 | 2 | length of the mailbox's name |
/// | 38 | 2 | 0 |
/// | 40 | 4 | length of the trace headers |
/// | 44 | | account's name, mailbox's name, trace headers |
struct FrameHeader: Sendable {
  static let magic: (UInt8, UInt8, UInt8, UInt8) = (0xB7, 0x4D, 0x72, 0xF3)
  static let version: UInt8 = 1
  static let fixedLength = 64
  static let ownerLength = 44
  static let packField = 48
  static let offsetField = 56
  /// Longer headers are neither written nor believed.
  static let maximumLength = 64 << 20
  static let maximumRawSize: Int64 = 1 << 40
  static let chunkSizes = 1 << 12...1 << 24
  /// A small frame without owners and bytes.
  static let shortestFrame = Int64(smallLength + 4)

  var codec: BlobCodec
  var headerLength: Int
  var dictionaryID: UInt32 = 0
  var rawSize: Int64
  var dataLength: Int64
  var chunkSize: Int
  var chunkCount: Int
  var ownerCount: Int
  var ownersLength: Int
  var pack: Int64
  var offset: Int64
  /// Of a small frame; nil: the long form.
  var small: SmallPart?

  /// The bytes of the blob are compressed with the dictionary.
  var usesDictionary: Bool { small.map { $0.flags.contains(.withDictionary) } ?? (dictionaryID != 0) }

  var frameLength: Int64 { Int64(headerLength) + dataLength }
  var ownersOffset: Int { Self.fixedLength + 8 * chunkCount }
  var location: BlobLocation {
    BlobLocation(pack: pack, offset: offset, frameLength: frameLength, rawSize: rawSize)
  }

  /// Raw bytes of chunk `index`.
  func rawLength(ofChunk index: Int) -> Int {
    Int(min(Int64(chunkSize), rawSize - Int64(index) * Int64(chunkSize)))
  }
}

/// One row of the chunk table.
struct ChunkEntry: Sendable, Hashable {
  static let rawBit: UInt32 = 1 << 31
  var stored: UInt32
  var checksum: UInt32

  init(storedLength: Int, isRaw: Bool, checksum: UInt32) {
    self.stored = UInt32(storedLength) | (isRaw ? Self.rawBit : 0)
    self.checksum = checksum
  }

  init(stored: UInt32, checksum: UInt32) {
    self.stored = stored
    self.checksum = checksum
  }

  var storedLength: Int { Int(stored & ~Self.rawBit) }
  var isRaw: Bool { stored & Self.rawBit != 0 }
}

/// CRC-32 of `bytes`, or of what `seed` was computed of with `bytes` behind it.
func checksum(_ bytes: UnsafeRawBufferPointer, continuing seed: UInt32 = 0) -> UInt32 {
  guard let base = bytes.baseAddress else { return seed }
  return merpati_crc32(seed, base, bytes.count)
}

extension UnsafeRawBufferPointer {
  /// The caller has checked the bounds.
  func littleEndian<Value: FixedWidthInteger>(_ offset: Int, as type: Value.Type = Value.self) -> Value {
    Value(littleEndian: loadUnaligned(fromByteOffset: offset, as: Value.self))
  }
}

extension UnsafeMutableRawBufferPointer {
  func setLittleEndian<Value: FixedWidthInteger>(_ value: Value, at offset: Int) {
    storeBytes(of: value.littleEndian, toByteOffset: offset, as: Value.self)
  }
}

// MARK: Reading

extension FrameHeader {
  /// Nil: these are not the first `fixedLength` bytes of a header that could be ours. Nothing is proved before
  /// `isWhole`, but every length is bounded and fits the others.
  /// `pack` and `offset`: where they lie. The short form does not say so itself; its checksum does.
  init?(fixed bytes: UnsafeRawBufferPointer, pack: Int64, offset: Int64) {
    let magic = Self.magic
    guard bytes.count >= Self.smallLength, bytes[0] == magic.0, bytes[1] == magic.1, bytes[2] == magic.2,
      bytes[3] == magic.3
    else { return nil }
    if bytes[4] == Self.smallVersion {
      self.init(small: bytes, pack: pack, offset: offset)
    } else {
      self.init(long: bytes)
      guard self.pack == pack, self.offset == offset else { return nil }
    }
  }

  private init?(long bytes: UnsafeRawBufferPointer) {
    guard bytes.count >= Self.fixedLength, bytes[4] == Self.version, let codec = BlobCodec(rawValue: bytes[5]),
      bytes.littleEndian(6, as: UInt16.self) == 0
    else { return nil }
    self.codec = codec
    headerLength = Int(bytes.littleEndian(8, as: UInt32.self))
    dictionaryID = bytes.littleEndian(12)
    rawSize = bytes.littleEndian(16)
    dataLength = bytes.littleEndian(24)
    chunkSize = Int(bytes.littleEndian(32, as: UInt32.self))
    chunkCount = Int(bytes.littleEndian(36, as: UInt32.self))
    ownerCount = Int(bytes.littleEndian(40, as: UInt32.self))
    ownersLength = Int(bytes.littleEndian(44, as: UInt32.self))
    pack = bytes.littleEndian(Self.packField)
    offset = bytes.littleEndian(Self.offsetField)
    guard (0...Self.maximumRawSize).contains(rawSize), (0...rawSize).contains(dataLength),
      Self.chunkSizes.contains(chunkSize),
      Int64(chunkCount) == (rawSize + Int64(chunkSize) - 1) / Int64(chunkSize),
      ownerCount * Self.ownerLength <= ownersLength,
      headerLength == Self.fixedLength + 8 * chunkCount + ownersLength + 4, headerLength <= Self.maximumLength,
      pack >= 0, offset >= 0, dictionaryID == 0 || chunkCount <= 1
    else { return nil }
  }

  /// Does the checksum of `bytes`, a header of `headerLength` bytes, fit, and its chunk table add up?
  func isWhole(_ bytes: UnsafeRawBufferPointer) -> Bool {
    guard bytes.count == headerLength else { return false }
    let covered = UnsafeRawBufferPointer(rebasing: bytes[..<(headerLength - 4)])
    guard checksum(covered, continuing: place) == bytes.littleEndian(headerLength - 4, as: UInt32.self) else {
      return false
    }
    var sum: Int64 = 0
    for index in 0..<chunkCount {
      let entry = chunk(index, in: bytes)
      let raw = rawLength(ofChunk: index)
      guard entry.isRaw ? entry.storedLength == raw : entry.storedLength < raw else { return false }
      sum += Int64(entry.storedLength)
    }
    return sum == dataLength
  }

  func chunk(_ index: Int, in bytes: UnsafeRawBufferPointer) -> ChunkEntry {
    if let small { return small.entry }
    let at = Self.fixedLength + 8 * index
    return ChunkEntry(stored: bytes.littleEndian(at), checksum: bytes.littleEndian(at + 4))
  }

  /// The owners in a header that is whole; nil if they don't fit their block. `dictionary`: what its id stands for, if that
  /// was found.
  func owners(
    in bytes: UnsafeRawBufferPointer, _ dictionary: PackDictionary?, _ decompressor: inout Decompressor
  ) -> [FrameOwner]? {
    if let small { return smallOwners(small, in: bytes, dictionary, &decompressor) }
    var owners: [FrameOwner] = []
    owners.reserveCapacity(ownerCount)
    var at = ownersOffset
    let end = ownersOffset + ownersLength
    guard end <= bytes.count else { return nil }
    for _ in 0..<ownerCount {
      guard end - at >= Self.ownerLength else { return nil }
      let names = at + Self.ownerLength
      let account = Int(bytes.littleEndian(at + 34, as: UInt16.self))
      let mailbox = Int(bytes.littleEndian(at + 36, as: UInt16.self))
      let trace = Int(bytes.littleEndian(at + 40, as: UInt32.self))
      guard end - names >= account + mailbox + trace else { return nil }
      let traceStart = names + account + mailbox
      owners.append(
        FrameOwner(
          account: bytes.littleEndian(at), accountName: String(decoding: bytes[names..<names + account], as: UTF8.self),
          mailbox: bytes.littleEndian(at + 8),
          mailboxName: String(decoding: bytes[names + account..<traceStart], as: UTF8.self),
          uid: bytes.littleEndian(at + 16), uidValidity: bytes.littleEndian(at + 20),
          internalSeconds: bytes.littleEndian(at + 24), zoneMinutes: bytes.littleEndian(at + 32),
          trace: ByteBuffer(bytes: bytes[traceStart..<traceStart + trace])))
      at = traceStart + trace
    }
    return at == end ? owners : nil
  }
}

// MARK: Writing

extension FrameHeader {
  /// The header of a blob with these owners; nil if it would be longer than `maximumLength`.
  init?(
    codec: BlobCodec, dictionaryID: UInt32 = 0, rawSize: Int64, storedSize: Int64, chunkSize: Int, chunkCount: Int,
    owners: [FrameOwner]
  ) {
    var length = 0
    for owner in owners {
      length += Self.ownerLength + Self.nameLength(owner.accountName) + Self.nameLength(owner.mailboxName)
      length += owner.trace.readableBytes
    }
    self.codec = codec
    self.dictionaryID = dictionaryID
    headerLength = Self.fixedLength + 8 * chunkCount + length + 4
    self.rawSize = rawSize
    dataLength = storedSize
    self.chunkSize = chunkSize
    self.chunkCount = chunkCount
    ownerCount = owners.count
    ownersLength = length
    pack = 0
    offset = 0
    guard headerLength <= Self.maximumLength, rawSize <= Self.maximumRawSize else { return nil }
  }

  private static func nameLength(_ name: String) -> Int { min(name.utf8.count, Int(UInt16.max)) }

  /// Appends the whole header to `buffer`. `chunks` and `owners` are those it was made for.
  func write(chunks: some Collection<ChunkEntry>, owners: [FrameOwner], to buffer: inout ByteBuffer) {
    buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: headerLength) { bytes in
      writeFixed(to: bytes)
      var at = Self.fixedLength
      for entry in chunks {
        bytes.setLittleEndian(entry.stored, at: at)
        bytes.setLittleEndian(entry.checksum, at: at + 4)
        at += 8
      }
      for owner in owners { at = Self.write(owner, to: bytes, at: at) }
      seal(bytes)
      return headerLength
    }
  }

  private func writeFixed(to bytes: UnsafeMutableRawBufferPointer) {
    (bytes[0], bytes[1], bytes[2], bytes[3]) = Self.magic
    bytes[4] = Self.version
    bytes[5] = codec.rawValue
    bytes.setLittleEndian(UInt16(0), at: 6)
    bytes.setLittleEndian(UInt32(headerLength), at: 8)
    bytes.setLittleEndian(dictionaryID, at: 12)
    bytes.setLittleEndian(rawSize, at: 16)
    bytes.setLittleEndian(dataLength, at: 24)
    bytes.setLittleEndian(UInt32(chunkSize), at: 32)
    bytes.setLittleEndian(UInt32(chunkCount), at: 36)
    bytes.setLittleEndian(UInt32(ownerCount), at: 40)
    bytes.setLittleEndian(UInt32(ownersLength), at: 44)
    bytes.setLittleEndian(pack, at: Self.packField)
    bytes.setLittleEndian(offset, at: Self.offsetField)
  }

  /// Writes the checksum at the end of a header.
  func seal(_ bytes: UnsafeMutableRawBufferPointer) {
    let covered = UnsafeRawBufferPointer(rebasing: bytes[..<(headerLength - 4)])
    bytes.setLittleEndian(checksum(covered, continuing: place), at: headerLength - 4)
  }

  private static func write(_ owner: FrameOwner, to bytes: UnsafeMutableRawBufferPointer, at start: Int) -> Int {
    let account = nameLength(owner.accountName)
    let mailbox = nameLength(owner.mailboxName)
    bytes.setLittleEndian(owner.account, at: start)
    bytes.setLittleEndian(owner.mailbox, at: start + 8)
    bytes.setLittleEndian(owner.uid, at: start + 16)
    bytes.setLittleEndian(owner.uidValidity, at: start + 20)
    bytes.setLittleEndian(owner.internalSeconds, at: start + 24)
    bytes.setLittleEndian(owner.zoneMinutes, at: start + 32)
    bytes.setLittleEndian(UInt16(account), at: start + 34)
    bytes.setLittleEndian(UInt16(mailbox), at: start + 36)
    bytes.setLittleEndian(UInt16(0), at: start + 38)
    bytes.setLittleEndian(UInt32(owner.trace.readableBytes), at: start + 40)
    var at = start + ownerLength
    at = copy(owner.accountName, account, to: bytes, at: at)
    at = copy(owner.mailboxName, mailbox, to: bytes, at: at)
    owner.trace.withUnsafeReadableBytes { trace in
      UnsafeMutableRawBufferPointer(rebasing: bytes[at..<at + trace.count]).copyMemory(from: trace)
    }
    return at + owner.trace.readableBytes
  }

  private static func copy(_ name: String, _ count: Int, to bytes: UnsafeMutableRawBufferPointer, at start: Int) -> Int
  {
    var name = name
    name.withUTF8 { text in
      let part = UnsafeRawBufferPointer(UnsafeBufferPointer(rebasing: text.prefix(count)))
      UnsafeMutableRawBufferPointer(rebasing: bytes[start..<start + count]).copyMemory(from: part)
    }
    return start + count
  }
}
