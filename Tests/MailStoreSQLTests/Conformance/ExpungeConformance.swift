import MailFormat
import MailStore
import MailTestKit
import NIOCore
import Testing

@Suite struct ExpungeConformance {
  @Test(arguments: Engine.allCases)
  func `EXPUNGE removes what is marked, UID EXPUNGE of those only the named`(_ engine: Engine) async throws {
    try await withStore(engine) { store, _ in
      let ana = try await store.add("ana")
      try await store.fill(6, of: ana)
      let ref = try await store.ref("INBOX", of: ana)
      #expect(try await store.expunge(nil, in: ref) == [])
      _ = try await store.changeFlags(FlagChange(.add, .deleted), of: [1, 3, 5], in: ref)
      #expect(try await store.expunge([3, 4, 99], in: ref) == [3])
      #expect(try await store.expunge(nil, in: ref) == [1, 5])
      #expect(try await store.state("INBOX", of: ana).map(\.uid) == [2, 4, 6])
      #expect(try await store.put(of: ana) == 7)
      let info = try await store.info("INBOX", of: ana)
      #expect(info.messages == 4 && info.deleted == 0 && info.unseen == 4)
      #expect(try await store.usage(ana).messages == 4)
    }
  }

  @Test(arguments: Engine.allCases)
  func `A session that has not been told still reads what is expunged, until the bytes are purged`(_ engine: Engine)
    async throws
  {
    try await withStore(engine, BedSettings(retentionDays: 1)) { store, bed in
      let ana = try await store.add("ana")
      try await store.fill(3, of: ana, flags: .deleted)
      let ref = try await store.ref("INBOX", of: ana)
      _ = try await store.expunge([2], in: ref)
      #expect(try await store.body(2, in: ref) == Mail.text("Number 1"))
      let seen = Gathered<UID>()
      let done = try await store.visit(ref, [1, 2, 3], needs: [.envelope, .message]) { row throws(StoreError) in
        seen.add(row.uid)
        return .next
      }
      #expect(done == 3 && seen.values == [1, 2, 3])
      #expect(try await store.compact().purgedMessages == 0)
      bed.clock.advance(86_401)
      #expect(try await store.compact().purgedMessages == 1)
      #expect(try await store.body(2, in: ref) == nil)
      #expect(try await store.visit(ref, [1, 2, 3], needs: .envelope) { _ throws(StoreError) in .next } == 3)
    }
  }

  @Test(arguments: Engine.allCases)
  func `Messages of a deleted mailbox are read until the purge, moved ones not under their old UIDs`(_ engine: Engine)
    async throws
  {
    try await withStore(engine) { store, _ in
      let ana = try await store.add("ana")
      try await store.put(Mail.text("Last"), in: "Junk", of: ana)
      let junk = try await store.ref("Junk", of: ana)
      try await store.deleteMailbox("Junk", of: ana.id)
      #expect(try await store.body(1, in: junk) == Mail.text("Last"))
      try await store.put(of: ana)
      let inbox = try await store.ref("INBOX", of: ana)
      _ = try await store.move([1], from: inbox, to: "Sent")
      #expect(try await store.body(1, in: inbox) == nil)
      #expect(try await store.compact().purgedMessages == 1)
      #expect(try await store.body(1, in: junk) == nil)
      #expect(try await store.visit(junk, [1], needs: .dates) { _ throws(StoreError) in .next } == 1)
    }
  }

  @Test(arguments: Engine.allCases)
  func `A maildrop holds whatever is expunged in its account while it is open`(_ engine: Engine) async throws {
    try await withStore(engine) { store, _ in
      let ana = try await store.add("ana")
      let budi = try await store.add("budi")
      for account in [ana, budi] { try await store.fill(2, in: "Sent", of: account, flags: .deleted) }
      let sent = try await store.ref("Sent", of: ana)
      _ = try await store.expunge([1], in: sent)
      let drop = try await store.openMaildrop(of: ana.id)
      _ = try await store.expunge([2], in: sent)
      _ = try await store.expunge(nil, in: try await store.ref("Sent", of: budi))
      #expect(try await store.compact().purgedMessages == 3)
      #expect(try await store.body(1, in: sent) == nil)
      #expect(try await store.body(2, in: sent) != nil)
      drop.close()
      #expect(try await store.compact().purgedMessages == 1)
    }
  }

  @Test(arguments: Engine.allCases)
  func `An open reader outlives the message, its purge and its pack`(_ engine: Engine) async throws {
    try await withStore(engine) { store, _ in
      let ana = try await store.add("ana")
      try await store.put(Mail.text("Kept"), of: ana, flags: .deleted)
      let ref = try await store.ref("INBOX", of: ana)
      let reader = try #require(try await store.openMessage(1, in: ref))
      _ = try await store.expunge(nil, in: ref)
      let report = try await store.compact()
      #expect(report.purgedMessages == 1)
      if engine.hasPacks { #expect(report.removedPacks == 1) }
      #expect(String(buffer: try await reader.read(0..<reader.size)) == Mail.text("Kept"))
      #expect(try await store.openMessage(1, in: ref) == nil)
    }
  }

  @Test(arguments: Engine.allCases.filter(\.hasPacks))
  func `Deleting mail and compacting shrinks the data folder`(_ engine: Engine) async throws {
    try await withStore(engine, BedSettings(packBytes: 1 << 20)) { store, bed in
      let ana = try await store.add("ana")
      let empty = treeSize(bed.data)
      for number in 0..<40 { try await store.put(Mail.large(200_000, seed: UInt64(number)), of: ana) }
      _ = try await store.compact()
      let full = treeSize(bed.data)
      #expect(full > empty + 3_000_000)
      let ref = try await store.ref("INBOX", of: ana)
      let most = (1...39).map(UID.init)
      _ = try await store.changeFlags(FlagChange(.add, .deleted), of: most, in: ref)
      _ = try await store.expunge(nil, in: ref)
      let report = try await store.compact()
      #expect(report.purgedMessages == 39)
      #expect(report.removedPacks > 1)
      #expect(report.freedBytes > 3_000_000)
      let left = treeSize(bed.data)
      #expect(left < empty + 1_000_000)
      #expect(try await store.body(40, in: ref) == Mail.large(200_000, seed: 39))
      _ = try await store.changeFlags(FlagChange(.add, .deleted), of: [40], in: ref)
      _ = try await store.expunge(nil, in: ref)
      _ = try await store.compact()
      #expect(treeSize(bed.data) < left)
      #expect(try await store.check().blobs == 0)
    }
  }

  @Test(arguments: Engine.allCases)
  func `Half-dead packs are rewritten and every message is still there`(_ engine: Engine) async throws {
    try await withStore(engine, BedSettings(packBytes: 300_000)) { store, _ in
      let ana = try await store.add("ana")
      for number in 0..<60 { try await store.put(Mail.large(30_000, seed: UInt64(number)), of: ana) }
      let ref = try await store.ref("INBOX", of: ana)
      let gone = (1...60).filter { $0 % 3 != 0 }.map(UID.init)
      _ = try await store.changeFlags(FlagChange(.add, .deleted), of: gone, in: ref)
      _ = try await store.expunge(nil, in: ref)
      let report = try await store.compact()
      if engine.hasPacks { #expect(report.rewrittenPacks > 2) }
      for uid in stride(from: UID(3), through: 60, by: 3) {
        #expect(try await store.body(uid, in: ref) == Mail.large(30_000, seed: UInt64(uid - 1)))
      }
      #expect(try await store.check().blobs == 20)
    }
  }
}
