import IMAPClient
import IMAPCore
import MailClient
import MailNet
import NIOCore
import Testing

@Suite struct ConnectTests {
  @Test("A server that does not greet with its capabilities is asked for them, and again after login")
  func asksCapabilities() async throws {
    try await withScript({ peer in
      try peer.send("* OK hello\r\n")
      try peer.answer("CAPABILITY", "* CAPABILITY IMAP4rev1 X")
      try peer.complete(#"LOGIN "b \"u" p"#, "OK in")
      try peer.answer("CAPABILITY", "* CAPABILITY imap4rev1 NAMESPACE ID ENABLE QRESYNC UTF8=ACCEPT")
      // All three are on their way before the first is answered.
      let id = try peer.expect(#"ID ("name" "Merpati")"#)
      let namespace = try peer.expect("NAMESPACE")
      let enable = try peer.expect("ENABLE QRESYNC UTF8=ACCEPT")
      try peer.send("* ID (\"name\" \"Cyrus\")\r\n\(id) OK x\r\n* NAMESPACE ((\"INBOX.\" \".\")) NIL NIL\r\n")
      try peer.send("\(namespace) OK x\r\n* ENABLED QRESYNC UTF8=ACCEPT\r\n\(enable) OK x\r\n")
      try peer.complete("CREATE \"\u{F6}\"", "OK x")
      try peer.complete("LOGOUT", "OK bye")
    }) { server in
      let client = try await server.connect()
      #expect(client.has("X"))
      try await client.logIn(user: "b \"u", .password(.value("p")), compress: true)
      #expect(!client.has("X") && client.has("IMAP4REV1") && client.has("QRESYNC"))
      #expect(client.namespace.prefix == "INBOX." && client.namespace.delimiter == ".")
      #expect(client.serverID?["name"] == "Cyrus")
      try await client.create("ö")
      await client.logOut()
    }
  }

  @Test("A greeting of BYE cannot be connected to, and its words are kept")
  func greetsWithBye() async throws {
    try await withScript({ peer in
      try peer.send("* BYE too many connections\r\n")
      try peer.expectEnd()
    }) { server in
      let kind = await errorKind { _ = try await server.connect() }
      #expect(kind == .cannotConnect("the server said: too many connections"))
    }
  }

  @Test("What speaks no IMAP is refused")
  func speaksNoIMAP() async throws {
    try await withScript({ peer in
      try peer.send("+OK POP3 ready\r\n220 smtp\r\n")
      try peer.expectEnd()
    }) { server in
      guard case .protocolViolation? = await errorKind({ _ = try await server.connect() }) else {
        Issue.record("connected")
        return
      }
    }
  }

  @Test("A server that logs in by itself needs no password")
  func preauthenticated() async throws {
    try await withScript({ peer in
      try peer.send("* PREAUTH [CAPABILITY IMAP4rev1 NAMESPACE] hello\r\n")
      try peer.complete("NAMESPACE", "NO not today")
      try peer.answer("NOOP", "* 5 EXISTS")
    }) { server in
      let client = try await server.connect()
      try await client.logIn(user: "u", .password(.file("/nonexistent")), compress: false)
      _ = try await client.noop()
      await client.abandon()
    }
  }

  @Test("LOGINDISABLED without a mechanism in common: no password is sent")
  func loginDisabled() async throws {
    try await withScript({ peer in
      try peer.send("* OK [CAPABILITY IMAP4rev1 LOGINDISABLED AUTH=KERBEROS_V4] hello\r\n")
      try peer.expectEnd()
    }) { server in
      let client = try await server.connect()
      let kind = await errorKind { try await client.logIn(user: "u", .password(.value("p")), compress: false) }
      guard case .authenticationFailed? = kind else {
        Issue.record("\(String(describing: kind))")
        return
      }
      await client.abandon()
    }
  }

  @Test("A wrong password is told from a server that is not available")
  func refusals() async throws {
    for (answer, expected) in [
      ("NO [AUTHENTICATIONFAILED] wrong", ClientError.Kind.authenticationFailed("wrong")),
      ("NO wrong", .authenticationFailed("wrong")),
      ("NO [UNAVAILABLE] later", .refused(command: "LOGIN", code: "UNAVAILABLE", text: "later")),
    ] {
      try await withScript({ peer in
        try peer.send("* OK [CAPABILITY IMAP4rev1] hello\r\n")
        try peer.complete("LOGIN u p", answer)
      }) { server in
        let client = try await server.connect()
        let kind = await errorKind { try await client.logIn(user: "u", .password(.value("p")), compress: false) }
        #expect(kind == expected)
        await client.abandon()
      }
    }
  }

  @Test("AUTHENTICATE sends its first answer along where it may, and after the empty challenge where not")
  func authenticates() async throws {
    for isSentAlong in [true, false] {
      try await withScript({ peer in
        try peer.send("* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN\(isSentAlong ? " SASL-IR" : "")] hello\r\n")
        let tag: String
        if isSentAlong {
          tag = try peer.expect("AUTHENTICATE PLAIN AHUAcA==")
        } else {
          tag = try peer.expect("AUTHENTICATE PLAIN")
          try peer.send("* OK still here\r\n+ \r\n")
          try peer.expectLine("AHUAcA==")
        }
        try peer.send("* CAPABILITY IMAP4rev1\r\n\(tag) OK [CAPABILITY IMAP4rev1 X] in\r\n")
        try peer.answer(#"LIST "" """#, #"* LIST () "." """#)
      }) { server in
        let client = try await server.connect()
        try await client.logIn(user: "u", .password(.value("p")), compress: false)
        #expect(client.has("X") && client.namespace.delimiter == ".")
        await client.abandon()
      }
    }
  }

  @Test("LIST goes out with NAMESPACE and ENABLE when the mailboxes are expected, and is read once")
  func expectsMailboxes() async throws {
    let capabilities = "NAMESPACE ENABLE CONDSTORE LIST-EXTENDED LIST-STATUS"
    let list = #"LIST "" "*" RETURN (SUBSCRIBED CHILDREN STATUS (MESSAGES UNSEEN UIDNEXT UIDVALIDITY HIGHESTMODSEQ))"#
    for isRefused in [false, true] {
      try await withScript({ peer in
        try peer.send("* OK [CAPABILITY IMAP4rev1 \(capabilities)] hello\r\n")
        try peer.complete("LOGIN u p", "OK [CAPABILITY IMAP4rev1 \(capabilities)] in")
        // All three are here before the first answer.
        let tags = try [peer.expect("NAMESPACE"), peer.expect("ENABLE CONDSTORE"), peer.expect(list)]
        try peer.send("* NAMESPACE ((\"\" \"/\")) ((\"~\" \"/\")) NIL\r\n\(tags[0]) OK\r\n")
        try peer.send("* ENABLED CONDSTORE\r\n\(tags[1]) OK\r\n")
        if isRefused {
          try peer.send("\(tags[2]) NO not now\r\n")
        } else {
          try peer.send("* LIST () \"/\" INBOX\r\n* LIST () \"/\" ~ana\r\n")
          try peer.send("* STATUS INBOX (MESSAGES 3)\r\n\(tags[2]) OK\r\n")
        }
        try peer.answer(list, #"* LIST () "/" Later"#)
      }) { server in
        let client = try await server.connect()
        try await client.logIn(user: "u", .password(.value("p")), compress: false, expectsMailboxes: true)
        if isRefused {
          let kind = await errorKind { _ = try await client.mailboxes(status: true) }
          #expect(kind == .refused(command: "LIST", code: nil, text: "not now"))
        } else {
          let found = try await client.mailboxes(status: true)
          #expect(found.map(\.name) == ["INBOX"] && found.first?.status?.messages == 3)
        }
        #expect(try await client.mailboxes(status: true).map(\.name) == ["Later"])
        await client.abandon()
      }
    }
  }

  @Test("LIST waits for the answer to ENABLE UTF8=ACCEPT, which changes how names are written")
  func expectsMailboxesInUTF8() async throws {
    try await withScript({ peer in
      try peer.logIn("NAMESPACE ENABLE UTF8=ACCEPT LIST-EXTENDED LIST-STATUS")
      let items = "SUBSCRIBED CHILDREN STATUS (MESSAGES UNSEEN UIDNEXT UIDVALIDITY)"
      let tag = try peer.expect(#"LIST "" "*" RETURN (\#(items))"#)
      try peer.send("* LIST () \"/\" \"Gesendet \u{E4}\"\r\n\(tag) OK\r\n")
    }) { server in
      let client = try await server.connect()
      try await client.logIn(user: "budi", .password(.value("secret")), compress: false, expectsMailboxes: true)
      #expect(try await client.mailboxes(status: true).map(\.name) == ["Gesendet \u{E4}"])
      await client.abandon()
    }
  }

  @Test("A server that does not prove itself by SCRAM is an impostor")
  func impostor() async throws {
    try await withScript({ peer in
      try peer.send("* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=SCRAM-SHA-256] hello\r\n")
      let line = try peer.line()
      guard line.contains("AUTHENTICATE SCRAM-SHA-256 "), let tag = line.split(separator: " ").first else {
        throw ScriptError(line)
      }
      try peer.send("\(tag) OK come in\r\n")
    }) { server in
      let client = try await server.connect()
      let kind = await errorKind { try await client.logIn(user: "u", .password(.value("p")), compress: false) }
      guard case .authenticationFailed? = kind else {
        Issue.record("\(String(describing: kind))")
        return
      }
      #expect(await errorKind { _ = try await client.noop() } == .disconnected)
      await client.abandon()
    }
  }

  @Test("A token that was refused is asked for anew, once")
  func tokens() async throws {
    actor Tokens: TokenSource {
      var number = 0
      func accessToken() async throws(ClientError) -> String { "token\(number)" }
      func invalidate() async { number += 1 }
    }
    for works in [true, false] {
      try await withScript({ peer in
        try peer.send("* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=XOAUTH2] hello\r\n")
        let first = try peer.line()
        try peer.send("+ eyJzdGF0dXMiOiI0MDEifQ==\r\n")
        try peer.expectLine("")
        try peer.send("\(first.prefix { $0 != " " }) NO [AUTHENTICATIONFAILED] run out\r\n")
        let second = try peer.line()
        guard first.split(separator: " ").last != second.split(separator: " ").last else {
          throw ScriptError("the same token again")
        }
        try peer.send("\(second.prefix { $0 != " " }) \(works ? "OK [CAPABILITY IMAP4rev1] in" : "NO no")\r\n")
        if works { try peer.answer(#"LIST "" """#) }
      }) { server in
        let client = try await server.connect()
        let kind = await errorKind { try await client.logIn(user: "u", .token(Tokens()), compress: false) }
        if works {
          #expect(kind == nil)
        } else if case .authenticationFailed? = kind {
        } else {
          Issue.record("logged in")
        }
        await client.abandon()
      }
    }
  }

  @Test("Who is cancelled while waiting hears so, and the connection is of no more use")
  func cancelled() async throws {
    try await withScript({ peer in
      try peer.send("* OK [CAPABILITY IMAP4rev1] hello\r\n")
      try peer.expectEnd()
    }) { server in
      let waiting = Task {
        let client = try await server.connect()
        let kind = await errorKind { _ = try await client.idle(limit: .seconds(100), poll: .seconds(100)) }
        let after = await errorKind { _ = try await client.noop() }
        await client.abandon()
        return [kind, after]
      }
      try await Task.sleep(for: .milliseconds(50))
      waiting.cancel()
      #expect(try await waiting.value == [.cancelled, .disconnected])
    }
  }

  @Test("A challenge that is garbage is cancelled")
  func cancels() async throws {
    try await withScript({ peer in
      try peer.send("* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=SCRAM-SHA-256] hello\r\n")
      let line = try peer.line()
      try peer.send("+ Z2FyYmFnZQ==\r\n")
      try peer.expectLine("*")
      try peer.send("\(line.prefix { $0 != " " }) BAD cancelled\r\n")
      try peer.answer("NOOP")
    }) { server in
      let client = try await server.connect()
      guard
        case .protocolViolation? = await errorKind({
          try await client.logIn(user: "u", .password(.value("p")), compress: false)
        })
      else {
        Issue.record("logged in")
        return
      }
      _ = try await client.noop()
      await client.abandon()
    }
  }

  @Test("A password that no quoted string can hold waits to be asked for, and hears other things meanwhile")
  func literalPassword() async throws {
    try await withScript({ peer in
      try peer.send("* OK [CAPABILITY IMAP4rev1] hello\r\n")
      let tag = try peer.expect("LOGIN u {3}")
      try peer.send("* OK still here\r\n+ go on\r\n")
      try peer.expectBytes("p\u{F6}\r\n")
      try peer.send("\(tag) OK [CAPABILITY IMAP4rev1] in\r\n")
      try peer.answer(#"LIST "" """#)
      // Refused where it is asked for: its octets are never sent.
      try peer.complete("CREATE {1025}", "NO [CANNOT] too long")
      try peer.answer("NOOP")
    }) { server in
      let client = try await server.connect()
      try await client.logIn(user: "u", .password(.value("p\u{F6}")), compress: false)
      let name = String(repeating: "a", count: 1025)
      #expect(
        await errorKind { try await client.create(name) }
          == .refused(command: "CREATE", code: "CANNOT", text: "too long"))
      _ = try await client.noop()
      await client.abandon()
    }
  }

  @Test("With LITERAL+ or LITERAL- nothing waits")
  func literalPlus() async throws {
    let name = String(repeating: "a", count: 1025)
    for capability in ["LITERAL+", "LITERAL-"] {
      try await withSession(capability) { peer in
        let tag = try peer.expect("CREATE {1025+}")
        try peer.expectBytes(name + "\r\n")
        try peer.send("\(tag) OK made\r\n")
      } _: { client in
        try await client.create(name)
      }
    }
  }
}
