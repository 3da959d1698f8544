import MailAuth
import MailStore
import MailTestKit
import NIOCore
import Testing

@testable import POP3Server

/// Sessions whose maildrop has its totals and not yet its messages.
@Suite struct POP3ListingTests {
  private func start() async throws -> (FakeStore, TestServer, ScriptPeer) {
    let store = FakeStore()
    let account = try await store.addAccount(
      NewAccount(name: "budi", credentials: TestServer.credentials(password: "rahasia")))
    for number in 0..<3 {
      let incoming = store.newIncomingMessage()
      try await incoming.append(ByteBuffer(string: "Subject: \(number)\r\n\r\n"))
      let target = DeliveryTarget(account: account.id)
      for result in await store.deliver(try await incoming.finish(), to: [target], date: InternalDate(seconds: 0)) {
        _ = try result.get()
      }
    }
    store.listing.close()
    let server = try await TestServer.start(.pop3, store: store, settings: [:], clock: TestClock())
    let peer = try await ScriptPeer.connect(to: server.address)
    try await peer.send(Array("USER budi\r\nPASS rahasia\r\n".utf8))
    for _ in 0..<3 { #expect(try await peer.line().hasPrefix("+OK")) }
    return (store, server, peer)
  }

  private func say(_ line: String, _ peer: ScriptPeer) async throws -> String {
    try await peer.send(Array("\(line)\r\n".utf8))
    return try await peer.line()
  }

  @Test func `STAT, NOOP, RSET and QUIT are answered before the messages are known`() async throws {
    let (store, server, peer) = try await start()
    #expect(try await say("STAT", peer) == "+OK 3 42")
    #expect(try await say("NOOP", peer).hasPrefix("+OK"))
    #expect(try await say("RSET", peer).hasPrefix("+OK"))
    #expect(try await say("QUIT", peer).hasPrefix("+OK"))
    await peer.close()
    await server.stop()
    #expect(store.openMaildrops == 0)
  }

  @Test func `What is about single messages waits for them, and what was sent behind it comes after`() async throws {
    let (store, server, peer) = try await start()
    try await peer.send(Array("DELE 2\r\nSTAT\r\nLIST 3\r\nRETR 1\r\n".utf8))
    store.listing.open()
    #expect(try await peer.line().hasPrefix("+OK"))
    #expect(try await peer.line() == "+OK 2 28")
    #expect(try await peer.line() == "+OK 3 14")
    #expect(try await peer.line().hasPrefix("+OK"))
    for line in ["Subject: 0", "", "."] { #expect(try await peer.line() == line) }
    #expect(try await say("QUIT", peer).hasPrefix("+OK"))
    await peer.close()
    await server.stop()
  }

  @Test(arguments: ["RETR 1", "TOP 1 0"])
  func `A message asked for alone comes as soon as they are known`(command: String) async throws {
    let (store, server, peer) = try await start()
    try await peer.send(Array("\(command)\r\n".utf8))
    store.listing.open()
    #expect(try await peer.line().hasPrefix("+OK"))
    for line in ["Subject: 0", "", "."] { #expect(try await peer.line() == line) }
    await peer.close()
    await server.stop()
  }

  @Test func `When they cannot be read the command hears so, and the next one asks again`() async throws {
    let (store, server, peer) = try await start()
    store.fail(.list)
    try await peer.send(Array("UIDL\r\n".utf8))
    store.listing.open()
    #expect(try await peer.line().hasPrefix("-ERR [SYS/TEMP]"))
    store.heal(.list)
    #expect(try await say("LIST 3", peer) == "+OK 3 14")
    await peer.close()
    await server.stop()
  }

  @Test func `A connection that is gone while they are read lets go of the maildrop`() async throws {
    let (store, server, peer) = try await start()
    try await peer.send(Array("LIST\r\n".utf8))
    await peer.close()
    store.listing.open()
    await server.stop()
    for _ in 0..<1_000_000 where store.openMaildrops > 0 { await Task.yield() }
    #expect(store.openMaildrops == 0)
  }
}
