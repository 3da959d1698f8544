import FuzzKit
import NIOCore

// The input is a byte that says what is put right, and the bytes of a pack. Where the byte says so, each frame gets the
// place it lies at, the length its header must have and the checksum that fits: else nothing behind the checksum would
// ever be reached. Invariants:
// - Any pack can be opened, walked through, and checked, with or without reading the data.
// - Frames and what is none of them make up the file, in order.
// - A frame whose data are whole gives its message, as long as it says, whole and in ranges; a damaged one throws.
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

  var scratch = BlobScratch()
  for frame in frames where frame.location.rawSize <= 8 << 20 {
    let isWhole = whole.contains(frame)
    let size = try? store.read(frame.location, scratch: &scratch)
    must((size != nil) == isWhole, "the check and reading do not agree about a frame")
    if let size { must(size == Int(frame.location.rawSize), "a message of another length") }
    guard let reader = try? store.reader(frame.location) else { return must(false, "no reader for a frame") }
    var ranged = ByteBuffer()
    while ranged.readableBytes < reader.size,
      let piece = try? reader.read(ranged.readableBytes..<ranged.readableBytes + 5000), piece.readableBytes > 0
    {
      ranged.writeImmutableBuffer(piece)
    }
    must((ranged.readableBytes == reader.size) == isWhole, "ranges and the whole do not agree about a frame")
  }
  appendAndRead(store)
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

/// Puts place, length and checksum of each header right, and the pack's magic where a frame would begin.
private func sealed(_ bytes: ByteBuffer) -> ByteBuffer {
  var pack = Array(bytes.readableBytesView)
  pack.withUnsafeMutableBytes { bytes in
    var offset = 0
    while bytes.count - offset >= FrameHeader.fixedLength + 4 {
      let frame = UnsafeMutableRawBufferPointer(rebasing: bytes[offset...])
      (frame[0], frame[1], frame[2], frame[3]) = FrameHeader.magic
      if frame[4] == FrameHeader.smallVersion {
        guard let length = sealSmall(frame, offset) else { return }
        offset += length
        continue
      }
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
private func sealSmall(_ frame: UnsafeMutableRawBufferPointer, _ offset: Int) -> Int? {
  frame[5] &= SmallFlags.all.rawValue
  let whole = UnsafeRawBufferPointer(frame)
  guard let header = FrameHeader(fixed: whole, pack: 1, offset: Int64(offset)), let small = header.small,
    header.frameLength <= Int64(frame.count)
  else { return nil }
  let data = UnsafeRawBufferPointer(rebasing: whole[header.headerLength..<Int(header.frameLength)])
  if small.entry.isRaw {
    frame.setLittleEndian(checksum(data), at: 20)
    if header.isDictionary, header.rawSize > 0 { frame.setLittleEndian(max(checksum(data), 1), at: 8) }
  }
  FrameHeader(fixed: whole, pack: 1, offset: Int64(offset))?.seal(
    UnsafeMutableRawBufferPointer(rebasing: frame[..<header.headerLength]))
  return Int(header.frameLength)
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
