import NIOCore

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// Compaction: frames go from one pack to another.
extension PackWriter {
  /// Copies a frame, every chunk verified. `owners`: nil keeps those it has. A message of one chunk takes on the dictionary of
  /// the pack it goes to, so that packs come to an end that begin with an old one, or with none.
  mutating func copy(
    _ location: BlobLocation, from source: any FileHandle, owners: [FrameOwner]?
  ) throws(BlobError) -> BlobLocation {
    try table.checkWritable("copy")
    var scratch = BlobScratch()
    let reader = FrameReader(handle: source, dictionaries: dictionaries)
    let old = try reader.header(at: location, &scratch)
    let isShort = old.chunkCount <= 1 && old.rawSize <= Int64(EncodedBlob.chunkSize)
    if old.small != nil || old.dictionaryID != 0 || isShort && effective != nil {
      return try copyAnew(old, reader, &scratch, owners)
    }
    let header = try reownedHeader(old, owners)
    let mark = current
    let pack: Pack
    do throws(BlobError) { pack = try room(for: header.frameLength) } catch {
      // A disk that is full in the middle of the dictionary.
      giveUp(backTo: mark)
      throw error
    }
    var moved = header
    moved.pack = pack.number
    moved.offset = pack.end
    var out = ByteBuffer()
    out.reserveCapacity(Int(min(moved.frameLength, 2 << 20)))
    write(moved, of: old, UnsafeRawBufferPointer(scratch.header.bytes), owners, to: &out)
    do throws(BlobError) {
      var raw = RawBuffer(capacity: Int(min(Int64(old.chunkSize), old.rawSize)))
      var end = pack.end
      try reader.forEachChunk(old, &scratch) { index, entry, source, decompressor throws(BlobError) in
        guard decompressor.decode(source, entry, into: raw.prefix(old.rawLength(ofChunk: index)), nil) else {
          throw reader.corrupt(location.offset, "chunk \(index) is damaged")
        }
        out.writeBytes(source)
        guard out.readableBytes >= 1 << 20 else { return }
        try pack.handle.pwritev([out], at: end)
        end += Int64(out.readableBytes)
        out.clear()
      }
      if out.readableBytes > 0 { try pack.handle.pwritev([out], at: end) }
      advance(to: end + Int64(out.readableBytes))
    } catch {
      giveUp(backTo: pack)
      throw error
    }
    return moved.location
  }

  /// A short message, read whole. Its bytes stay as they are stored where the pack has the same dictionary.
  private mutating func copyAnew(
    _ old: FrameHeader, _ reader: FrameReader, _ scratch: inout BlobScratch, _ owners: [FrameOwner]?
  ) throws(BlobError) -> BlobLocation {
    var known = owners
    if known == nil { known = try reader.owners(of: old, &scratch) }
    let dictionary = try reader.dictionary(of: old)
    // With the dictionary lost nobody can read whose it is, but the message that does without can be read, and rows know.
    if known == nil, old.hasPackedOwners { known = [] }
    guard let own = known else { throw reader.corrupt(old.offset, "the frame does not say whose it is") }
    var raw = ByteBuffer()
    var stored = ByteBuffer()
    var chunks: [ChunkEntry] = []
    try reader.forEachChunk(old, &scratch) { index, entry, source, decompressor throws(BlobError) in
      let length = old.rawLength(ofChunk: index)
      var isWhole = false
      raw.writeWithUnsafeMutableBytes(minimumWritableBytes: length) { free in
        let target = UnsafeMutableRawBufferPointer(rebasing: free[..<length])
        isWhole = decompressor.decode(source, entry, into: target, dictionary)
        return length
      }
      guard isWhole else { throw reader.corrupt(old.offset, "chunk \(index) is damaged") }
      stored.writeBytes(source)
      chunks.append(entry)
    }
    var blob = EncodedBlob(
      codec: chunks.first.map { $0.isRaw ? .raw : .zstd } ?? encoder.codec, rawSize: old.rawSize,
      storedSize: old.dataLength, chunks: chunks, payload: .memory(stored), dictionary: dictionary)
    let isLong = old.rawSize > Int64(EncodedBlob.chunkSize)
    if !chunks.isEmpty, isLong || dictionary?.id != effective?.id {
      // A long header counts chunks of our length, and a dictionary must be that of the pack.
      blob = try compressed(
        raw, instead: isLong || dictionary != nil ? nil : blob, &scratch.decompressor, reader, old)
    }
    let mark = current
    var batch = Batch()
    do throws(BlobError) {
      let location = try add(blob, own, &batch)
      try flush(&batch)
      return location
    } catch {
      giveUp(backTo: mark)
      throw error
    }
  }

  /// The message as it is compressed for the pack under way. The old frame goes, so this one is read back before. `stored`: as it
  /// is compressed now, if it may stay so: then only for something shorter.
  private func compressed(
    _ raw: ByteBuffer, instead stored: EncodedBlob?, _ decompressor: inout Decompressor, _ reader: FrameReader,
    _ old: FrameHeader
  ) throws(BlobError) -> EncodedBlob {
    let anew = try encoder.encode(raw, with: effective)
    if let stored, anew.storedSize >= stored.storedSize { return stored }
    if Self.isReadable(anew, raw, &decompressor) { return anew }
    if let stored { return stored }
    let plain = try BlobEncoder(codec: .raw).encode(raw)
    guard Self.isReadable(plain, raw, &decompressor) else {
      throw reader.corrupt(old.offset, "a copy of the message is not what it was; test this machine's memory")
    }
    return plain
  }

  private static func isReadable(
    _ blob: EncodedBlob, _ raw: ByteBuffer, _ decompressor: inout Decompressor
  ) -> Bool {
    guard case .memory(let stored) = blob.payload, stored.readableBytes == blob.storedSize,
      raw.readableBytes == blob.rawSize
    else { return false }
    var target = RawBuffer(capacity: min(raw.readableBytes, EncodedBlob.chunkSize))
    return stored.withUnsafeReadableBytes { stored in
      raw.withUnsafeReadableBytes { raw in
        var at = 0
        var start = 0
        for entry in blob.chunks {
          let end = min(start + EncodedBlob.chunkSize, raw.count)
          let source = UnsafeRawBufferPointer(rebasing: stored[at..<at + entry.storedLength])
          let piece = target.prefix(end - start)
          guard decompressor.decode(source, entry, into: piece, blob.dictionary), let copy = piece.baseAddress,
            let given = raw.baseAddress, memcmp(copy, given + start, end - start) == 0
          else { return false }
          at += entry.storedLength
          start = end
        }
        return start == raw.count
      }
    }
  }

  private func reownedHeader(_ old: FrameHeader, _ owners: [FrameOwner]?) throws(BlobError) -> FrameHeader {
    guard let owners else { return old }
    let header = FrameHeader(
      codec: old.codec, rawSize: old.rawSize, storedSize: old.dataLength, chunkSize: old.chunkSize,
      chunkCount: old.chunkCount, owners: owners)
    guard var header else { throw .io(operation: "frame with too long a header", path: table.directory, errno: 0) }
    header.dictionaryID = old.dictionaryID
    return header
  }

  /// `old` lies in `bytes`. With the same owners its bytes are taken over, only place and checksum are new.
  private func write(
    _ header: FrameHeader, of old: FrameHeader, _ bytes: UnsafeRawBufferPointer, _ owners: [FrameOwner]?,
    to out: inout ByteBuffer
  ) {
    if let owners {
      let chunks = (0..<old.chunkCount).map { old.chunk($0, in: bytes) }
      header.write(chunks: chunks, owners: owners, to: &out)
      return
    }
    out.writeWithUnsafeMutableBytes(minimumWritableBytes: header.headerLength) { target in
      target.copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[..<header.headerLength]))
      target.setLittleEndian(header.pack, at: FrameHeader.packField)
      target.setLittleEndian(header.offset, at: FrameHeader.offsetField)
      header.seal(target)
      return header.headerLength
    }
  }
}
