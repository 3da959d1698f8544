import MailStore
import MailTestKit
import Testing

@testable import IMAPServer

/// A mailbox whose snapshot a test sets at will.
private final class ScriptedMailbox: OpenMailbox, @unchecked Sendable {
  // Used by one test, on one thread.
  let ref = MailboxRef(account: AccountID(1), mailbox: MailboxID(1))
  let info = MailboxInfo(id: MailboxID(1), name: "INBOX", uidValidity: 1)
  var current: MailboxSnapshot?
  var recent: ClosedRange<UID>?
  init(_ current: MailboxSnapshot) { self.current = current }
  func claimRecent() -> ClosedRange<UID>? {
    defer { recent = nil }
    return recent
  }
  func peekRecent() -> ClosedRange<UID>? { recent }
  func close() {}
}

/// What a client knows that follows the responses to the letter.
private struct ModelClient {
  /// By sequence number: flags as last told.
  var messages: [(uid: UID, flags: SystemFlags, keywords: UInt64)]

  mutating func hear(_ update: ViewUpdate, _ view: MailboxView) throws {
    for (gone, index) in update.expunged.enumerated() {
      let sequence = index - gone
      try #require(messages.indices.contains(sequence), "EXPUNGE of a number that is not there")
      messages.remove(at: sequence)
    }
    for (index, entry) in update.flags {
      // A FETCH about a message whose EXISTS comes later is none a client could place.
      try #require(messages.indices.contains(index))
      try #require(messages[index].uid == entry.uid, "FETCH about another message than the client thinks")
      messages[index].flags = entry.flags
      messages[index].keywords = entry.keywords
    }
    if let exists = update.exists {
      try #require(exists >= messages.count, "EXISTS must not lower the count")
      while messages.count < exists {
        // The client fetches what is new.
        let entry = view.told[messages.count]
        messages.append((entry.uid, entry.flags, entry.keywords))
      }
    }
  }
}

@Suite struct IMAPViewTests {
  private func snapshot(_ entries: [MessageEntry], modSeq: ModSeq, keywords: [String] = []) -> MailboxSnapshot {
    MailboxSnapshot(entries: entries, uidNext: (entries.last?.uid ?? 0) + 1, highestModSeq: modSeq, keywords: keywords)
  }

  @Test func `A client that follows the responses knows the mailbox`() throws {
    for seed in 1...40 as ClosedRange<UInt64> {
      var random = SeededRandom(seed: seed)
      var entries: [MessageEntry] = []
      var nextUID: UID = 1
      var modSeq: ModSeq = 1
      let mailbox = ScriptedMailbox(snapshot([], modSeq: 1))
      guard let first = mailbox.current else { return }
      var view = MailboxView(mailbox: mailbox, snapshot: first, isReadOnly: false)
      var client = ModelClient(messages: [])
      for _ in 0..<120 {
        modSeq += 1
        switch Int.random(in: 0..<4, using: &random) {
        case 0:
          for _ in 0..<Int.random(in: 1...5, using: &random) {
            entries.append(MessageEntry(uid: nextUID, flags: [], keywords: 0, modSeq: modSeq))
            nextUID += 1
          }
        case 1 where !entries.isEmpty:
          entries.remove(at: Int.random(in: 0..<entries.count, using: &random))
        case 2 where !entries.isEmpty:
          let index = Int.random(in: 0..<entries.count, using: &random)
          entries[index].flags.formSymmetricDifference(.seen)
          entries[index].modSeq = modSeq
        default: break
        }
        mailbox.current = snapshot(entries, modSeq: modSeq)
        let mayExpunge = Int.random(in: 0..<3, using: &random) == 0
        let updateMaybe = view.sync(expunge: mayExpunge)
        let update = try #require(updateMaybe)
        if !mayExpunge { #expect(update.expunged.isEmpty, "seed \(seed)") }
        try client.hear(update, view)
        #expect(client.messages.map(\.uid) == (0..<view.told.count).map { view.told[$0].uid }, "seed \(seed)")
      }
      let lastMaybe = view.sync(expunge: true)
      let last = try #require(lastMaybe)
      try client.hear(last, view)
      #expect(client.messages.map(\.uid) == entries.map(\.uid), "seed \(seed)")
      #expect(client.messages.map(\.flags) == entries.map(\.flags), "seed \(seed)")
      #expect(view.ghosts == 0)
    }
  }

  @Test func `A silent STORE is told only where somebody else had a hand in it`() throws {
    let before = [
      MessageEntry(uid: 1, flags: [], keywords: 0, modSeq: 1), MessageEntry(uid: 2, flags: [], keywords: 0, modSeq: 1),
    ]
    let mailbox = ScriptedMailbox(snapshot(before, modSeq: 1))
    var view = MailboxView(mailbox: mailbox, snapshot: try #require(mailbox.current), isReadOnly: false)
    let after = [
      MessageEntry(uid: 1, flags: .seen, keywords: 0, modSeq: 2),
      MessageEntry(uid: 2, flags: [.seen, .flagged], keywords: 0, modSeq: 2),
    ]
    mailbox.current = snapshot(after, modSeq: 2)
    let own = OwnStore(indexes: IndexRanges(0..<2), isSilent: true, mode: .add, flags: .seen, keywords: 0)
    let updateMaybe = view.sync(expunge: false, own: own)
    let update = try #require(updateMaybe)
    #expect(update.flags.map(\.index) == [1])
  }

  @Test func `Messages that are recent are counted once`() throws {
    let entries = (1...5).map { MessageEntry(uid: UID($0), flags: [], keywords: 0, modSeq: 1) }
    let mailbox = ScriptedMailbox(snapshot(entries, modSeq: 1))
    mailbox.recent = 3...5
    var view = MailboxView(mailbox: mailbox, snapshot: try #require(mailbox.current), isReadOnly: false)
    #expect(view.recentCount == 3)
    #expect(!view.isRecent(2) && view.isRecent(3))
    mailbox.current = snapshot(
      entries.dropFirst(3) + [MessageEntry(uid: 6, flags: [], keywords: 0, modSeq: 2)], modSeq: 2)
    mailbox.recent = 6...6
    let updateMaybe = view.sync(expunge: true)
    let update = try #require(updateMaybe)
    #expect(update.recent == 3)
    #expect(update.exists == 3)
    #expect(view.recent == [.init(3...6)])
  }

  @Test func `A deleted mailbox has no view`() throws {
    let mailbox = ScriptedMailbox(snapshot([], modSeq: 1))
    var view = MailboxView(mailbox: mailbox, snapshot: try #require(mailbox.current), isReadOnly: false)
    mailbox.current = nil
    #expect(view.sync(expunge: true) == nil)
  }

  @Test func `Index ranges agree with sets of numbers`() {
    var random = SeededRandom(seed: 7)
    for _ in 0..<200 {
      let ranges = (0..<Int.random(in: 0...6, using: &random)).map { _ in
        let start = Int.random(in: 0..<40, using: &random)
        return start..<start + Int.random(in: 0...6, using: &random)
      }
      let other = (0..<3).map { _ in
        let start = Int.random(in: 0..<40, using: &random)
        return start..<start + Int.random(in: 0...9, using: &random)
      }
      let mine = IndexRanges(merging: ranges)
      let numbers = Set(ranges.flatMap { Array($0) })
      let theirs = Set(other.flatMap { Array($0) })
      #expect(mine.count == numbers.count)
      #expect(mine.ranges.flatMap { Array($0) } == numbers.sorted())
      #expect((0..<50).allSatisfy { mine.contains($0) == numbers.contains($0) })
      #expect(
        mine.intersection(IndexRanges(merging: other)).ranges.flatMap { Array($0) }
          == numbers.intersection(theirs).sorted())
      for (left, right) in zip(mine.ranges, mine.ranges.dropFirst()) { #expect(left.upperBound < right.lowerBound) }
    }
  }
}
