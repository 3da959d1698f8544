import MailClient
import MailNet
import MailTestKit
import NIOCore
import Testing

@testable import POP3Client

/// A session that is logged in (or needs no login), with these capabilities.
private func withDrop(
  _ capabilities: String, _ script: @escaping @Sendable (ScriptedPeer) async throws -> Void,
  _ body: (POP3Client) async throws -> Void
) async throws {
  try await withServer { peer in
    try await peer.send("+OK\r\n")
    try await peer.expect("CAPA")
    try await peer.send("+OK\r\n\(capabilities).\r\n")
    try await script(peer)
  } _: { port in
    let client = try await connect(port)
    try await body(client)
    await client.abandon()
  }
}

@Suite(.timeLimit(.minutes(1))) struct ListingTests {
  @Test("Leaving says QUIT and does not wait for the answer")
  func leaves() async throws {
    try await withDrop("PIPELINING\r\nUIDL\r\n") { peer in
      try await peer.expect("QUIT")
      // No answer: the client has gone.
    } _: { client in
      await client.leave()
      await #expect(throws: ClientError.self) { try await client.noop() }
    }
  }

  @Test("With PIPELINING both commands are sent before the first answer")
  func pipelined() async throws {
    try await withDrop("PIPELINING\r\nUIDL\r\n") { peer in
      try await peer.arrived(3)
      try await peer.expect("LIST")
      try await peer.expect("UIDL")
      try await peer.send("+OK\r\n1 5\r\n.\r\n+OK\r\n1 a\r\n.\r\n")
    } _: { client in
      let listing = try await client.listing()
      #expect(listing == [POP3Listing(number: 1, octets: 5, uidl: "a")])
    }
  }

  @Test(
    "LIST and UIDL are joined by number, whatever they hold",
    arguments: [
      ("1 5\r\n2 6\r\n", "1 a\r\n2 b\r\n", "1/5/a 2/6/b"), ("2 6\r\n1 5\r\n", "1 a\r\n2 b\r\n", "2/6/b 1/5/a"),
      ("1 5\r\n2 6\r\n", "1 same\r\n2 same\r\n", "1/5/same 2/6/same"), ("1 5\r\n2 6\r\n", "2 b\r\n", "1/5/- 2/6/b"),
      ("1 5\r\n1 7\r\n", "1 a\r\n1 b\r\n", "1/5/a"), ("1 5\r\n", "1 a\r\n3 c\r\n", "1/5/a 3/0/c"),
      ("1 5\r\n2 6\r\n", "1\r\n2 \r\n", "1/5/ 2/6/"), ("", "", ""),
    ])
  func joined(_ list: String, _ uidl: String, _ expected: String) async throws {
    try await withDrop("UIDL\r\n") { peer in
      try await peer.expect("LIST")
      try await peer.send("+OK\r\n\(list).\r\n")
      try await peer.expect("UIDL")
      try await peer.send("+OK\r\n\(uidl).\r\n")
    } _: { client in
      let listing = try await client.listing()
      #expect(listing.map { "\($0.number)/\($0.octets)/\($0.uidl ?? "-")" }.joined(separator: " ") == expected)
    }
  }

  @Test("A server that has UIDL and just can't answer is not taken for one without")
  func uidlFails() async throws {
    for (capabilities, fails) in [("UIDL\r\n", true), ("TOP\r\n", false)] {
      try await withDrop(capabilities) { peer in
        try await peer.expect("LIST")
        try await peer.send("+OK\r\n1 5\r\n.\r\n")
        try await peer.expect("UIDL")
        try await peer.send("-ERR [SYS/TEMP] later\r\n")
        try await peer.expect("NOOP")
        try await peer.send("+OK\r\n")
      } _: { client in
        if fails {
          let why = await kind { _ = try await client.listing() }
          #expect(why == .refused(command: "UIDL", code: "SYS/TEMP", text: "later"))
        } else {
          #expect(try await client.listing() == [POP3Listing(number: 1, octets: 5, uidl: nil)])
        }
        try await client.noop()
      }
    }
  }

  @Test("-ERR to LIST is an empty maildrop if STAT says so, and an error if not")
  func emptyByError() async throws {
    for (stat, isEmpty) in [("+OK 0 0\r\n", true), ("+OK 2 9\r\n", false), ("-ERR\r\n", false)] {
      try await withDrop("") { peer in
        try await peer.expect("LIST")
        try await peer.send("-ERR no messages\r\n")
        try await peer.expect("UIDL")
        try await peer.send("-ERR no messages\r\n")
        try await peer.expect("STAT")
        try await peer.send(stat)
      } _: { client in
        if isEmpty {
          let listing = try await client.listing()
          #expect(listing == [])
        } else {
          let why = await kind { _ = try await client.listing() }
          #expect(why == .refused(command: "LIST", code: nil, text: "no messages"))
        }
      }
    }
  }

  @Test("A listing that is cut is no listing")
  func cut() async throws {
    try await withDrop("PIPELINING\r\nUIDL\r\n") { peer in
      try await peer.expect("LIST")
      try await peer.send("+OK\r\n1 5\r\n2 6\r\n")
    } _: { client in
      #expect(await kind { _ = try await client.listing() } == .disconnected)
    }
  }

  @Test(
    "EXPIRE, LOGIN-DELAY and the rest of CAPA are read as servers write them",
    arguments: [
      ("EXPIRE 0", 0, nil), ("expire never", nil, nil), ("EXPIRE 30 USER", 30, nil), ("EXPIRE", nil, nil),
      ("EXPIRE -1", nil, nil), ("EXPIRE soon", nil, nil), ("LOGIN-DELAY 900", nil, 900),
      ("LOGIN-DELAY 60 USER", nil, 60), ("EXPIRE  7\tUSER ", 7, nil),
    ] as [(String, Int?, Int?)])
  func capabilities(_ line: String, _ expire: Int?, _ delay: Int?) {
    let capabilities = POP3Capabilities(body: ByteBuffer(string: "Top\r\n\(line)\r\nXOIP x\r\n"))
    #expect(capabilities.expireDays == expire)
    #expect(capabilities.loginDelay == delay)
    #expect(capabilities.top && capabilities.isKnown && !capabilities.uidl)
  }

  @Test("SASL and IMPLEMENTATION keep their words")
  func words() {
    let capabilities = POP3Capabilities(
      body: ByteBuffer(string: "SASL plain SCRAM-SHA-256\nIMPLEMENTATION  Merpati 1.0 (\u{1B}[2J)\nUTF8 USER\nSTLS\n"))
    #expect(capabilities.sasl == ["PLAIN", "SCRAM-SHA-256"])
    #expect(capabilities.implementation == "Merpati 1.0 (?[2J)")
    #expect(capabilities.utf8 && capabilities.stls && !capabilities.user)
  }
}
