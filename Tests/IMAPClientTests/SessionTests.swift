import IMAPClient
import IMAPCore
import MailClient
import NIOCore
import Testing

@testable import MailNet

/// What becomes of the line itself: TLS, compression, its end.
@Suite struct SessionTests {
  @Test("STARTTLS: not offered, refused, preceded by a login, or followed by something in clear, the attempt ends")
  func startTLS() async throws {
    let scripts: [@Sendable (ScriptedPeer) throws -> Void] = [
      { try $0.send("* OK [CAPABILITY IMAP4rev1] hello\r\n") },
      { try $0.send("* PREAUTH [CAPABILITY IMAP4rev1 STARTTLS] hello\r\n") },
      { peer in
        try peer.send("* OK [CAPABILITY IMAP4rev1 STARTTLS] hello\r\n")
        try peer.complete("STARTTLS", "NO not now")
      },
    ]
    for script in scripts {
      let play = { @Sendable (peer: ScriptedPeer) throws in
        try script(peer)
        try peer.expectEnd()
      }
      try await withScript(play, encryption: .startTLS) { server in
        let kind = await errorKind { _ = try await server.connect() }
        guard case .tls? = kind else {
          Issue.record("\(String(describing: kind))")
          return
        }
      }
    }
    try await withScript(
      { peer in
        try peer.send("* OK hello\r\n")
        try peer.answer("CAPABILITY", "* CAPABILITY IMAP4rev1 STARTTLS")
        try peer.complete("STARTTLS", "OK go\r\n* CAPABILITY IMAP4rev1 AUTH=PLAIN")
        try peer.expectEnd()
      }, encryption: .startTLS
    ) { server in
      guard case .protocolViolation? = await errorKind({ _ = try await server.connect() }) else {
        Issue.record("connected")
        return
      }
    }
  }

  @Test("COMPRESS begins behind the OK, even if what follows came along with it")
  func compresses() async throws {
    try await withSession("COMPRESS=DEFLATE") { peer in
      let tag = try peer.expect("COMPRESS DEFLATE")
      guard let deflater = Deflater(), let inflater = Inflater() else { throw ScriptError("no zlib") }
      let deflate = { (bytes: [UInt8]) throws -> [UInt8] in
        guard let out = deflater.deflate(ByteBuffer(bytes: bytes)) else { throw ScriptError("deflate") }
        return Array(out.readableBytesView)
      }
      try peer.send(Array("\(tag) OK go\r\n".utf8) + deflate(Array("* OK compressed\r\n* 9 EXISTS\r\n".utf8)))
      peer.deflate = deflate
      peer.inflate = { bytes in
        inflater.feed(ByteBuffer(bytes: bytes))
        var all: [UInt8] = []
        while let piece = inflater.next() { all += piece.readableBytesView }
        return all
      }
      try peer.answer("NOOP", "* 10 EXISTS")
    } _: { client in
      #expect(client.isCompressed)
      let news = try await client.noop()
      #expect(news == [.exists(10)])
    }
  }

  @Test("COMPRESS refused leaves the line as it is")
  func compressionRefused() async throws {
    try await withSession("COMPRESS=DEFLATE") { peer in
      try peer.complete("COMPRESS DEFLATE", "NO [COMPRESSIONACTIVE] TLS does it")
      try peer.answer("NOOP")
    } _: { client in
      #expect(!client.isCompressed)
      _ = try await client.noop()
    }
  }

  @Test("A server of IMAP4rev2 alone has what that includes")
  func rev2() async throws {
    try await withScript({ peer in
      try peer.send("* OK [CAPABILITY IMAP4rev2 AUTH=PLAIN] hello\r\n")
      try peer.complete("AUTHENTICATE PLAIN AHUAcA==", "OK [CAPABILITY IMAP4rev2] in")
      try peer.answer("NAMESPACE", #"* NAMESPACE (("" "/")) NIL NIL"#)
      try peer.complete("DELETE \"\u{F6}\"", "OK")
    }) { server in
      let client = try await server.connect()
      try await client.logIn(user: "u", .password(.value("p")), compress: false)
      #expect(client.has("MOVE") && client.has("LIST-STATUS") && !client.has("CONDSTORE"))
      try await client.delete("ö")
      await client.abandon()
    }
  }

  @Test("BYE, a cut in the middle of a literal, and silence end a command with an error that says so")
  func ends() async throws {
    try await withSession("X") { peer in
      _ = try peer.line()
      try peer.send("* BYE shutting down\r\n")
    } _: { client in
      #expect(await errorKind { _ = try await client.noop() } == .disconnected)
      #expect(client.farewell == "shutting down")
      #expect(await errorKind { _ = try await client.noop() } == .disconnected)
    }
    try await withScript({ peer in
      try peer.logIn("X")
      try peer.select()
      _ = try peer.line()
      try peer.send("* 1 FETCH (UID 1 BODY[] {100}\r\nhalf")
    }) { server in
      let client = try await server.connect()
      try await client.logIn(user: "budi", .password(.value("secret")), compress: false)
      _ = try await client.select("INBOX", readOnly: false, resync: nil)
      let kind = await errorKind {
        try await client.fetch(.everything, [.rfc822]) { _ in Issue.record("half a message") }
      }
      #expect(kind == .disconnected)
      await client.abandon()
    }
    try await withScript({ peer in
      try peer.send("* OK [CAPABILITY IMAP4rev1] hello\r\n")
      _ = try peer.line()
      try peer.expectEnd()
    }) { server in
      let client = try await server.connect(silence: .milliseconds(50))
      guard case .timedOut? = await errorKind({ _ = try await client.noop() }) else {
        Issue.record("no time-out")
        return
      }
      await client.abandon()
    }
  }

  @Test("A response that answers nothing, or cannot be read, ends the connection")
  func violations() async throws {
    for line in ["M99 OK x", "* 1 FETCH (UID 1", "* VANISHED x"] {
      try await withSession("X") { peer in
        _ = try peer.line()
        try peer.send("\(line)\r\n")
      } _: { client in
        guard case .protocolViolation? = await errorKind({ _ = try await client.noop() }) else {
          Issue.record("\(line) was taken")
          return
        }
      }
    }
  }
}
