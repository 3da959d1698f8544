import BlobStore
import MailStore
import MailTestKit
import NIOCore
import Testing

@testable import MailStoreSQL

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// Random damage to mail.sqlite: whatever happens to it, every message is there afterwards, byte for byte, and the store
/// is clean. REPAIR_ROUNDS sets how many rounds, REPAIR_SEED where they begin.
@Suite struct RepairFuzzTests {
  private static let rounds = environment("REPAIR_ROUNDS") ?? 20
  /// Of damage to packs, a round of which takes longer.
  private static let packRounds = environment("REPAIR_ROUNDS") ?? 7
  private static let seed = UInt64(environment("REPAIR_SEED") ?? 1)
  private static func environment(_ name: String) -> Int? { getenv(name).flatMap { Int(String(cString: $0)) } }

  private static let settings = BedSettings(packBytes: 64 << 10)

  /// A store that is small and has something in every table, so that trees have several levels. Its first pack has no
  /// dictionary, the others do.
  private func made() async throws -> (bed: StoreBed, expected: [String: Int]) {
    let bed = try StoreBed()
    let store = try bed.openSQL(Self.settings)
    for name in ["ana", "budi", "carl"] {
      let account = try await store.add(name)
      _ = try await store.createMailbox("Work/\(name)", of: account.id, specialUse: nil)
      for part in 0..<3 {
        var messages: [AppendedMessage] = []
        for number in 0..<60 {
          let text = Mail.text(
            "\(name) \(part) \(number)", id: "\(name).\(part).\(number)@example.org",
            body: String(repeating: "x", count: number * 7) + "\r\n")
          messages.append(AppendedMessage(message: try await store.prepare(text), keywords: ["k\(number % 3)"]))
        }
        _ = try await store.append(messages, to: ["INBOX", "Sent", "Work/\(name)"][part], of: account.id)
      }
      try await store.upkeep.run { upkeep throws(StoreError) in try upkeep.trainIfDue() }
      let inbox = try await store.ref("INBOX", of: account)
      _ = try await store.copy(Array(10...30), from: inbox, to: "Archive")
      _ = try await store.move(Array(31...40), from: inbox, to: "Junk")
      _ = try await store.changeFlags(FlagChange(.add, .seen), of: Array(1...20), in: inbox)
    }
    let expected = try await distinct(store)
    #expect(store.packs.dictionary != nil && store.packs.packs().contains { store.packs.headBytes($0.number) > 0 })
    await store.close()
    return (bed, expected)
  }

  /// A closed store's files, to begin each round with.
  private struct Image {
    let bed: StoreBed
    let database: [UInt8]
    let packs: [String: [UInt8]]

    init(_ bed: StoreBed) {
      self.bed = bed
      // With everything in it: rounds leave the WAL out.
      #expect(DiskFile.contents(bed.volume + "-wal").isEmpty)
      database = DiskFile.contents(bed.volume)
      var packs: [String: [UInt8]] = [:]
      for name in Self.names(bed) { packs[name] = DiskFile.contents("\(Self.folder(bed))/\(name)") }
      self.packs = packs
    }

    private static func folder(_ bed: StoreBed) -> String { "\(bed.data)/volumes/1/packs" }
    private static func names(_ bed: StoreBed) -> [String] {
      DiskFile.names(folder(bed)).filter { $0.hasSuffix(".pack") }
    }

    func write(database: [UInt8], packs: [String: [UInt8]]) {
      DiskFile.remove(bed.volume)
      for name in DiskFile.names("\(bed.data)/volumes/1") where name.contains("damaged-") {
        unlink("\(bed.data)/volumes/1/\(name)")
      }
      for name in Self.names(bed) { unlink("\(Self.folder(bed))/\(name)") }
      DiskFile.write(database, to: bed.volume)
      for (name, bytes) in packs { DiskFile.write(bytes, to: "\(Self.folder(bed))/\(name)") }
    }

    /// Where the copies of dictionaries stand.
    func dictionaries() throws -> [String: [Range<Int>]] {
      let store = try PackStore(directory: Self.folder(bed), fileSystem: PosixFileSystem())
      defer { store.close() }
      var result: [String: [Range<Int>]] = [:]
      for pack in store.packs() {
        let found = try store.scan(pack.number, verify: false) { _ in }.dictionaries
        if !found.isEmpty { result[PackFile.name(pack.number)] = found.map { Int($0.lowerBound)..<Int($0.upperBound) } }
      }
      return result
    }
  }

  /// Bodies that an account has, each counted once: a message may come back twice, but not go.
  private func distinct(_ store: SQLStore) async throws -> [String: Int] {
    var result: [String: Int] = [:]
    for (place, bodies) in try await everything(store) {
      let account = place.prefix { $0 != "/" }
      for body in bodies { result["\(account): \(body)", default: 0] += 1 }
    }
    return result
  }

  private static func damage(_ bytes: inout [UInt8], _ random: inout SeededRandom) -> String {
    let page = SQLTuning.pageSize
    let pages = max(bytes.count / page, 1)
    switch Int.random(in: 0..<8, using: &random) {
    case 0, 1:
      let count = Int.random(in: 1...40, using: &random)
      for _ in 0..<count {
        bytes[Int.random(in: bytes.indices, using: &random)] ^= 1 << UInt8.random(in: 0...7, using: &random)
      }
      return "\(count) bits flipped"
    case 2:
      let keep = Int.random(in: 0..<bytes.count, using: &random)
      bytes.removeLast(bytes.count - keep)
      return "cut to \(keep)"
    case 3, 4:
      let count = Int.random(in: 1...4, using: &random)
      var numbers: [Int] = []
      for _ in 0..<count {
        let number = Int.random(in: 0..<pages, using: &random)
        numbers.append(number + 1)
        for index in number * page..<min((number + 1) * page, bytes.count) { bytes[index] = 0 }
      }
      return "pages \(numbers) zeroed"
    case 5:
      let number = Int.random(in: 0..<pages, using: &random)
      for index in number * page..<min((number + 1) * page, bytes.count) {
        bytes[index] = UInt8.random(in: 0...255, using: &random)
      }
      return "page \(number + 1) is rubbish"
    case 6:
      let one = Int.random(in: 0..<pages, using: &random)
      let two = Int.random(in: 0..<pages, using: &random)
      for index in 0..<page where max(one, two) * page + index < bytes.count {
        bytes[one * page + index] = bytes[two * page + index]
      }
      return "page \(two + 1) is at \(one + 1) as well"
    default:
      let start = Int.random(in: bytes.indices, using: &random)
      let count = Int.random(in: 1...512, using: &random)
      for index in start..<min(start + count, bytes.count) { bytes[index] = UInt8.random(in: 0...255, using: &random) }
      return "\(count) octets of rubbish at \(start)"
    }
  }

  @Test func `Every message survives random damage to the database`() async throws {
    try await rounds(Self.rounds) { image, random in
      var bytes = image.database
      let what = Self.damage(&bytes, &random)
      image.write(database: bytes, packs: image.packs)
      return what
    }
  }

  @Test func `And does so with a copy of every dictionary damaged`() async throws {
    try await rounds(Self.packRounds) { image, random in
      var bytes = image.database
      var what = Self.damage(&bytes, &random)
      var packs = image.packs
      for (name, copies) in image.copies {
        let copy = Int.random(in: copies.indices, using: &random)
        what += ", copy \(copy) of \(name)"
        for _ in 0..<Int.random(in: 1...9, using: &random) {
          packs[name]?[Int.random(in: copies[copy], using: &random)] ^= 1 << UInt8.random(in: 0...7, using: &random)
        }
      }
      image.write(database: bytes, packs: packs)
      return what
    }
  }

  private struct Prepared {
    let image: Image
    let copies: [String: [Range<Int>]]
    var database: [UInt8] { image.database }
    var packs: [String: [UInt8]] { image.packs }
    func write(database: [UInt8], packs: [String: [UInt8]]) { image.write(database: database, packs: packs) }
  }

  /// `damage` writes the files of a round and says what it did to them.
  private func rounds(_ count: Int, _ damage: (Prepared, inout SeededRandom) -> String) async throws {
    let (bed, expected) = try await made()
    let image = Image(bed)
    let prepared = Prepared(image: image, copies: try image.dictionaries())
    for round in 0..<count {
      var random = SeededRandom(seed: Self.seed &+ UInt64(round))
      let label = "seed \(Self.seed &+ UInt64(round)): \(damage(prepared, &random))"
      let report = try bed.repair(packBytes: Self.settings.packBytes)
      #expect(report.remaining == [] && report.damaged == [], "\(label): \(report)")
      if !report.damaged.isEmpty { break }
      let store = try bed.openSQL(Self.settings)
      #expect(try await store.check().problems == [], "\(label)")
      let seen = try await distinct(store)
      let missing = expected.keys.filter { seen[$0] == nil }
      let lost = missing.count
      #expect(
        lost == 0, "\(label): \(lost) of \(expected.count) are missing: \(missing.first ?? ""); \(report.actions)")
      #expect(seen.keys.allSatisfy { expected[$0] != nil }, "\(label): mail that nobody sent")
      await store.close()
      if !missing.isEmpty { break }
    }
  }

  /// Octets of packs, dictionaries among them: a message is what was sent, or is said to be damaged.
  @Test func `Random damage to packs changes no message`() async throws {
    let (bed, expected) = try await made()
    let image = Image(bed)
    let names = image.packs.keys.sorted()
    let bodies = Set(expected.keys)
    for round in 0..<Self.packRounds {
      var random = SeededRandom(seed: Self.seed &+ UInt64(round) &+ 1_000_000)
      var packs = image.packs
      var label = "seed \(Self.seed &+ UInt64(round)):"
      for _ in 0..<Int.random(in: 1...3, using: &random) {
        let name = names[Int.random(in: names.indices, using: &random)]
        guard var bytes = packs[name], !bytes.isEmpty else { continue }
        label += " \(name) \(Self.damage(&bytes, &random))"
        packs[name] = bytes
      }
      image.write(database: image.database, packs: packs)
      var store = try bed.openSQL(Self.settings)
      _ = try await intact(store, bodies, label)
      if round % 2 == 0 {
        _ = try await store.repairOnline(RepairOptions())
        _ = try await intact(store, bodies, label)
      }
      await store.close()
      let report = try bed.repair(packBytes: Self.settings.packBytes)
      #expect(report.remaining == [], "\(label): \(report)")
      store = try bed.openSQL(Self.settings)
      #expect(try await store.check().problems == [], "\(label)")
      let lost = try await intact(store, bodies, label)
      #expect((lost == 0) == report.damaged.isEmpty, "\(label): \(lost) are lost, and named are \(report.damaged)")
      await store.close()
    }
  }

  /// How many messages are refused; the others are what was sent.
  private func intact(_ store: SQLStore, _ bodies: Set<String>, _ label: String) async throws -> Int {
    var lost = 0
    for account in try await store.accounts() {
      for mailbox in try await store.mailboxes(of: account.id).mailboxes where mailbox.isSelectable {
        let ref = MailboxRef(account: account.id, mailbox: mailbox.id)
        for message in try await store.state(mailbox.name, of: account) {
          do {
            let body = try await store.body(message.uid, in: ref) ?? ""
            #expect(bodies.contains("\(account.name): \(body)"), "\(label): a message that nobody sent: \(body)")
          } catch StoreError.corrupt { lost += 1 }
        }
      }
    }
    return lost
  }
}
