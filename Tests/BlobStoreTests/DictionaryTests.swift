import MailTestKit
import NIOCore
import Testing

@testable import BlobStore

/// Mail of a kind: what a dictionary is good for.
func mail(_ number: Int) -> ByteBuffer {
  var random = SeededRandom(seed: UInt64(number) + 77)
  var text = """
    From: Siti Rahayu <siti.rahayu@contoh.example>\r
    To: "Budi Santoso" <budi@merpati.example>\r
    Subject: Laporan mingguan nomor \(number)\r
    Message-ID: <\(random.next())@contoh.example>\r
    MIME-Version: 1.0\r
    Content-Type: text/plain; charset=utf-8\r
    Content-Transfer-Encoding: quoted-printable\r
    \r
    Selamat pagi,\r
    \r

    """
  for _ in 0..<6 { text += "nilai \(random.next() % 100_000) dari gudang \(random.next() % 40)\r\n" }
  return ByteBuffer(string: text + "\r\nSalam hangat,\r\nSiti\r\n")
}

func mailOwner(_ uid: Int) -> FrameOwner {
  let trace =
    "Return-Path: <siti@contoh.example>\r\nDelivered-To: budi@merpati.example\r\n"
    + "Received: from mx.contoh.example ([192.0.2.\(uid % 250)])\r\n\tby merpati.example with LMTP id \(uid &* 7919);\r\n"
  return FrameOwner(
    account: 3, accountName: "budi", mailbox: 1, mailboxName: "INBOX", uid: UInt32(uid), uidValidity: 1_700_000_000,
    internalSeconds: 1_750_000_000 + Int64(uid), zoneMinutes: 420, trace: ByteBuffer(string: trace))
}

extension PackStore {
  func addMail(_ numbers: Range<Int>) throws -> [BlobLocation] {
    var frames: [(blob: EncodedBlob, owners: [FrameOwner])] = []
    for number in numbers { frames.append((try encode(mail(number)), [mailOwner(number + 1)])) }
    return try append(frames)
  }

  /// Trains from these messages.
  func train(from places: [BlobLocation], octets: Int? = nil, now: Int64 = 1000) throws -> TrainedDictionary {
    let octets = octets ?? min(8 << 10, wantedDictionary)
    var samples = DictionarySamples(capacity: 1 << 20)
    for place in places { guard try addSample(place, to: &samples) else { break } }
    let trained = samples.train(octets: octets, level: settings.level, now: now)
    return try #require(trained)
  }
}

/// A dictionary is written to the beginning of packs, twice; messages and their owners are compressed with it.
@Suite struct DictionaryTests {
  /// A store whose second pack begins with a dictionary that was trained from the first.
  func made(
    _ disk: any FileSystem = RecordingFileSystem(), _ settings: PackSettings = PackSettings(), count: Int = 200
  ) throws -> (store: PackStore, plain: [BlobLocation], packed: [BlobLocation]) {
    let store = try PackStore(directory: "/blobs", fileSystem: disk, settings: settings)
    let plain = try store.addMail(0..<count)
    try store.sync()
    #expect(store.dictionary == nil)
    let isNew = store.adopt(try store.train(from: plain))
    #expect(isNew)
    let packed = try store.addMail(0..<count)
    try store.sync()
    return (store, plain, packed)
  }

  @Test func `Messages and owners come back, and take less`() throws {
    let disk = RecordingFileSystem()
    let (store, plain, packed) = try made(disk)
    #expect(Set(plain.map(\.pack)) == [1] && Set(packed.map(\.pack)) == [2])
    for number in 0..<200 {
      #expect(try store.bytes(packed[number]) == mail(number))
      let reader = try store.reader(packed[number])
      #expect(try reader.read(10..<50) == mail(number).getSlice(at: 10, length: 40))
      var buffer = ByteBuffer(string: "x")
      var scratch = BlobScratch()
      try store.append(packed[number], to: &buffer, scratch: &scratch)
      #expect(buffer.readableBytes == mail(number).readableBytes + 1)
    }
    let one = plain.reduce(0) { $0 + $1.frameLength }
    let two = packed.reduce(0) { $0 + $1.frameLength }
    #expect(two * 2 < one, "\(two) of \(one)")
    let (frames, result) = try store.scanned(2)
    #expect(frames.map(\.owners) == (0..<200).map { [mailOwner($0 + 1)] })
    #expect(result.isClean && result.needsDictionary && result.dictionaryCopies == 2)
    #expect(store.headBytes(2) == result.dictionaries.last?.upperBound && store.headBytes(1) == 0)
  }

  @Test func `The next process goes on with it, in the same pack and in new ones`() throws {
    let disk = RecordingFileSystem()
    let (store, _, packed) = try made(disk)
    let known = store.dictionary
    store.close()
    let again = try PackStore(directory: "/blobs", fileSystem: disk)
    #expect(again.dictionary == known && known?.trained == 1000)
    let more = try again.addMail(0..<5)
    #expect(Set(more.map(\.pack)) == [2])
    again.roll()
    let third = try again.addMail(5..<10)
    #expect(Set(third.map(\.pack)) == [3])
    try again.sync()
    let last = try PackStore(directory: "/blobs", fileSystem: disk)
    for (number, place) in zip(0..<10, more + third) { #expect(try last.bytes(place) == mail(number)) }
    #expect(try last.bytes(packed[7]) == mail(7))
    for pack in last.packs() { #expect(try last.scanned(pack.number).result.isClean) }
  }

  @Test func `Without them packs are what they were, and old ones with them are read`() throws {
    let disk = RecordingFileSystem()
    let (store, _, packed) = try made(disk)
    store.close()
    let plain = try PackStore(directory: "/blobs", fileSystem: disk, settings: .init(usesDictionaries: false))
    #expect(plain.dictionary == nil && plain.wantedDictionary == 0)
    let more = try plain.addMail(0..<3)
    #expect(Set(more.map(\.pack)) == [3])
    #expect(try plain.scanned(3).frames.allSatisfy { $0.dictionaryID == 0 })
    #expect(try plain.bytes(packed[3]) == mail(3))
    // Compaction carries them over as well.
    let copy = try plain.copyFrame(packed[3])
    #expect(try plain.bytes(copy) == mail(3))
    let (frames, result) = try plain.scanned(copy.pack)
    #expect(!result.needsDictionary && result.isClean && frames.map(\.owners) == [[mailOwner(4)]])
  }

  @Test func `Any size and any owners go into a pack with a dictionary`() throws {
    let (store, _, _) = try made()
    var frames: [(blob: EncodedBlob, owners: [FrameOwner])] = []
    var messages: [ByteBuffer] = []
    let long = String(repeating: "é", count: 40_000)
    var odd = mailOwner(1)
    odd.accountName = long
    odd.internalSeconds = -5
    odd.zoneMinutes = -720
    odd.account = .max
    let crowd = (1...700).map { mailOwner($0) }
    for message in [ByteBuffer(), ByteBuffer(string: "x"), noise(900), text(131_072), text(131_073), noise(500_000)] {
      for owners in [[], [mailOwner(1)], [odd, mailOwner(2)], crowd] {
        messages.append(message)
        frames.append((try store.encode(message), owners))
      }
    }
    let places = try store.append(frames)
    try store.sync()
    for (message, place) in zip(messages, places) {
      #expect(try store.bytes(place) == message)
      let reader = try store.reader(place)
      #expect(try reader.read(0..<reader.size) == message)
    }
    let found = try store.scanned(2).frames.suffix(frames.count)
    for (frame, given) in zip(found, frames) {
      #expect(frame.owners.count == given.owners.count)
      if given.owners.count != 2 { #expect(frame.owners == given.owners) }
    }
    #expect(found[found.startIndex + 2].owners[0].accountName.utf8.count <= 65_538)
    // And out of it, with other owners too.
    for (message, place) in zip(messages, places) {
      let copy = try store.copyFrame(place, owners: [mailOwner(9)])
      #expect(try store.bytes(copy) == message)
    }
  }

  @Test func `Owners are what was written, whatever they are`() throws {
    var random = SeededRandom(seed: 5)
    for _ in 0..<500 {
      var owners: [FrameOwner] = []
      for _ in 0..<Int.random(in: 0...4, using: &random) {
        owners.append(
          FrameOwner(
            account: Int64(truncatingIfNeeded: random.next()) >> Int64(random.next() % 64),
            accountName: String(repeating: "a", count: Int(random.next() % 300)),
            mailbox: Int64(truncatingIfNeeded: random.next()) >> Int64(random.next() % 64),
            mailboxName: "Größe\(random.next() % 9)", uid: UInt32(truncatingIfNeeded: random.next()),
            uidValidity: UInt32(truncatingIfNeeded: random.next()),
            internalSeconds: Int64(truncatingIfNeeded: random.next()) >> Int64(random.next() % 64),
            zoneMinutes: Int16(truncatingIfNeeded: random.next()), trace: noise(Int(random.next() % 200))))
      }
      var bytes = ByteBuffer()
      OwnersCoding.write(owners, to: &bytes)
      #expect(bytes.withUnsafeReadableBytes { OwnersCoding.read($0, count: owners.count) } == owners)
      let least = OwnersCoding.leastLength(owners)
      #expect((least...least + 60 * owners.count).contains(bytes.readableBytes))
      #expect(bytes.withUnsafeReadableBytes { OwnersCoding.read($0, count: owners.count + 1) } == nil)
      if bytes.readableBytes > 0 {
        bytes.moveWriterIndex(to: bytes.writerIndex - 1)
        #expect(bytes.withUnsafeReadableBytes { OwnersCoding.read($0, count: owners.count) } == nil)
      }
    }
  }

  @Test func `No flipped bit of a small frame is ever served`() throws {
    let disk = RecordingFileSystem()
    let (store, _, packed) = try made(disk)
    let path = "/blobs/000000000002.pack"
    let bytes = try #require(disk.contents(path))
    let damaged = packed[100]
    for bit in Int(damaged.offset) * 8..<Int(damaged.offset + damaged.frameLength) * 8 {
      var flipped = bytes
      flipped[bit / 8] ^= 1 << (bit % 8)
      disk.setContents(flipped, of: path)
      #expect(#expect(throws: BlobError.self) { try store.bytes(damaged) }?.isCorrupt == true)
      #expect(throws: BlobError.self) { try store.reader(damaged).read(0..<400) }
      guard bit % 13 == 0 else { continue }
      #expect(throws: BlobError.self) { try store.copyFrame(damaged) }
      let scan = try store.scanned(2)
      #expect(scan.frames.map(\.location) == packed.filter { $0 != damaged })
      #expect(scan.result.damaged.count + scan.result.garbage.count == 1)
    }
  }

  @Test func `A frame that lies elsewhere than it was written is none`() throws {
    let disk = RecordingFileSystem()
    let (store, _, packed) = try made(disk)
    let path = "/blobs/000000000002.pack"
    var bytes = try #require(disk.contents(path))
    let (one, two) = (packed[10], packed[11])
    let swapped = Array(bytes[Int(two.offset)..<Int(two.offset + two.frameLength)])
    bytes.replaceSubrange(Int(one.offset)..<Int(one.offset) + swapped.count, with: swapped)
    disk.setContents(bytes, of: path)
    let place = BlobLocation(pack: 2, offset: one.offset, frameLength: two.frameLength, rawSize: two.rawSize)
    #expect(throws: BlobError.self) { try store.bytes(place) }
  }

  // MARK: Damage of the dictionary

  /// What is done to which copies: 0, 1 or both.
  @Test(arguments: [[0], [1], [0, 1]], [0, 1, 2])
  func `One whole copy is enough, and another pack's does as well`(copies: [Int], kind: Int) throws {
    let disk = RecordingFileSystem()
    let (store, _, packed) = try made(disk)
    let path = "/blobs/000000000002.pack"
    let head = try store.scanned(2).result.dictionaries
    store.roll()
    let elsewhere = try store.addMail(0..<3)
    try store.sync()
    store.close()
    var bytes = try #require(disk.contents(path))
    for copy in copies {
      let range = Int(head[copy].lowerBound)..<Int(head[copy].upperBound)
      switch kind {
      case 0: bytes[range.lowerBound + 3] ^= 1
      case 1: bytes[range.upperBound - 10] ^= 0x40
      default: for index in range { bytes[index] = 0 }
      }
    }
    disk.setContents(bytes, of: path)
    let opened = try PackStore(directory: "/blobs", fileSystem: disk)
    #expect(try opened.bytes(packed[50]) == mail(50), "the third pack has it as well")
    let (frames, result) = try opened.scanned(2)
    #expect(frames.count == 200 && result.lacksDictionary && !result.isClean)
    #expect(try opened.scrub(2, from: 0, bytes: 1 << 30) { _ in }.lacksDictionary)
    #expect(try !opened.scrub(3, from: 0, bytes: 1 << 30) { _ in }.lacksDictionary)
    opened.close()

    // With that pack gone as well.
    disk.setContents([], of: "/blobs/000000000003.pack")
    let alone = try PackStore(directory: "/blobs", fileSystem: disk)
    if copies.count == 1 {
      for number in 0..<200 { #expect(try alone.bytes(packed[number]) == mail(number)) }
      let copy = try alone.copyFrame(packed[9])
      #expect(try alone.bytes(copy) == mail(9))
      #expect(try alone.scanned(copy.pack).result.isClean)
    } else {
      let error = #expect(throws: BlobError.self) { try alone.bytes(packed[50]) }
      #expect(error?.isCorrupt == true)
      #expect(throws: BlobError.self) { try alone.reader(packed[50]) }
      #expect(throws: BlobError.self) { try alone.copyFrame(packed[50]) }
      let (frames, result) = try alone.scanned(2)
      #expect(frames.isEmpty && result.damaged.count == 200 && result.lacksDictionary)
      // Life goes on, and where the pack comes back, so does its mail.
      let next = try alone.addMail(0..<2)
      try alone.sync()
      #expect(try alone.bytes(next[1]) == mail(1))
    }
    #expect(throws: BlobError.self) { try alone.bytes(elsewhere[0]) }
  }

  @Test func `Another dictionary in its place is not taken for it`() throws {
    let disk = RecordingFileSystem()
    let (store, plain, packed) = try made(disk)
    #expect(store.adopt(try store.train(from: plain, octets: 4 << 10, now: 2000)))
    let third = try store.addMail(0..<200)
    try store.sync()
    let other = try store.scanned(third[0].pack).result.dictionaries
    store.close()
    var bytes = try #require(disk.contents("/blobs/000000000002.pack"))
    let strange = try #require(disk.contents("/blobs/000000000003.pack"))
    bytes.replaceSubrange(0..<Int(other[1].upperBound), with: strange[..<Int(other[1].upperBound)])
    disk.setContents(bytes, of: "/blobs/000000000002.pack")
    let opened = try PackStore(directory: "/blobs", fileSystem: disk)
    #expect(throws: BlobError.self) { try opened.bytes(packed[150]) }
    #expect(try opened.bytes(third[150]) == mail(150))
  }

  // MARK: Compaction

  @Test func `Compaction brings mail under the dictionary of today`() throws {
    let (store, plain, packed) = try made()
    store.roll()
    let copies = try plain.map { try store.copyFrame($0) }
    try store.sync(.copied)
    #expect(copies.reduce(0) { $0 + $1.frameLength } < plain.reduce(0) { $0 + $1.frameLength } / 2)
    #expect(store.adopt(try store.train(from: plain, octets: 4 << 10, now: 2000)))
    let moved = try packed.map { try store.copyFrame($0) }
    try store.sync(.copied)
    #expect(Set(moved.map(\.pack)).isDisjoint(with: copies.map(\.pack)))
    for pack in Set((plain + packed).map(\.pack)) { try store.remove(pack) }
    for number in 0..<200 {
      #expect(try store.bytes(copies[number]) == mail(number))
      #expect(try store.bytes(moved[number]) == mail(number))
    }
    let (frames, result) = try store.scanned(moved[0].pack)
    #expect(result.isClean && frames.map(\.owners) == (0..<200).map { [mailOwner($0 + 1)] })
    // Within one dictionary nothing is compressed anew.
    store.roll()
    let again = try moved.prefix(20).map { try store.copyFrame($0) }
    #expect(zip(again, moved).allSatisfy { $0.frameLength == $1.frameLength })
  }

  @Test func `What was compressed for another pack is taken in`() throws {
    let (store, plain, _) = try made()
    let waiting = try (0..<50).map { try store.encode(mail($0)) }
    #expect(store.adopt(try store.train(from: plain, octets: 4 << 10, now: 2000)))
    let places = try store.append(waiting.map { ($0, [mailOwner(1)]) })
    try store.sync()
    for (number, place) in places.enumerated() { #expect(try store.bytes(place) == mail(number)) }
    #expect(Set(places.map(\.pack)) == [3])
    #expect(try store.scanned(3).result.isClean)
  }

  @Test func `Small packs have small dictionaries, and a batch over several packs has one in each`() throws {
    let settings = PackSettings(maxPackBytes: 64 << 10)
    let store = try PackStore(directory: "/blobs", fileSystem: RecordingFileSystem(), settings: settings)
    #expect(store.wantedDictionary == 2 << 10 && store.wantedSamples == 32 << 10)
    let plain = try store.addMail(0..<200)
    try store.sync()
    #expect(store.adopt(try store.train(from: plain, octets: store.wantedDictionary)))
    let places = try store.addMail(0..<1000)
    try store.sync()
    #expect(Set(places.map(\.pack)).count > 2)
    for (number, place) in places.enumerated() where number % 7 == 0 { #expect(try store.bytes(place) == mail(number)) }
    for pack in store.packs() {
      #expect(pack.bytes <= 64 << 10)
      let result = try store.scanned(pack.number).result
      #expect(result.isClean)
    }
  }

  @Test func `A transaction taken back leaves a pack that begins anew`() throws {
    let disk = RecordingFileSystem()
    let (store, _, _) = try made(disk)
    store.roll()
    _ = try store.addMail(0..<3)
    store.forgetUnsynced()
    let places = try store.addMail(10..<13)
    try store.sync()
    #expect(places.map(\.pack) == [3, 3, 3])
    #expect(try store.scanned(3).result.isClean)
    let after = try PackStore(directory: "/blobs", fileSystem: disk.crash(keepUnsynced: .none))
    for (number, place) in zip(10..<13, places) { #expect(try after.bytes(place) == mail(number)) }
  }

  @Test func `What was acknowledged is there after a cut at any point`() throws {
    let disk = RecordingFileSystem()
    let settings = PackSettings(maxPackBytes: 64 << 10)
    let (store, plain, packed) = try made(disk, settings)
    let start = disk.point
    var rows = zip(0..<200, packed).map { (number: $0, place: $1, from: start) }
    rows += zip(0..<200, plain).map { (number: $0, place: $1, from: start) }
    store.roll()
    for round in 0..<6 {
      if round == 3 { #expect(store.adopt(try store.train(from: plain, octets: 1 << 10, now: 2000))) }
      let places = try store.addMail(round * 20..<round * 20 + 20)
      if round % 3 == 1 {
        store.forgetUnsynced()
        continue
      }
      try store.sync(.appended)
      rows += zip(round * 20..<round * 20 + 20, places).map { ($0, $1, disk.point) }
      if round == 4 { store.roll() }
    }
    for point in start...disk.point {
      for way in [RecordingFileSystem.KeepUnsynced.none, .all, .torn(seed: 1), .torn(seed: 2)] {
        let after = disk.crash(at: point, keepUnsynced: way)
        let opened = try PackStore(directory: "/blobs", fileSystem: after, settings: settings)
        let lost = rows.count { $0.from <= point && (try? opened.bytes($0.place)) != mail($0.number) }
        #expect(lost == 0, "at \(point)")
        let next = try opened.addMail(500..<502)
        try opened.sync()
        #expect(try opened.bytes(next[1]) == mail(501))
        #expect(try opened.scanned(next[0].pack).result.isClean, "goes on only in a pack that is whole")
      }
    }
  }

  @Test func `Mail that has nothing in common gets no dictionary`() throws {
    let store = try PackStore(directory: "/blobs", fileSystem: RecordingFileSystem())
    let places = try store.add((0..<200).map { noise(3000, seed: UInt64($0)) })
    var samples = DictionarySamples(capacity: 1 << 20)
    for place in places { guard try store.addSample(place, to: &samples) else { break } }
    let none = samples.train(octets: 8 << 10, level: 3, now: 1)
    #expect(none == nil)
    var few = DictionarySamples(capacity: 1 << 20)
    for place in places.prefix(5) { _ = try store.addSample(place, to: &few) }
    let fewer = few.train(octets: 8 << 10, level: 3, now: 1)
    #expect(fewer == nil)
  }
}
