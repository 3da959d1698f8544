import NIOCore

/// What stands at the beginning of a pack whose frames are compressed with a dictionary: the dictionary, twice, each copy a frame
/// of its own. It is written together with the first message that needs it, and synced by the same sync.
public struct PackHead {
  /// A bad sector, or a block of a flash disk, must not cost the whole pack.
  public static let copies = 2

  /// Of the first copy that is whole.
  let dictionary: PackDictionary?
  /// Copies that are whole.
  let whole: Int
  /// Octets of whole copies from the beginning of the pack on; 0: the first frame is another one.
  let length: Int64
  /// A copy is damaged or missing.
  let isDamaged: Bool

  /// Walks over the copies. What cannot be read counts as damaged.
  init(_ reader: FrameReader, pack: Int64, end: Int64) {
    var dictionary: PackDictionary?
    var whole = 0
    var length: Int64 = 0
    var needsOne = false
    let limit = min(end, DictionaryLimits.searchedOctets)
    var scratch = BlobScratch()
    var offset: Int64 = 0
    while offset < limit {
      // Nothing is proved by a read that fails: the search goes on behind it.
      guard let header = try? reader.header(at: offset, end: end, pack: pack, first: 4 << 10, &scratch) else {
        offset = reader.search(after: offset, to: limit)
        continue
      }
      guard header.isDictionary else {
        needsOne = header.dictionaryID != 0
        break
      }
      if let read = try? reader.readDictionary(header, &scratch), dictionary.map({ $0.id == read.id }) ?? true {
        dictionary = dictionary ?? read
        whole += 1
        if length == offset { length = offset + header.frameLength }
      }
      offset += header.frameLength
    }
    self.dictionary = dictionary
    self.whole = whole
    self.length = length
    isDamaged = whole < Self.copies && (whole > 0 || needsOne)
  }
}

extension FrameReader {
  /// The dictionary in a frame whose header is in `scratch.header`.
  func readDictionary(_ header: FrameHeader, _ scratch: inout BlobScratch) throws(BlobError) -> PackDictionary {
    let made = header.dictionaryDate(in: UnsafeRawBufferPointer(scratch.header.bytes))
    var bytes = ByteBuffer()
    var isWhole = false
    try forEachChunk(header, &scratch) { _, entry, source, decompressor throws(BlobError) in
      bytes.writeWithUnsafeMutableBytes(minimumWritableBytes: Int(header.rawSize)) { free in
        let target = UnsafeMutableRawBufferPointer(rebasing: free[..<Int(header.rawSize)])
        isWhole = decompressor.decode(source, entry, into: target, nil)
        return target.count
      }
    }
    guard isWhole, let dictionary = PackDictionary(bytes, made: made), dictionary.id == header.dictionaryID else {
      throw corrupt(header.offset, "a copy of the pack's dictionary is damaged")
    }
    return dictionary
  }

  func isWholeDictionary(_ header: FrameHeader, _ scratch: inout BlobScratch) throws(BlobError) -> Bool {
    do throws(BlobError) { _ = try readDictionary(header, &scratch) } catch {
      guard case .corrupt = error else { throw error }
      return false
    }
    return true
  }

  /// The dictionary that a pack begins with.
  func ownDictionary(_ pack: Int64) -> PackDictionary? {
    guard let end = try? handle.size() else { return nil }
    return PackHead(self, pack: pack, end: end).dictionary
  }

  /// Where the next magic begins, or `end`. What cannot be read is passed over.
  func search(after start: Int64, to end: Int64) -> Int64 {
    let magic = FrameHeader.magic
    let window = RawBuffer(capacity: 4 << 10)
    var offset = start + 1
    while offset < end {
      let count = (try? handle.pread(into: window.bytes, at: offset)) ?? 0
      if count >= 4 {
        for index in 0...count - 4
        where window.bytes[index] == magic.0 && window.bytes[index + 1] == magic.1
          && window.bytes[index + 2] == magic.2 && window.bytes[index + 3] == magic.3
        {
          return min(offset + Int64(index), end)
        }
      }
      offset += Int64(window.bytes.count - 3)
    }
    return end
  }
}
