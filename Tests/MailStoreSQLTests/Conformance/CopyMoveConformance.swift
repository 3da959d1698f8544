import MailFormat
import MailStore
import MailTestKit
import NIOCore
import Testing

@Suite struct CopyMoveConformance {
  @Test(arguments: Engine.allCases)
  func `COPY takes flags, keywords and dates along and gives new UIDLs`(_ engine: Engine) async throws {
    try await withStore(engine) { store, bed in
      let ana = try await store.add("ana")
      let date = InternalDate(seconds: 1_700_000_000, zoneMinutes: -90)
      try await store.put(in: "Archive", of: ana, keywords: ["other"])
      try await store.put(of: ana, flags: [.seen, .deleted], keywords: ["x", "y"], date: date)
      try await store.put(of: ana)
      let ref = try await store.ref("INBOX", of: ana)
      let archive = try await store.info("Archive", of: ana)
      bed.clock.advance(50)
      let result = try await store.copy([1, 2, 7], from: ref, to: "Archive")
      #expect(
        result
          == AssignedUIDs(
            destination: archive.id, uidValidity: archive.uidValidity, source: [1, 2], assigned: [2, 3]))
      #expect(
        try await store.state("Archive", of: ana).dropFirst()
          == [SeenMessage(2, [.seen, .deleted], ["x", "y"]), SeenMessage(3)])
      #expect(try await store.info("INBOX", of: ana).messages == 2)
      #expect(try await store.usage(ana).messages == 5)
      let seen = Gathered<InternalDate>()
      let saved = Gathered<Int64>()
      let target = try await store.ref("Archive", of: ana)
      _ = try await store.visit(target, [2], needs: .dates) { row throws(StoreError) in
        seen.add(row.internalDate)
        saved.add(row.saveDate)
        return .next
      }
      #expect(seen.values == [date])
      #expect(saved.values == [bed.clock.now])
      #expect(try await store.body(2, in: target) == Mail.text())
    }
  }

  @Test(arguments: Engine.allCases)
  func `COPY over quota leaves nothing, MOVE needs no room`(_ engine: Engine) async throws {
    try await withStore(engine, BedSettings(quota: QuotaLimits(messages: 5))) { store, _ in
      let ana = try await store.add("ana")
      try await store.fill(3, of: ana)
      let ref = try await store.ref("INBOX", of: ana)
      let over = await thrown { _ = try await store.copy([1, 2, 3], from: ref, to: "Sent") }
      #expect(over == .overQuota(OverQuota(resource: .messages, limit: 5, usage: 3)))
      #expect(try await store.info("Sent", of: ana).messages == 0)
      #expect(try await store.info("Sent", of: ana).uidNext == 1)
      _ = try await store.copy([1, 2], from: ref, to: "Sent")
      _ = try await store.move([1, 2, 3], from: ref, to: "Trash")
      #expect(try await store.usage(ana).messages == 5)
      #expect(try await store.info("INBOX", of: ana).messages == 0)
    }
  }

  @Test(arguments: Engine.allCases)
  func `MOVE keeps UIDLs, empties the source and tells its sessions`(_ engine: Engine) async throws {
    try await withStore(engine) { store, _ in
      let ana = try await store.add("ana")
      try await store.fill(5, of: ana, flags: .seen)
      let ref = try await store.ref("INBOX", of: ana)
      let drop = try await store.openMaildrop(of: ana.id)
      let uidls = drop.messages.map(\.uidl)
      drop.close()
      #expect(Set(uidls).count == 5)
      #expect(uidls.allSatisfy { (1...70).contains($0.utf8.count) && $0.utf8.allSatisfy { 0x21...0x7E ~= $0 } })
      let open = try await store.openMailbox("INBOX", of: ana.id) {}
      let before = try #require(open.current)
      let moved = try await store.move([2, 4], from: ref, to: "Trash")
      #expect(moved.source == [2, 4] && moved.assigned == [1, 2])
      let after = try #require(open.current)
      #expect(before.difference(to: after).expunged == [1, 3])
      open.close()
      #expect(await thrown { _ = try await store.move([1], from: ref, to: "none") } == .noSuchMailbox("none"))
      let trash = try await store.ref("Trash", of: ana)
      _ = try await store.move([1, 2], from: trash, to: "INBOX")
      let again = try await store.openMaildrop(of: ana.id)
      #expect(again.messages.map(\.uidl) == [uidls[0], uidls[2], uidls[4], uidls[1], uidls[3]])
      again.close()
      _ = try await store.copy([1], from: ref, to: "INBOX")
      let copied = try await store.openMaildrop(of: ana.id)
      #expect(Set(copied.messages.map(\.uidl)).count == 6)
      copied.close()
    }
  }

  @Test(arguments: Engine.allCases)
  func `A mailbox can be copied and moved into itself`(_ engine: Engine) async throws {
    try await withStore(engine) { store, _ in
      let ana = try await store.add("ana")
      try await store.fill(3, of: ana)
      let ref = try await store.ref("INBOX", of: ana)
      let open = try await store.openMailbox("INBOX", of: ana.id) {}
      #expect(try await store.copy([1, 3], from: ref, to: "INBOX").assigned == [4, 5])
      #expect(try await store.move([1, 4], from: ref, to: "inbox").assigned == [6, 7])
      #expect(open.current?.uids == [2, 3, 5, 6, 7])
      open.close()
      #expect(try await store.state("INBOX", of: ana).map(\.uid) == [2, 3, 5, 6, 7])
      #expect(try await store.body(6, in: ref) == Mail.text("Number 0"))
      #expect(try await store.copy([], from: ref, to: "Sent").assigned == [])
    }
  }

  @Test(arguments: Engine.allCases)
  func `The bytes of copies stay until the last of them is gone`(_ engine: Engine) async throws {
    try await withStore(engine) { store, _ in
      let ana = try await store.add("ana")
      let budi = try await store.add("budi")
      let message = try await store.prepare(Mail.text("Shared"))
      _ = await store.deliver(
        message, to: [DeliveryTarget(account: ana.id), DeliveryTarget(account: budi.id)],
        date: InternalDate(seconds: 1))
      let inbox = try await store.ref("INBOX", of: ana)
      _ = try await store.copy([1], from: inbox, to: "Archive")
      _ = try await store.copy([1], from: inbox, to: "Sent")
      #expect(try await store.check().blobs == 1)
      for mailbox in ["INBOX", "Archive"] {
        let ref = try await store.ref(mailbox, of: ana)
        _ = try await store.changeFlags(FlagChange(.add, .deleted), of: [1], in: ref)
        #expect(try await store.expunge(nil, in: ref) == [1])
        _ = try await store.compact()
      }
      #expect(try await store.body(1, in: try await store.ref("Sent", of: ana)) == Mail.text("Shared"))
      try await store.deleteMailbox("Sent", of: ana.id)
      _ = try await store.compact()
      #expect(try await store.body(1, in: try await store.ref("INBOX", of: budi)) == Mail.text("Shared"))
      try await store.removeAccount(budi.id)
      _ = try await store.compact()
      #expect(try await store.check().blobs == 0)
    }
  }
}
