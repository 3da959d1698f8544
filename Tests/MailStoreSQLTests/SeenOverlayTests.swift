import MailStore
import MailTestKit
import Testing

/// `SeenOverlay` against the simplest thing that could be right, and what it must not make again.
@Suite struct SeenOverlayTests {
  private static let ref = MailboxRef(account: AccountID(1), mailbox: MailboxID(1))

  @Test(arguments: 1...8 as ClosedRange<UInt64>)
  func `A reader sees the messages with his own marks, whatever order changes come in`(seed: UInt64) {
    var random = SeededRandom(seed: seed)
    var base = MailboxSnapshot(
      entries: (1...3000).map {
        MessageEntry(uid: $0, flags: $0 % 2 == 0 ? [.seen, .flagged] : [], keywords: 0, modSeq: 1)
      },
      uidNext: 3001, highestModSeq: 1, keywords: [])
    var marks: [UID: SeenMark] = [:]
    var highest: ModSeq = 0
    var overlay = SeenOverlay(marks, highest: 0)
    for step in 2...60 as ClosedRange<ModSeq> {
      if Bool.random(using: &random) {
        var changed: [UID: SeenMark] = [:]
        for _ in 0..<Int.random(in: 1...30, using: &random) {
          changed[UID.random(in: 1...base.uidNext, using: &random)] = SeenMark(
            modSeq: step, isSeen: Bool.random(using: &random))
        }
        marks.merge(changed) { $1 }
        highest = step
        overlay.take(changed)
      }
      if Bool.random(using: &random) {
        var change = MailboxChange(ref: Self.ref, modSeq: step, uidNext: base.uidNext)
        base.forEach(in: 0..<base.count) { _, entry in
          switch UInt.random(in: 0..<200, using: &random) {
          case 0: change.expunged.append(entry.uid)
          case 1:
            change.updated.append(
              MessageEntry(uid: entry.uid, flags: .answered, keywords: entry.keywords, modSeq: step))
          default: break
          }
        }
        change.added = [MessageEntry(uid: base.uidNext, flags: .seen, keywords: 0, modSeq: step)]
        change.uidNext += 1
        base = base.applying(change)
        for uid in change.expunged { marks[uid] = nil }
        overlay.forget(change.expunged)
      }
      guard UInt.random(in: 0..<4, using: &random) > 0 else { continue }
      let shown = overlay.snapshot(over: base)
      var wanted: [MessageEntry] = []
      base.forEach(in: 0..<base.count) { _, entry in
        var entry = entry
        let mark = marks[entry.uid]
        if mark?.isSeen == true { entry.flags.insert(.seen) } else { entry.flags.remove(.seen) }
        entry.modSeq = max(entry.modSeq, mark?.modSeq ?? 0)
        wanted.append(entry)
      }
      var found: [MessageEntry] = []
      shown.forEach(in: 0..<shown.count) { found.append($1) }
      #expect(found == wanted, "step \(step)")
      #expect(shown.highestModSeq == max(base.highestModSeq, highest))
      #expect(shown.uidNext == base.uidNext)
      #expect(overlay.snapshot(over: base) === shown)
    }
  }

  @Test func `Chunks in which nothing has changed are kept`() {
    let base = MailboxSnapshot(
      entries: (1...3000).map { MessageEntry(uid: $0, flags: [], keywords: 0, modSeq: 1) }, uidNext: 3001,
      highestModSeq: 1, keywords: [])
    var overlay = SeenOverlay([1: SeenMark(modSeq: 2, isSeen: true)], highest: 2)
    let first = overlay.snapshot(over: base)
    overlay.take([2000: SeenMark(modSeq: 3, isSeen: true)])
    let second = overlay.snapshot(over: base)
    #expect(first.chunks.count == 3)
    #expect(first.chunks[0] === second.chunks[0])
    #expect(first.chunks[1] !== second.chunks[1])
    #expect(first.chunks[2] === second.chunks[2])
    let more = base.applying(
      MailboxChange(
        ref: Self.ref, modSeq: 4, uidNext: 3002, added: [MessageEntry(uid: 3001, flags: [], keywords: 0, modSeq: 4)]))
    let third = overlay.snapshot(over: more)
    #expect(third.chunks[0] === second.chunks[0])
    #expect(third.chunks[1] === second.chunks[1])
    #expect(third.count == 3001)
    #expect(second.difference(to: third).added.count == 1)
  }
}
