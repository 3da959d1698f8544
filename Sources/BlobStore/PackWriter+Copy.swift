import NIOCore

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
    guard !old.isDictionary else { throw reader.corrupt(location.offset, "a dictionary stands where a message should") }
    let isShort = old.chunkCount <= 1 && old.rawSize <= Int64(EncodedBlob.chunkSize)
    if old.small != nil || old.dictionaryID != 0 || isShort && effective != nil {
      return try copyAnew(old, reader, &scratch, owners)
    }
    let header = try reownedHeader(old, owners)
    let pack = try room(for: header.frameLength)
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
    guard let own = known else {
      throw reader.corrupt(old.offset, "the frame does not say whose it is, or its dictionary is missing")
    }
    let dictionary = try reader.dictionary(of: old)
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
    if dictionary?.id != effective?.id, !chunks.isEmpty {
      let anew = try encoder.encode(raw, with: effective)
      // The old frame goes, so this one must be readable before.
      if try Self.isReadable(anew, raw) { blob = anew }
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

  private static func isReadable(_ blob: EncodedBlob, _ raw: ByteBuffer) throws(BlobError) -> Bool {
    guard case .memory(let stored) = blob.payload, blob.chunks.count == 1, let entry = blob.chunks.first else {
      return false
    }
    var target = RawBuffer(capacity: raw.readableBytes)
    var decompressor = Decompressor()
    let isWhole = stored.withUnsafeReadableBytes {
      decompressor.decode($0, entry, into: target.prefix(raw.readableBytes), blob.dictionary)
    }
    return isWhole && raw.withUnsafeReadableBytes { $0.elementsEqual(target.bytes[..<raw.readableBytes]) }
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
