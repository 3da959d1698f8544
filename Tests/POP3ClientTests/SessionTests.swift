import MailClient
import MailNet
import MailTestKit
import NIOCore
import NIOPosix
import Testing

@testable import POP3Client

@Suite(.timeLimit(.minutes(1))) struct SessionTests {
  @Test("A whole session: log in, list, bring, delete, quit")
  func session() async throws {
    let drop = Drop()
    try await withServer(drop.serve) { port in
      let client = try await connect(port)
      #expect(client.capabilities.pipelining && client.capabilities.uidl && client.capabilities.top)
      try await client.logIn(user: "budi", rightPassword)
      let stat = try await client.stat()
      #expect(stat == (2, 49))
      let listing = try await client.listing()
      #expect(
        listing == [POP3Listing(number: 1, octets: 27, uidl: "id1"), POP3Listing(number: 2, octets: 22, uidl: "id2")])
      var brought = Brought()
      try await client.retrieve(listing, window: 10) { brought.add($0) }
      #expect(brought.log == drop.messages.enumerated().map { "\($0 + 1) whole \($1)" })
      brought = Brought()
      try await client.top(listing, lines: 0, window: 10) { brought.add($0) }
      #expect(brought.log.count == 2)
      #expect(try await client.delete([1, 2], window: 10).isEmpty)
      try await client.noop()
      try await client.reset()
      try await client.retrieve([], window: 10) { _ in Issue.record("nothing was asked for") }
      try await client.quit()
      #expect(client.counters.received > 0)
      #expect(await kind { try await client.noop() } == .disconnected)
      await client.abandon()
    }
  }

  @Test("A server that knows RFC 1939 and no more will do")
  func oldServer() async throws {
    try await withServer { peer in
      try await peer.send("+OK\n")
      try await peer.expect("CAPA")
      try await peer.send("-ERR what?\n")
      try await peer.expect("USER budi")
      try await peer.send("+OK\n")
      try await peer.expect("PASS rahasia")
      try await peer.send("+OK\n")
      try await peer.expect("LIST")
      try await peer.send("+OK\n2 9 octets\n1 10\n.\n")
      try await peer.expect("UIDL")
      try await peer.send("-ERR\n")
      for (command, answer) in [("RETR 2", "+OK\na\n..b\n.\n"), ("RETR 1", "-ERR gone\n")] {
        try await peer.expect(command)
        // One at a time: the next command waits for this answer.
        #expect(peer.lines == (command == "RETR 2" ? 6 : 7))
        try await peer.send(answer)
      }
      try await peer.expect("TOP 2 0")
      try await peer.send("-ERR unknown command\n")
      try await peer.expect("QUIT")
      try await peer.send("+OK\n")
    } _: { port in
      let client = try await connect(port)
      #expect(!client.capabilities.isKnown)
      try await client.logIn(user: "budi", rightPassword)
      let listing = try await client.listing()
      #expect(
        listing == [POP3Listing(number: 2, octets: 9, uidl: nil), POP3Listing(number: 1, octets: 10, uidl: nil)])
      var brought = Brought()
      try await client.retrieve(listing, window: 50) { brought.add($0) }
      try await client.top([listing[0]], lines: 0, window: 50) { brought.add($0) }
      #expect(brought.log.first == "2 whole a\n.b\n")
      #expect(brought.log.count == 3 && brought.log[1].contains("gone") && brought.log[2].contains("unknown command"))
      try await client.quit()
    }
  }

  @Test("A greeting of -ERR says why, with its code")
  func greeting() async throws {
    try await withServer {
      try await $0.send("-ERR [SYS/TEMP] too many connections\r\n")
    } _: { port in
      let why = await kind { _ = try await connect(port) }
      #expect(why == .refused(command: "the connection", code: "SYS/TEMP", text: "too many connections"))
    }
    try await withServer {
      try await $0.send("* OK IMAP4rev1 ready\r\n")
    } _: { port in
      let why = await kind { _ = try await connect(port) }
      #expect(why == .protocolViolation("neither +OK nor -ERR: * OK IMAP4rev1 ready"))
    }
    try await withServer { _ in
    } _: { port in
      #expect(await kind { _ = try await connect(port) } == .disconnected)
    }
  }

  @Test("Silence is an error that says what was waited for, and ends the session")
  func silence() async throws {
    try await withServer { peer in
      try await peer.send("+OK\r\n")
      try await peer.expect("CAPA")
      try await peer.send("-ERR\r\n")
      try await peer.expect("NOOP")
      #expect(await peer.endsSilently())
    } _: { port in
      let client = try await connect(port, silence: .milliseconds(200))
      #expect(await kind { try await client.noop() } == .timedOut(waitingFor: "the answer to NOOP"))
      #expect(await kind { try await client.quit() } == .timedOut(waitingFor: "the answer to NOOP"))
    }
  }

  @Test("QUIT tells when not all was deleted, and when nobody knows")
  func quit() async throws {
    for (answer, expected) in [
      (
        "-ERR [SYS/TEMP] some deleted messages not removed\r\n",
        .refused(command: "QUIT", code: "SYS/TEMP", text: "some deleted messages not removed")
      ),
      ("", .disconnected), ("+O", .disconnected),
    ] as [(String, ClientError.Kind)] {
      try await withServer { peer in
        try await peer.send("+OK\r\n")
        try await peer.expect("CAPA")
        try await peer.send("-ERR\r\n")
        try await peer.expect("QUIT")
        try await peer.send(answer)
      } _: { port in
        let client = try await connect(port)
        #expect(await kind { try await client.quit() } == expected)
      }
    }
  }

  @Test("Abandoning says no QUIT")
  func abandon() async throws {
    try await withServer { peer in
      try await peer.send("+OK\r\n")
      try await peer.expect("CAPA")
      try await peer.send("-ERR\r\n")
      #expect(await peer.endsSilently())
    } _: { port in
      let client = try await connect(port)
      await client.abandon()
      await client.abandon()
      #expect(await kind { try await client.quit() } == .disconnected)
    }
  }
}
