import MailTestKit
import NIOCore
import Testing

@testable import BlobStore

/// Dictionaries that are damaged, cannot be read just now, or stand where they should not.
@Suite struct DictionaryDamageTests {
  let path = "/blobs/000000000002.pack"

  enum Harm: CaseIterable {
    case header, data, zeros
  }

  private func harm(_ kind: Harm, _ range: Range<Int64>, _ bytes: inout [UInt8]) {
    switch kind {
    case .header: bytes[Int(range.lowerBound) + 3] ^= 1
    case .data: bytes[Int(range.upperBound) - 10] ^= 0x40
    case .zeros: for index in range { bytes[Int(index)] = 0 }
    }
  }

  /// Packs: 1 without a dictionary, 2 and 3 with the first, 4 with the second, which is the only one that a store opened anew has
  /// in memory. In pack 2 copies are harmed.
  private func harmed(
    _ copies: [Int], _ kind: Harm = .data, third: Bool = true, large: Bool = false
  ) throws -> (disk: RecordingFileSystem, second: [BlobLocation], third: [BlobLocation]) {
    let disk = RecordingFileSystem()
    let store = try PackStore(directory: "/blobs", fileSystem: disk)
    let plain = try store.addMail(0..<200)
    #expect(store.adopt(try store.train(from: plain)))
    if large { _ = try store.add([noise(300_000)]) }
    let odd = try store.encode(noise(900))
    let second = try store.addMail(0..<20) + store.append([(odd, [mailOwner(21)])])
    store.roll()
    let more = third ? try store.addMail(0..<20) : []
    #expect(store.adopt(try store.train(from: plain, octets: 4 << 10, now: 2000)))
    _ = try store.addMail(0..<3)
    try store.sync()
    #expect(Set(second.map(\.pack)) == [2] && (!third || Set(more.map(\.pack)) == [3]))
    var bytes = try #require(disk.contents(path))
    let places = try store.scanned(2).result.dictionaries
    for copy in copies { harm(kind, places[copy], &bytes) }
    store.close()
    disk.setContents(bytes, of: path)
    return (disk, second, more)
  }

  @Test(arguments: [[0], [1], [0, 1]], Harm.allCases)
  func `Damage is told of behind a large message too, by the reader and the scrubber`(
    copies: [Int], kind: Harm
  ) throws {
    let (disk, second, _) = try harmed(copies, kind, large: true)
    let store = try PackStore(directory: "/blobs", fileSystem: disk)
    #expect(try store.scrub(2, from: 0, bytes: 1 << 30) { _ in }.lacksDictionary)
    #expect(try !store.scrub(3, from: 0, bytes: 1 << 30) { _ in }.lacksDictionary)
    _ = store.takeDamagedHeads()
    let again = try PackStore(directory: "/blobs", fileSystem: disk)
    #expect(try again.bytes(second[4]) == mail(4))
    #expect(again.takeDamagedHeads() == [2] && again.takeDamagedHeads() == [])
  }

  @Test func `A pack whose mail does without is not told of`() throws {
    let (disk, _, _) = try harmed([])
    let store = try PackStore(directory: "/blobs", fileSystem: disk)
    store.roll()
    _ = try store.add([noise(300_000)])
    try store.sync()
    let pack = try #require(store.packs().last?.number)
    var bytes = try #require(disk.contents("/blobs/00000000000\(pack).pack"))
    harm(.data, try store.scanned(pack).result.dictionaries[1], &bytes)
    store.close()
    disk.setContents(bytes, of: "/blobs/00000000000\(pack).pack")
    let again = try PackStore(directory: "/blobs", fileSystem: disk)
    #expect(try !again.scrub(pack, from: 0, bytes: 1 << 30) { _ in }.lacksDictionary)
    // But it is not gone on with.
    #expect(try again.addMail(0..<1)[0].pack > pack)
  }

  @Test func `What one pack has lost another still has, for whoever reads both`() throws {
    let (disk, second, third) = try harmed([0, 1])
    let shelf = DictionaryShelf()
    let lost = PackFile(2, try disk.open(path, .read), shelf)
    let whole = PackFile(3, try disk.open("/blobs/000000000003.pack", .read), shelf)
    var scratch = BlobScratch()
    let error = #expect(throws: BlobError.self) { try lost.read(second[0], scratch: &scratch) }
    #expect(error?.isCorrupt == true)
    #expect(try whole.read(third[0], scratch: &scratch) == mail(0).readableBytes)
    #expect(try lost.read(second[0], scratch: &scratch) == mail(0).readableBytes, "it is known by now")
  }

  @Test func `What cannot be read just now is not called damaged`() throws {
    for number in 0..<12 {
      let (disk, second, _) = try harmed([0], third: false)
      let store = try PackStore(directory: "/blobs", fileSystem: disk)
      disk.failNext(.read, skipping: number, errno: 5)
      for _ in 0..<2 {
        do {
          #expect(try store.bytes(second[3]) == mail(3))
        } catch let error as BlobError {
          guard case .io(_, _, 5) = error else {
            Issue.record("read \(number): \(error)")
            continue
          }
        }
      }
    }
  }

  @Test func `A disk that fails during a scrub does not hide what was found before`() throws {
    var failures = 0
    for number in 0..<12 {
      let (disk, _, _) = try harmed([0])
      let store = try PackStore(directory: "/blobs", fileSystem: disk)
      disk.failNext(.read, skipping: number, errno: 5)
      let step = try store.scrub(2, from: 0, bytes: 1 << 30) { _ in }
      #expect(step.lacksDictionary, "read \(number)")
      guard let failure = step.failure else { continue }
      failures += 1
      #expect(step.next == nil)
      guard case .io(_, _, 5) = failure else {
        Issue.record("read \(number): \(failure)")
        continue
      }
    }
    #expect(failures > 0)
  }

  @Test func `What a pack needs is known though no copy is whole`() throws {
    for kind in Harm.allCases {
      let (disk, _, _) = try harmed([0, 1], kind)
      let store = try PackStore(directory: "/blobs", fileSystem: disk)
      let (lost, whole) = (store.headState(2), store.headState(3))
      #expect(lost?.whole == 0 && whole?.whole == 2 && lost?.id == whole?.id && store.headState(1) == nil)
    }
  }

  @Test func `With no descriptor left nothing is called lost`() throws {
    for skipping in 1...3 {
      let (disk, second, _) = try harmed([0, 1])
      let store = try PackStore(directory: "/blobs", fileSystem: disk)
      // That of pack 2 itself is opened first, and then those of the others.
      disk.failNext(.open, skipping: skipping, errno: 24)
      do {
        #expect(try store.bytes(second[3]) == mail(3))
      } catch let error as BlobError {
        guard case .io(_, _, 24) = error else { throw error }
      }
    }
  }

  @Test func `The packs beside it are looked into first, and let none in use go`() throws {
    let (disk, second, _) = try harmed([0, 1])
    let before = try PackStore(directory: "/blobs", fileSystem: disk)
    for number in 0..<20 {
      before.roll()
      _ = try before.addMail(number..<number + 1)
    }
    try before.sync()
    before.close()
    let store = try PackStore(directory: "/blobs", fileSystem: disk, settings: .init(openPacks: 2))
    let opened = disk.count(.open)
    #expect(try store.bytes(second[3]) == mail(3))
    #expect(disk.count(.open) - opened <= 3)
    let later = disk.count(.open)
    #expect(try store.bytes(second[4]) == mail(4))
    #expect(disk.count(.open) == later)
  }

  @Test func `A dictionary is never given out as a message`() throws {
    let (disk, _, _) = try harmed([])
    let store = try PackStore(directory: "/blobs", fileSystem: disk)
    let range = try store.scanned(2).result.dictionaries[0]
    var scratch = BlobScratch()
    let header = try #require(
      try store.frameReader(2).header(at: 0, end: range.upperBound, pack: 2, first: 4 << 10, &scratch))
    #expect(header.isDictionary)
    let place = header.location
    #expect(throws: BlobError.self) { try store.bytes(place) }
    #expect(throws: BlobError.self) { try store.reader(place) }
    #expect(throws: BlobError.self) { try store.copyFrame(place) }
    var buffer = ByteBuffer()
    #expect(throws: BlobError.self) { try store.append(place, to: &buffer, scratch: &scratch) }
    var pieces: [SalvagedPiece] = []
    let isWhole = try store.salvage(place) { pieces.append($0) }
    #expect(!isWhole && pieces == [.gap(place.rawSize)] && buffer.readableBytes == 0)
  }

  @Test func `A message that does without a lost dictionary is read, and moves`() throws {
    let (disk, second, _) = try harmed([0, 1], third: false)
    let store = try PackStore(directory: "/blobs", fileSystem: disk)
    #expect(throws: BlobError.self) { try store.bytes(second[0]) }
    #expect(throws: BlobError.self) { try store.copyFrame(second[0]) }
    let place = try #require(second.last)
    #expect(try store.bytes(place) == noise(900))
    let found = try store.scanned(2)
    #expect(found.frames.map(\.location) == [place] && found.frames[0].owners.isEmpty, "nobody can read whose it is")
    #expect(found.result.damaged.count == 20 && found.result.lacksDictionary)
    let copy = try store.copyFrame(place)
    #expect(try store.bytes(copy) == noise(900))
    let given = try store.copyFrame(place, owners: [mailOwner(5)])
    #expect(try store.bytes(given) == noise(900))
    let (frames, result) = try store.scanned(copy.pack)
    #expect(result.isClean && frames.map(\.owners) == [[], [mailOwner(5)]])
  }

  @Test func `A header that denies its dictionary, or names another, costs nothing`() throws {
    let (disk, second, _) = try harmed([])
    let store = try PackStore(directory: "/blobs", fileSystem: disk)
    let bytes = try #require(disk.contents(path))
    let place = second[7]
    let start = Int(place.offset)
    for bit in [5 * 8 + 1] + Array(8 * 8..<12 * 8) {
      var flipped = bytes
      flipped[start + bit / 8] ^= 1 << (bit % 8)
      disk.setContents(flipped, of: path)
      #expect(throws: BlobError.self) { try store.bytes(place) }
      var pieces: [SalvagedPiece] = []
      let isWhole = try store.salvage(place) { pieces.append($0) }
      #expect(isWhole && pieces == [.bytes(mail(7))], "bit \(bit)")
    }
    #expect(store.takeDamagedHeads().isEmpty, "it is not the dictionary that is damaged")
  }

  // MARK: Odd ones

  @Test(arguments: [Int64.min, -1, .max])
  func `A date that nobody can reckon with is none`(date: Int64) throws {
    let disk = RecordingFileSystem()
    let store = try PackStore(directory: "/blobs", fileSystem: disk)
    let trained = try store.train(from: store.addMail(0..<200), now: date)
    #expect(store.adopt(trained))
    _ = try store.addMail(0..<2)
    try store.sync()
    let again = try PackStore(directory: "/blobs", fileSystem: disk)
    for date in [store.dictionary?.trained, again.dictionary?.trained] {
      #expect(date.map { PackDictionary.dates.contains($0) } == true)
    }
  }

  /// The format allows for longer ones than are written.
  @Test(arguments: [true, false])
  func `A small frame of more than a chunk moves to any pack`(usesDictionaries: Bool) throws {
    let (disk, _, _) = try harmed([])
    let store = try PackStore(directory: "/blobs", fileSystem: disk)
    let message = text(300_000)
    let sum = message.withUnsafeReadableBytes { checksum($0) }
    let entry = ChunkEntry(storedLength: 300_000, isRaw: true, checksum: sum)
    let blob = EncodedBlob(
      codec: .raw, rawSize: 300_000, storedSize: 300_000, chunks: [entry], payload: .memory(message))
    let place = try store.append([(blob, [mailOwner(1)])])[0]
    try store.sync()
    #expect(try store.bytes(place) == message)
    store.close()
    let again = try PackStore(
      directory: "/blobs", fileSystem: disk, settings: .init(usesDictionaries: usesDictionaries))
    let copy = try again.copyFrame(place)
    #expect(try again.bytes(copy) == message)
    #expect(try again.scanned(copy.pack).frames.map(\.owners) == [[mailOwner(1)]])
  }

  @Test func `What is shorter without the dictionary stays so`() throws {
    let store = try PackStore(
      directory: "/blobs", fileSystem: RecordingFileSystem(), settings: .init(level: 19))
    let plain = try store.addMail(0..<200)
    let long = try (1...20).map { try store.add([text(100_000, seed: $0)])[0] }
    #expect(store.adopt(try store.train(from: plain)))
    for (seed, place) in zip(1..., long) {
      let copy = try store.copyFrame(place)
      #expect(copy.frameLength <= place.frameLength)
      #expect(try store.bytes(copy) == text(100_000, seed: UInt64(seed)))
    }
  }

  // MARK: Full disks

  @Test(arguments: [false, true])
  func `A disk that is full in the middle of a dictionary leaves nothing behind`(copying: Bool) throws {
    let disk = RecordingFileSystem()
    let store = try PackStore(directory: "/blobs", fileSystem: disk)
    let plain = try store.addMail(0..<200)
    let large = try store.add([noise(300_000)])[0]
    #expect(store.adopt(try store.train(from: plain)))
    let head = try store.encode(mail(0)).storedSize + 4000
    for keeping in [0, 1, 30, 500, Int(head)] {
      for skipping in 0...1 {
        store.roll()
        disk.failNext(.write, skipping: skipping, errno: 28, keeping: keeping)
        #expect(throws: BlobError.self) {
          if copying { _ = try store.copyFrame(large) } else { _ = try store.addMail(0..<3) }
        }
        for pack in store.packs() {
          let name = "/blobs/" + PackFile.name(pack.number)
          #expect(disk.contents(name)?.count == Int(pack.bytes), "\(keeping) octets kept")
        }
        let place = copying ? try store.copyFrame(large) : try store.addMail(0..<3)[0]
        #expect(try store.bytes(place) == (copying ? noise(300_000) : mail(0)))
        #expect(try store.scanned(place.pack).result.isClean)
        #expect(store.headBytes(place.pack) > 0)
      }
    }
    try store.sync()
  }

  // MARK: Power cuts

  /// From no dictionary to one, and from that to the next; old packs go as soon as the rows have moved.
  @Test func `What compaction brings under a dictionary is there after a cut at any point`() throws {
    struct Row {
      var number: Int
      var place: BlobLocation
      var from: Int
      var until = Int.max
    }
    let disk = RecordingFileSystem()
    let settings = PackSettings(maxPackBytes: 64 << 10)
    let store = try PackStore(directory: "/blobs", fileSystem: disk, settings: settings)
    let numbers = 0..<60
    let plain = try store.addMail(numbers)
    try store.sync()
    let start = disk.point
    var rows = zip(numbers, plain).map { Row(number: $0, place: $1, from: start) }
    for octets in [2 << 10, 1 << 10] {
      #expect(store.adopt(try store.train(from: plain, octets: octets)))
      let live = rows.indices.filter { rows[$0].until == .max }
      var copies: [Row] = []
      for index in live {
        copies.append(Row(number: rows[index].number, place: try store.copyFrame(rows[index].place), from: 0))
        if index % 25 == 0 { _ = try store.addMail(900..<902) }
      }
      try store.sync(.copied)
      for index in live { rows[index].until = disk.point }
      rows += copies.map { Row(number: $0.number, place: $0.place, from: disk.point) }
      store.forgetUnsynced()
      if octets == 1 << 10 { continue }
      for pack in Set(live.map { rows[$0].place.pack }) where pack != plain[0].pack { try store.remove(pack) }
    }
    store.roll()
    for pack in store.packs() where !rows.contains(where: { $0.until == .max && $0.place.pack == pack.number }) {
      try store.remove(pack.number)
    }
    for point in start...disk.point {
      for way in [RecordingFileSystem.KeepUnsynced.none, .all, .torn(seed: 1), .torn(seed: 2)] {
        let after = disk.crash(at: point, keepUnsynced: way)
        let opened = try PackStore(directory: "/blobs", fileSystem: after, settings: settings)
        let lost = rows.count {
          $0.from <= point && point <= $0.until && (try? opened.bytes($0.place)) != mail($0.number)
        }
        #expect(lost == 0, "at \(point)")
        let next = try opened.addMail(500..<502)
        try opened.sync()
        #expect(try opened.bytes(next[1]) == mail(501) && opened.scanned(next[0].pack).result.isClean)
      }
    }
  }

  // MARK: All at once

  @Test func `Mail is taken in, moved and read while dictionaries change`() async throws {
    let store = try PackStore(
      directory: "/blobs", fileSystem: RecordingFileSystem(), settings: .init(maxPackBytes: 256 << 10))
    let plain = try store.addMail(0..<300)
    try store.sync()
    // More than are kept in memory.
    let trained = try (2...11).map { try store.train(from: plain, octets: $0 << 10) }
    #expect(store.adopt(trained[0]))
    typealias Placed = (number: Int, place: BlobLocation)
    let placed = try await withThrowingTaskGroup(of: [Placed].self) { group in
      for writer in 0..<2 {
        group.addTask {
          var result: [Placed] = []
          for round in 0..<60 {
            let range = writer * 1000 + round * 5..<writer * 1000 + round * 5 + 5
            let places = try store.addMail(range)
            try store.sync(.appended)
            for (number, place) in zip(range, places) {
              guard try store.bytes(place) == mail(number) else { throw BlobError.corrupt(what: "\(place)") }
              result.append((number, place))
            }
          }
          return result
        }
      }
      group.addTask {
        var result: [Placed] = []
        for (number, place) in plain.enumerated() {
          result.append((number, try store.copyFrame(place)))
          if number % 50 == 0 { try store.sync(.copied) }
        }
        return result
      }
      group.addTask {
        for round in 1..<150 {
          _ = store.adopt(trained[round % trained.count])
          await Task.yield()
        }
        return []
      }
      group.addTask {
        for round in 0..<2000 {
          let number = round % 300
          guard try store.bytes(plain[number]) == mail(number) else { throw BlobError.corrupt(what: "\(number)") }
        }
        return []
      }
      var result: [Placed] = []
      for try await part in group { result += part }
      return result
    }
    try store.sync()
    #expect(placed.count == 900)
    for (number, place) in placed { #expect(try store.bytes(place) == mail(number)) }
    for pack in store.packs() { #expect(try store.scanned(pack.number).result.isClean) }
  }
}
