import MailTestKit
import Testing

@testable import MailStore
@testable import MailStoreSQL

/// Snapshots that nobody looks at take little memory and stay what they are.
@Suite struct RestingSnapshotTests {
  private func entries(_ snapshot: MailboxSnapshot) -> [MessageEntry] {
    snapshot.chunks.flatMap(\.entries)
  }

  private func resting(_ snapshot: MailboxSnapshot) -> Int {
    snapshot.chunks.count { $0.isResting }
  }

  private func random(_ count: Int, _ random: inout SeededRandom) -> [MessageEntry] {
    var uid: UID = 0
    return (0..<count).map { _ in
      uid += UID.random(in: 1...(Int.random(in: 0..<20, using: &random) == 0 ? 100_000 : 3), using: &random)
      return MessageEntry(
        uid: uid, flags: SystemFlags(rawValue: UInt8.random(in: 0...UInt8.max, using: &random)),
        keywords: Bool.random(using: &random) ? 0 : UInt64.random(in: 0...UInt64.max, using: &random),
        modSeq: ModSeq.random(in: 0...(Bool.random(using: &random) ? 100 : ModSeq.max), using: &random))
    }
  }

  @Test(arguments: 1...8 as ClosedRange<UInt64>)
  func `Any entries come back as they were`(_ seed: UInt64) {
    var generator = SeededRandom(seed: seed)
    let all = random(Int.random(in: 1...3000, using: &generator), &generator)
    let snapshot = MailboxSnapshot(entries: all, uidNext: .max, highestModSeq: .max, keywords: [])
    for _ in 0..<3 {
      snapshot.rest()
      #expect(resting(snapshot) == snapshot.chunks.count)
      #expect(entries(snapshot) == all)
      #expect(resting(snapshot) == 0)
    }
  }

  @Test func `The ends of the number ranges come back as they were`() {
    let all = [
      MessageEntry(uid: 1, flags: [], keywords: 0, modSeq: .max),
      MessageEntry(uid: 2, flags: SystemFlags(rawValue: .max), keywords: .max, modSeq: 0),
      MessageEntry(uid: .max, flags: .seen, keywords: 1 << 63, modSeq: ModSeq(Int64.max)),
    ]
    let snapshot = MailboxSnapshot(entries: all, uidNext: .max, highestModSeq: .max, keywords: ["a"])
    snapshot.rest()
    #expect(entries(snapshot) == all)
  }

  @Test func `A message at rest takes an octet where mail just came in`() {
    let delivered = (1...1000).map { MessageEntry(uid: UID($0), flags: [], keywords: 0, modSeq: ModSeq(3 * $0)) }
    #expect(PackedEntries(delivered).size < 1100)
    #expect(PackedEntries(delivered).unpacked() == delivered)
    // Where flags change with each, four.
    let mixed = delivered.map { entry in
      MessageEntry(
        uid: entry.uid, flags: entry.uid % 2 == 0 ? .seen : [], keywords: entry.uid < 500 ? 1 : 0, modSeq: entry.modSeq)
    }
    #expect(PackedEntries(mixed).size < 4100)
    #expect(PackedEntries(mixed).unpacked() == mixed)
  }

  @Test(arguments: [0, 1, 0x7E, 0x7F, 0x80, 0xFF, 0x100] as [ModSeq])
  func `Steps of MODSEQ around the bounds of an octet come back`(_ step: ModSeq) {
    let up = (1...10).map { MessageEntry(uid: UID($0), flags: .seen, keywords: 3, modSeq: 1 << 40 + ModSeq($0) * step) }
    #expect(PackedEntries(up).unpacked() == up)
    let down = (1...10).map {
      MessageEntry(uid: UID($0), flags: .seen, keywords: 3, modSeq: 1 << 40 - ModSeq($0) * step)
    }
    #expect(PackedEntries(down).unpacked() == down)
  }

  @Test func `A change of a resting mailbox wakes the chunk it touches and no other`() {
    let all = (1...2500).map { MessageEntry(uid: UID($0), flags: [], keywords: 0, modSeq: ModSeq($0)) }
    let snapshot = MailboxSnapshot(entries: all, uidNext: 2501, highestModSeq: 2500, keywords: [])
    snapshot.rest()
    let new = MessageEntry(uid: 2501, flags: [], keywords: 0, modSeq: 2501)
    let ref = MailboxRef(account: AccountID(1), mailbox: MailboxID(1))
    let next = snapshot.applying(MailboxChange(ref: ref, modSeq: 2501, uidNext: 2502, added: [new]))
    let difference = snapshot.difference(to: next)
    #expect(difference.added == [new] && difference.updated.isEmpty && difference.expunged.isEmpty)
    #expect(next.count == 2501 && snapshot.count == 2500)
    #expect(snapshot.chunks.map(\.isResting) == [true, true, false])
    #expect(entries(next) == all + [new])
  }

  @Test func `A very large mailbox is left awake`() {
    let count = MailboxSnapshot.restingCapacity + 1
    let all = (1...count).map { MessageEntry(uid: UID($0), flags: [], keywords: 0, modSeq: 1) }
    let snapshot = MailboxSnapshot(entries: all, uidNext: UID(count + 1), highestModSeq: 1, keywords: [])
    snapshot.rest()
    #expect(resting(snapshot) == 0)
  }

  @Test func `Large mailboxes that nobody has open are packed before any is forgotten`() {
    let count = 9000
    let registry = ViewRegistry(idleEntries: count + 2000) { $0.restWhole() }
    func open(_ number: Int64, _ count: Int) -> View {
      let ref = MailboxRef(account: AccountID(1), mailbox: MailboxID(number))
      let (view, isNew) = registry.acquire(ref)
      guard isNew else { return view }
      let all = (1...count).map { MessageEntry(uid: UID($0), flags: [], keywords: 0, modSeq: 1) }
      let snapshot = MailboxSnapshot(entries: all, uidNext: UID(count + 1), highestModSeq: 1, keywords: [])
      view.finishLoading(
        .success((snapshot, MailboxInfo(id: ref.mailbox, name: "\(number)", uidValidity: 1, messages: count))))
      return view
    }
    func isPacked(_ number: Int64) -> Bool? {
      registry.loaded(MailboxRef(account: AccountID(1), mailbox: MailboxID(number))).map {
        resting($0) == $0.chunks.count
      }
    }
    registry.release(open(1, count))
    #expect(isPacked(1) == false)
    registry.release(open(2, count))
    #expect(isPacked(1) == true && isPacked(2) == false)
    // One that is too large for all the room stays as well, packed.
    registry.release(open(3, 8 * count))
    #expect([1, 2, 3].map(isPacked) == [nil, true, true])
    // In use again it takes part no more.
    let third = open(3, 0)
    #expect(third.snapshot?.count == 8 * count)
    registry.release(open(4, 8000))
    #expect([2, 3, 4].map(isPacked) == [true, true, false])
    registry.release(third)
    #expect([2, 3, 4].map(isPacked) == [nil, true, nil])
  }
}
