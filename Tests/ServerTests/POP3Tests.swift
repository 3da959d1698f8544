import MailAuth
import MailFormat
import MailStore
import MailTestKit
import NIOCore
import Synchronization
import Testing

@testable import POP3Server

@Suite struct POP3Messages {
  /// Logs in as `budi` and reads to the end of the answer.
  private func login(_ peer: ScriptPeer) async throws {
    try await peer.send(Array("USER budi\r\nPASS rahasia\r\n".utf8))
    for _ in 0..<3 { #expect(try await peer.line().hasPrefix("+OK")) }
  }

  /// One multi-line answer, dots taken off.
  private func message(_ peer: ScriptPeer) async throws -> String {
    let status = try await peer.line()
    guard status.hasPrefix("+OK") else { return status }
    var lines = ""
    while true {
      let line = try await peer.line()
      if line == "." { return lines }
      lines += (line.hasPrefix(".") ? String(line.dropFirst()) : line) + "\r\n"
    }
  }

  private func store(with messages: [String]) async throws -> FakeStore {
    let store = FakeStore()
    let account = try await store.addAccount(
      NewAccount(name: "budi", credentials: TestServer.credentials(password: "rahasia")))
    for message in messages {
      let incoming = store.newIncomingMessage()
      try await incoming.append(ByteBuffer(string: message))
      let target = DeliveryTarget(account: account.id, trace: ByteBuffer(string: "Delivered-To: budi\r\n"))
      for result in await store.deliver(try await incoming.finish(), to: [target], date: InternalDate(seconds: 0)) {
        _ = try result.get()
      }
    }
    return store
  }

  @Test(arguments: 0..<3)
  func `Messages of any size and any dots come whole, all asked for at once`(seed: Int) async throws {
    var random = SeededRandom(seed: UInt64(seed))
    let pieces = [".", "..", "\r\n", "\r\n.", "\r\n.\r\n", "x", "abc", "\r\n\r\n"]
    let messages = (0..<30).map { _ in
      let size = [0, 3, 50, 4000, 70_000, 300_000].randomElement(using: &random) ?? 0
      var text = "Subject: x\r\n\r\n"
      while text.utf8.count < size { text += pieces.randomElement(using: &random) ?? "" }
      return text + "\r\n"
    }
    let server = try await TestServer.start(
      .pop3, store: try await store(with: messages), settings: [:], clock: TestClock())
    let peer = try await ScriptPeer.connect(to: server.address)
    try await login(peer)
    let order = (1...messages.count).shuffled(using: &random)
    try await peer.send(Array(order.map { "RETR \($0)\r\n" }.joined().utf8))
    for number in order {
      let got = try await message(peer)
      #expect(got == "Delivered-To: budi\r\n" + messages[number - 1], "message \(number)")
    }
    await peer.close()
    await server.stop()
  }

  @Test func `A large message waits for a reader that does not read, in bounded memory`() async throws {
    let body = String(repeating: String(repeating: "x", count: 98) + "\r\n", count: 100_000)
    let server = try await TestServer.start(
      .pop3, store: try await store(with: ["\r\n" + body, "\r\nsmall\r\n"]), settings: [:], clock: TestClock())
    let peer = try await ScriptPeer.connect(to: server.address)
    try await login(peer)
    try await peer.setReading(false)
    try await peer.send(Array("RETR 1\r\n".utf8))
    // Another client is served meanwhile, on the same loop or another.
    let other = try await ScriptPeer.connect(to: server.address)
    #expect(try await other.line().hasPrefix("+OK"))
    try await peer.send(Array("RETR 2\r\n".utf8))
    try await peer.setReading(true)
    let first = try await message(peer)
    #expect(first.utf8.count == body.utf8.count + 2 + 20)
    #expect(try await message(peer) == "Delivered-To: budi\r\n\r\nsmall\r\n")
    await peer.close()
    await other.close()
    await server.stop()
  }

  @Test func `A message without a line end gets one, and one without a header is whole`() async throws {
    let server = try await TestServer.start(
      .pop3, store: try await store(with: ["no header, no end", ""]), settings: [:], clock: TestClock())
    let peer = try await ScriptPeer.connect(to: server.address)
    try await login(peer)
    try await peer.send(Array("RETR 1\r\nRETR 2\r\nTOP 1 5\r\n".utf8))
    #expect(try await message(peer) == "Delivered-To: budi\r\nno header, no end\r\n")
    #expect(try await message(peer) == "Delivered-To: budi\r\n")
    #expect(try await message(peer) == "Delivered-To: budi\r\nno header, no end\r\n")
    await peer.close()
    await server.stop()
  }

  @Test func `A session that is over gives back its place among the account's connections`() async throws {
    let server = try await TestServer.start(
      .pop3, store: try await store(with: []), settings: [:], clock: TestClock())
    for _ in 0..<3 {
      let peer = try await ScriptPeer.connect(to: server.address)
      try await login(peer)
      try await peer.send(Array("QUIT\r\n".utf8))
      #expect(try await peer.line() == "+OK Goodbye")
      _ = try await peer.untilClosed()
    }
    let peer = try await ScriptPeer.connect(to: server.address)
    try await login(peer)
    #expect(server.authenticator.connectionCount(of: AccountID(1)) == 1)
    await peer.close()
    await server.stop()
    #expect(server.authenticator.connectionCount(of: AccountID(1)) == 0)
  }
}

@Suite struct POP3Cuts {
  @Test(arguments: [POP3Expire.never, .onRetrieve, .days(7)])
  func `Sessions cut at any moment leave nothing behind`(expire: POP3Expire) async throws {
    let store = FakeStore()
    let account = try await store.addAccount(
      NewAccount(name: "budi", credentials: TestServer.credentials(password: "rahasia"), pop3Expire: expire))
    for size in [100, 5000, 300_000] {
      let incoming = store.newIncomingMessage()
      try await incoming.append(TranscriptRun.message(ofSize: size))
      _ = await store.deliver(
        try await incoming.finish(), to: [DeliveryTarget(account: account.id)], date: InternalDate(seconds: 0))
    }
    // The lock gives way at once here: every session evicts the one before, at whatever it is.
    let server = try await TestServer.start(.pop3, store: store, settings: ["lock-silence": "0"], clock: TestClock())
    let script = Array(
      "USER budi\r\nPASS rahasia\r\nSTAT\r\nRETR 1\r\nDELE 1\r\nRETR 3\r\nRETR 2\r\nTOP 3 1\r\nHUH\r\nRETR 3\r\n".utf8)
    var random = SeededRandom(seed: 7)
    var old: [ScriptPeer] = []
    for _ in 0..<60 {
      let peer = try await ScriptPeer.connect(to: server.address)
      try await peer.send(Array(script.prefix(Int.random(in: 1...script.count, using: &random))))
      if Bool.random(using: &random) { _ = try? await peer.line() }
      switch Int.random(in: 0..<3, using: &random) {
      case 0: await peer.abort()
      case 1: await peer.close()
      default: old.append(peer)
      }
    }
    for peer in old { await peer.close() }
    await server.stop()
    // A login or a note of retrieval may still be under way when the last connection is gone.
    for _ in 0..<500 {
      if server.authenticator.connectionCount(of: account.id) == 0, store.openMaildrops == 0 { break }
      try await Task.sleep(for: .milliseconds(10))
    }
    #expect(server.authenticator.connectionCount(of: account.id) == 0)
    #expect(store.openMaildrops == 0)
    // Nobody said QUIT.
    #expect(try await store.quota(of: account.id).usage.messages == 3)
  }
}

@Suite struct POP3Parts {
  @Test func `A maildrop has one holder, who gives way only when silent`() {
    let locks = MaildropLocks()
    let evicted = Mutex(0)
    let count: @Sendable () -> Void = { evicted.withLock { $0 += 1 } }
    let first = locks.acquire(AccountID(1), silence: .seconds(60), evict: count)
    #expect(first != nil)
    #expect(locks.acquire(AccountID(1), silence: .seconds(60), evict: {}) == nil)
    #expect(locks.acquire(AccountID(2), silence: .seconds(60), evict: {}) != nil)
    let second = locks.acquire(AccountID(1), silence: .zero, evict: count)
    #expect(second != nil)
    #expect(evicted.withLock { $0 } == 1)
    #expect(first?.beginUpdate() == false)
    // A lease that was taken away frees nothing.
    if let first { locks.release(first) }
    #expect(locks.acquire(AccountID(1), silence: .seconds(60), evict: {}) == nil)
    // Whoever removes messages is not disturbed.
    #expect(second?.beginUpdate() == true)
    #expect(locks.acquire(AccountID(1), silence: .zero, evict: {}) == nil)
    if let second { locks.release(second) }
    #expect(locks.acquire(AccountID(1), silence: .seconds(60), evict: {}) != nil)
  }

  @Test func `Logins are counted from the last one that went well`() {
    let delays = LoginDelays()
    #expect(delays.admits(AccountID(1), now: 100, delay: 60))
    #expect(delays.admits(AccountID(1), now: 100, delay: 60))
    delays.note(AccountID(1), now: 100, delay: 60)
    #expect(!delays.admits(AccountID(1), now: 159, delay: 60))
    #expect(delays.admits(AccountID(2), now: 159, delay: 60))
    #expect(delays.admits(AccountID(1), now: 160, delay: 60))
    #expect(delays.admits(AccountID(1), now: 10, delay: 60))
    #expect(delays.admits(AccountID(1), now: 110, delay: 0))
    // The table is swept: what is kept are delays that still hold.
    for id in 0..<5000 { delays.note(AccountID(Int64(1000 + id)), now: 200, delay: 60) }
    #expect(!delays.admits(AccountID(1000), now: 259, delay: 60))
  }

  @Test(arguments: [
    ("Subject: é\r\n\r\n", "Subject: =?utf-8?B?w6k=?=\r\n\r\n"),
    (
      "To: a@é.example\r\n\r\n",
      "To: =?utf-8?B?YUDDqS5leGFtcGxl?=\r\n <invalid@internationalized-address.invalid>\r\n\r\n"
    ),
    ("Cc: \"x, é\" <a@b>, c@d\r\n\r\n", "Cc: =?utf-8?B?eCwgw6k=?=\r\n <a@b>,\r\n c@d\r\n\r\n"),
    ("Subject: a\r\n é\r\nX: y\r\n\r\n", "Subject: =?utf-8?B?YSDDqQ==?=\r\nX: y\r\n\r\n"),
    ("X-Any: é\r\nY: z\r\n\r\n", "Y: z\r\n\r\n"),
    (
      "Content-Disposition: attachment; filename=\"é;x\"; size=1\r\n\r\n",
      "Content-Disposition: attachment;\r\n size=1\r\n\r\n"
    ),
    ("no field é\r\nA: b\r\n\r\n", "A: b\r\n\r\n"),
    ("Subject: é", "Subject: =?utf-8?B?w6k=?=\r\n"),
  ])
  func `A header with UTF-8 becomes one without`(header: String, expected: String) {
    let bytes = Array(header.utf8)
    #expect(isNeeded(bytes))
    let surrogate = UTF8Surrogate.header(for: bytes.span.bytes)
    #expect(String(buffer: surrogate) == expected)
    #expect(surrogate.readableBytesView.allSatisfy { $0 < 0x80 })
  }

  @Test func `Encoded words are short and cut between characters`() {
    let bytes = Array("Subject: \(String(repeating: "日本語", count: 50))\r\n\r\n".utf8)
    let lines = String(buffer: UTF8Surrogate.header(for: bytes.span.bytes)).split(separator: "\r\n")
    #expect(lines.count == 11)
    #expect(lines.allSatisfy { $0.utf8.count <= 78 })
  }

  private func isNeeded(_ header: [UInt8]) -> Bool { UTF8Surrogate.isNeeded(header.span.bytes) }

  @Test func `Old mail with eight-bit octets that are not UTF-8 stays as it is`() {
    #expect(!isNeeded([0x53, 0x3A, 0xE9, 0x0D, 0x0A]))
    #expect(!isNeeded(Array("Subject: plain\r\n".utf8)))
  }

  @Test func `Every command of the grammar has its row, and every row its RFC`() {
    let keywords = CommandTable.rows.map(\.keyword)
    #expect(Set(keywords).count == keywords.count)
    #expect(
      Set(keywords) == [
        "CAPA", "STLS", "USER", "PASS", "AUTH", "UTF8", "LANG", "STAT", "LIST", "UIDL", "RETR", "TOP", "DELE", "NOOP",
        "RSET", "QUIT",
      ])
    #expect(CommandTable.rows.allSatisfy { $0.rfc.hasPrefix("RFC ") })
    #expect(Capability.table.allSatisfy { $0.rfc.hasPrefix("RFC ") })
  }
}

@Suite struct TranscriptRunnerItself {
  private func play(_ text: String) async throws {
    try await TranscriptRun(Transcript(name: "inline", text: text), server: .pop3).play()
  }

  @Test(arguments: [
    "S: +OK somebody else",
    "S~ [+]OK nothing like this",
    "S: +OK mail.example.id POP3 server ready\nC: QUIT\nS! closed",
    "S& +OK a\nS& +OK b",
    "@account budi password x\n@inbox budi 1",
    "@account budi password x\n@usage budi 1 0",
    "@account budi password x\n@deliver budi <<END\nx\nEND\n@stored budi INBOX 1 <<END\ny\nEND",
    "@account budi password x\n@deliver budi <<END\nx\nEND\n@stored budi INBOX 1 <<END\nx\nz\nEND",
  ])
  func `What does not hold fails`(text: String) async throws {
    await #expect(throws: TranscriptRun.Mismatch.self) { try await play(text) }
  }

  @Test(arguments: ["X: what", "C& x", "C> \\q", "S! maybe"])
  func `What is no step is refused`(text: String) {
    #expect(throws: Transcript.Malformed.self) { try Transcript(name: "inline", text: text) }
  }

  @Test func `A folder without transcripts would be noticed`() {
    #expect(Transcript.all(of: "pop3").count > 25)
    #expect(Transcript.all(of: "lmtp").count > 20)
  }
}
