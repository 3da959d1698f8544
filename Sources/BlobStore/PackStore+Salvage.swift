public import NIOCore

/// What is left of a damaged message, in order.
public enum SalvagedPiece: Sendable, Hashable {
  /// Verified by their checksum.
  case bytes(ByteBuffer)
  /// So many octets of the message are lost here.
  case gap(Int64)
}

extension PackStore {
  /// Hands over what is left of a frame that is damaged: chunks whose own checksums hold are given back though the header's
  /// does not. True: every octet of the message was there. `missing`: the pack is gone.
  ///
  /// Owners of such a frame are not given back: with a wrong checksum nobody knows whose it is.
  @discardableResult
  public func salvage(
    _ location: BlobLocation, _ body: (SalvagedPiece) throws(BlobError) -> Void
  ) throws(BlobError) -> Bool {
    let reader = try frameReader(location.pack)
    guard let (header, chunks) = try reader.doubtfulHeader(at: location), !header.isDictionary else {
      try body(.gap(location.rawSize))
      return false
    }
    let candidates = candidates(header, reader)
    var decompressor = Decompressor()
    var stored = RawBuffer()
    var offset = header.offset + Int64(header.headerLength)
    var isWhole = true
    for (index, entry) in chunks.enumerated() {
      let length = header.rawLength(ofChunk: index)
      var bytes = ByteBuffer()
      var isGood = false
      let source = stored.prefix(entry.storedLength)
      // An unreadable sector costs its chunk, not the message.
      if let got = try? reader.handle.pread(into: source, at: offset), got == entry.storedLength {
        for dictionary in candidates where !isGood {
          bytes.writeWithUnsafeMutableBytes(minimumWritableBytes: length) { free in
            let target = UnsafeMutableRawBufferPointer(rebasing: free[..<length])
            isGood = decompressor.decode(UnsafeRawBufferPointer(source), entry, into: target, dictionary)
            return isGood ? length : 0
          }
        }
      }
      try body(isGood ? .bytes(bytes) : .gap(Int64(length)))
      if !isGood { isWhole = false }
      offset += Int64(entry.storedLength)
    }
    return isWhole
  }

  /// What the chunks may be compressed with, the likeliest first. A damaged header may name another dictionary than the pack has,
  /// or none.
  private func candidates(_ header: FrameHeader, _ reader: FrameReader) -> [PackDictionary?] {
    guard header.dictionaryID != 0 else { return [nil] }
    let named = try? dictionaries.find(header.dictionaryID, in: reader.handle, of: header.pack, isProven: false)
    var result: [PackDictionary?] = named.map { [$0] } ?? []
    if let own = reader.ownDictionary(header.pack), own.id != named?.id { result.append(own) }
    result.insert(nil, at: header.usesDictionary ? result.count : 0)
    return result
  }

  /// Do two frames say that they hold the same chunks? Both headers are read, damaged or not; one that cannot be read is
  /// like no other.
  public func haveSameChunks(_ one: BlobLocation, _ other: BlobLocation) -> Bool {
    guard one.rawSize == other.rawSize,
      let first = try? frameReader(one.pack).doubtfulHeader(at: one),
      let second = try? frameReader(other.pack).doubtfulHeader(at: other)
    else { return false }
    return first.header.chunkSize == second.header.chunkSize && first.chunks == second.chunks
  }

  func frameReader(_ pack: Int64) throws(BlobError) -> FrameReader {
    FrameReader(handle: try table.handle(pack), dictionaries: dictionaries)
  }
}

extension FrameReader {
  /// A header whose lengths fit what its row says of the frame, and its chunk table; its checksum is not asked. Nil: not
  /// even that.
  fileprivate func doubtfulHeader(
    at location: BlobLocation
  ) throws(BlobError) -> (header: FrameHeader, chunks: [ChunkEntry])? {
    guard location.offset >= 0 else { return nil }
    var scratch = RawBuffer()
    let count = Int(min(Int64(FrameHeader.fixedLength), max(location.frameLength, FrameHeader.shortestFrame)))
    let fixed = scratch.prefix(count)
    guard try handle.pread(into: fixed, at: location.offset) == count,
      let header = FrameHeader(fixed: UnsafeRawBufferPointer(fixed), pack: location.pack, offset: location.offset),
      header.rawSize == location.rawSize, header.frameLength == location.frameLength
    else { return nil }
    if let small = header.small { return (header, header.chunkCount > 0 ? [small.entry] : []) }
    let length = FrameHeader.fixedLength + 8 * header.chunkCount
    let bytes = scratch.prefix(length)
    guard try handle.pread(into: bytes, at: location.offset) == length else { return nil }
    let chunks = (0..<header.chunkCount).map { header.chunk($0, in: UnsafeRawBufferPointer(bytes)) }
    for (index, chunk) in chunks.enumerated() {
      guard chunk.storedLength <= header.rawLength(ofChunk: index) else { return nil }
    }
    return (header, chunks)
  }
}
