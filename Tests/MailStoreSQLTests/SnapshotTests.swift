import MailStore
import MailTestKit
import Testing

/// `applying` and `difference` against the simplest thing that could be right: an array.
@Suite struct SnapshotTests {
  private struct Model {
    var entries: [MessageEntry] = []
    var uidNext: UID = 1
    var modSeq: ModSeq = 1

    mutating func change(_ random: inout SeededRandom, upTo count: Int) -> MailboxChange {
      modSeq += 1
      var change = MailboxChange(
        ref: MailboxRef(account: AccountID(1), mailbox: MailboxID(1)), modSeq: modSeq, uidNext: uidNext)
      let additions = Int.random(in: 0...count, using: &random)
      for _ in 0..<additions {
        uidNext += UInt32.random(in: 0..<3, using: &random)
        change.added.append(MessageEntry(uid: uidNext, flags: [], keywords: 0, modSeq: modSeq))
        uidNext += 1
      }
      let share = Int.random(in: 1...40, using: &random)
      for entry in entries {
        switch Int.random(in: 0..<share * 3, using: &random) {
        case 0:
          let flags = SystemFlags(rawValue: UInt8.random(in: 0..<32, using: &random))
          change.updated.append(
            MessageEntry(
              uid: entry.uid, flags: flags, keywords: UInt64.random(in: 0..<9, using: &random), modSeq: modSeq))
        case 1: change.expunged.append(entry.uid)
        default: break
        }
      }
      change.uidNext = uidNext
      apply(change)
      return change
    }

    private mutating func apply(_ change: MailboxChange) {
      let gone = Set(change.expunged)
      let updates = Dictionary(uniqueKeysWithValues: change.updated.map { ($0.uid, $0) })
      entries = entries.filter { !gone.contains($0.uid) }.map { updates[$0.uid] ?? $0 } + change.added
    }
  }

  private func entries(_ snapshot: MailboxSnapshot) -> [MessageEntry] {
    var result: [MessageEntry] = []
    snapshot.forEach(in: 0..<snapshot.count) { index, entry in
      #expect(index == result.count)
      result.append(entry)
    }
    return result
  }

  @Test(arguments: 1...12 as ClosedRange<UInt64>)
  func `Changes applied one by one give the mailbox, and differences lead from any state to any later one`(
    _ seed: UInt64
  ) {
    var random = SeededRandom(seed: seed)
    var model = Model()
    var snapshot = MailboxSnapshot(entries: [], uidNext: 1, highestModSeq: 1, keywords: [])
    var history = [snapshot]
    for _ in 0..<25 {
      let before = snapshot
      snapshot = snapshot.applying(model.change(&random, upTo: seed % 3 == 0 ? 1500 : 60))
      #expect(entries(snapshot) == model.entries, "seed \(seed)")
      #expect(snapshot.count == model.entries.count && snapshot.uidNext == model.uidNext)
      #expect(snapshot.chunks.allSatisfy { !$0.entries.isEmpty && $0.entries.count <= MailboxSnapshot.chunkCapacity })
      // What was not touched is shared, not copied.
      for chunk in snapshot.chunks {
        if let twin = before.chunks.first(where: { $0.entries == chunk.entries }) {
          #expect(twin === chunk, "seed \(seed)")
        }
      }
      history.append(snapshot)
      let old = history.randomElement(using: &random) ?? snapshot
      check(old, snapshot, seed)
    }
  }

  private func check(_ old: MailboxSnapshot, _ new: MailboxSnapshot, _ seed: UInt64) {
    let difference = old.difference(to: new)
    var list = entries(old)
    for (index, entry) in difference.updated { list[index] = entry }
    for index in difference.expunged.reversed() { list.remove(at: index) }
    #expect(list + difference.added == entries(new), "seed \(seed)")
    #expect(difference.expunged == difference.expunged.sorted())
    for (index, entry) in difference.updated { #expect(old[index] != entry) }
    #expect(new.difference(to: new).isEmpty)
  }

  @Test(arguments: 1...4 as ClosedRange<UInt64>)
  func `Lookups by UID agree with a walk`(_ seed: UInt64) {
    var random = SeededRandom(seed: seed)
    var model = Model()
    var snapshot = MailboxSnapshot(entries: [], uidNext: 1, highestModSeq: 1, keywords: [])
    for _ in 0..<4 { snapshot = snapshot.applying(model.change(&random, upTo: 2000)) }
    for _ in 0..<300 {
      let uid = UInt32.random(in: 0...(snapshot.uidNext + 5), using: &random)
      let index = model.entries.firstIndex { $0.uid >= uid } ?? model.entries.count
      #expect(snapshot.lowerBound(uid) == index)
      let exact = index < model.entries.count && model.entries[index].uid == uid ? index : nil
      #expect(snapshot.index(of: uid) == exact)
    }
    let rebuilt = MailboxSnapshot(
      entries: model.entries, uidNext: model.uidNext, highestModSeq: model.modSeq, keywords: [])
    #expect(entries(rebuilt) == entries(snapshot))
    #expect(snapshot.difference(to: rebuilt).isEmpty)
    for _ in 0..<20 {
      let from = Int.random(in: 0...snapshot.count, using: &random)
      let to = Int.random(in: from...snapshot.count, using: &random)
      var indexes: [Int] = []
      snapshot.forEach(in: from..<to) { index, entry in
        indexes.append(index)
        #expect(entry == model.entries[index])
      }
      #expect(indexes == Array(from..<to))
    }
  }
}
