import NIOCore

/// What stands at the beginning of a pack whose frames are compressed with a dictionary: the dictionary, twice, each copy a frame
/// of its own. It is written together with the first message that needs it, and synced by the same sync.
public struct PackHead {
  /// A bad sector, or a block of a flash disk, must not cost the whole pack.
  public static let copies = 2

  /// Of the first copy that is whole.
  let dictionary: PackDictionary?
  /// What the pack's mail needs, also where no copy is whole; 0: nothing, or nobody can say.
  let id: UInt32
  /// Copies that are whole.
  let whole: Int
  /// Octets of whole copies from the beginning of the pack on; 0: the first frame is another one.
  let length: Int64
  /// The pack begins with a message that was written without one.
  let isPlain: Bool
  /// What kept a copy from being read: it may be whole all the same.
  let failure: BlobError?
  /// A copy is damaged or missing, and messages need it.
  let isDamaged: Bool

  /// Walks over the copies; where one is damaged, on to the first message that needs it.
  init(_ reader: FrameReader, pack: Int64, end: Int64) {
    var walk = Walk()
    walk.run(reader, pack, end)
    dictionary = walk.dictionary
    id = walk.id
    whole = walk.whole
    length = walk.length
    isPlain = walk.isPlain
    failure = walk.failure
    isDamaged = walk.isNeeded && walk.whole < Self.copies
  }

  private struct Walk {
    var dictionary: PackDictionary?
    var id: UInt32 = 0
    var whole = 0
    var length: Int64 = 0
    var isPlain = false
    var isNeeded = false
    var failure: BlobError?

    mutating func run(_ reader: FrameReader, _ pack: Int64, _ end: Int64) {
      let limit = min(end, DictionaryLimits.searchedOctets)
      var scratch = BlobScratch()
      var offset: Int64 = 0
      while offset < end, whole < PackHead.copies {
        guard let header = header(reader, pack, offset, end, &scratch) else {
          guard offset < limit else { return }
          offset = reader.search(after: offset, to: limit)
          continue
        }
        if id == 0 { id = header.dictionaryID }
        if header.isDictionary {
          if isWhole(header, reader, &scratch) {
            whole += 1
            if length == offset { length = offset + header.frameLength }
          }
        } else if header.dictionaryID != 0 {
          isNeeded = true
          return
        } else if offset == 0 || header.chunkCount <= 1 {
          // Behind a dictionary, messages that do not name it have several chunks.
          isPlain = offset == 0
          return
        }
        offset += header.frameLength
      }
    }

    /// Nothing is proved by a read that fails: the search goes on behind it.
    private mutating func header(
      _ reader: FrameReader, _ pack: Int64, _ offset: Int64, _ end: Int64, _ scratch: inout BlobScratch
    ) -> FrameHeader? {
      do throws(BlobError) {
        return try reader.header(at: offset, end: end, pack: pack, first: 4 << 10, &scratch)
      } catch {
        note(error)
        return nil
      }
    }

    private mutating func isWhole(_ header: FrameHeader, _ reader: FrameReader, _ scratch: inout BlobScratch) -> Bool {
      do throws(BlobError) {
        if let dictionary {
          // Not made ready a second time: that costs more than reading it.
          return try reader.dictionaryBytes(header, &scratch) == dictionary.bytes
        }
        dictionary = try reader.readDictionary(header, &scratch)
        return true
      } catch {
        note(error)
        return false
      }
    }

    private mutating func note(_ error: BlobError) {
      if case .io = error, failure == nil { failure = error }
    }
  }
}

extension FrameReader {
  /// The dictionary in a frame whose header is in `scratch.header`.
  func readDictionary(_ header: FrameHeader, _ scratch: inout BlobScratch) throws(BlobError) -> PackDictionary {
    let made = header.dictionaryDate(in: UnsafeRawBufferPointer(scratch.header.bytes))
    guard let dictionary = PackDictionary(try dictionaryBytes(header, &scratch), made: made) else {
      throw corrupt(header.offset, "a copy of the pack's dictionary is damaged")
    }
    return dictionary
  }

  /// The same, its bytes alone: they are those that the header names.
  func dictionaryBytes(_ header: FrameHeader, _ scratch: inout BlobScratch) throws(BlobError) -> ByteBuffer {
    var bytes = ByteBuffer()
    var isWhole = false
    try forEachChunk(header, &scratch) { _, entry, source, decompressor throws(BlobError) in
      bytes.writeWithUnsafeMutableBytes(minimumWritableBytes: Int(header.rawSize)) { free in
        let target = UnsafeMutableRawBufferPointer(rebasing: free[..<Int(header.rawSize)])
        isWhole = decompressor.decode(source, entry, into: target, nil)
        return target.count
      }
    }
    guard isWhole, bytes.withUnsafeReadableBytes({ checksum($0) }) == header.dictionaryID else {
      throw corrupt(header.offset, "a copy of the pack's dictionary is damaged")
    }
    return bytes
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
