import Bytes
import MailNet
import MailTestKit
import NIOCore
import NIOPosix
import Synchronization
import Testing

@testable import LMTPClient

private let usual = ["PIPELINING", "SIZE 1000", "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES"]

private func connect(
  _ port: Int, encryption: TransportSecurity.Encryption = .none, silence: Duration = .seconds(60)
) async throws -> LMTPClient {
  var timeouts = ClientTimeouts()
  timeouts.silence = silence
  return try await LMTPClient.connect(
    to: .host("127.0.0.1", port: port),
    security: TransportSecurity(encryption: encryption, trust: .system, allowsCleartextLogin: false),
    group: MultiThreadedEventLoopGroup.singleton, timeouts: timeouts)
}

private func withSession(
  _ extensions: [String] = usual, _ script: @escaping @Sendable (ScriptedPeer) async throws -> Void,
  _ body: (LMTPClient) async throws -> Void
) async throws {
  try await withServer { peer in
    try await peer.send("220 mail LMTP\r\n")
    #expect(try await peer.line().hasPrefix("LHLO "))
    try await peer.send(
      (["mail"] + extensions.dropLast()).map { "250-\($0)\r\n" }.joined() + "250 \(extensions.last ?? "mail")\r\n")
    try await script(peer)
  } _: { port in
    let client = try await connect(port)
    try await body(client)
    await client.quit()
  }
}

/// Gives pieces, then nil.
private func pieces(_ texts: [String]) -> () async throws -> ByteBuffer? {
  let rest = Mutex(texts[...])
  return { rest.withLock { $0.popFirst().map { ByteBuffer(string: $0) } } }
}

private func kind(
  sourceLocation: SourceLocation = #_sourceLocation, _ body: () async throws -> Void
) async -> ClientError.Kind? {
  do {
    try await body()
    Issue.record("nothing was thrown", sourceLocation: sourceLocation)
    return nil
  } catch let error as ClientError {
    return error.kind
  } catch {
    Issue.record(error, sourceLocation: sourceLocation)
    return nil
  }
}

extension ScriptedPeer {
  /// Lines up to the lone dot.
  fileprivate func message() async throws -> [String] {
    var lines: [String] = []
    while true {
      let line = try await line()
      if line == "." { return lines }
      lines.append(line)
    }
  }
}

@Suite(.timeLimit(.minutes(1))) struct DeliveryTests {
  @Test("MAIL, RCPT and DATA go out in one write, the message dot-stuffed behind the leave, one after the other")
  func delivery() async throws {
    try await withSession { peer in
      for number in 1...3 {
        let before = peer.lines
        if number == 1 { try await peer.arrived(1 + 3) }
        try await peer.expect("MAIL FROM:<budi@contoh.id> SIZE=17")
        try await peer.expect("RCPT TO:<siti@contoh.id>")
        try await peer.expect("DATA")
        // Nothing of the message before the server says so.
        if number == 1 { #expect(peer.lines == before + 3 || peer.lines == 4) }
        try await peer.send("250 2.1.0 OK\r\n250 2.1.5 OK\r\n354 go on\r\n")
        #expect(try await peer.message() == ["A: b", "", "..dot", "end"])
        try await peer.send("250 2.1.5 <siti@contoh.id> delivered \(number)\r\n")
      }
      try await peer.expect("QUIT")
      try await peer.send("221 bye\r\n")
    } _: { client in
      for number in 1...3 {
        let text = try await client.deliver(
          from: "budi@contoh.id", to: "siti@contoh.id", size: 17, body: pieces(["A: b\r\n\r\n.dot\r\nend"]))
        #expect(text == "2.1.5 <siti@contoh.id> delivered \(number)")
      }
    }
  }

  @Test("Without PIPELINING each command waits, and a refusal stops there")
  func alone() async throws {
    try await withSession(["8BITMIME"]) { peer in
      for (command, answer) in [
        ("MAIL FROM:<> BODY=8BITMIME", "250 OK"), ("RCPT TO:<siti>", "250 OK"), ("DATA", "354"),
      ] {
        try await peer.expect(command)
        try await peer.send("\(answer)\r\n")
      }
      #expect(try await peer.message() == ["x"])
      try await peer.send("250 OK\r\n")
      try await peer.expect("MAIL FROM:<>")
      try await peer.send("250 OK\r\n")
      try await peer.expect("RCPT TO:<nobody>")
      try await peer.send("550 5.1.1 no such user\r\n")
      // The next one begins anew.
      try await peer.expect("RSET")
      try await peer.send("250 OK\r\n")
      try await peer.expect("MAIL FROM:<>")
      try await peer.send("452 4.3.1 disk full\r\n")
    } _: { client in
      let text = try await client.deliver(from: "", to: "siti", size: nil, body: pieces(["x\r\n"]))
      #expect(text == "OK")
      var why = await kind {
        _ = try await client.deliver(from: "", to: "nobody", size: 3, body: pieces(["x\r\n"]))
      }
      #expect(why == .refused(command: "RCPT", code: "550", text: "5.1.1 no such user"))
      why = await kind { _ = try await client.deliver(from: "", to: "siti", size: 3, body: pieces(["x\r\n"])) }
      #expect(why == .refused(command: "MAIL", code: "452", text: "4.3.1 disk full"))
    }
  }

  @Test("A refusal in the pipeline is the first one's, and the connection serves the next message")
  func refused() async throws {
    try await withSession { peer in
      for line in ["MAIL FROM:<a@b> SIZE=3", "RCPT TO:<nobody>", "DATA"] { try await peer.expect(line) }
      try await peer.send("250 2.1.0 OK\r\n550-5.1.1 no such\r\n550 5.1.1 user\r\n503 5.5.1 no valid recipients\r\n")
      for line in ["RSET", "MAIL FROM:<a@b> SIZE=3", "RCPT TO:<siti>", "DATA"] { try await peer.expect(line) }
      try await peer.send("250 2.0.0 OK\r\n250 2.1.0 OK\r\n250 2.1.5 OK\r\n354\r\n")
      _ = try await peer.message()
      try await peer.send("452 4.2.2 mailbox is full\r\n")
      for line in ["RSET", "MAIL FROM:<a@b> SIZE=3", "RCPT TO:<siti>", "DATA"] { try await peer.expect(line) }
      try await peer.send("250 2.0.0 OK\r\n250 2.1.0 OK\r\n250 2.1.5 OK\r\n354\r\n")
      _ = try await peer.message()
      try await peer.send("250 2.1.5 delivered\r\n")
    } _: { client in
      var error = await kind {
        _ = try await client.deliver(from: "a@b", to: "nobody", size: 3, body: pieces(["x\r\n"]))
      }
      #expect(error == .refused(command: "RCPT", code: "550", text: "5.1.1 no such user"))
      error = await kind { _ = try await client.deliver(from: "a@b", to: "siti", size: 3, body: pieces(["x\r\n"])) }
      #expect(error == .refused(command: "DATA", code: "452", text: "4.2.2 mailbox is full"))
      let text = try await client.deliver(from: "a@b", to: "siti", size: 3, body: pieces(["x\r\n"]))
      #expect(text == "2.1.5 delivered")
    }
    #expect(ClientError(.refused(command: "DATA", code: "452", text: ""), server: "").isTemporaryDelivery)
    #expect(!ClientError(.refused(command: "DATA", code: "552", text: ""), server: "").isTemporaryDelivery)
    #expect(ClientError(.disconnected, server: "").isTemporaryDelivery)
  }

  @Test("354 to DATA without a recipient is not followed: nothing is delivered to nobody")
  func wrongLeave() async throws {
    try await withSession { peer in
      for _ in 0..<3 { _ = try await peer.line() }
      try await peer.send("250 OK\r\n550 5.1.1 no\r\n354 go on\r\n")
      #expect(await peer.endsSilently())
    } _: { client in
      let why = await kind { _ = try await client.deliver(from: "", to: "nobody", size: 3, body: pieces(["x\r\n"])) }
      #expect(why == .refused(command: "RCPT", code: "550", text: "5.1.1 no"))
      #expect(
        await kind { _ = try await client.deliver(from: "", to: "siti", size: 3, body: pieces(["x\r\n"])) }
          == .disconnected)
    }
  }

  @Test("A verdict that comes before the message is none")
  func earlyVerdict() async throws {
    try await withSession { peer in
      for _ in 0..<3 { _ = try await peer.line() }
      try await peer.send("250 OK\r\n250 OK\r\n354\r\n250 delivered\r\n")
      #expect(await peer.endsSilently())
    } _: { client in
      let why = await kind { _ = try await client.deliver(from: "", to: "siti", size: 3, body: pieces(["x\r\n"])) }
      #expect(why == .protocolViolation("a reply to a message that has not been sent"))
    }
  }

  @Test("A server that closes in the middle of the message is heard out")
  func closesInTheMiddle() async throws {
    try await withSession { peer in
      for _ in 0..<3 { _ = try await peer.line() }
      try await peer.send("250 OK\r\n250 OK\r\n354\r\n")
      _ = try await peer.line()
      try await peer.send("451 4.3.0 disk trouble\r\n")
    } _: { client in
      let line = ByteBuffer(string: String(repeating: "line\r\n", count: 20_000))
      let why = await kind { _ = try await client.deliver(from: "", to: "siti", size: nil) { line } }
      switch why {
      case .refused("DATA", "451", "4.3.0 disk trouble"), .disconnected: break
      default: Issue.record("\(String(describing: why))")
      }
    }
  }

  @Test("What is too big is refused here, before a byte is sent")
  func tooBig() async throws {
    try await withSession { peer in
      try await peer.expect("QUIT")
    } _: { client in
      let why = await kind {
        _ = try await client.deliver(from: "", to: "siti", size: 1001) {
          Issue.record("the message was asked for")
          return nil
        }
      }
      guard case .refused("MAIL", "552", _) = why else {
        Issue.record("\(String(describing: why))")
        return
      }
    }
  }

  @Test("A message that breaks off is never ended, so that no part of it is delivered")
  func breaksOff() async throws {
    struct SourceGone: Error {}
    try await withSession { peer in
      for _ in 0..<3 { _ = try await peer.line() }
      try await peer.send("250 OK\r\n250 OK\r\n354\r\n")
      while let line = try? await peer.line() { #expect(line != ".") }
    } _: { client in
      let count = Mutex(0)
      await #expect(throws: SourceGone.self) {
        _ = try await client.deliver(from: "", to: "siti", size: nil) {
          let number = count.withLock { count in
            count += 1
            return count
          }
          guard number < 4 else { throw SourceGone() }
          return ByteBuffer(string: String(repeating: "line\r\n", count: 20_000))
        }
      }
      #expect(await kind { _ = try await client.deliver(from: "", to: "a", size: 1, body: pieces([])) } == .cancelled)
    }
  }

  @Test("A server that closes before its verdict leaves no success behind")
  func closes() async throws {
    try await withSession { peer in
      for _ in 0..<3 { _ = try await peer.line() }
      try await peer.send("250 OK\r\n250 OK\r\n354\r\n")
      _ = try await peer.message()
    } _: { client in
      let why = await kind { _ = try await client.deliver(from: "", to: "siti", size: 3, body: pieces(["x\r\n"])) }
      #expect(why == .disconnected)
    }
    try await withSession { peer in
      for _ in 0..<3 { _ = try await peer.line() }
      try await peer.send("421 4.3.2 shutting down\r\n")
    } _: { client in
      let why = await kind { _ = try await client.deliver(from: "", to: "siti", size: 3, body: pieces(["x\r\n"])) }
      #expect(why == .refused(command: "MAIL", code: "421", text: "4.3.2 shutting down"))
    }
  }

  @Test(
    "8BITMIME and SMTPUTF8 are asked for when they are needed",
    arguments: [
      (usual, "a@b", "siti", "A: b\r\n\r\nc\r\n", "SIZE=11"),
      (usual, "a@b", "siti", "A: b\r\n\r\nö\r\n", "SIZE=12 BODY=8BITMIME"),
      (usual, "a@b", "siti", "A: ö\r\n\r\nc\r\n", "SIZE=12 BODY=8BITMIME SMTPUTF8"),
      (usual, "ö@b", "siti", "A: b\r\n\r\nc\r\n", "SIZE=11 SMTPUTF8"),
      (["PIPELINING", "SIZE"], "a@b", "siti", "A: ö\r\n\r\nc\r\n", "SIZE=12"),
      (["PIPELINING"], "a@b", "siti", "A: ö\r\n\r\nc\r\n", ""),
    ])
  func parameters(
    _ extensions: [String], _ sender: String, _ recipient: String, _ message: String, _ expected: String
  ) async throws {
    try await withSession(extensions) { peer in
      try await peer.expect("MAIL FROM:<\(sender)>\(expected.isEmpty ? "" : " ")\(expected)")
      for _ in 0..<2 { _ = try await peer.line() }
      try await peer.send("250 OK\r\n250 OK\r\n354\r\n")
      _ = try await peer.message()
      try await peer.send("250 OK\r\n")
    } _: { client in
      _ = try await client.deliver(from: sender, to: recipient, size: message.utf8.count, body: pieces([message]))
    }
  }

  @Test("Addresses the server could not understand, or that would be commands, are not sent")
  func addresses() async throws {
    try await withSession(["PIPELINING"]) { peer in
      try await peer.expect("QUIT")
    } _: { client in
      for (sender, recipient) in [("a@b\r\nRSET", "siti"), ("", ""), ("", "a b"), ("", "a>\r\nDATA")] {
        let why = await kind { _ = try await client.deliver(from: sender, to: recipient, size: 1, body: pieces(["x"])) }
        guard case .invalidAddress = why else {
          Issue.record("\(sender) \(recipient): \(String(describing: why))")
          continue
        }
      }
      let why = await kind { _ = try await client.deliver(from: "", to: "méong", size: 1, body: pieces(["x"])) }
      guard case .unsupported = why else {
        Issue.record("\(String(describing: why))")
        return
      }
    }
  }

  @Test("Random messages in random pieces arrive as they were", arguments: 0..<4)
  func random(_ seed: UInt64) async throws {
    var random = SeededRandom(seed: seed)
    let words = ["\r\n", ".", "\r\n.", "\r\n..\r\n", "word ", "\u{FC}", String(repeating: "long ", count: 9000)]
    let lists = (0..<10).map { _ in
      (0..<Int.random(in: 1...40, using: &random)).map { _ in words.randomElement(using: &random) ?? "" }
    }
    try await withSession(["PIPELINING"]) { peer in
      for words in lists {
        for _ in 0..<3 { _ = try await peer.line() }
        try await peer.send("250 OK\r\n250 OK\r\n354\r\n")
        let lines = try await peer.message().map { $0.hasPrefix(".") ? String($0.dropFirst()) : $0 }
        var whole = lines.map { "\($0)\r\n" }.joined()
        if !words.joined().hasSuffix("\r\n") { whole.removeLast() }
        #expect(whole == words.joined())
        try await peer.send("250 OK\r\n")
      }
    } _: { client in
      for words in lists { _ = try await client.deliver(from: "", to: "siti", size: nil, body: pieces(words)) }
    }
  }

  @Test("STARTTLS is wanted or nothing: a server without it, and one with words behind its answer, are left")
  func startTLS() async throws {
    for (extensions, answer, expected) in [
      ("250 mail\r\n", "", .unsupported("STARTTLS")),
      (
        "250-mail\r\n250 STARTTLS\r\n", "454 4.7.0 not now\r\n",
        .refused(command: "STARTTLS", code: "454", text: "4.7.0 not now")
      ),
      (
        "250-mail\r\n250 STARTTLS\r\n", "220 go\r\n250 injected\r\n",
        .protocolViolation("bytes in the clear behind the answer to STARTTLS")
      ),
    ] as [(String, String, ClientError.Kind)] {
      try await withServer { peer in
        try await peer.send("220 mail LMTP\r\n")
        _ = try await peer.line()
        try await peer.send(extensions)
        if !answer.isEmpty {
          try await peer.expect("STARTTLS")
          try await peer.send(answer)
        }
        #expect(await peer.endsSilently())
      } _: { port in
        #expect(await kind { _ = try await connect(port, encryption: .startTLS) } == expected)
      }
    }
  }

  @Test("Greetings that say no, and servers of another kind, are told")
  func greetings() async throws {
    for (greeting, expected) in [
      (
        "421 4.7.0 too many connections\r\n",
        .refused(command: "the connection", code: "421", text: "4.7.0 too many connections")
      ),
      ("+OK POP3\r\n", .protocolViolation("no LMTP reply: +OK POP3")), ("", .disconnected),
    ] as [(String, ClientError.Kind)] {
      try await withServer {
        try await $0.send(greeting)
      } _: { port in
        #expect(await kind { _ = try await connect(port) } == expected)
      }
    }
    try await withServer { peer in
      try await peer.send("220 this is SMTP\r\n")
      _ = try await peer.line()
      try await peer.send("500 5.5.1 unknown command\r\n")
    } _: { port in
      let why = await kind { _ = try await connect(port) }
      #expect(why == .refused(command: "LHLO", code: "500", text: "5.5.1 unknown command"))
    }
  }
}
