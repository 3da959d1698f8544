import CZstd
public import NIOCore

/// A message compressed and ready to be framed. Small ones are in memory, those that came in a spool file are in another
/// one, which goes with this object.
public final class EncodedBlob: Sendable {
  enum Payload: Sendable {
    case memory(ByteBuffer)
    case spool(Spool)
  }

  /// Raw bytes of a chunk.
  static let chunkSize = 128 << 10

  public let codec: BlobCodec
  /// Bytes of the message.
  public let rawSize: Int64
  /// Bytes that go to disk, without the frame's header.
  public let storedSize: Int64
  let chunks: [ChunkEntry]
  let payload: Payload
  /// What the chunk, which is the only one then, is compressed with.
  let dictionary: PackDictionary?
  /// Where what is in memory is counted.
  private let counted: SpoolDirectory?

  init(
    codec: BlobCodec, rawSize: Int64, storedSize: Int64, chunks: [ChunkEntry], payload: Payload,
    dictionary: PackDictionary? = nil, counted: SpoolDirectory? = nil
  ) {
    self.dictionary = dictionary
    self.counted = counted
    counted?.hold(Int(storedSize))
    self.codec = codec
    self.rawSize = rawSize
    self.storedSize = storedSize
    self.chunks = chunks
    self.payload = payload
  }

  deinit { counted?.hold(-Int(storedSize)) }
}

/// Compresses messages chunk by chunk. Thread-safe; zstd contexts are shared by all encoders of the process.
public struct BlobEncoder: Sendable, Hashable {
  public var codec: BlobCodec
  public var level: Int32

  /// Of messages that are compressed with a dictionary.
  var dictionaryLevel: Int32 { min(level, DictionaryLimits.level) }

  public init(codec: BlobCodec = .zstd, level: Int32 = 3) {
    self.codec = codec
    self.level = level
  }

  /// The spool may be discarded afterwards. Memory: the stored size for messages in memory, a few chunks for others.
  public func encode(_ spool: Spool) throws(BlobError) -> EncodedBlob { try encode(spool, with: nil) }

  /// Messages of one chunk that are in memory are compressed with `dictionary`. Others have dictionary enough in themselves.
  func encode(_ spool: Spool, with dictionary: PackDictionary?) throws(BlobError) -> EncodedBlob {
    if let memory = spool.memory { return try encodeHeld(memory, of: spool, with: dictionary) }
    let target = spool.sibling
    var work = ByteBuffer()
    var chunks: [ChunkEntry] = []
    var rawSize: Int64 = 0
    var storedSize: Int64 = 0
    do {
      try CompressorPool.with { compressor throws(BlobError) in
        try spool.forEachPiece(EncodedBlob.chunkSize) { piece throws(BlobError) in
          work.clear()
          let entry = encode(piece, with: compressor, into: &work)
          chunks.append(entry)
          rawSize += Int64(piece.count)
          storedSize += Int64(entry.storedLength)
          try target.append(work)
        }
      }
    } catch {
      target.discard()
      throw error
    }
    return EncodedBlob(
      codec: codec, rawSize: rawSize, storedSize: storedSize, chunks: chunks, payload: .spool(target))
  }

  /// A message that is in memory stays there compressed, unless too much is there already: a client may send a thousand
  /// of them in one APPEND.
  private func encodeHeld(
    _ memory: ByteBuffer, of spool: Spool, with dictionary: PackDictionary?
  ) throws(BlobError) -> EncodedBlob {
    let blob = try encode(memory, with: dictionary)
    guard case .memory(let stored) = blob.payload else { return blob }
    guard spool.home.isCrowded, stored.readableBytes > SpoolDirectory.crowdedThreshold else {
      // Not with all the room that the message itself would have taken.
      let isRoomy = stored.capacity > 2 * stored.readableBytes + 4096
      let kept = isRoomy ? ByteBuffer(bytes: stored.readableBytesView) : stored
      return EncodedBlob(
        codec: blob.codec, rawSize: blob.rawSize, storedSize: blob.storedSize, chunks: blob.chunks,
        payload: .memory(kept), dictionary: blob.dictionary, counted: spool.home)
    }
    let target = spool.sibling
    do throws(BlobError) {
      try target.append(stored)
      try target.spill()
    } catch {
      target.discard()
      throw error
    }
    return EncodedBlob(
      codec: blob.codec, rawSize: blob.rawSize, storedSize: blob.storedSize, chunks: blob.chunks,
      payload: .spool(target), dictionary: blob.dictionary)
  }

  /// A message that is in memory already.
  public func encode(_ message: ByteBuffer) throws(BlobError) -> EncodedBlob { try encode(message, with: nil) }

  func encode(_ message: ByteBuffer, with dictionary: PackDictionary?) throws(BlobError) -> EncodedBlob {
    let size = message.readableBytes
    var chunks: [ChunkEntry] = []
    chunks.reserveCapacity((size + EncodedBlob.chunkSize - 1) / EncodedBlob.chunkSize)
    var stored = ByteBuffer()
    let tables = size <= EncodedBlob.chunkSize && codec == .zstd ? dictionary?.tables(level: dictionaryLevel) : nil
    switch codec {
    case .raw:
      stored = message
      forEachChunk(message) {
        chunks.append(ChunkEntry(storedLength: $0.count, isRaw: true, checksum: checksum($0)))
      }
    case .zstd:
      try CompressorPool.with { compressor throws(BlobError) in
        stored.reserveCapacity(size)
        forEachChunk(message) { chunks.append(encode($0, with: compressor, tables, into: &stored)) }
      }
    }
    let isPlain = chunks.first?.isRaw ?? true
    return EncodedBlob(
      codec: codec, rawSize: Int64(size), storedSize: Int64(stored.readableBytes), chunks: chunks,
      payload: .memory(stored), dictionary: tables == nil || isPlain ? nil : dictionary)
  }

  private func forEachChunk(_ message: ByteBuffer, _ body: (UnsafeRawBufferPointer) -> Void) {
    message.withUnsafeReadableBytes { bytes in
      var start = 0
      while start < bytes.count {
        let end = min(start + EncodedBlob.chunkSize, bytes.count)
        body(UnsafeRawBufferPointer(rebasing: bytes[start..<end]))
        start = end
      }
    }
  }

  /// Appends one chunk to `target`, compressed if that makes it smaller.
  private func encode(
    _ chunk: UnsafeRawBufferPointer, with compressor: Compressor, _ tables: PackDictionary.Tables? = nil,
    into target: inout ByteBuffer
  ) -> ChunkEntry {
    let sum = checksum(chunk)
    if codec == .zstd {
      // One byte less than the chunk: a result that doesn't fit is of no use.
      let room = chunk.count - 1
      var entry: ChunkEntry?
      target.writeWithUnsafeMutableBytes(minimumWritableBytes: room) { free in
        let free = UnsafeMutableRawBufferPointer(rebasing: free[..<room])
        let count =
          if let tables {
            compressor.compress(chunk, with: tables, into: free)
          } else {
            compressor.compress(chunk, into: free, level: level)
          }
        guard let length = count else { return 0 }
        let both = checksum(UnsafeRawBufferPointer(rebasing: free[..<length]), continuing: sum)
        entry = ChunkEntry(storedLength: length, isRaw: false, checksum: both)
        return length
      }
      if let entry { return entry }
    }
    target.writeBytes(chunk)
    return ChunkEntry(storedLength: chunk.count, isRaw: true, checksum: sum)
  }

  /// The bytes of a dictionary: one chunk, however long. It is written once a pack, so it may cost more than a message.
  func encodeWhole(_ bytes: ByteBuffer) throws(BlobError) -> EncodedBlob {
    var stored = ByteBuffer()
    let entry = try CompressorPool.with { compressor throws(BlobError) in
      bytes.withUnsafeReadableBytes {
        BlobEncoder(codec: .zstd, level: Self.wholeLevel).encode($0, with: compressor, into: &stored)
      }
    }
    return EncodedBlob(
      codec: .zstd, rawSize: Int64(bytes.readableBytes), storedSize: Int64(stored.readableBytes), chunks: [entry],
      payload: .memory(stored))
  }

  private static let wholeLevel: Int32 = 9
}
