import MailStore
import MailTestKit
import Testing

@testable import MailStoreSQL

/// The compact form of flags in `flag_chunk`.
@Suite struct FlagChunkTests {
  private static let place = FlagChunk.Place(
    MailboxRef(account: AccountID(7), mailbox: MailboxID(9)), last: 4_000_000_000)

  private func decoded(_ bytes: [UInt8], at place: FlagChunk.Place = place) -> [MessageEntry]? {
    bytes.withUnsafeBytes { FlagChunk.decoded($0, at: place) }
  }

  /// Entries with more or less of everything that makes the form change.
  private func made(_ random: inout SeededRandom) -> [MessageEntry] {
    let count = Int.random(in: 1...300, using: &random)
    let step: UID = [1, 1, 3, 100_000].randomElement(using: &random) ?? 1
    let words: [UInt64] = (0..<Int.random(in: 1...300, using: &random)).map { _ in
      UInt64.random(in: 0...(.max), using: &random)
    }
    let isSame = Bool.random(using: &random)
    let spread = UInt64(1) << UInt64.random(in: 0...60, using: &random)
    var uid: UID = 0
    return (0..<count).map { _ in
      uid += UID.random(in: 1...step, using: &random)
      return MessageEntry(
        uid: uid, flags: isSame ? .seen : SystemFlags(rawValue: UInt8.random(in: 0...31, using: &random)),
        keywords: isSame ? 5 : words.randomElement(using: &random) ?? 0,
        modSeq: 1000 + UInt64.random(in: 0..<spread, using: &random))
    }
  }

  @Test func `What is encoded is decoded, whatever the messages are like`() {
    var random = SeededRandom(seed: 1)
    for _ in 0..<2000 {
      let entries = made(&random)
      #expect(decoded(FlagChunk.encoded(entries, at: Self.place)) == entries)
    }
  }

  @Test func `The limits of numbers are kept`() {
    let entries = [
      MessageEntry(uid: 1, flags: [], keywords: .max, modSeq: 0),
      MessageEntry(uid: 4_000_000_000, flags: SystemFlags(rawValue: 31), keywords: 0, modSeq: UInt64(Int64.max)),
    ]
    #expect(decoded(FlagChunk.encoded(entries, at: Self.place)) == entries)
  }

  @Test func `Messages that were changed together take a few octets together`() {
    let entries = (1...1024).map { MessageEntry(uid: UID($0), flags: .seen, keywords: 3, modSeq: 77) }
    #expect(FlagChunk.encoded(entries, at: Self.place).count < 40)
    let single = (1...1024).map {
      MessageEntry(uid: UID($0), flags: $0 % 3 == 0 ? .seen : [], keywords: 0, modSeq: 100_000 + 7 * UInt64($0))
    }
    #expect(FlagChunk.encoded(single, at: Self.place).count < 4 * 1024)
  }

  @Test func `A damaged octet, a cut and another place are found out`() {
    var random = SeededRandom(seed: 2)
    for _ in 0..<200 {
      let entries = made(&random)
      let bytes = FlagChunk.encoded(entries, at: Self.place)
      var damaged = bytes
      damaged[Int.random(in: 0..<bytes.count, using: &random)] ^= 1 << UInt8.random(in: 0...7, using: &random)
      #expect(decoded(damaged) == nil)
      #expect(decoded(Array(bytes.dropLast())) == nil)
      var place = Self.place
      place.mailbox += 1
      #expect(decoded(bytes, at: place) == nil)
    }
    #expect(decoded([]) == nil)
  }

  /// What stands behind the checksum is not believed either: a program that is wrong makes right checksums.
  @Test func `Any octets can be decoded without a trap, and what comes out is in order`() {
    var random = SeededRandom(seed: 3)
    for round in 0..<20_000 {
      var bytes: [UInt8]
      if round % 2 == 0 {
        bytes = (0..<Int.random(in: 0...64, using: &random)).map { _ in UInt8.random(in: 0...255, using: &random) }
        if !bytes.isEmpty { bytes[0] = 1 }
      } else {
        bytes = Array(FlagChunk.encoded(made(&random), at: Self.place).dropFirst(4))
        for _ in 0..<Int.random(in: 1...4, using: &random) {
          bytes[Int.random(in: 1..<min(bytes.count, 24), using: &random)] = UInt8.random(in: 0...255, using: &random)
        }
      }
      let entries = bytes.withUnsafeBytes { FlagChunk.decoded($0, last: Self.place.last) }
      guard let entries else { continue }
      #expect(!entries.isEmpty && zip(entries, entries.dropFirst()).allSatisfy { $0.uid < $1.uid })
      #expect(entries.allSatisfy { $0.uid > 0 && $0.uid <= Self.place.last && $0.modSeq <= UInt64(Int64.max) })
    }
  }
}
