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
    /// What it begins with, and how many octets of it.
    var dictionary: PackDictionary?
    var head: Int64 = 0
  }

  let table: PackTable
  let dictionaries: DictionaryShelf
  let maxPackBytes: Int64
  let encoder: BlobEncoder
  /// What new packs begin with.
  private var dictionary: PackDictionary?
  /// Owners of the frame that is being put together, as they are and as they are stored.
  private var owners = ByteBuffer()
  private var packedOwners = RawBuffer()
  var current: Pack?
  /// Full packs with bytes that are not durable yet.
  private var full: [Pack] = []
  private var needsDirectorySync: Bool

  /// `pack` is written on; nil: the first frame begins a new one.
  init(
    _ table: PackTable, _ dictionaries: DictionaryShelf, _ settings: PackSettings, continuing pack: Pack?,
    needsDirectorySync: Bool
  ) {
    self.table = table
    self.dictionaries = dictionaries
    maxPackBytes = settings.maxPackBytes
    encoder = BlobEncoder(codec: settings.codec, level: settings.level)
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

  /// New packs begin with this; the one under way ends, unless nothing is in it yet.
  mutating func use(_ dictionary: PackDictionary?) {
    self.dictionary = dictionary
    if let pack = current, pack.end > 0, pack.dictionary?.id != dictionary?.id { roll() }
  }

  /// Does the pack under way take no more bytes?
  private func isFull(for length: Int64) -> Bool {
    guard let pack = current else { return true }
    return pack.end > pack.head && pack.end + length > maxPackBytes
  }

  /// The pack that takes `length` more bytes, its dictionary in front of them.
  mutating func room(for length: Int64) throws(BlobError) -> Pack {
    if isFull(for: length) { roll() }
    if current == nil {
      let (number, handle) = try table.create()
      needsDirectorySync = true
      current = Pack(number: number, handle: handle, end: 0, synced: 0)
    }
    if let pack = current, pack.end == 0, let dictionary { try begin(pack, with: dictionary) }
    // It was made above if there was none.
    guard let pack = current else { throw .missing(what: table.directory) }
    return pack
  }

  /// Writes a dictionary to the beginning of a pack that is empty. It is synced with the first message.
  private mutating func begin(_ pack: Pack, with dictionary: PackDictionary) throws(BlobError) {
    let blob = try encoder.encodeWhole(dictionary.bytes)
    var made = ByteBuffer()
    made.writeInteger(dictionary.made, endianness: .little)
    let size = made.readableBytes
    let header = FrameHeader(
      small: blob, dictionaryID: dictionary.id, owners: (0, size, size), .dictionary)
    guard var header, let small = header.small, case .memory(let stored) = blob.payload else {
      throw .io(operation: "frame with too large a dictionary", path: table.directory, errno: 0)
    }
    header.pack = pack.number
    var pieces: [ByteBuffer] = []
    for copy in 0..<PackHead.copies {
      header.offset = Int64(copy) * header.frameLength
      var bytes = ByteBuffer()
      made.withUnsafeReadableBytes { header.write(small: small, owners: $0, to: &bytes) }
      pieces += [bytes, stored]
    }
    try pack.handle.pwritev(pieces, at: 0)
    let head = Int64(PackHead.copies) * header.frameLength
    advance(to: head)
    current?.dictionary = dictionary
    current?.head = head
    table.setHead(head, of: pack.number)
  }

  mutating func advance(to end: Int64) {
    guard let number = current?.number else { return }
    current?.end = end
    table.setBytes(end, of: number)
    guard end == 0 else { return }
    current?.dictionary = nil
    current?.head = 0
    table.setHead(0, of: number)
  }

  /// What frames are compressed with that are written now.
  var effective: PackDictionary? {
    if let pack = current, pack.end > 0 { return pack.dictionary }
    return dictionary
  }

  /// After a failed write: cuts the pack back to where it ended before, or to its last whole frame if it was begun
  /// since. If the file cannot be cut, it is not written to again.
  mutating func giveUp(backTo mark: Pack?) {
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
      if pack.synced == 0 { table.setHead(0, of: pack.number) }
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
  struct Batch {
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

  mutating func add(
    _ blob: EncodedBlob, _ owners: [FrameOwner], _ batch: inout Batch
  ) throws(BlobError) -> BlobLocation {
    var draft = try self.draft(blob, owners)
    if batch.bytes > 0, let pack = current, pack.end + batch.bytes + draft.header.frameLength > maxPackBytes {
      try flush(&batch)
    }
    let before = effective?.id
    let pack = try room(for: batch.bytes + draft.header.frameLength)
    // A new pack with another dictionary. The frame may be longer than was thought, and so the pack a little.
    if pack.dictionary?.id != before { draft = try self.draft(blob, owners) }
    draft.header.pack = pack.number
    draft.header.offset = pack.end + batch.bytes
    let start = batch.headers.writerIndex
    write(draft, owners, to: &batch.headers)
    batch.bytes += Int64(draft.header.headerLength)
    switch draft.blob.payload {
    case .memory(let payload):
      batch.pieces.append((start..<batch.headers.writerIndex, payload))
      batch.bytes += Int64(payload.readableBytes)
      if batch.isFull { try flush(&batch) }
    case .spool(let spool):
      batch.pieces.append((start..<batch.headers.writerIndex, ByteBuffer()))
      try flush(&batch, followedBy: spool)
    }
    return draft.header.location
  }

  /// A frame as it will stand in the pack under way. Of a small one the owners are in `packedOwners` until the next draft.
  private struct Draft {
    var header: FrameHeader
    var blob: EncodedBlob
    /// Octets of the owners as they are stored, and where: as they are, or compressed.
    var ownersStored = 0
    var ownersArePacked = false
  }

  private mutating func draft(_ blob: EncodedBlob, _ owners: [FrameOwner]) throws(BlobError) -> Draft {
    let dictionary = effective
    var blob = blob
    if let other = blob.dictionary, other.id != dictionary?.id { blob = try encodeAnew(blob, with: dictionary) }
    if let dictionary, blob.chunks.count <= 1, let draft = try smallDraft(blob, owners, dictionary) { return draft }
    let header = FrameHeader(
      codec: blob.codec, dictionaryID: blob.dictionary?.id ?? 0, rawSize: blob.rawSize, storedSize: blob.storedSize,
      chunkSize: EncodedBlob.chunkSize, chunkCount: blob.chunks.count, owners: owners)
    guard let header else { throw .io(operation: "frame with too long a header", path: table.directory, errno: 0) }
    return Draft(header: header, blob: blob)
  }

  private mutating func smallDraft(
    _ blob: EncodedBlob, _ owners: [FrameOwner], _ dictionary: PackDictionary
  ) throws(BlobError) -> Draft? {
    // Those of thousands of recipients must not leave their memory with the writer.
    guard OwnersCoding.leastLength(owners) <= Int(UInt16.max) else { return nil }
    self.owners.clear()
    OwnersCoding.write(owners, to: &self.owners)
    let bytes = self.owners
    let raw = bytes.readableBytes
    guard raw <= Int(UInt16.max) else { return nil }
    var packed: Int?
    if raw > 1, let tables = dictionary.tables(level: encoder.dictionaryLevel) {
      let target = packedOwners.prefix(raw - 1)
      packed = try CompressorPool.with { compressor throws(BlobError) in
        bytes.withUnsafeReadableBytes { compressor.compress($0, with: tables, into: target) }
      }
    }
    let stored = packed ?? raw
    let header = FrameHeader(
      small: blob, dictionaryID: dictionary.id, owners: (owners.count, stored, raw))
    return header.map { Draft(header: $0, blob: blob, ownersStored: stored, ownersArePacked: packed != nil) }
  }

  private func write(_ draft: Draft, _ owners: [FrameOwner], to buffer: inout ByteBuffer) {
    guard let small = draft.header.small else {
      return draft.header.write(chunks: draft.blob.chunks, owners: owners, to: &buffer)
    }
    if draft.ownersArePacked {
      let stored = UnsafeRawBufferPointer(rebasing: packedOwners.bytes[..<draft.ownersStored])
      draft.header.write(small: small, owners: stored, to: &buffer)
    } else {
      self.owners.withUnsafeReadableBytes { draft.header.write(small: small, owners: $0, to: &buffer) }
    }
  }

  /// A message that was compressed for a pack which has ended meanwhile.
  private func encodeAnew(_ blob: EncodedBlob, with dictionary: PackDictionary?) throws(BlobError) -> EncodedBlob {
    var stored = ByteBuffer()
    switch blob.payload {
    case .memory(let bytes): stored = bytes
    case .spool(let spool): try spool.forEachPiece(Self.spooledPiece) { stored.writeBytes($0) }
    }
    var raw = ByteBuffer()
    var decompressor = Decompressor()
    for entry in blob.chunks {
      var isWhole = false
      raw.writeWithUnsafeMutableBytes(minimumWritableBytes: Int(blob.rawSize)) { free in
        let target = UnsafeMutableRawBufferPointer(rebasing: free[..<Int(blob.rawSize)])
        isWhole = stored.withUnsafeReadableBytes { decompressor.decode($0, entry, into: target, blob.dictionary) }
        return target.count
      }
      guard isWhole else { throw .corrupt(what: "\(table.directory): a message that was being taken in") }
    }
    return try encoder.encode(raw, with: dictionary)
  }

  /// Writes what was gathered, and the bytes of `spool` behind it. `end` moves only when all of it was written.
  mutating func flush(_ batch: inout Batch, followedBy spool: Spool? = nil) throws(BlobError) {
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
}
