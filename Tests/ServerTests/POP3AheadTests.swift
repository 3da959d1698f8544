import MailAuth
import MailStore
import MailTestKit
import NIOCore
import Testing

@testable import POP3Server

/// Messages read before they are asked for: nobody may notice.
@Suite struct POP3AheadTests {
  private static let messages = (0..<60).map { number in
    "Subject: \(number)\r\n\r\n" + String(repeating: ".line \(number)\r\n", count: number % 7 == 3 ? 9000 : number * 40)
  }

  private func store() async throws -> FakeStore {
    let store = FakeStore()
    let account = try await store.addAccount(
      NewAccount(name: "budi", credentials: TestServer.credentials(password: "rahasia")))
    for message in Self.messages {
      let incoming = store.newIncomingMessage()
      try await incoming.append(ByteBuffer(string: message))
      let target = DeliveryTarget(account: account.id)
      for result in await store.deliver(try await incoming.finish(), to: [target], date: InternalDate(seconds: 0)) {
        _ = try result.get()
      }
    }
    return store
  }

  private func start(_ store: FakeStore) async throws -> (TestServer, ScriptPeer) {
    let server = try await TestServer.start(.pop3, store: store, settings: [:], clock: TestClock())
    let peer = try await ScriptPeer.connect(to: server.address)
    try await peer.send(Array("USER budi\r\nPASS rahasia\r\n".utf8))
    for _ in 0..<3 { #expect(try await peer.line().hasPrefix("+OK")) }
    return (server, peer)
  }

  private func say(_ line: String, _ peer: ScriptPeer) async throws -> String {
    try await peer.send(Array("\(line)\r\n".utf8))
    return try await peer.line()
  }

  private func retrieve(_ number: Int, _ peer: ScriptPeer) async throws -> String {
    try await peer.send(Array("RETR \(number)\r\n".utf8))
    return try await answer(peer)
  }

  private func answer(_ peer: ScriptPeer) async throws -> String {
    let status = try await peer.line()
    guard status.hasPrefix("+OK") else { return status }
    var lines = ""
    while true {
      let line = try await peer.line()
      if line == "." { return lines }
      lines += (line.hasPrefix(".") ? String(line.dropFirst()) : line) + "\r\n"
    }
  }

  @Test func `One after the other, each RETR gets its own message`() async throws {
    let (server, peer) = try await start(try await store())
    for number in 1...60 { #expect(try await retrieve(number, peer) == Self.messages[number - 1], "\(number)") }
    // Again, backwards, and with jumps.
    for number in [60, 59, 1, 2, 3, 7, 8, 9, 4, 5, 6, 50, 51, 52, 52, 52, 53] {
      #expect(try await retrieve(number, peer) == Self.messages[number - 1], "\(number)")
    }
    #expect(try await say("QUIT", peer).hasPrefix("+OK"))
    await peer.close()
    await server.stop()
  }

  @Test func `Marks, TOP, RSET and LANG between them change nothing`() async throws {
    let (server, peer) = try await start(try await store())
    for number in 1...30 {
      #expect(try await retrieve(number, peer) == Self.messages[number - 1], "\(number)")
      switch number % 5 {
      case 0:
        // The next one may have been read already; marked as deleted it is not to be had.
        #expect(try await say("DELE \(number + 1)", peer).hasPrefix("+OK"))
        #expect(try await retrieve(number + 1, peer).hasPrefix("-ERR"))
        #expect(try await say("RSET", peer).hasPrefix("+OK"))
      case 1: #expect(try await say("LANG *", peer).hasPrefix("+OK"))
      case 2:
        try await peer.send(Array("TOP \(number + 1) 0\r\n".utf8))
        #expect(try await answer(peer) == "Subject: \(number)\r\n\r\n")
      case 3: #expect(try await say("STAT", peer).hasPrefix("+OK 60 "))
      default: break
      }
    }
    await peer.close()
    await server.stop()
  }

  @Test func `Sent all at once they come in order, other answers between them`() async throws {
    let (server, peer) = try await start(try await store())
    var commands = ""
    for number in 1...60 { commands += "RETR \(number)\r\n" + (number % 3 == 0 ? "DELE \(number)\r\n" : "NOOP\r\n") }
    try await peer.send(Array((commands + "QUIT\r\n").utf8))
    for number in 1...60 {
      #expect(try await answer(peer) == Self.messages[number - 1], "\(number)")
      #expect(try await peer.line().hasPrefix("+OK"))
    }
    #expect(try await peer.line().hasPrefix("+OK"))
    await peer.close()
    await server.stop()
  }

  @Test(arguments: ["QUIT\r\n", "", "RETR 4\r\nRETR 5\r\n"])
  func `A session that ends while messages are read for it lets go of the maildrop afterwards`(
    last: String
  ) async throws {
    let store = try await store()
    for _ in 0..<10 {
      let (server, peer) = try await start(store)
      for number in 1...3 { #expect(try await retrieve(number, peer) == Self.messages[number - 1]) }
      if !last.isEmpty { try await peer.send(Array(last.utf8)) }
      await peer.close()
      await server.stop()
      // The maildrop is let go by a task that nobody waits for.
      for _ in 0..<1_000_000 where store.openMaildrops > 0 { await Task.yield() }
      #expect(store.openMaildrops == 0)
    }
  }

  @Test func `Answers ahead are taken in order, passed over, and forgotten after a jump`() {
    func answers(_ indexes: Range<Int>) -> AnswersAhead.Answers {
      var bytes = ByteBuffer()
      var sent: [Burst.Sent] = []
      for index in indexes {
        bytes.writeString("<\(index)>")
        sent.append(
          Burst.Sent(index: index, isTop: false, isSurrogate: false, length: "<\(index)>".utf8.count))
      }
      return AnswersAhead.Answers(bytes: bytes, sent: sent[...])
    }
    var ahead = AnswersAhead()
    func begin(_ indexes: Range<Int>) -> Int {
      let number = ahead.nextRead()
      ahead.begin(number, Task {}, octets: indexes.count, upTo: indexes.upperBound)
      return number
    }
    ahead.note(0)
    let (first, second) = (begin(1..<5), begin(5..<8))
    // Who is done first waits for what comes before it.
    ahead.finish(answers(5..<8), of: second)
    #expect(ahead.octets == 0 && !ahead.isDecided(5) && ahead.task != nil)
    ahead.finish(answers(1..<5), of: first)
    #expect(ahead.octets == 21 && ahead.isDecided(7) && ahead.task == nil)
    #expect(ahead.take(1).map { String(buffer: $0.bytes) } == "<1>")
    #expect(ahead.take(1)?.bytes == nil)
    #expect(ahead.take(4).map { String(buffer: $0.bytes) } == "<4>")
    #expect(ahead.take(2)?.bytes == nil)
    #expect(ahead.take(6).map { String(buffer: $0.bytes) } == "<6>")
    #expect(ahead.octets == 3)
    let before = begin(9..<11)
    ahead.note(40)
    #expect(ahead.octets == 0 && !ahead.isInRow)
    let after = begin(41..<42)
    ahead.finish(answers(9..<11), of: before)
    #expect(ahead.octets == 0, "read for what was before the jump")
    ahead.finish(answers(41..<42), of: after)
    #expect(ahead.octets == 4)
  }
}
