import FuzzKit
import NIOCore

// The input is a byte that says what is put right, and the bytes of a pack. Where the byte says so, each frame gets the
// place it lies at, the length its header must have and the checksum that fits: else nothing behind the checksum would
// ever be reached. Invariants:
// - Any pack can be opened, walked through, and checked, with or without reading the data.
// - Frames and what is none of them make up the file, in order.
// - A frame whose data are whole gives its message, as long as it says, whole and in ranges; a damaged one throws.
// - A frame whose data are whole moves to another pack and is the same there; a damaged one does not move. What is salvaged of
//   either is as long as its message, and of a whole one all of it.
// - A dictionary is never given out as a message.
// - A pack goes on: what is appended to it is read.
@testable import BlobStore

func packFuzz(_ given: ByteBuffer) {
  var bytes = given
  let setup = bytes.takeByte()
  if setup & 1 != 0 { bytes = sealed(bytes) }
  let disk = MemoryFileSystem(["/packs/000000000001.pack": bytes])
  var settings = PackSettings()
  settings.codec = setup & 2 == 0 ? .raw : .zstd
  guard let store = try? PackStore(directory: "/packs", fileSystem: disk, settings: settings) else {
    return must(false, "a pack keeps the store from opening")
  }
  var frames: [FrameInfo] = []
  guard let quick = try? store.scan(1, verify: false, { frames.append($0) }) else {
    return must(false, "a pack cannot be walked through")
  }
  var whole: [FrameInfo] = []
  guard let checked = try? store.scan(1, verify: true, { whole.append($0) }) else {
    return must(false, "a pack cannot be checked")
  }
  must(
    whole.count + checked.damaged.count == frames.count + quick.damaged.count,
    "reading the data changes how many frames there are")
  must(checked.dictionaries == quick.dictionaries, "reading the data changes how many dictionaries there are")
  must(checked.garbage == quick.garbage && checked.tornTail == quick.tornTail, "reading the data changes the rest")
  checkPlaces(frames + quick.damaged.map(\.frame), quick, Int64(bytes.readableBytes))
  _ = store.headBytes(1)
  _ = store.beginsPlain(1)
  let step = try? store.scrub(1, from: 0, bytes: .max) { _ in }
  must(step.map { $0.next == nil && $0.failure == nil } ?? false, "a pack cannot be scrubbed")
  if let trained = store.dictionary?.trained {
    must(PackDictionary.dates.contains(trained), "a date out of all bounds")
  }

  var scratch = BlobScratch()
  for frame in frames where frame.location.rawSize <= 8 << 20 {
    let isWhole = whole.contains(frame)
    let size = try? store.read(frame.location, scratch: &scratch)
    must((size != nil) == isWhole, "the check and reading do not agree about a frame")
    if let size { must(size == Int(frame.location.rawSize), "a message of another length") }
    // There is none where the dictionary is nowhere.
    let reader = try? store.reader(frame.location)
    must(reader != nil || !isWhole, "no reader for a frame")
    var ranged = ByteBuffer()
    while let reader, ranged.readableBytes < reader.size,
      let piece = try? reader.read(ranged.readableBytes..<ranged.readableBytes + 5000), piece.readableBytes > 0
    {
      ranged.writeImmutableBuffer(piece)
    }
    let isRead = reader.map { ranged.readableBytes == $0.size } ?? false
    must(isRead == isWhole, "ranges and the whole do not agree about a frame")
    salvage(store, frame.location, isWhole)
    if frame.location.rawSize <= 1 << 20 { move(store, frame.location, isWhole, ranged) }
  }
  for range in quick.dictionaries { refuse(store, range, &scratch) }
  appendAndRead(store)
}

private func salvage(_ store: PackStore, _ place: BlobLocation, _ isWhole: Bool) {
  var size: Int64 = 0
  var gaps = false
  let all = try? store.salvage(place) { piece in
    switch piece {
    case .bytes(let bytes): size += Int64(bytes.readableBytes)
    case .gap(let octets):
      size += octets
      gaps = true
    }
  }
  must(all == !gaps && size == place.rawSize, "what is salvaged has another length")
  must(!isWhole || !gaps, "of a whole message not all is salvaged")
}

private func move(_ store: PackStore, _ place: BlobLocation, _ isWhole: Bool, _ message: ByteBuffer) {
  let copy = try? store.copyFrame(place)
  must((copy != nil) == isWhole, "reading and moving do not agree about a frame")
  guard let copy else { return }
  var scratch = BlobScratch()
  let size = try? store.read(copy, scratch: &scratch)
  must(size == message.readableBytes, "a message that was moved cannot be read")
  scratch.withBytes { moved in
    moved.withUnsafeBytes { must($0.elementsEqual(message.readableBytesView), "a message that was moved is another") }
  }
}

private func refuse(_ store: PackStore, _ range: Range<Int64>, _ scratch: inout BlobScratch) {
  guard
    let header = try? store.frameReader(1).header(
      at: range.lowerBound, end: range.upperBound, pack: 1, first: 4 << 10, &scratch)
  else { return must(false, "a dictionary that is none") }
  must((try? store.read(header.location, scratch: &scratch)) == nil, "a dictionary was read as a message")
  must((try? store.reader(header.location)) == nil, "a dictionary was opened as a message")
  must((try? store.copyFrame(header.location)) == nil, "a dictionary was moved as a message")
}

private func checkPlaces(_ frames: [FrameInfo], _ result: ScanResult, _ end: Int64) {
  var pieces = frames.map { $0.location.offset..<$0.location.offset + $0.location.frameLength } + result.garbage
  pieces += result.dictionaries
  if let tail = result.tornTail { pieces.append(tail) }
  pieces.sort { $0.lowerBound < $1.lowerBound }
  var place: Int64 = 0
  for piece in pieces {
    must(piece.lowerBound == place, "octets \(place) to \(piece.lowerBound) are nothing")
    place = piece.upperBound
  }
  must(place == end, "the pack has \(end) octets, \(place) were seen")
}

private func appendAndRead(_ store: PackStore) {
  let message = ByteBuffer(string: "Subject: x\r\n\r\nisi\r\n")
  let owner = FrameOwner(
    account: 1, accountName: "budi", mailbox: 1, mailboxName: "INBOX", uid: 1, uidValidity: 1, internalSeconds: 0,
    zoneMinutes: 0)
  var scratch = BlobScratch()
  guard let blob = try? store.encode(message), let place = try? store.append([(blob, [owner])]).first,
    (try? store.sync()) != nil, let size = try? store.read(place, scratch: &scratch)
  else { return must(false, "nothing can be appended behind a pack") }
  must(size == message.readableBytes, "what was appended is read as something else")
}

/// Puts place, length and checksum of each header right, and the pack's magic where a frame would begin. Messages name the
/// dictionary that stands before them.
private func sealed(_ bytes: ByteBuffer) -> ByteBuffer {
  var pack = Array(bytes.readableBytesView)
  pack.withUnsafeMutableBytes { bytes in
    var offset = 0
    var dictionary: PackDictionary?
    while bytes.count - offset >= FrameHeader.shortestFrame {
      let frame = UnsafeMutableRawBufferPointer(rebasing: bytes[offset...])
      (frame[0], frame[1], frame[2], frame[3]) = FrameHeader.magic
      if frame[4] == FrameHeader.smallVersion {
        guard let length = sealSmall(frame, offset, &dictionary) else { return }
        offset += length
        continue
      }
      guard frame.count >= FrameHeader.fixedLength + 4 else { return }
      frame[4] = FrameHeader.version
      frame[5] &= 1
      frame.setLittleEndian(UInt16(0), at: 6)
      frame.setLittleEndian(Int64(1), at: FrameHeader.packField)
      frame.setLittleEndian(Int64(offset), at: FrameHeader.offsetField)
      let chunks = UnsafeRawBufferPointer(frame).littleEndian(36, as: UInt32.self)
      let owners = UnsafeRawBufferPointer(frame).littleEndian(44, as: UInt32.self)
      let length = FrameHeader.fixedLength + 8 * Int(chunks) + Int(owners) + 4
      guard length <= frame.count else { return }
      frame.setLittleEndian(UInt32(length), at: 8)
      let whole = UnsafeRawBufferPointer(frame)
      guard let header = FrameHeader(fixed: whole, pack: 1, offset: Int64(offset)) else { return }
      sealChunks(header, frame)
      header.seal(UnsafeMutableRawBufferPointer(rebasing: frame[..<length]))
      guard header.frameLength <= Int64(frame.count) else { return }
      offset += Int(header.frameLength)
    }
  }
  return ByteBuffer(bytes: pack)
}

/// The same for a small frame; a dictionary gets the number that fits as well. Its length, or nil: it is none.
private func sealSmall(
  _ frame: UnsafeMutableRawBufferPointer, _ offset: Int, _ dictionary: inout PackDictionary?
) -> Int? {
  frame[5] &= SmallFlags.all.rawValue
  let whole = UnsafeRawBufferPointer(frame)
  guard let header = FrameHeader(fixed: whole, pack: 1, offset: Int64(offset)), let small = header.small,
    header.frameLength <= Int64(frame.count)
  else { return nil }
  let data = UnsafeRawBufferPointer(rebasing: whole[header.headerLength..<Int(header.frameLength)])
  if !header.isDictionary, let dictionary { frame.setLittleEndian(dictionary.id, at: 8) }
  if header.rawSize > 0, let raw = raw(header, small, data, dictionary) {
    let sum = raw.withUnsafeReadableBytes { checksum($0) }
    frame.setLittleEndian(small.entry.isRaw ? sum : checksum(data, continuing: sum), at: 20)
    if header.isDictionary {
      frame.setLittleEndian(max(sum, 1), at: 8)
      dictionary = PackDictionary(raw, made: 0) ?? dictionary
    }
  }
  FrameHeader(fixed: whole, pack: 1, offset: Int64(offset))?.seal(
    UnsafeMutableRawBufferPointer(rebasing: frame[..<header.headerLength]))
  return Int(header.frameLength)
}

/// The bytes of a small frame, whatever its checksum says. Nil: zstd makes nothing of them.
private func raw(
  _ header: FrameHeader, _ small: SmallPart, _ data: UnsafeRawBufferPointer, _ dictionary: PackDictionary?
) -> ByteBuffer? {
  if small.entry.isRaw { return ByteBuffer(bytes: data) }
  var decompressor = Decompressor()
  let target = RawBuffer(capacity: Int(header.rawSize))
  let isWhole =
    if header.usesDictionary {
      dictionary.map { decompressor.decompress(data, with: $0, into: target.bytes) } ?? false
    } else {
      decompressor.decompress(data, into: target.bytes)
    }
  return isWhole ? ByteBuffer(bytes: UnsafeRawBufferPointer(target.bytes)) : nil
}

/// Chunks that are stored as they are get the checksum that fits.
private func sealChunks(_ header: FrameHeader, _ frame: UnsafeMutableRawBufferPointer) {
  var at = header.headerLength
  for index in 0..<header.chunkCount {
    let entry = header.chunk(index, in: UnsafeRawBufferPointer(frame))
    guard at + entry.storedLength <= frame.count else { return }
    if entry.isRaw {
      let data = UnsafeRawBufferPointer(rebasing: frame[at..<at + entry.storedLength])
      frame.setLittleEndian(checksum(data), at: FrameHeader.fixedLength + 8 * index + 4)
    }
    at += entry.storedLength
  }
}
