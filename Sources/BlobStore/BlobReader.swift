public import NIOCore
import Synchronization

/// Reads ranges of one message in bounded memory: a chunk at a time, the last one kept. It pins its pack. Safe from any
/// thread, one read at a time. Who reads on from where the last read ended can have the next chunk made ready meanwhile.
public final class BlobReader: Sendable {
  private struct State: ~Copyable {
    var decompressor = Decompressor()
    var stored = RawBuffer()
    var chunk = ByteBuffer()
    var index = -1
    /// Where the last read ended.
    var end = -1
  }

  /// Bytes of the message.
  public let size: Int
  private let handle: any FileHandle
  private let header: FrameHeader
  private let chunks: [ChunkEntry]
  /// Where the chunks begin in the file.
  private let offsets: [Int64]
  private let dictionary: PackDictionary?
  private let state = Mutex(State())

  init(
    _ handle: any FileHandle, _ dictionaries: DictionaryShelf, _ location: BlobLocation
  ) throws(BlobError) {
    var scratch = BlobScratch()
    let reader = FrameReader(handle: handle, dictionaries: dictionaries)
    header = try reader.header(at: location, &scratch)
    dictionary = try reader.dictionary(of: header)
    var chunks: [ChunkEntry] = []
    var offsets: [Int64] = []
    chunks.reserveCapacity(header.chunkCount)
    offsets.reserveCapacity(header.chunkCount)
    var offset = header.offset + Int64(header.headerLength)
    for index in 0..<header.chunkCount {
      let entry = header.chunk(index, in: UnsafeRawBufferPointer(scratch.header.bytes))
      chunks.append(entry)
      offsets.append(offset)
      offset += Int64(entry.storedLength)
    }
    self.chunks = chunks
    self.offsets = offsets
    self.handle = handle
    size = Int(header.rawSize)
  }

  /// The bytes of `range`, clipped to the message. A range within one chunk is not copied. Every chunk touched is
  /// verified.
  public func read(_ range: Range<Int>) throws(BlobError) -> ByteBuffer {
    let range = range.clamped(to: 0..<size)
    guard !range.isEmpty else { return ByteBuffer() }
    let chunkSize = header.chunkSize
    return try state.withLock { state throws(BlobError) in
      state.end = range.upperBound
      let first = range.lowerBound / chunkSize
      let last = (range.upperBound - 1) / chunkSize
      if first == last {
        try load(first, &state)
        return state.chunk.getSlice(at: range.lowerBound - first * chunkSize, length: range.count) ?? ByteBuffer()
      }
      var result = ByteBuffer()
      result.reserveCapacity(range.count)
      for index in first...last {
        try load(index, &state)
        let start = max(range.lowerBound, index * chunkSize) - index * chunkSize
        let end = min(range.upperBound - index * chunkSize, chunkSize)
        if let slice = state.chunk.getSlice(at: start, length: end - start) { result.writeImmutableBuffer(slice) }
      }
      return result
    }
  }

  // MARK: Reading on

  /// What is ready: nothing is read or decoded for it, and nobody is waited for. Nil: ask `read`.
  public func ready(_ range: Range<Int>) -> ByteBuffer? {
    guard !range.isEmpty, range.upperBound <= size else { return nil }
    let chunk = range.lowerBound / header.chunkSize
    guard (range.upperBound - 1) / header.chunkSize == chunk else { return nil }
    return state.withLockIfAvailable { state -> ByteBuffer? in
      guard state.index == chunk,
        let slice = state.chunk.getSlice(at: range.lowerBound - chunk * header.chunkSize, length: range.count)
      else { return nil }
      state.end = range.upperBound
      return slice
    } ?? nil
  }

  /// Whether somebody who reads on after this range needs another chunk.
  public func wantsNext(after range: Range<Int>) -> Bool {
    range.upperBound % header.chunkSize == 0 && range.upperBound < size
  }

  /// Makes the chunk ready that begins where the last read ended. What is wrong with it `read` tells.
  public func prepareNext() {
    state.withLock { state in
      guard state.end > 0, state.end < size, state.end % header.chunkSize == 0 else { return }
      try? load(state.end / header.chunkSize, &state)
    }
  }

  private func load(_ index: Int, _ state: inout State) throws(BlobError) {
    guard state.index != index else { return }
    state.index = -1
    let entry = chunks[index]
    let length = header.rawLength(ofChunk: index)
    let stored = state.stored.prefix(entry.storedLength)
    guard try handle.pread(into: stored, at: offsets[index]) == entry.storedLength else {
      throw .corrupt(what: "\(handle.path) at \(header.offset): the file ends inside the frame")
    }
    // New memory if a slice handed out still uses the old.
    state.chunk.clear()
    var isWhole = false
    state.chunk.reserveCapacity(length)
    state.chunk.writeWithUnsafeMutableBytes(minimumWritableBytes: length) { free in
      let target = UnsafeMutableRawBufferPointer(rebasing: free[..<length])
      isWhole = state.decompressor.decode(UnsafeRawBufferPointer(stored), entry, into: target, dictionary)
      return length
    }
    guard isWhole else { throw .corrupt(what: "\(handle.path) at \(header.offset): chunk \(index) is damaged") }
    state.index = index
  }
}
