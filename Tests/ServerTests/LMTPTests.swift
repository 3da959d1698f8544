import LMTPCore
import Logging
import MailStore
import MailTestKit
import NIOCore
import Testing

@testable import LMTPServer

@Suite struct LMTPMessages {
  @Test func `A session sent one byte at a time gives the same answers`() async throws {
    let store = FakeStore()
    _ = try await store.addAccount(NewAccount(name: "budi", credentials: ""))
    let server = try await TestServer.start(.lmtp, store: store, settings: ["trace": "no"], clock: TestClock())
    let peer = try await ScriptPeer.connect(to: server.address)
    let script =
      "LHLO mx\r\nMAIL FROM:<>\r\nRCPT TO:<budi>\r\nDATA\r\nA: b\r\n\r\n..\r\n.\r\n"
      + "MAIL FROM:<>\r\nRCPT TO:<budi>\r\nBDAT 4\r\nC:\r\nBDAT 3 LAST\r\n\n.\nQUIT\r\n"
    for byte in script.utf8 { try await peer.send([byte]) }
    let answers = try await peer.untilClosed().split(separator: "\r\n").map { $0.prefix(3) }
    #expect(
      answers == [
        "220", "250", "250", "250", "250", "250", "250", "250", "250", "250", "250", "250", "354", "250", "250", "250",
        "250",
        "250", "221",
      ])
    #expect(try await contents(store, 1) == "A: b\r\n\r\n.\r\n")
    #expect(try await contents(store, 2) == "C:\r\n\r\n.\r\n")
    await server.stop()
  }

  @Test func `A large message is streamed whole`() async throws {
    let store = FakeStore()
    _ = try await store.addAccount(NewAccount(name: "budi", credentials: ""))
    let server = try await TestServer.start(
      .lmtp, store: store, settings: ["trace": "no", "max-size": "50000000"], clock: TestClock())
    let peer = try await ScriptPeer.connect(to: server.address)
    var random = SeededRandom(seed: 1)
    let lines = ["", ".", "..", ".\r", "abc", String(repeating: "x", count: 5000), "\u{e9}"]
    var message = "Subject: large\r\n\r\n"
    while message.utf8.count < 3_000_000 { message += (lines.randomElement(using: &random) ?? "") + "\r\n" }
    let expected = message.replacing(".\r\r\n", with: ".\r\n\r\n")
    let stuffed = ("\r\n" + message).replacing("\r\n.", with: "\r\n..").dropFirst(1)
    try await peer.send(Array("LHLO mx\r\nMAIL FROM:<>\r\nRCPT TO:<budi>\r\nDATA\r\n".utf8))
    try await peer.send(Array(stuffed.utf8) + Array(".\r\n".utf8))
    try await peer.send(Array("QUIT\r\n".utf8))
    let answers = try await peer.untilClosed().split(separator: "\r\n")
    #expect(answers.suffix(2) == ["250 2.1.5 <budi> delivered", "221 2.0.0 Goodbye"])
    #expect(try await contents(store, 1) == expected)
    await server.stop()
  }

  @Test func `Deliveries cut at any moment come whole or not at all`() async throws {
    let store = FakeStore()
    let account = try await store.addAccount(NewAccount(name: "budi", credentials: ""))
    let server = try await TestServer.start(.lmtp, store: store, settings: ["trace": "no"], clock: TestClock())
    let body = "Subject: x\r\n\r\n" + String(repeating: "0123456789\r\n", count: 20_000)
    let script = Array("LHLO mx\r\nMAIL FROM:<>\r\nRCPT TO:<budi>\r\nDATA\r\n\(body).\r\nQUIT\r\n".utf8)
    var random = SeededRandom(seed: 11)
    var acknowledged = 0
    for round in 0..<40 {
      let peer = try await ScriptPeer.connect(to: server.address)
      let length = round % 4 == 0 ? script.count : Int.random(in: 1...script.count, using: &random)
      try await peer.send(Array(script.prefix(length)))
      if length == script.count {
        #expect(try await peer.untilClosed().contains("250 2.1.5 <budi> delivered\r\n221"))
        acknowledged += 1
      } else if Bool.random(using: &random) {
        await peer.abort()
      } else {
        await peer.close()
      }
    }
    await server.stop()
    let usage = try await store.quota(of: account.id).usage
    #expect(usage.messages >= acknowledged)
    #expect(usage.bytes == usage.messages * Int64(body.utf8.count))
  }

  private func contents(_ store: FakeStore, _ uid: UID) async throws -> String {
    let account = try #require(try await store.account(named: "budi"))
    let inbox = try #require(try await store.mailbox(named: "INBOX", of: account.id))
    let reader = try #require(
      try await store.openMessage(uid, in: MailboxRef(account: account.id, mailbox: inbox.id)))
    return String(buffer: try await reader.read(0..<reader.size))
  }
}

@Suite struct LocalDeliveries {
  private let clock = TestClock()

  private func deliver(
    _ chunks: [String], to name: String, sender: String? = nil, limit: Int = 1000, temporary: Bool = false,
    store: FakeStore
  ) async -> LocalDeliveryOutcome {
    let clock = clock
    let settings = LMTPServerSettings(
      hostname: "mail.example.id", offersSTARTTLS: false, maxMessageBytes: limit, quotaFullIsTemporary: temporary,
      now: { clock.now })
    let delivery = LocalDelivery(
      store: store, settings: settings, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    let stream = AsyncStream<ByteBuffer> { stream in
      for chunk in chunks { stream.yield(ByteBuffer(string: chunk)) }
      stream.finish()
    }
    return await delivery.deliver(stream, to: name, sender: sender)
  }

  private func store(quota: Int64? = nil) async throws -> FakeStore {
    let store = FakeStore()
    _ = try await store.addAccount(
      NewAccount(name: "budi@contoh.id", credentials: "", quota: QuotaLimits(bytes: quota)))
    return store
  }

  private func only(_ store: FakeStore) async throws -> String {
    let account = try #require(try await store.account(named: "budi@contoh.id"))
    let inbox = try #require(try await store.mailbox(named: "INBOX", of: account.id))
    #expect(inbox.messages == 1)
    let reader = try #require(try await store.openMessage(1, in: MailboxRef(account: account.id, mailbox: inbox.id)))
    return String(buffer: try await reader.read(0..<reader.size))
  }

  @Test func `A pipe's message gets its trace and its line ends`() async throws {
    let store = try await store()
    let outcome = await deliver(
      ["Fr", "om cici@jauh.example Mon Sep 21 2026", "\nSubject: x\n", "\nisi\n"], to: "Budi+x@contoh.id",
      sender: "cici@jauh.example", store: store)
    #expect(outcome.exitCode == 0)
    let message = try await only(store)
    let lines = message.split(separator: "\r\n", omittingEmptySubsequences: false)
    #expect(lines.count == 9)
    #expect(lines[0] == "Return-Path: <cici@jauh.example>")
    #expect(lines[1] == "Delivered-To: Budi+x@contoh.id")
    #expect(lines[2].hasPrefix("Received: by mail.example.id id "))
    #expect(lines[3] == "\tfor <Budi+x@contoh.id>;")
    #expect(lines[4] == "\tMon, 21 Sep 2026 14:13:20 +0000")
    #expect(lines[5...] == ["Subject: x", "", "isi", ""])
  }

  @Test(arguments: [(["F"], "F"), (["From"], "From"), (["From: x\n"], "From: x\r\n"), (["Fro", "m\r"], "From\r\n")])
  func `Only a line of mbox is dropped from the front`(chunks: [String], rest: String) async throws {
    let store = try await store()
    #expect(await deliver(chunks, to: "budi@contoh.id", store: store).exitCode == 0)
    #expect(try await only(store).hasSuffix("+0000\r\n" + rest))
  }

  @Test func `Each refusal has its code of sysexits`() async throws {
    let store = try await store(quota: 300)
    #expect(await deliver(["x\n"], to: "tiada", store: store) == .noSuchAccount)
    #expect(
      await deliver([String(repeating: "x", count: 1001)], to: "budi@contoh.id", store: store) == .tooBig(limit: 1000))
    #expect(await deliver([], to: "budi@contoh.id", store: store) == .empty)
    #expect(
      await deliver([String(repeating: "x", count: 900)], to: "budi@contoh.id", store: store)
        == .full(isTemporary: false))
    let later = await deliver(
      [String(repeating: "x", count: 900)], to: "budi@contoh.id", temporary: true, store: store)
    #expect(later == .full(isTemporary: true))
    store.fail(.deliver)
    #expect(await deliver(["x\n"], to: "budi@contoh.id", store: store) == .trouble)
    store.fail(.deliver, with: .io(operation: "write", path: "x", errno: 28))
    #expect(await deliver(["x\n"], to: "budi@contoh.id", store: store) == .noRoom)
    let outcomes: [LocalDeliveryOutcome] = [
      .noSuchAccount, .full(isTemporary: false), .full(isTemporary: true), .tooBig(limit: 1), .empty,
      .unreadable, .noRoom, .trouble,
    ]
    #expect(outcomes.map(\.exitCode) == [67, 73, 75, 65, 65, 75, 75, 75])
    let account = try #require(try await store.account(named: "budi@contoh.id"))
    #expect(try await store.quota(of: account.id).usage == QuotaUsage())
  }
}

@Suite struct TraceHeaderLines {
  @Test(arguments: [
    (0, "Thu, 1 Jan 1970 00:00:00 +0000"), (951_782_400, "Tue, 29 Feb 2000 00:00:00 +0000"),
    (1_790_000_000, "Mon, 21 Sep 2026 14:13:20 +0000"), (4_102_444_799, "Thu, 31 Dec 2099 23:59:59 +0000"),
    (-1, "Wed, 31 Dec 1969 23:59:59 +0000"),
  ])
  func `A date is written as RFC 5322 wants it`(seconds: Int, expected: String) {
    var buffer = ByteBuffer()
    TraceHeaders.writeDate(Int64(seconds), to: &buffer)
    #expect(String(buffer: buffer) == expected)
  }

  @Test func `A client of IPv6 is named by a literal with its tag`() {
    let trace = TraceHeaders(
      hostname: "mail.example.id", client: "mx", clientAddress: "IPv6:2001:db8::1", transport: .lmtps, queueID: "Q",
      date: 0)
    let lines = String(buffer: trace.lines(sender: nil, recipient: LMTPPath(localPart: "a b", domain: "c")))
    #expect(
      lines
        == "Delivered-To: \"a b\"@c\r\nReceived: from mx ([IPv6:2001:db8::1])\r\n\tby mail.example.id with LMTPS id Q\r\n\t"
        + "for <\"a b\"@c>;\r\n\tThu, 1 Jan 1970 00:00:00 +0000\r\n")
  }

  @Test func `Every command of the grammar has its row`() {
    #expect(
      Set(CommandTable.rows.map(\.keyword)) == [
        "LHLO", "STARTTLS", "MAIL", "RCPT", "DATA", "BDAT", "RSET", "NOOP", "VRFY", "HELP", "QUIT",
      ])
    #expect(Capability.table.allSatisfy { $0.rfc.hasPrefix("RFC ") })
  }
}
