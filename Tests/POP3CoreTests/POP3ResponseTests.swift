import NIOCore
import POP3Core
import Testing

private func written(_ body: (inout ByteBuffer) -> Void) -> String {
  var buffer = ByteBuffer()
  body(&buffer)
  return String(buffer: buffer)
}

private let texts: [POP3Text] =
  [
    .greeting(host: "mail.contoh.id"), .goodbye, .goodbyeRemoved(1), .goodbyeRemoved(2), .removalFailed, .idleTooLong,
    .shuttingDown, .tooManyErrors, .sendPassword, .loggedIn(messages: 2, octets: 320), .wrongCredentials,
    .accountDisabled, .authorizationFailed, .privacyRequired, .maildropInUse, .loginDelay(seconds: 5),
    .tooManyConnections, .temporaryFailure, .permanentFailure, .authenticationCancelled, .authenticationMalformed,
    .unknownMechanism, .mechanismsFollow, .onlyBeforeLogin, .onlyAfterLogin, .userFirst, .noSuchMessage(3),
    .messageIsDeleted(3), .messageDeleted(3), .messagesFollow(messages: 1, octets: 9), .messageFollows(octets: 9),
    .topFollows, .uniqueIDsFollow, .stillHere, .maildropHas(messages: 0, octets: 0), .messageUnreadable, .needsUTF8,
    .capabilitiesFollow, .beginTLS, .tlsActive, .tlsUnavailable, .tlsAfterUTF8, .utf8Enabled, .languagesFollow,
    .languageChanged, .languageUnknown,
  ]
  + [
    .unknownCommand, .missingArgument, .tooManyArguments, .badNumber, .badBase64, .notUTF8, .controlCharacter,
    .lineTooLong,
  ].map(POP3Text.syntax)

@Suite struct POP3ResponseTests {
  @Test("Every sentence fits its line, in every language", arguments: texts, POP3Language.allCases)
  func sentences(_ text: POP3Text, _ language: POP3Language) {
    let line = written { POP3Response.error(text, code: .loginDelay, language, into: &$0) }
    #expect(line.hasPrefix("-ERR [LOGIN-DELAY] ") && line.hasSuffix("\r\n"))
    #expect(line.utf8.count < 200)
    let sentence = text.string(in: language)
    #expect(!sentence.isEmpty && !sentence.hasPrefix("["))
    // RFC 6856 §3.2: until LANG only ASCII may be sent.
    #expect(sentence.utf8.allSatisfy { $0 >= 0x20 && $0 < 0x7F })
    let reply = POP3Reply.parse(ByteBuffer(string: String(line.dropLast(1))))
    #expect(reply == POP3Reply(status: .error, code: "LOGIN-DELAY", text: sentence))
  }

  @Test("The two languages say different things", arguments: texts)
  func translated(_ text: POP3Text) {
    #expect(text.string(in: .english) != text.string(in: .indonesian))
  }

  @Test func `Responses have the form of their RFCs`() {
    #expect(written { POP3Response.ok(.beginTLS, .english, into: &$0) } == "+OK Begin TLS\r\n")
    #expect(
      written { POP3Response.error(.maildropInUse, code: .inUse, .indonesian, into: &$0) }
        == "-ERR [IN-USE] Kotak surat sedang dibuka oleh sesi POP3 lain\r\n")
    #expect(written { POP3Response.challenge(ByteBuffer(), into: &$0) } == "+ \r\n")
    #expect(written { POP3Response.challenge(ByteBuffer(string: "Password:"), into: &$0) } == "+ UGFzc3dvcmQ6\r\n")
    #expect(written { POP3Response.dropListing(messages: 2, octets: 320, into: &$0) } == "+OK 2 320\r\n")
    #expect(written { POP3Response.scanListing(number: 1, octets: 120, into: &$0) } == "1 120\r\n")
    #expect(written { POP3Response.scanListing(number: 2, octets: 200, asReply: true, into: &$0) } == "+OK 2 200\r\n")
    #expect(written { POP3Response.uniqueIDListing(number: 1, id: "whqtsw000", into: &$0) } == "1 whqtsw000\r\n")
    let id = Array("QhdPYR:00WBw1Ph7x7".utf8)
    #expect(
      written { POP3Response.uniqueIDListing(number: 2, id: id.span.bytes, asReply: true, into: &$0) }
        == "+OK 2 QhdPYR:00WBw1Ph7x7\r\n")
    #expect(
      written { POP3Response.languages(.english, into: &$0) }
        == "+OK Languages follow\r\nen English\r\nid Bahasa Indonesia\r\n.\r\n")
    #expect(
      written { POP3Response.languageChanged(to: .indonesian, into: &$0) }
        == "+OK id Sekarang saya berbahasa Indonesia\r\n")
    #expect(
      written { POP3Response.mechanisms(["PLAIN", "LOGIN"], .english, into: &$0) }
        == "+OK Mechanisms follow\r\nPLAIN\r\nLOGIN\r\n.\r\n")
  }

  @Test func `No response line grows past 512 octets`() {
    let line = written {
      POP3Response.ok(.greeting(host: String(repeating: "h", count: 2000)), .english, into: &$0)
    }
    #expect(line.utf8.count == POP3Limits.responseLine)
    #expect(line.hasSuffix("h\r\n"))
  }

  @Test func `CAPA lists what it is given`() {
    let list: [POP3Capability] = [
      .top, .user, .sasl(["PLAIN", "SCRAM-SHA-256"]), .respCodes, .authRespCode,
      .loginDelay(seconds: 60, perUser: true),
      .loginDelay(seconds: 0, perUser: false), .pipelining, .expire(days: 0, perUser: true),
      .expire(days: nil, perUser: false), .uidl, .implementation("Merpati"), .stls, .utf8User, .lang,
    ]
    let expected = [
      "+OK Capabilities follow", "TOP", "USER", "SASL PLAIN SCRAM-SHA-256", "RESP-CODES", "AUTH-RESP-CODE",
      "LOGIN-DELAY 60 USER", "LOGIN-DELAY 0", "PIPELINING", "EXPIRE 0 USER", "EXPIRE NEVER", "UIDL",
      "IMPLEMENTATION Merpati", "STLS", "UTF8 USER", "LANG", ".", "",
    ]
    #expect(written { POP3Capability.write(list, .english, into: &$0) } == expected.joined(separator: "\r\n"))
  }

  @Test(
    "Language ranges find their language",
    arguments: [
      ("en", .english), ("EN", .english), ("en-GB", .english), ("en-Latn-US", .english), ("id", .indonesian),
      ("ID-id", .indonesian), ("in", .indonesian), ("*", .indonesian), ("de", nil), ("eng", nil), ("", nil), ("-", nil),
      ("en-", nil), ("e n", nil), ("en_GB", nil), ("en-abcdefghi", nil), ("MUL", nil), ("1d", nil),
    ] as [(String, POP3Language?)])
  func ranges(_ range: String, _ language: POP3Language?) {
    #expect(POP3Language.matching(range, preferred: .indonesian) == language)
  }

  @Test(
    "A client understands replies",
    arguments: [
      ("+OK", POP3Reply(status: .ok, code: nil, text: "")),
      ("+OK 2 320", POP3Reply(status: .ok, code: nil, text: "2 320")),
      ("+ok  hello ", POP3Reply(status: .ok, code: nil, text: "hello ")),
      ("-ERR [sys/temp] later", POP3Reply(status: .error, code: "SYS/TEMP", text: "later")),
      ("-ERR [broken", POP3Reply(status: .error, code: nil, text: "[broken")),
      ("+ ", POP3Reply(status: .challenge(ByteBuffer()), code: nil, text: "")),
      ("+", POP3Reply(status: .challenge(ByteBuffer()), code: nil, text: "")),
      ("+ YQ==", POP3Reply(status: .challenge(ByteBuffer(string: "a")), code: nil, text: "")),
      ("+OKAY", nil), ("-ERROR", nil), ("OK", nil), ("", nil), ("+ !", nil), ("* OK", nil),
    ] as [(String, POP3Reply?)])
  func replies(_ line: String, _ reply: POP3Reply?) {
    #expect(POP3Reply.parse(ByteBuffer(string: line)) == reply)
  }

  @Test func `A client understands listings`() {
    func parse(_ line: String) -> [String]? {
      POP3ListingLine.parse(ByteBuffer(string: line)).map { ["\($0.number)", $0.value] }
    }
    #expect(parse("1 120") == ["1", "120"])
    #expect(parse("12 whqtsw000 more") == ["12", "whqtsw000"])
    for bad in ["", "1", "1 ", "0 120", "a b", "-1 2"] { #expect(parse(bad) == nil) }
  }
}
