#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// Walks the frames of a pack from its beginning; where there is none it searches the next magic.
struct PackScanner {
  let reader: FrameReader
  let pack: Int64
  /// Where the first frame begins.
  var start: Int64 = 0
  let end: Int64

  /// True when the file is whole frames to its end. Headers are verified, and the data of the last frame, which is the
  /// one a cut would have torn.
  func isWhole() throws(BlobError) -> Bool {
    var scratch = BlobScratch()
    var offset: Int64 = 0
    while offset < end {
      guard let header = try reader.header(at: offset, end: end, pack: pack, first: 4 << 10, &scratch) else {
        return false
      }
      offset += header.frameLength
      if offset == end { return try reader.damagedChunk(header, &scratch) == nil }
    }
    return true
  }

  func scan(verify: Bool, _ body: (FrameInfo) throws(BlobError) -> Void) throws(BlobError) -> ScanResult {
    var result = ScanResult()
    var scratch = BlobScratch()
    var offset = start
    var garbage: Int64?
    while offset < end {
      guard let header = try reader.header(at: offset, end: end, pack: pack, first: 4 << 10, &scratch),
        let found = try frame(header, &scratch)
      else {
        if garbage == nil { garbage = offset }
        offset = try nextMagic(after: offset, &scratch)
        continue
      }
      if let start = garbage { result.garbage.append(start..<offset) }
      garbage = nil
      defer { offset += header.frameLength }
      if header.isDictionary {
        result.dictionaries.append(offset..<offset + header.frameLength)
        var isWhole = true
        if verify { isWhole = try reader.isWholeDictionary(header, &scratch) }
        if isWhole { result.dictionaryCopies += 1 }
        continue
      }
      if header.dictionaryID != 0 { result.needsDictionary = true }
      if let what = found.what {
        result.damaged.append(.init(frame: found.frame, what: what))
      } else if verify, let chunk = try reader.damagedChunk(header, &scratch) {
        let what = "\(reader.handle.path) at \(offset): chunk \(chunk) is damaged"
        result.damaged.append(.init(frame: found.frame, what: what))
      } else {
        try body(found.frame)
        result.frames += 1
        result.frameBytes += header.frameLength
      }
    }
    if let start = garbage { result.tornTail = start..<end }
    return result
  }

  /// Nil: what stands in the header are no owners. `what`: the dictionary is nowhere, and the message needs it. One that does
  /// without is whole, only nobody can read whose it is: it has no owners.
  private func frame(
    _ header: FrameHeader, _ scratch: inout BlobScratch
  ) throws(BlobError) -> (frame: FrameInfo, what: String?)? {
    var frame = FrameInfo(
      location: header.location, owners: [], codec: header.codec, dictionaryID: header.dictionaryID)
    if header.isDictionary { return (frame, nil) }
    if let owners = try reader.owners(of: header, &scratch) {
      frame.owners = owners
      return (frame, nil)
    }
    guard header.hasPackedOwners else { return nil }
    guard header.usesDictionary else { return (frame, nil) }
    return (frame, "\(reader.handle.path) at \(header.offset): the dictionary of the pack is damaged or missing")
  }

  /// Where the next magic begins, or `end`.
  func nextMagic(after start: Int64, _ scratch: inout BlobScratch) throws(BlobError) -> Int64 {
    let magic = FrameHeader.magic
    var offset = start + 1
    while end - offset >= 4 {
      let length = Int(min(end - offset, 256 << 10))
      let window = scratch.window.prefix(length)
      let count = try reader.handle.pread(into: window, at: offset)
      guard count >= 4 else { return end }
      var index = 0
      while index <= count - 4, let base = window.baseAddress,
        let found = memchr(base + index, Int32(magic.0), count - 3 - index)
      {
        index = UnsafeRawPointer(found) - UnsafeRawPointer(base)
        if window[index + 1] == magic.1, window[index + 2] == magic.2, window[index + 3] == magic.3 {
          return offset + Int64(index)
        }
        index += 1
      }
      offset += Int64(count - 3)
    }
    return end
  }
}
