import MailClient
import MailNet
import MailTestKit
import NIOCore
import POP3Core
import Testing

@testable import POP3Client

private func listing(_ sizes: [Int64]) -> [POP3Listing] {
  sizes.enumerated().map { POP3Listing(number: $0 + 1, octets: $1, uidl: nil) }
}

/// A session in which RETR may be sent ahead, or not.
private func withSession(
  pipelining: Bool = true, _ script: @escaping @Sendable (ScriptedPeer) async throws -> Void,
  _ body: (POP3Client) async throws -> Void
) async throws {
  try await withServer { peer in
    try await peer.send("+OK\r\n")
    try await peer.expect("CAPA")
    try await peer.send(pipelining ? "+OK\r\nPIPELINING\r\n.\r\n" : "+OK\r\n.\r\n")
    try await script(peer)
  } _: { port in
    let client = try await connect(port)
    try await body(client)
    await client.abandon()
  }
}

@Suite(.timeLimit(.minutes(1))) struct RetrievalTests {
  @Test("The window of commands is filled before the first answer, and never exceeded")
  func commands() async throws {
    try await withSession { peer in
      // CAPA came before. All eight must come without an answer.
      try await peer.arrived(1 + 8)
      var most = 0
      for number in 1...100 {
        try await peer.expect("RETR \(number)")
        most = max(most, peer.lines - number)
        try await peer.send(Drop.response("message \(number)\r\n"))
      }
      // The first answer was sent when exactly eight commands were here.
      #expect(most == 8)
    } _: { client in
      var brought = Brought()
      try await client.retrieve(listing(Array(repeating: 12, count: 100)), window: 8) { brought.add($0) }
      #expect(brought.log == (1...100).map { "\($0) whole message \($0)\r\n" })
    }
  }

  @Test("The window of octets holds commands back, and one message larger than it goes all the same")
  func octets() async throws {
    let half = POP3ClientLimits.windowOctets / 2
    try await withSession { peer in
      try await peer.arrived(1 + 2)
      for number in 1...4 {
        try await peer.expect("RETR \(number)")
        #expect(peer.lines - number <= 2)
        try await peer.send(Drop.response("small\r\n"))
      }
      try await peer.expect("RETR 5")
      #expect(peer.lines == 6)
      try await peer.send(Drop.response("small\r\n"))
      try await peer.expect("RETR 6")
      try await peer.send(Drop.response("small\r\n"))
    } _: { client in
      var brought = Brought()
      try await client.retrieve(listing([half, half, half, half, half * 9, 1]), window: 100) { brought.add($0) }
      // What was announced as huge is streamed, however short it is.
      #expect(brought.log.count == 4 * 2 + 2 + 1)
      #expect(brought.log.last == "6 whole small\r\n")
    }
  }

  @Test("Without PIPELINING each command waits for the answer before")
  func oneByOne() async throws {
    try await withSession(pipelining: false) { peer in
      for number in 1...5 {
        try await peer.expect("RETR \(number)")
        #expect(peer.lines == 1 + number)
        try await peer.send(Drop.response("m\r\n"))
      }
    } _: { client in
      var brought = Brought()
      try await client.retrieve(listing([3, 3, 3, 3, 3]), window: 50) { brought.add($0) }
      #expect(brought.log.count == 5)
    }
  }

  @Test("-ERR in the middle of a pipeline is that message's alone")
  func refused() async throws {
    try await withSession { peer in
      try await peer.arrived(4)
      try await peer.send(
        Drop.response("one\r\n") + "-ERR [SYS/PERM] message is damaged\r\n" + Drop.response("three\r\n"))
    } _: { client in
      var brought = Brought()
      try await client.retrieve(listing([5, 5, 7]), window: 3) { brought.add($0) }
      let error = ClientError.Kind.refused(command: "RETR 2", code: "SYS/PERM", text: "message is damaged")
      #expect(brought.log == ["1 whole one\r\n", "2 refused \(error)", "3 whole three\r\n"])
    }
  }

  @Test("A connection that ends before the end of a message gives no whole one", arguments: [true, false])
  func cut(_ isLarge: Bool) async throws {
    let response = Drop.response("Subject: cut\r\n\r\nline\r\n..\r\nlast\r\n")
    for length in [response.utf8.count - 1, response.utf8.count - 3, response.utf8.count - 10, 12, 3] {
      try await withSession { peer in
        try await peer.arrived(3)
        try await peer.send(Drop.response("one\r\n") + String(decoding: response.utf8.prefix(length), as: UTF8.self))
        // Some cuts end in an orderly way, in the middle of what looks like an end.
      } _: { client in
        var brought = Brought()
        let sizes: [Int64] = [5, isLarge ? 2 << 20 : 37]
        let why = await kind { try await client.retrieve(listing(sizes), window: 5) { brought.add($0) } }
        #expect(why == .disconnected)
        #expect(brought.log.first == "1 whole one\r\n")
        #expect(!brought.log.contains { $0.hasPrefix("2 whole") || $0.hasPrefix("2 ends") })
        #expect(await kind { try await client.quit() } == .disconnected)
      }
    }
  }

  @Test("What the handler throws ends the session: nothing but abandoning is sent")
  func handlerThrows() async throws {
    struct DiskFull: Error {}
    try await withSession { peer in
      try await peer.arrived(4)
      try await peer.send(Drop.response("one\r\n") + Drop.response("two\r\n") + Drop.response("three\r\n"))
      for number in 1...3 { try await peer.expect("RETR \(number)") }
      #expect(await peer.endsSilently())
    } _: { client in
      await #expect(throws: DiskFull.self) {
        try await client.retrieve(listing([5, 5, 7]), window: 3) { event in
          if case .whole(2, _) = event { throw DiskFull() }
        }
      }
      // QUIT now would delete what was marked before.
      #expect(await kind { try await client.quit() } == .cancelled)
    }
  }

  @Test("A huge message comes in bounded pieces, between small ones, and the server is kept busy meanwhile")
  func huge() async throws {
    let line = String(repeating: "x", count: 998) + "\r\n"
    let block = ByteBuffer(string: String(repeating: line, count: 256))
    let blocks = 160
    let octets = Int64(block.readableBytes * blocks + 4)
    try await withSession { peer in
      try await peer.arrived(3)
      try await peer.send(Drop.response("small\r\n") + "+OK\r\n..\r\n")
      for _ in 0..<blocks { try await peer.send(block) }
      // While the rest of it is on its way the next command comes.
      try await peer.arrived(4)
      try await peer.send(".\r\n" + Drop.response("small\r\n"))
    } _: { client in
      var brought = Brought()
      var largest = 0
      var received: Int64 = 0
      try await client.retrieve(listing([7, octets, 7]), window: 9) { event in
        guard case .piece(let piece) = event else { return brought.add(event) }
        largest = max(largest, piece.readableBytes)
        received += Int64(piece.readableBytes)
      }
      #expect(brought.log == ["1 whole small\r\n", "2 begins", "2 ends 0", "3 whole small\r\n"])
      // The dot line has one octet less than it was sent with, and its CRLF.
      #expect(received == octets - 1)
      #expect(largest <= 2 * POP3ClientLimits.whole)
    }
  }

  @Test("TOP is pipelined, and a header without a body is whole")
  func top() async throws {
    try await withSession { peer in
      try await peer.arrived(3)
      try await peer.expect("TOP 1 0")
      try await peer.expect("TOP 2 0")
      try await peer.send("+OK\r\nSubject: a\r\n\r\n.\r\n+OK\r\n.\r\n")
    } _: { client in
      var brought = Brought()
      try await client.top(listing([90_000_000, 5]), lines: 0, window: 10) { brought.add($0) }
      #expect(brought.log == ["1 whole Subject: a\r\n\r\n", "2 whole "])
    }
  }

  @Test("DELE is pipelined, and tells which were refused")
  func delete() async throws {
    try await withSession { peer in
      try await peer.arrived(1 + 4)
      for number in [7, 3, 9, 1, 2] {
        try await peer.expect("DELE \(number)")
        try await peer.send(number == 9 ? "-ERR already deleted\r\n" : "+OK\r\n")
      }
    } _: { client in
      let refused = try await client.delete([7, 3, 9, 1, 2], window: 4)
      #expect(
        refused.mapValues(\.kind) == [9: .refused(command: "DELE 9", code: nil, text: "already deleted")])
    }
  }

  @Test("Random mail comes as it was sent, through random cuts and any window", arguments: 0..<6)
  func random(_ seed: UInt64) async throws {
    var random = SeededRandom(seed: seed)
    let pieces = [
      "\r\n", ".", "..", "\r\n.\r\n", "\r\n.", "word ", "\u{FC}", "\0", String(repeating: "long ", count: 300),
    ]
    let messages = (0..<60).map { _ in
      (0..<Int.random(in: 0...40, using: &random)).map { _ in pieces.randomElement(using: &random) ?? "" }.joined()
        + "\r\n"
    }
    let answers = messages.map(Drop.response).joined()
    let cuts = (0..<200).map { _ in Int.random(in: 0...answers.utf8.count, using: &random) }.sorted()
    let window = Int.random(in: 1...70, using: &random)
    try await withSession { peer in
      let bytes = Array(answers.utf8)
      var start = 0
      for cut in cuts + [bytes.count] {
        try await peer.send(ByteBuffer(bytes: bytes[start..<cut]))
        start = cut
      }
      try await peer.arrived(1 + messages.count)
    } _: { client in
      var brought = Brought()
      let sizes = messages.map { Int64($0.utf8.count) }
      try await client.retrieve(listing(sizes), window: window) { brought.add($0) }
      #expect(brought.log == messages.enumerated().map { "\($0 + 1) whole \($1)" })
    }
  }

  @Test("The window is refilled when half of it is empty, not for every message")
  func refills() {
    var window = CommandWindow(commands: 100, octets: 1 << 20)
    var writes = 0
    while window.answered < 10_000 {
      if window.wantsMore, window.sent < 10_000 {
        writes += 1
        while window.sent < 10_000, window.admit(8192) {}
      }
      #expect(window.onTheWay <= 100)
      window.complete()
    }
    #expect(writes <= 10_000 / 50 + 1)
    // 1 MiB has room for 128 of 8 KiB: here the octets bind.
    window = CommandWindow(commands: 1000, octets: 1 << 20)
    while window.admit(8192) {}
    #expect(window.onTheWay == 128)
    for _ in 0..<63 { window.complete() }
    #expect(!window.wantsMore)
    window.complete()
    #expect(window.wantsMore)
    // A large answer makes room as it comes in.
    window = CommandWindow(commands: 10, octets: 100_000)
    var isAdmitted = window.admit(1 << 60)
    #expect(isAdmitted)
    isAdmitted = window.admit(1)
    #expect(!isAdmitted)
    window.received(1 << 40)
    isAdmitted = window.admit(1)
    #expect(isAdmitted)
    window.complete()
    window.received(10_000)
    window.complete()
    window.complete()
    #expect(window.onTheWay == 0 && window.wantsMore)
  }
}
