public import NIOCore
import Synchronization

/// Reads ranges of one message in bounded memory: a chunk at a time, the last one kept. It pins its pack. Safe from any
/// thread, one read at a time.
public final class BlobReader: Sendable {
  private struct State: ~Copyable {
    var decompressor = Decompressor()
    var stored = RawBuffer()
    var chunk = ByteBuffer()
    var index = -1
  }

  /// Bytes of the message.
  public let size: Int
  private let handle: any FileHandle
  private let header: FrameHeader
  private let chunks: [ChunkEntry]
  /// Where the chunks begin in the file.
  private let offsets: [Int64]
  private let state = Mutex(State())

  init(_ handle: any FileHandle, _ location: BlobLocation) throws(BlobError) {
    var scratch = BlobScratch()
    header = try FrameReader(handle: handle).header(at: location, &scratch)
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
      isWhole = state.decompressor.decode(UnsafeRawBufferPointer(stored), entry, into: target)
      return length
    }
    guard isWhole else { throw .corrupt(what: "\(handle.path) at \(header.offset): chunk \(index) is damaged") }
    state.index = index
  }
}
