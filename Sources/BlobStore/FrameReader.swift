import NIOCore

/// Memory for reading messages, used again for each: keep one per thread or per visit.
public struct BlobScratch: ~Copyable {
  var window = RawBuffer()
  var header = RawBuffer()
  var message = RawBuffer()
  var decompressor = Decompressor()
  public internal(set) var count = 0
  var ahead = ReadAhead()

  public init() {}

  /// Messages are going to be read that lie behind each other: what is read of a pack beyond one is used for the next.
  /// Between `beginRun` and `endRun` only frames may be read that were durable at its beginning: others may still be taken
  /// back and written over.
  public mutating func beginRun() { ahead = ReadAhead(isOn: true) }
  public mutating func endRun() { ahead = ReadAhead() }

  /// The message read last.
  public var bytes: RawSpan {
    @_lifetime(borrow self)
    borrowing get {
      let span = RawSpan(_unsafeBytes: UnsafeRawBufferPointer(message.bytes).prefix(count))
      return _overrideLifetime(span, borrowing: self)
    }
  }

  /// Calls `body` with the message read last.
  public func withBytes<Result, Failure: Error>(
    _ body: (RawSpan) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    try body(bytes)
  }

  /// Gives memory back after a large message.
  public mutating func trim(to limit: Int = 4 << 20) {
    if message.bytes.count > limit { count = 0 }
    message.trim(to: limit)
    window.trim(to: limit)
    ahead.window = 0..<0
    header.trim(to: limit)
  }
}

/// What of a pack stands in `BlobScratch.window`, and where the next frame is expected.
struct ReadAhead {
  /// Read at once when frames follow each other. What lies behind the last one wanted is read for nothing, so not more.
  static let length = 64 << 10
  /// Dead frames between two are read as well, up to so many octets.
  static let gap: Int64 = 32 << 10

  var isOn = false
  var pack: Int64 = -1
  var window: Range<Int64> = 0..<0
  var next: Int64 = -1

  func holds(_ location: BlobLocation) -> Bool {
    isOn && pack == location.pack && window.lowerBound <= location.offset
      && location.offset + location.frameLength <= window.upperBound
  }

  func expects(_ location: BlobLocation) -> Bool {
    isOn && pack == location.pack && location.offset >= next && location.offset - next <= Self.gap
  }
}

/// Reads frames of one file. Every error names file and offset.
struct FrameReader {
  /// Frames up to this are read with one call, larger ones in pieces of at least this.
  static let windowLength = 1 << 20

  let handle: any FileHandle
  let dictionaries: DictionaryShelf

  /// What the bytes of a frame are compressed with; nil: nothing. Throws where it is nowhere.
  func dictionary(of header: FrameHeader) throws(BlobError) -> PackDictionary? {
    header.usesDictionary ? try dictionaries.find(header.dictionaryID, in: handle, of: header.pack) : nil
  }

  /// The owners in a header whose bytes are in `scratch.header`; nil if they don't fit their block, or the dictionary that
  /// they are compressed with is nowhere.
  func owners(of header: FrameHeader, _ scratch: inout BlobScratch) throws(BlobError) -> [FrameOwner]? {
    var dictionary: PackDictionary?
    if header.hasPackedOwners {
      do throws(BlobError) {
        dictionary = try dictionaries.find(header.dictionaryID, in: handle, of: header.pack)
      } catch {
        guard case .corrupt = error else { throw error }
        return nil
      }
    }
    let bytes = UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(scratch.header.bytes)[..<header.headerLength])
    return header.owners(in: bytes, dictionary, &scratch.decompressor)
  }

  func corrupt(_ offset: Int64, _ what: String) -> BlobError { .corrupt(what: "\(handle.path) at \(offset): \(what)") }

  private func check(_ location: BlobLocation) throws(BlobError) {
    guard location.offset >= 0, location.frameLength >= FrameHeader.shortestFrame,
      !location.offset.addingReportingOverflow(location.frameLength).overflow
    else { throw corrupt(location.offset, "no frame can lie here") }
  }

  /// The header at `location`, checked against it; its bytes are in `scratch.header`.
  func header(at location: BlobLocation, _ scratch: inout BlobScratch) throws(BlobError) -> FrameHeader {
    try check(location)
    let offset = location.offset
    let end = offset + location.frameLength
    guard let header = try header(at: offset, end: end, pack: location.pack, first: 4 << 10, &scratch) else {
      throw corrupt(offset, "the frame's header is damaged")
    }
    guard header.frameLength == location.frameLength, header.rawSize == location.rawSize else {
      throw corrupt(offset, "the frame has other lengths than its row")
    }
    guard !header.isDictionary else { throw corrupt(offset, "a dictionary stands where a message should") }
    return header
  }

  /// The header at `offset` in front of `end`, or nil if there is no whole one of `pack`. `first`: bytes to read at
  /// once; longer headers take a second call.
  func header(
    at offset: Int64, end: Int64, pack: Int64, first: Int, _ scratch: inout BlobScratch
  ) throws(BlobError) -> FrameHeader? {
    guard end - offset >= FrameHeader.shortestFrame else { return nil }
    let guess = Int(min(Int64(first), end - offset))
    var bytes = scratch.header.prefix(guess)
    guard try handle.pread(into: bytes, at: offset) == guess,
      let header = FrameHeader(fixed: UnsafeRawBufferPointer(bytes), pack: pack, offset: offset),
      header.frameLength <= end - offset
    else { return nil }
    if header.headerLength > guess {
      bytes = scratch.header.prefix(header.headerLength)
      guard try handle.pread(into: bytes, at: offset) == header.headerLength else { return nil }
    }
    let whole = UnsafeRawBufferPointer(rebasing: bytes[..<header.headerLength])
    return header.isWhole(whole) ? header : nil
  }

  /// The whole message into `scratch.message`.
  func message(at location: BlobLocation, _ scratch: inout BlobScratch) throws(BlobError) {
    scratch.count = 0
    try check(location)
    guard location.frameLength <= Self.windowLength else { return try largeMessage(at: location, &scratch) }
    let (header, frame) = try frame(at: location, &scratch)
    let target = scratch.message.prefix(Int(header.rawSize))
    try decode(header, frame, into: target, &scratch.decompressor)
    scratch.count = Int(header.rawSize)
  }

  /// The whole message behind what is in `buffer`, which is left as it was if this throws.
  func append(at location: BlobLocation, to buffer: inout ByteBuffer, _ scratch: inout BlobScratch) throws(BlobError) {
    try check(location)
    guard location.frameLength <= Self.windowLength else {
      try largeMessage(at: location, &scratch)
      scratch.withBytes { message in message.withUnsafeBytes { _ = buffer.writeBytes($0) } }
      return
    }
    let (header, frame) = try frame(at: location, &scratch)
    let size = Int(header.rawSize)
    var failure: BlobError?
    buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: size) { free in
      let target = UnsafeMutableRawBufferPointer(rebasing: free[..<size])
      do throws(BlobError) {
        try decode(header, frame, into: target, &scratch.decompressor)
        return size
      } catch {
        failure = error
        return 0
      }
    }
    if let failure { throw failure }
  }

  /// A frame of at most `windowLength` in `scratch.window`, its header checked against `location`.
  private func frame(
    at location: BlobLocation, _ scratch: inout BlobScratch
  ) throws(BlobError) -> (FrameHeader, UnsafeRawBufferPointer) {
    let length = Int(location.frameLength)
    if !scratch.ahead.holds(location) {
      let wanted = scratch.ahead.expects(location) ? max(length, ReadAhead.length) : length
      let window = scratch.window.prefix(wanted)
      scratch.ahead.window = 0..<0
      var got: Int
      do throws(BlobError) { got = try handle.pread(into: window, at: location.offset) } catch {
        guard wanted > length else { throw error }
        // What cannot be read may lie behind the frame.
        got = try handle.pread(into: UnsafeMutableRawBufferPointer(rebasing: window[..<length]), at: location.offset)
      }
      guard got >= length else { throw corrupt(location.offset, "the file ends inside the frame") }
      scratch.ahead.pack = location.pack
      scratch.ahead.window = location.offset..<location.offset + Int64(got)
    }
    scratch.ahead.next = location.offset + location.frameLength
    let start = Int(location.offset - scratch.ahead.window.lowerBound)
    let frame = UnsafeRawBufferPointer(rebasing: scratch.window.bytes[start..<start + length])
    guard let header = FrameHeader(fixed: frame, pack: location.pack, offset: location.offset),
      header.frameLength == location.frameLength, header.rawSize == location.rawSize,
      header.isWhole(UnsafeRawBufferPointer(rebasing: frame[..<header.headerLength])), !header.isDictionary
    else { throw corrupt(location.offset, "the frame's header is damaged or another's") }
    return (header, frame)
  }

  private func decode(
    _ header: FrameHeader, _ frame: UnsafeRawBufferPointer, into target: UnsafeMutableRawBufferPointer,
    _ decompressor: inout Decompressor
  ) throws(BlobError) {
    let dictionary = try dictionary(of: header)
    var at = header.headerLength
    for index in 0..<header.chunkCount {
      let entry = header.chunk(index, in: frame)
      let source = UnsafeRawBufferPointer(rebasing: frame[at..<at + entry.storedLength])
      let start = index * header.chunkSize
      let piece = UnsafeMutableRawBufferPointer(rebasing: target[start..<start + header.rawLength(ofChunk: index)])
      guard decompressor.decode(source, entry, into: piece, dictionary) else {
        throw corrupt(header.offset, "chunk \(index) is damaged")
      }
      at += entry.storedLength
    }
  }

  private func largeMessage(at location: BlobLocation, _ scratch: inout BlobScratch) throws(BlobError) {
    let header = try header(at: location, &scratch)
    let dictionary = try dictionary(of: header)
    var message = RawBuffer()
    swap(&message, &scratch.message)
    defer { swap(&message, &scratch.message) }
    let target = message.prefix(Int(header.rawSize))
    try forEachChunk(header, &scratch) { index, entry, source, decompressor throws(BlobError) in
      let start = index * header.chunkSize
      let piece = UnsafeMutableRawBufferPointer(rebasing: target[start..<start + header.rawLength(ofChunk: index)])
      guard decompressor.decode(source, entry, into: piece, dictionary) else {
        throw corrupt(location.offset, "chunk \(index) is damaged")
      }
    }
    scratch.count = Int(header.rawSize)
  }

  /// Calls `body` with each chunk as it is stored. `scratch.header` must hold the header and is left alone.
  func forEachChunk(
    _ header: FrameHeader, _ scratch: inout BlobScratch,
    _ body: (Int, ChunkEntry, UnsafeRawBufferPointer, inout Decompressor) throws(BlobError) -> Void
  ) throws(BlobError) {
    var left = header.dataLength
    var position = header.offset + Int64(header.headerLength)
    // A chunk is never longer stored than raw, so a window of that size takes at least one.
    let length = Int(min(left, Int64(max(Self.windowLength, header.chunkSize))))
    let window = scratch.window.prefix(length)
    scratch.ahead.window = 0..<0
    var filled = 0
    var used = 0
    for index in 0..<header.chunkCount {
      let entry = header.chunk(index, in: UnsafeRawBufferPointer(scratch.header.bytes))
      if filled - used < entry.storedLength {
        position += Int64(used)
        filled = Int(min(Int64(length), left))
        used = 0
        guard try handle.pread(into: UnsafeMutableRawBufferPointer(rebasing: window[..<filled]), at: position) == filled
        else { throw corrupt(header.offset, "the file ends inside the frame") }
      }
      let source = UnsafeRawBufferPointer(rebasing: window[used..<used + entry.storedLength])
      try body(index, entry, source, &scratch.decompressor)
      used += entry.storedLength
      left -= Int64(entry.storedLength)
    }
  }

  /// The number of the first damaged chunk; nil: the data are those that were written.
  /// `pause` is told of the octets of every chunk.
  func damagedChunk(
    _ header: FrameHeader, _ scratch: inout BlobScratch, pause: (Int) -> Void = { _ in }
  ) throws(BlobError) -> Int? {
    var damaged: Int?
    let dictionary: PackDictionary?
    do throws(BlobError) { dictionary = try self.dictionary(of: header) } catch {
      guard case .corrupt = error else { throw error }
      return 0
    }
    var raw = RawBuffer(capacity: min(header.chunkSize, Int(header.rawSize)))
    try forEachChunk(header, &scratch) { index, entry, source, decompressor throws(BlobError) in
      pause(entry.storedLength)
      guard damaged == nil else { return }
      let target = raw.prefix(header.rawLength(ofChunk: index))
      if !decompressor.decode(source, entry, into: target, dictionary) { damaged = index }
    }
    return damaged
  }
}
