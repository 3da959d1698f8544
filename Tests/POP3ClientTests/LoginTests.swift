import Bytes
import MailClient
import MailNet
import MailTestKit
import NIOCore
import NIOPosix
import SASL
import Synchronization
import Testing

@testable import POP3Client

private func base64(_ text: String) -> String { Base64.encodedString(Array(text.utf8).span.bytes) }
private let plain = base64("\0budi\0rahasia")

private func withLogin(
  _ capabilities: [String], _ script: @escaping @Sendable (ScriptedPeer) async throws -> Void,
  _ body: (POP3Client) async throws -> Void
) async throws {
  try await withServer { peer in
    try await peer.send("+OK\r\n")
    try await peer.expect("CAPA")
    try await peer.send("+OK\r\n" + (capabilities + ["."]).map { "\($0)\r\n" }.joined())
    try await script(peer)
  } _: { port in
    let client = try await connect(port)
    try await body(client)
    await client.abandon()
  }
}

/// The server's half of SCRAM, up to its verdict.
private func scram(_ peer: ScriptedPeer, _ credentials: Credentials, initial: String, lies: Bool = false) async throws {
  var exchange = SASLServerExchange(mechanism: .scramSHA256)
  guard case .needCredentials("budi") = exchange.start(initialResponse: Base64.decode(ByteBuffer(string: initial))),
    case .challenge(let first) = exchange.resume(with: credentials)
  else { throw ScriptedPeer.Ended() }
  try await peer.send("+ \(Base64.encodedString(first.readableBytesSpan))\r\n")
  let response = try await peer.line()
  guard case .challenge(let final) = exchange.step(try #require(Base64.decode(ByteBuffer(string: response)))) else {
    return try await peer.send("-ERR [AUTH] wrong\r\n")
  }
  if lies { return try await peer.send("+OK\r\n") }
  try await peer.send("+ \(Base64.encodedString(final.readableBytesSpan))\r\n")
  try await peer.expect("")
  try await peer.send("+OK\r\n")
}

private actor Tokens: TokenSource {
  private(set) var given = 0
  private(set) var dropped = 0
  func accessToken() async throws(ClientError) -> String {
    given += 1
    return "token\(given)"
  }
  func invalidate() async { dropped += 1 }
}

/// An address of this machine that is not loopback; for the rule about readable lines.
private let outsideAddress: String? = {
  let devices = (try? System.enumerateDevices()) ?? []
  return devices.compactMap { device -> String? in
    guard let address = device.address, case .v4 = address, let text = address.ipAddress, !text.hasPrefix("127.") else {
      return nil
    }
    return text
  }.first
}()

@Suite(.timeLimit(.minutes(1))) struct LoginTests {
  @Test("CAPA, LIST and UIDL go out in one write, but not before the login is answered: Courier would lose them")
  func plainPipelined() async throws {
    try await withLogin(["SASL PLAIN", "PIPELINING", "UIDL"]) { peer in
      try await peer.expect("AUTH PLAIN \(plain)")
      #expect(peer.lines == 2)
      try await peer.send("+OK\r\n")
      try await peer.arrived(1 + 4)
      for line in ["CAPA", "LIST", "UIDL"] { try await peer.expect(line) }
      try await peer.send("+OK\r\nPIPELINING\r\nEXPIRE 0\r\n.\r\n+OK\r\n1 5\r\n.\r\n+OK\r\n1 a\r\n.\r\n")
      try await peer.expect("NOOP")
      try await peer.send("+OK\r\n")
    } _: { client in
      try await client.logIn(user: "budi", rightPassword, expectsListing: true)
      #expect(client.capabilities.expireDays == 0)
      // Another command in between does not mix the answers up.
      try await client.noop()
      let listing = try await client.listing()
      #expect(listing == [POP3Listing(number: 1, octets: 5, uidl: "a")])
    }
  }

  @Test("A listing sent ahead that is refused is told to who asks for it, once")
  func aheadRefused() async throws {
    try await withLogin(["SASL PLAIN", "PIPELINING", "UIDL"]) { peer in
      try await peer.expect("AUTH PLAIN \(plain)")
      try await peer.send("+OK\r\n")
      for line in ["CAPA", "LIST", "UIDL"] { try await peer.expect(line) }
      try await peer.send("+OK\r\nPIPELINING\r\nUIDL\r\n.\r\n+OK\r\n1 5\r\n.\r\n-ERR [SYS/TEMP] later\r\n")
      try await peer.expect("NOOP")
      try await peer.send("+OK\r\n")
      for line in ["LIST", "UIDL"] { try await peer.expect(line) }
      try await peer.send("+OK\r\n1 5\r\n.\r\n+OK\r\n1 a\r\n.\r\n")
    } _: { client in
      try await client.logIn(user: "budi", rightPassword, expectsListing: true)
      try await client.noop()
      let why = await kind { _ = try await client.listing() }
      #expect(why == .refused(command: "UIDL", code: "SYS/TEMP", text: "later"))
      let listing = try await client.listing()
      #expect(listing.map(\.uidl) == ["a"])
    }
  }

  @Test("Without PIPELINING each line waits, and CAPA is asked again")
  func plainAlone() async throws {
    try await withLogin(["SASL PLAIN LOGIN"]) { peer in
      try await peer.expect("AUTH PLAIN \(plain)")
      #expect(peer.lines == 2)
      try await peer.send("+OK\r\n")
      try await peer.expect("CAPA")
      try await peer.send("+OK\r\nEXPIRE 30\r\n.\r\n")
    } _: { client in
      try await client.logIn(user: "budi", rightPassword, expectsListing: true)
      #expect(client.capabilities.expireDays == 30)
    }
  }

  @Test("SCRAM is preferred, and proves the server", arguments: [true, false])
  func scramLogin(_ isPipelined: Bool) async throws {
    let credentials = try Credentials.make(password: Array("rahasia".utf8))
    try await withLogin(["SASL PLAIN SCRAM-SHA-256"] + (isPipelined ? ["PIPELINING"] : [])) { peer in
      let words = try await peer.line().split(separator: " ")
      #expect(words.prefix(2) == ["AUTH", "SCRAM-SHA-256"])
      try await scram(peer, credentials, initial: String(words.last ?? ""))
      try await peer.expect("CAPA")
      try await peer.send("+OK\r\nUIDL\r\n.\r\n")
    } _: { client in
      try await client.logIn(user: "budi", rightPassword)
      #expect(client.capabilities.uidl)
    }
  }

  @Test("A server that says yes without its proof is not believed")
  func impostor() async throws {
    let credentials = try Credentials.make(password: Array("rahasia".utf8))
    try await withLogin(["SASL SCRAM-SHA-256", "PIPELINING"]) { peer in
      let words = try await peer.line().split(separator: " ")
      try await scram(peer, credentials, initial: String(words.last ?? ""), lies: true)
      #expect(await peer.endsSilently())
    } _: { client in
      let why = await kind { try await client.logIn(user: "budi", rightPassword) }
      #expect(why == .authenticationFailed("the server did not prove that it knows the account"))
      #expect(await kind { try await client.noop() } == why)
    }
  }

  @Test("LOGIN and USER/PASS serve where nothing better is there", arguments: [true, false])
  func old(_ isPipelined: Bool) async throws {
    let pipelining = isPipelined ? ["PIPELINING"] : []
    try await withLogin(["SASL LOGIN"] + pipelining) { peer in
      try await peer.expect("AUTH LOGIN")
      try await peer.send("+ VXNlcm5hbWU6\r\n")
      try await peer.expect(base64("budi"))
      try await peer.send("+ UGFzc3dvcmQ6\r\n")
      try await peer.expect(base64("rahasia"))
      try await peer.send("+OK\r\n")
      try await peer.expect("CAPA")
      try await peer.send("-ERR\r\n")
    } _: {
      try await $0.logIn(user: "budi", rightPassword)
    }
    try await withLogin(["USER"] + pipelining) { peer in
      if isPipelined { try await peer.arrived(3) }
      try await peer.expect("USER budi")
      try await peer.send("+OK\r\n")
      try await peer.expect("PASS rahasia")
      try await peer.send("+OK\r\n")
      try await peer.expect("CAPA")
      try await peer.send("-ERR\r\n")
    } _: {
      try await $0.logIn(user: "budi", rightPassword)
    }
  }

  @Test(
    "A refused login says why, and whether it may be right later",
    arguments: [
      ("-ERR [AUTH] wrong password", .authenticationFailed("wrong password")),
      ("-ERR", .authenticationFailed("no reason given")),
      ("-ERR [IN-USE] busy", .refused(command: "PASS", code: "IN-USE", text: "busy")),
      ("-ERR [sys/temp] later", .refused(command: "PASS", code: "SYS/TEMP", text: "later")),
      ("-ERR [LOGIN-DELAY] wait", .refused(command: "PASS", code: "LOGIN-DELAY", text: "wait")),
      ("-ERR maildrop already locked", .refused(command: "PASS", code: "IN-USE", text: "maildrop already locked")),
      ("-ERR account locked", .authenticationFailed("account locked")),
      ("-ERR [ODD] reason", .authenticationFailed("[ODD] reason")),
      ("-ERR bell \u{7} and \u{1B}[2J", .authenticationFailed("bell ? and ?[2J")),
      (
        "-ERR unknown: PASS rahasia",
        .authenticationFailed("(the server's answer is not shown, for it repeats what was sent to log in)")
      ),
    ] as [(String, ClientError.Kind)])
  func refused(_ answer: String, _ expected: ClientError.Kind) async throws {
    for pipelining in [[], ["PIPELINING"]] {
      try await withLogin(["USER"] + pipelining) { peer in
        try await peer.expect("USER budi")
        try await peer.send("+OK\r\n")
        try await peer.expect("PASS rahasia")
        try await peer.send("\(answer)\r\n")
        try await peer.expect("NOOP")
        try await peer.send("+OK\r\n")
      } _: { client in
        let error = await kind { try await client.logIn(user: "budi", rightPassword, expectsListing: true) }
        #expect(error == expected)
        // Answers and commands are still in step.
        try await client.noop()
      }
    }
  }

  @Test("No error holds what was sent to log in, even if the server repeats it")
  func echo() async throws {
    try await withLogin(["SASL PLAIN"]) { peer in
      let line = try await peer.line()
      try await peer.send("-ERR bad command: \(line)\r\n")
      _ = try await peer.line()
      try await peer.send("-ERR rahasia is not the password of budi\r\n")
      _ = try await peer.line()
      try await peer.send("-ERR who is budi?\r\n")
    } _: { client in
      for _ in 0..<2 {
        let error = await kind { try await client.logIn(user: "budi", rightPassword) }
        #expect("\(String(describing: error))".contains("not shown"))
        #expect(!"\(String(describing: error))".contains(plain))
        #expect(!"\(String(describing: error))".contains("rahasia"))
      }
      #expect(
        await kind { try await client.logIn(user: "budi", rightPassword) } == .authenticationFailed("who is budi?"))
    }
  }

  @Test("Nor does one for an answer that is none, and only repeats the command")
  func echoOfCommand() async throws {
    for capability in ["USER", "SASL PLAIN"] {
      try await withLogin([capability]) { peer in
        if capability == "USER" {
          try await peer.expect("USER budi")
          try await peer.send("+OK\r\n")
        }
        let line = try await peer.line()
        try await peer.send("\(line)\r\n")
      } _: { client in
        let error = await kind { try await client.logIn(user: "budi", rightPassword) }
        #expect("\(String(describing: error))".contains("not shown"))
        #expect(!"\(String(describing: error))".contains(plain))
        #expect(!"\(String(describing: error))".contains("rahasia"))
      }
    }
  }

  @Test("A server that takes no initial response is given it after its empty challenge")
  func withoutInitialResponse() async throws {
    try await withLogin(["SASL PLAIN", "PIPELINING"]) { peer in
      try await peer.expect("AUTH PLAIN \(plain)")
      // Before the challenge: behind it the answer may have come already.
      #expect(peer.lines == 2)
      try await peer.send("+ \r\n")
      try await peer.expect(plain)
      try await peer.send("+OK\r\n")
      try await peer.expect("CAPA")
      try await peer.send("-ERR\r\n")
    } _: {
      try await $0.logIn(user: "budi", rightPassword)
    }
  }

  @Test("A command stays within 255 octets: a long initial response waits for the challenge")
  func longResponse() async throws {
    let password = String(repeating: "p", count: 220)
    try await withLogin(["SASL PLAIN", "PIPELINING"]) { peer in
      try await peer.expect("AUTH PLAIN")
      try await peer.send("+ \r\n")
      try await peer.expect(base64("\0budi\0\(password)"))
      try await peer.send("+OK\r\n")
      try await peer.expect("CAPA")
      try await peer.send("-ERR\r\n")
    } _: {
      try await $0.logIn(user: "budi", .password(.value(password)))
    }
  }

  @Test("A challenge that is no base64 is cancelled")
  func badChallenge() async throws {
    try await withLogin(["SASL LOGIN"]) { peer in
      try await peer.expect("AUTH LOGIN")
      try await peer.send("+ Name?\r\n")
      try await peer.expect("*")
      try await peer.send("-ERR cancelled\r\n")
    } _: { client in
      let why = await kind { try await client.logIn(user: "budi", rightPassword) }
      #expect(why == .protocolViolation("a challenge that is no base64, or one too many"))
    }
  }

  @Test("A token that was refused is dropped, and a new one tried once", arguments: [true, false])
  func token(_ isPipelined: Bool) async throws {
    let tokens = Tokens()
    try await withLogin(["SASL OAUTHBEARER"] + (isPipelined ? ["PIPELINING"] : [])) { peer in
      for _ in 0..<2 {
        #expect(try await peer.line().hasPrefix("AUTH OAUTHBEARER "))
        try await peer.send("+ \(base64("{\"status\":\"invalid_token\"}"))\r\n")
        // The answer to the error: one octet, or whatever was sent ahead.
        _ = try await peer.line()
        try await peer.send("-ERR [AUTH] expired\r\n")
      }
    } _: { client in
      let why = await kind { try await client.logIn(user: "budi", .token(tokens)) }
      guard case .authenticationFailed(let text) = why else {
        Issue.record("\(String(describing: why))")
        return
      }
      #expect(text.hasPrefix("expired"))
    }
    #expect(await tokens.given == 2)
    #expect(await tokens.dropped == 2)
  }

  @Test("UTF8 goes before the login where it is offered, and its refusal changes nothing", arguments: [true, false])
  func utf8(_ isPipelined: Bool) async throws {
    try await withLogin(["SASL PLAIN", "UTF8"] + (isPipelined ? ["PIPELINING"] : [])) { peer in
      try await peer.expect("UTF8")
      try await peer.send("-ERR not today\r\n")
      try await peer.expect("AUTH PLAIN \(plain)")
      try await peer.send("+OK\r\n")
      try await peer.expect("CAPA")
      try await peer.send("-ERR\r\n")
    } _: {
      try await $0.logIn(user: "budi", rightPassword)
    }
  }

  @Test("A password or name with a line end goes nowhere")
  func lineEnds() async throws {
    try await withLogin(["USER", "PIPELINING"]) { peer in
      #expect(await peer.endsSilently())
    } _: { client in
      for (user, password) in [("budi", "a\r\nDELE 1"), ("budi\nDELE 1", "a"), ("", "a"), ("budi", "")] {
        let why = await kind { try await client.logIn(user: user, .password(.value(password))) }
        switch why {
        case .authenticationFailed, .secretUnavailable: break
        default: Issue.record("\(user): \(String(describing: why))")
        }
      }
    }
  }

  @Test(
    "Over a line that others can read no password is sent", .enabled(if: outsideAddress != nil),
    arguments: [["USER"], ["SASL PLAIN LOGIN"], ["USER", "SASL PLAIN"], []])
  func cleartext(_ capabilities: [String]) async throws {
    let host = try #require(outsideAddress)
    try await withServer(host: host) { peer in
      try await peer.send("+OK\r\n")
      try await peer.expect("CAPA")
      try await peer.send("+OK\r\n" + (capabilities + ["."]).map { "\($0)\r\n" }.joined())
      #expect(await peer.endsSilently())
    } _: { port in
      let client = try await POP3Client.connect(
        to: remote(port, host: host), group: MultiThreadedEventLoopGroup.singleton, timeouts: ClientTimeouts())
      #expect(await kind { try await client.logIn(user: "budi", rightPassword) } == .cleartextRefused)
      await client.abandon()
    }
  }

  @Test("With the administrator's leave it is sent", .enabled(if: outsideAddress != nil))
  func cleartextAllowed() async throws {
    let host = try #require(outsideAddress)
    try await withServer(host: host, Drop().serve) { port in
      let client = try await POP3Client.connect(
        to: remote(port, host: host, allowsCleartextLogin: true), group: MultiThreadedEventLoopGroup.singleton,
        timeouts: ClientTimeouts())
      try await client.logIn(user: "budi", rightPassword)
      try await client.quit()
    }
  }
}
