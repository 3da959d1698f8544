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
  private static let seed = UInt64(environment("REPAIR_SEED") ?? 1)
  private static func environment(_ name: String) -> Int? { getenv(name).flatMap { Int(String(cString: $0)) } }

  /// A store that is small and has something in every table, so that trees have several levels.
  private func made() async throws -> (bed: StoreBed, expected: [String: Int]) {
    let bed = try StoreBed()
    let store = try bed.openSQL()
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
      let inbox = try await store.ref("INBOX", of: account)
      _ = try await store.copy(Array(10...30), from: inbox, to: "Archive")
      _ = try await store.move(Array(31...40), from: inbox, to: "Junk")
      _ = try await store.changeFlags(FlagChange(.add, .seen), of: Array(1...20), in: inbox)
    }
    let expected = try await distinct(store)
    await store.close()
    return (bed, expected)
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
    let (bed, expected) = try await made()
    // With everything in it: rounds leave the WAL out.
    #expect(DiskFile.contents(bed.volume + "-wal").isEmpty)
    let whole = DiskFile.contents(bed.volume)
    let packs = DiskFile.contents(bed.pack(1))
    for round in 0..<Self.rounds {
      var random = SeededRandom(seed: Self.seed &+ UInt64(round))
      var bytes = whole
      let what = Self.damage(&bytes, &random)
      let label = "seed \(Self.seed &+ UInt64(round)): \(what)"
      DiskFile.remove(bed.volume)
      DiskFile.write(bytes, to: bed.volume)
      DiskFile.write(packs, to: bed.pack(1))
      let report = try bed.repair()
      #expect(report.remaining == [] && report.damaged == [], "\(label): \(report)")
      if !report.damaged.isEmpty { break }
      let store = try bed.openSQL()
      #expect(try await store.check().problems == [], "\(label)")
      let seen = try await distinct(store)
      let missing = expected.keys.filter { seen[$0] == nil }
      let lost = missing.count
      #expect(
        lost == 0, "\(label): \(lost) of \(expected.count) are missing: \(missing.first ?? ""); \(report.actions)")
      #expect(seen.keys.allSatisfy { expected[$0] != nil }, "\(label): mail that nobody sent")
      await store.close()
      for name in DiskFile.names("\(bed.data)/volumes/1") where name.contains("damaged-") {
        unlink("\(bed.data)/volumes/1/\(name)")
      }
      if !missing.isEmpty { break }
    }
  }
}
