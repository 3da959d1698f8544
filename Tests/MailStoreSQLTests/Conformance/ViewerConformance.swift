import MailStore
import MailTestKit
import NIOCore
import Testing

/// What accounts do in mailboxes of others: `\Seen` is everybody's own (RFC 4314 §5.2), all else the owner's.
@Suite struct ViewerConformance {
  private struct Bed {
    let store: any MailStore
    let ana: Account
    let budi: Account
    let inbox: MailboxRef
    let view: any OpenMailbox

    init(_ store: any MailStore, _ count: Int) async throws {
      self.store = store
      ana = try await store.add("ana")
      budi = try await store.add("budi")
      try await store.fill(count, of: ana)
      inbox = try await store.ref("INBOX", of: ana)
      view = try await store.openMailbox(inbox, as: budi.id) {}
    }

    var seen: [SeenMessage]? { view.current?.seen }
    func counts() async throws -> MailboxInfo? { try await store.mailbox(inbox, as: budi.id) }
  }

  @Test(arguments: Engine.allCases)
  func `Seen is everybody's own, other flags are shared`(_ engine: Engine) async throws {
    try await withStore(engine) { store, _ in
      let bed = try await Bed(store, 12)
      let (inbox, budi) = (bed.inbox, bed.budi.id)
      #expect(bed.view.claimRecent() == nil)
      #expect(bed.view.peekRecent() == nil)
      let before = try #require(bed.view.current?.highestModSeq)
      let own = try await store.changeFlags(
        FlagChange(.add, [.seen, .flagged], keywords: ["x"]), of: [2, 9], in: inbox, as: budi)
      #expect(own.modSeq > before)
      #expect(own.missing == [])
      let now = try #require(bed.view.current)
      #expect(
        now.seen.filter { !$0.flags.isEmpty } == [
          SeenMessage(2, [.seen, .flagged], ["x"]), SeenMessage(9, [.seen, .flagged], ["x"]),
        ])
      #expect(now.highestModSeq == own.modSeq)
      #expect(now[1].modSeq == own.modSeq)
      #expect(
        try await store.state("INBOX", of: bed.ana).filter { !$0.flags.isEmpty } == [
          SeenMessage(2, .flagged, ["x"]), SeenMessage(9, .flagged, ["x"]),
        ])
      #expect(try await store.info("INBOX", of: bed.ana).unseen == 12)
      #expect(try await bed.counts()?.unseen == 10)
      // The owner's \Seen is not the viewer's, but its MODSEQ is (RFC 7162 §3.1: one for all of a message).
      let theirs = try await store.changeFlags(FlagChange(.add, .seen), of: [1, 2], in: inbox)
      #expect(bed.view.current?.seen.first == SeenMessage(1))
      #expect(bed.view.current?[0].modSeq == theirs.modSeq)
      // A mark alone leaves the owner's view as it is.
      let alone = try await store.changeFlags(FlagChange(.remove, .seen), of: [2], in: inbox, as: budi)
      #expect(alone.modSeq > theirs.modSeq)
      #expect(try await store.info("INBOX", of: bed.ana).highestModSeq == theirs.modSeq)
      #expect(try await bed.counts()?.highestModSeq == alone.modSeq)
      #expect(try await bed.counts()?.unseen == 11)
      // What is so already gets no new MODSEQ.
      let nothing = try await store.changeFlags(FlagChange(.add, .seen), of: [9], in: inbox, as: budi)
      #expect(nothing.modSeq == 0)
      bed.view.close()
    }
  }

  @Test(arguments: Engine.allCases)
  func `A condition looks at the viewer's own MODSEQ, and replacing leaves what is kept`(_ engine: Engine) async throws
  {
    try await withStore(engine) { store, _ in
      let bed = try await Bed(store, 3)
      let (inbox, budi) = (bed.inbox, bed.budi.id)
      let start = try #require(bed.view.current?.highestModSeq)
      _ = try await store.changeFlags(FlagChange(.add, .seen), of: [1], in: inbox, as: budi)
      var change = FlagChange(.replace, [.flagged], keywords: ["y"], unchangedSince: start)
      let outcome = try await store.changeFlags(change, of: [1, 2, 7], in: inbox, as: budi)
      #expect(outcome.modified == [1])
      #expect(outcome.missing == [7])
      #expect(bed.seen == [SeenMessage(1, .seen), SeenMessage(2, .flagged, ["y"]), SeenMessage(3)])
      _ = try await store.changeFlags(FlagChange(.add, [.answered, .deleted], keywords: ["z"]), of: [2], in: inbox)
      change = FlagChange(.replace, [.seen])
      change.kept = [.flagged, .deleted]
      change.keepsKeywords = true
      _ = try await store.changeFlags(change, of: [2], in: inbox, as: budi)
      #expect(bed.seen?[1] == SeenMessage(2, [.seen, .flagged, .deleted], ["y", "z"]))
      // The same for the owner.
      change.kept = [.deleted]
      change.keepsKeywords = false
      _ = try await store.changeFlags(change, of: [2], in: inbox)
      #expect(try await store.state("INBOX", of: bed.ana)[1] == SeenMessage(2, [.seen, .deleted]))
      bed.view.close()
    }
  }

  @Test(arguments: Engine.allCases)
  func `Marks go with their messages`(_ engine: Engine) async throws {
    try await withStore(engine) { store, _ in
      let bed = try await Bed(store, 14)
      let (inbox, budi) = (bed.inbox, bed.budi.id)
      _ = try await store.changeFlags(FlagChange(.add, .seen), of: Array(1...10), in: inbox, as: budi)
      _ = try await store.changeFlags(FlagChange(.add, .deleted), of: [1, 2, 5, 12], in: inbox)
      _ = try await store.expunge(nil, in: inbox)
      #expect(try await bed.counts()?.unseen == 3)
      #expect(bed.seen?.count { $0.flags == .seen } == 7)
      _ = try await store.move([3, 13], from: inbox, to: "Archive")
      #expect(try await bed.counts()?.unseen == 2)
      #expect(try await store.check().problems == [])
      // Opened anew it is the same.
      let again = try await store.openMailbox(inbox, as: budi) {}
      #expect(again.current?.seen == bed.seen)
      again.close()
      bed.view.close()
    }
  }

  @Test(arguments: Engine.allCases)
  func `Messages that are put into a mailbox of somebody else count there`(_ engine: Engine) async throws {
    try await withStore(engine) { store, _ in
      let bed = try await Bed(store, 1)
      let (inbox, budi) = (bed.inbox, bed.budi.id)
      let message = AppendedMessage(
        message: try await store.prepare(Mail.text("dua")), flags: [.seen, .flagged], keywords: ["x"])
      let assigned = try await store.append([message, message], to: inbox, replacing: nil, as: budi)
      #expect(assigned.assigned == [2, 3])
      #expect(
        bed.seen?.dropFirst() == [
          SeenMessage(2, [.seen, .flagged], ["x"]), SeenMessage(3, [.seen, .flagged], ["x"]),
        ])
      #expect(try await store.state("INBOX", of: bed.ana).last == SeenMessage(3, .flagged, ["x"]))
      #expect(try await store.usage(bed.ana).messages == 3)
      #expect(try await store.usage(bed.budi).messages == 0)
      // One's own may be replaced by one there, and the other way round.
      try await store.put(Mail.text("punya budi"), of: bed.budi)
      let own = try await store.ref("INBOX", of: bed.budi)
      let short = AppendedMessage(message: try await store.prepare("a: b\r\n\r\n"), flags: .seen)
      _ = try await store.append([short], to: inbox, replacing: ReplacedRef(1, in: own), as: budi)
      #expect(try await store.usage(bed.budi).messages == 0)
      #expect(try await store.usage(bed.ana).messages == 4)
      _ = try await store.append([short], to: own, replacing: ReplacedRef(4, in: inbox), as: budi)
      #expect(try await store.usage(bed.ana).messages == 3)
      #expect(try await store.state("INBOX", of: bed.budi) == [SeenMessage(2, .seen)])
      #expect(
        await thrown { _ = try await store.append([short], to: own, replacing: ReplacedRef(4, in: inbox), as: budi) }
          == .expunged(4))
      #expect(try await bed.counts()?.unseen == 1)
      bed.view.close()
    }
  }

  @Test(arguments: Engine.allCases)
  func `COPY and MOVE between accounts take the bytes along, and what the viewer sees`(_ engine: Engine) async throws {
    try await withStore(engine) { store, bed in
      let ana = try await store.add("ana")
      let budi = try await store.add("budi")
      let text = Mail.text("satu", id: "a@x", references: ["r@x"])
      try await store.put(text, of: ana, flags: [.seen, .answered, .deleted], keywords: ["x"])
      try await store.put(Mail.text("dua"), of: ana)
      try await store.put(Mail.text("jawaban", id: "b@x", references: ["a@x"]), of: budi)
      let (from, to) = (try await store.ref("INBOX", of: ana), try await store.ref("Archive", of: budi))
      _ = try await store.changeFlags(FlagChange(.add, .seen), of: [2], in: from, as: budi.id)
      let copied = try await store.transfer([1, 2, 9], from: from, to: to, moving: false, .all, as: budi.id)
      #expect(copied.source == [1, 2])
      #expect(copied.assigned == [1, 2])
      #expect(
        try await store.state("Archive", of: budi) == [
          SeenMessage(1, [.answered, .deleted], ["x"]), SeenMessage(2, .seen),
        ])
      #expect(try await store.body(1, in: to) == text)
      #expect(try await store.usage(budi).messages == 3)
      // The thread is that of the account it comes into (RFC 8474 §5.2).
      let threads = Gathered<String>()
      for ref in [to, try await store.ref("INBOX", of: budi)] {
        _ = try await store.visit(ref, [1], needs: .identifiers) { row throws(StoreError) in
          threads.add(row.threadID)
          return .next
        }
      }
      #expect(Set(threads.values).count == 1)
      // Into a mailbox of somebody else, cut to what may be set there.
      let rights: MailboxRights = [.insert, .seen, .deleteMessages]
      let moved = try await store.transfer([1, 2], from: to, to: from, moving: true, FlagScope(rights), as: budi.id)
      #expect(moved.assigned == [3, 4])
      #expect(moved.failure == nil)
      #expect(try await store.state("Archive", of: budi) == [])
      #expect(try await store.state("INBOX", of: ana).suffix(2) == [SeenMessage(3, .deleted), SeenMessage(4)])
      let view = try await store.openMailbox(from, as: budi.id) {}
      #expect(view.current?.seen.suffix(2) == [SeenMessage(3, .deleted), SeenMessage(4, .seen)])
      view.close()
      #expect(try await store.usage(budi).messages == 1)
      #expect(try await store.usage(ana).messages == 4)
      // Within one account nothing is charged twice, and marks come along.
      let sent = try await store.ref("Sent", of: ana)
      let inside = try await store.transfer([2, 4], from: from, to: sent, moving: true, .all, as: budi.id)
      #expect(inside.assigned == [1, 2])
      #expect(try await store.usage(ana).messages == 4)
      #expect(try await store.mailbox(sent, as: budi.id)?.unseen == 0)
      #expect(try await store.info("Sent", of: ana).unseen == 2)
      _ = try await store.compact()
      #expect(try await store.body(1, in: sent) == Mail.text("dua"))
      #expect(try await store.body(1, in: from) == text)
      // The bytes outlive the account they came from.
      try await store.removeAccount(budi.id)
      _ = try await store.compact()
      #expect(try await store.body(3, in: from) == text)
    }
  }

  @Test(arguments: Engine.allCases)
  func `The target's quota is asked, and over it nothing is copied`(_ engine: Engine) async throws {
    try await withStore(engine) { store, _ in
      let ana = try await store.add("ana", quota: QuotaLimits(messages: 3))
      let budi = try await store.add("budi")
      try await store.fill(2, of: ana)
      try await store.fill(5, of: budi)
      let (from, to) = (try await store.ref("INBOX", of: budi), try await store.ref("INBOX", of: ana))
      let over = OverQuota(resource: .messages, limit: 3, usage: 2)
      for moving in [true, false] {
        let refused = await thrown {
          _ = try await store.transfer([1, 2], from: from, to: to, moving: moving, .all, as: budi.id)
        }
        #expect(refused == .overQuota(over))
      }
      #expect(try await store.info("INBOX", of: budi).messages == 5)
      #expect(try await store.info("INBOX", of: ana).uidNext == 3)
      let archive = try await store.ref("Archive", of: ana)
      _ = try await store.transfer([1, 2], from: to, to: archive, moving: true, .all, as: budi.id)
      #expect(try await store.usage(ana).messages == 2)
    }
  }

  @Test(arguments: Engine.allCases)
  func `A view that was opened before hears of marks and messages in one`(_ engine: Engine) async throws {
    try await withStore(engine) { store, _ in
      let bed = try await Bed(store, 3)
      let (inbox, budi) = (bed.inbox, bed.budi.id)
      let first = Gathered<Int>()
      let owner = Gathered<Int>()
      let second = try await store.openMailbox(inbox, as: budi) { first.add(1) }
      let open = try await store.openMailbox("INBOX", of: bed.ana.id) { owner.add(1) }
      _ = (second.current, open.current)
      _ = try await store.changeFlags(FlagChange(.add, .seen), of: [1], in: inbox, as: budi)
      #expect(first.values.count == 1)
      #expect(second.current?.seen.first == SeenMessage(1, .seen))
      #expect(open.current?.seen.first == SeenMessage(1))
      try await store.put(of: bed.ana)
      #expect(first.values.count == 2)
      #expect(second.current?.count == 4)
      #expect(second.current?.seen == bed.seen)
      try await store.removeAccount(bed.ana.id)
      #expect(second.current == nil)
      second.close()
      open.close()
      bed.view.close()
    }
  }

  @Test(arguments: Engine.allCases)
  func `Private entries are everybody's own`(_ engine: Engine) async throws {
    try await withStore(engine) { store, _ in
      let (ana, budi) = (try await store.add("ana"), try await store.add("budi"))
      let inbox = try await store.ref("INBOX", of: ana)
      let limits = AnnotationLimits(entries: 2, octets: 200)
      func set(_ viewer: Account, _ values: [(String, String?)]) async throws -> Bool {
        try await store.setAnnotations(
          values.map { AnnotationChange($0.0, $0.1.map { ByteBuffer(string: $0) }) }, in: inbox.mailbox, of: ana.id,
          as: viewer.id, limits: limits, by: [])
      }
      func entries(_ viewer: Account) async throws -> [String: String] {
        let all = try await store.annotations(of: ana.id, as: viewer.id)[inbox.mailbox] ?? []
        return Dictionary(uniqueKeysWithValues: all.map { ($0.entry, String(buffer: $0.value)) })
      }
      #expect(try await set(ana, [("/private/comment", "a"), ("/shared/comment", "s")]))
      #expect(try await set(budi, [("/private/comment", "b"), ("/shared/comment", "t")]))
      #expect(try await entries(ana) == ["/private/comment": "a", "/shared/comment": "t"])
      #expect(try await entries(budi) == ["/private/comment": "b", "/shared/comment": "t"])
      // What others keep takes no room from the owner, and has bounds of its own.
      #expect(try await set(budi, [("/private/x", "1")]))
      #expect(try await !set(budi, [("/private/y", "2")]))
      #expect(try await !set(budi, [("/private/x", String(repeating: "z", count: 300))]))
      #expect(try await !set(ana, [("/private/x", "1")]))
      #expect(try await set(budi, [("/private/comment", nil), ("/private/x", nil)]))
      #expect(try await entries(budi) == ["/shared/comment": "t"])
      #expect(try await entries(ana)["/private/comment"] == "a")
    }
  }

  @Test(arguments: Engine.allCases)
  func `A subscription to a shared name stands in one's own account`(_ engine: Engine) async throws {
    try await withStore(engine) { store, _ in
      let budi = try await store.add("budi")
      try await store.setSubscribed(true, toShared: "shared/ana/INBOX", of: budi.id)
      try await store.setSubscribed(true, toShared: "shared/ana/INBOX", of: budi.id)
      #expect(try await store.mailboxes(of: budi.id).subscribedWithoutMailbox == ["shared/ana/INBOX"])
      try await store.setSubscribed(false, toShared: "shared/ana/INBOX", of: budi.id)
      #expect(try await store.mailboxes(of: budi.id).subscribedWithoutMailbox == [])
    }
  }
}
