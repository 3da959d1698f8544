import MailFormat
import MailStore
import MailTestKit
import NIOCore
import Testing

@Suite struct VisitConformance {
  @Test(arguments: Engine.allCases)
  func `A visit goes over the wanted rows in order, dense or sparse, and counts missing ones`(_ engine: Engine)
    async throws
  {
    try await withStore(engine) { store, _ in
      let ana = try await store.add("ana")
      let uids = try await store.fill(300, of: ana)
      let ref = try await store.ref("INBOX", of: ana)
      let gone = uids.filter { $0 % 7 == 0 }
      _ = try await store.changeFlags(FlagChange(.add, .deleted), of: gone, in: ref)
      _ = try await store.expunge(nil, in: ref)
      _ = try await store.compact()
      for wanted: [UID] in [
        uids, [5], [1, 150, 299], [7, 14], [290, 295, 300, 400, 5000], uids.filter { $0 % 2 == 0 },
      ] {
        let seen = Gathered<UID>()
        let done = try await store.visit(ref, wanted[...], needs: .dates) { row throws(StoreError) in
          seen.add(row.uid)
          return .next
        }
        #expect(done == wanted.count)
        #expect(seen.values == wanted.filter { $0 <= 300 && $0 % 7 != 0 })
      }
      #expect(try await store.visit(ref, [], needs: .dates) { _ throws(StoreError) in .next } == 0)
    }
  }

  @Test(arguments: Engine.allCases, [ContentNeeds.dates, .message])
  func `A visit that stops says where to go on, and one that stops before leaves the row`(
    _ engine: Engine, _ needs: ContentNeeds
  ) async throws {
    try await withStore(engine) { store, _ in
      let ana = try await store.add("ana")
      let uids = try await store.fill(40, of: ana)
      let ref = try await store.ref("INBOX", of: ana)
      var rest = uids[...]
      let seen = Gathered<UID>()
      while !rest.isEmpty {
        let done = try await store.visit(ref, rest, needs: needs) { row throws(StoreError) in
          seen.add(row.uid)
          return row.uid % 9 == 0 ? .stop : .next
        }
        rest = rest.dropFirst(done)
      }
      #expect(seen.values == uids)
      let before = try await store.visit(ref, uids[...], needs: needs) { row throws(StoreError) in
        row.uid == 13 ? .stopBefore : .next
      }
      #expect(before == 12)
      let sparse = try await store.visit(ref, [1, 20, 4000], needs: needs) { row throws(StoreError) in
        row.uid == 20 ? .stop : .next
      }
      #expect(sparse == 2)
      let failed = await thrown {
        _ = try await store.visit(ref, uids[...], needs: needs) { _ throws(StoreError) in throw .mailboxGone }
      }
      #expect(failed == .mailboxGone)
    }
  }

  @Test(arguments: Engine.allCases)
  func `Every column of a row is what the parser makes of the message`(_ engine: Engine) async throws {
    try await withStore(engine) { store, _ in
      let ana = try await store.add("ana")
      let trace = "Return-Path: <x@y>\r\n"
      let text = Mail.text("Re: Straße", id: "a@b", references: ["c@d"], body: "Hello there.\r\nBye.\r\n")
      let message = try await store.prepare(text)
      _ = await store.deliver(
        message, to: [DeliveryTarget(account: ana.id, trace: ByteBuffer(string: trace))],
        date: InternalDate(seconds: 5, zoneMinutes: 60))
      let ref = try await store.ref("INBOX", of: ana)
      let summary = MessageSummary.make(ByteBuffer(string: text).readableBytesSpan)
      let done = try await store.visit(
        ref, [1],
        needs: [
          .dates, .envelope, .bodyStructure, .body, .headers, .sortKeys, .identifiers, .preview, .message,
        ]
      ) { row throws(StoreError) in
        #expect(row.uid == 1 && row.size == text.utf8.count + trace.utf8.count)
        #expect(row.internalDate == InternalDate(seconds: 5, zoneMinutes: 60))
        var buffer = ByteBuffer()
        row.appendEnvelope(to: &buffer)
        #expect(buffer == summary.envelope)
        buffer.clear()
        row.appendBodyStructure(to: &buffer)
        #expect(buffer == summary.bodyStructure)
        buffer.clear()
        row.appendBody(to: &buffer)
        #expect(buffer == summary.body)
        #expect(row.withCommonHeaders { $0.byteCount } == summary.commonHeaders.readableBytes)
        #expect(String(buffer: row.trace) == trace)
        #expect(row.preview == summary.preview)
        let keys = row.sortKeys
        #expect(keys.baseSubject == summary.baseSubject && keys.sentDate == summary.sentDate)
        #expect(keys.sentDay == summary.sentDay && keys.from == summary.sortFrom && keys.to == summary.sortTo)
        #expect(keys.displayFrom == summary.displayFrom && keys.displayTo == summary.displayTo)
        #expect(try row.index() == summary.index)
        let bytes = try row.withMessage { span throws(StoreError) in
          span.withUnsafeBytes { String(decoding: $0, as: UTF8.self) }
        }
        #expect(bytes == text)
        #expect(!row.emailID.isEmpty && !row.threadID.isEmpty)
        return .next
      }
      #expect(done == 1)
    }
  }

  @Test(arguments: Engine.allCases)
  func `A reader gives any range of trace and message`(_ engine: Engine) async throws {
    try await withStore(engine) { store, _ in
      let ana = try await store.add("ana")
      let trace = "Delivered-To: ana\r\n"
      let message = try await store.prepare(Mail.text())
      _ = await store.deliver(
        message, to: [DeliveryTarget(account: ana.id, trace: ByteBuffer(string: trace))], date: InternalDate(seconds: 5)
      )
      let ref = try await store.ref("INBOX", of: ana)
      let reader = try #require(try await store.openMessage(1, in: ref))
      let whole = Array((trace + Mail.text()).utf8)
      #expect(reader.size == whole.count)
      for start in stride(from: 0, through: whole.count + 5, by: 7) {
        for length in [0, 1, 18, 19, 20, 50, 10_000] {
          let part = try await reader.read(start..<start + length)
          #expect(Array(part.readableBytesView) == Array(whole.dropFirst(start).prefix(length)))
        }
      }
    }
  }
}
