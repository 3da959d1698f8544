import NIOCore

/// Writes frames to one pack after the other. Not thread-safe: `PackStore` locks around it.
struct PackWriter: ~Copyable {
  struct Pack {
    var number: Int64
    var handle: any FileHandle
    /// Where the next frame goes.
    var end: Int64
    /// Everything in front of it is durable.
    var synced: Int64
  }

  private let table: PackTable
  private let maxPackBytes: Int64
  private var current: Pack?
  /// Full packs with bytes that are not durable yet.
  private var full: [Pack] = []
  private var needsDirectorySync: Bool

  /// `pack` is written on; nil: the first frame begins a new one.
  init(_ table: PackTable, maxPackBytes: Int64, continuing pack: Pack?, needsDirectorySync: Bool) {
    self.table = table
    self.maxPackBytes = maxPackBytes
    self.needsDirectorySync = needsDirectorySync
    current = pack
  }

  // MARK: Packs

  mutating func roll() {
    guard let pack = current else { return }
    table.deactivate(pack.number)
    if pack.end > pack.synced { full.append(pack) }
    current = nil
  }

  /// The pack that takes `length` more bytes.
  private mutating func room(for length: Int64) throws(BlobError) -> Pack {
    if let pack = current {
      if pack.end == 0 || pack.end + length <= maxPackBytes { return pack }
      roll()
    }
    let (number, handle) = try table.create()
    needsDirectorySync = true
    let pack = Pack(number: number, handle: handle, end: 0, synced: 0)
    current = pack
    return pack
  }

  private mutating func advance(to end: Int64) {
    guard let number = current?.number else { return }
    current?.end = end
    table.setBytes(end, of: number)
  }

  /// After a failed write: cuts the pack back to where it ended before, or to its last whole frame if it was begun
  /// since. If the file cannot be cut, it is not written to again.
  private mutating func giveUp(backTo mark: Pack?) {
    guard let pack = current else { return }
    let end = if let mark, mark.number == pack.number { mark.end } else { pack.end }
    advance(to: end)
    do { try pack.handle.truncate(to: end) } catch { roll() }
  }

  /// Data of every pack written since the last sync first, then the directory if a pack was made: when this returns,
  /// names and bytes are on the disk. In between a power cut leaves a file without a name or a name without bytes, and
  /// no row refers to either yet.
  mutating func sync() throws(BlobError) {
    try table.checkWritable("sync")
    do throws(BlobError) {
      for pack in full { try pack.handle.fdatasync() }
      if let pack = current, pack.end > pack.synced { try pack.handle.fdatasync() }
      if needsDirectorySync { try table.fileSystem.syncDirectory(table.directory) }
    } catch {
      if !error.precedesSync { table.fail() }
      throw error
    }
    full.removeAll()
    if let end = current?.end { current?.synced = end }
    needsDirectorySync = false
  }

  mutating func forgetUnsynced() {
    for pack in full where (try? pack.handle.truncate(to: pack.synced)) != nil {
      table.setBytes(pack.synced, of: pack.number)
    }
    full.removeAll()
    guard let pack = current, pack.end > pack.synced else { return }
    do {
      try pack.handle.truncate(to: pack.synced)
      advance(to: pack.synced)
    } catch {
      table.deactivate(pack.number)
      current = nil
    }
  }

  // MARK: Frames

  /// Octets of a large message that are carried from its spool into the pack at a time.
  private static let spooledPiece = 256 << 10

  /// Frames that go out with one call.
  private struct Batch {
    /// Frames gathered before they are written: memory for one call stays bounded.
    static let maximumPieces = 256
    static let maximumBytes: Int64 = 8 << 20
    var headers = ByteBuffer()
    /// Where each header lies in `headers`, and what follows it.
    var pieces: [(header: Range<Int>, payload: ByteBuffer)] = []
    var bytes: Int64 = 0
    var isFull: Bool { pieces.count >= Self.maximumPieces / 2 || bytes >= Self.maximumBytes }
  }

  mutating func append(_ frames: [(blob: EncodedBlob, owners: [FrameOwner])]) throws(BlobError) -> [BlobLocation] {
    try table.checkWritable("append")
    var locations: [BlobLocation] = []
    locations.reserveCapacity(frames.count)
    let mark = current
    var batch = Batch()
    batch.headers.reserveCapacity(frames.count * 256)
    do throws(BlobError) {
      for frame in frames { locations.append(try add(frame.blob, frame.owners, &batch)) }
      try flush(&batch)
      // The rows are written meanwhile.
      if let pack = current { pack.handle.startWriting(at: pack.synced, count: pack.end - pack.synced) }
    } catch {
      giveUp(backTo: mark)
      throw error
    }
    return locations
  }

  private mutating func add(
    _ blob: EncodedBlob, _ owners: [FrameOwner], _ batch: inout Batch
  ) throws(BlobError) -> BlobLocation {
    var header = try Self.header(of: blob, owners, table.directory)
    if batch.bytes > 0, let pack = current, pack.end + batch.bytes + header.frameLength > maxPackBytes {
      try flush(&batch)
    }
    let pack = try room(for: batch.bytes + header.frameLength)
    header.pack = pack.number
    header.offset = pack.end + batch.bytes
    let start = batch.headers.writerIndex
    header.write(chunks: blob.chunks, owners: owners, to: &batch.headers)
    batch.bytes += Int64(header.headerLength)
    switch blob.payload {
    case .memory(let payload):
      batch.pieces.append((start..<batch.headers.writerIndex, payload))
      batch.bytes += Int64(payload.readableBytes)
      if batch.isFull { try flush(&batch) }
    case .spool(let spool):
      batch.pieces.append((start..<batch.headers.writerIndex, ByteBuffer()))
      try flush(&batch, followedBy: spool)
    }
    return header.location
  }

  private static func header(
    of blob: EncodedBlob, _ owners: [FrameOwner], _ directory: String
  ) throws(BlobError) -> FrameHeader {
    let header = FrameHeader(
      codec: blob.codec, rawSize: blob.rawSize, storedSize: blob.storedSize, chunkSize: EncodedBlob.chunkSize,
      chunkCount: blob.chunks.count, owners: owners)
    guard let header else { throw .io(operation: "frame with too long a header", path: directory, errno: 0) }
    return header
  }

  /// Writes what was gathered, and the bytes of `spool` behind it. `end` moves only when all of it was written.
  private mutating func flush(_ batch: inout Batch, followedBy spool: Spool? = nil) throws(BlobError) {
    guard let pack = current, batch.bytes > 0 else { return }
    var buffers: [ByteBuffer] = []
    buffers.reserveCapacity(batch.pieces.count * 2)
    for piece in batch.pieces {
      if let header = batch.headers.getSlice(at: piece.header.lowerBound, length: piece.header.count) {
        buffers.append(header)
      }
      if piece.payload.readableBytes > 0 { buffers.append(piece.payload) }
    }
    try pack.handle.pwritev(buffers, at: pack.end)
    var end = pack.end + batch.bytes
    if let spool {
      try spool.forEachPiece(Self.spooledPiece) { piece throws(BlobError) in
        try pack.handle.pwrite(piece, at: end)
        end += Int64(piece.count)
      }
    }
    advance(to: end)
    buffers.removeAll()
    batch.pieces.removeAll(keepingCapacity: true)
    batch.headers.clear()
    batch.bytes = 0
  }

  // MARK: Compaction

  /// Copies a frame, every chunk verified on the way. `owners`: nil keeps those it has.
  mutating func copy(
    _ location: BlobLocation, from source: any FileHandle, owners: [FrameOwner]?
  ) throws(BlobError) -> BlobLocation {
    try table.checkWritable("copy")
    var scratch = BlobScratch()
    let reader = FrameReader(handle: source)
    let old = try reader.header(at: location, &scratch)
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
        guard decompressor.decode(source, entry, into: raw.prefix(old.rawLength(ofChunk: index))) else {
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
