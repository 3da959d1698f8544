import LMTPCore
import NIOCore
import Testing

private func parse(_ line: String, utf8: Bool = false) -> Result<LMTPCommand, LMTPSyntaxError> {
  do throws(LMTPSyntaxError) {
    return .success(try LMTPCommand.parse(ByteBuffer(string: line), isSMTPUTF8: utf8))
  } catch {
    return .failure(error)
  }
}

private let budi = LMTPPath(localPart: "budi", domain: "contoh.id")

@Suite struct LMTPCommandTests {
  @Test(
    "Commands are read",
    arguments: [
      ("LHLO mail.contoh.id", .lhlo("mail.contoh.id")), ("lhlo [127.0.0.1] ", .lhlo("[127.0.0.1]")),
      ("MAIL FROM:<budi@contoh.id>", .mail(LMTPSender(path: budi))),
      ("mail from: <budi@contoh.id> ", .mail(LMTPSender(path: budi))), ("MAIL FROM:<>", .mail(LMTPSender(path: .null))),
      ("MAIL FROM:<> SIZE=0", .mail(LMTPSender(path: .null, size: 0))),
      (
        "MAIL FROM:<budi@contoh.id> size=1234 BODY=8bitmime SMTPUTF8",
        .mail(LMTPSender(path: budi, size: 1234, body: .eightBitMIME, isSMTPUTF8: true))
      ),
      ("MAIL FROM:<budi@contoh.id> BODY=7BIT", .mail(LMTPSender(path: budi, body: .sevenBit))),
      ("MAIL FROM:<> SIZE=99999999999999999999", .mail(LMTPSender(path: .null, size: .max))),
      ("RCPT TO:<budi@contoh.id>", .rcpt(budi)), ("rcpt to: <budi@contoh.id>", .rcpt(budi)), ("DATA", .data),
      ("BDAT 0", .bdat(size: 0, isLast: false)), ("bdat 86 last", .bdat(size: 86, isLast: true)),
      ("BDAT 9223372036854775807", .bdat(size: .max, isLast: false)), ("RSET", .rset), ("NOOP", .noop),
      ("NOOP what you like", .noop), ("VRFY budi", .vrfy), ("QUIT", .quit), ("quit ", .quit), ("STARTTLS", .startTLS),
      ("HELP", .help), ("HELP MAIL", .help),
    ] as [(String, LMTPCommand)])
  func commands(_ line: String, _ command: LMTPCommand) {
    #expect(parse(line) == .success(command))
    #expect("\(command.keyword)" == line.prefix { $0 != " " }.uppercased())
  }

  @Test(
    "Mistakes have their codes",
    arguments: [
      ("", .unknownCommand, "500 5.5.1"), (" DATA", .unknownCommand, "500 5.5.1"),
      ("DATAA", .unknownCommand, "500 5.5.1"),
      ("GET / HTTP/1.1", .unknownCommand, "500 5.5.1"), ("HELO a", .notSMTP, "500 5.5.1"),
      ("EHLO a", .notSMTP, "500 5.5.1"), ("EXPN list", .notImplemented, "502 5.5.1"),
      ("LHLO", .missingArgument, "501 5.5.4"), ("LHLO a b", .unexpectedArgument, "501 5.5.4"),
      ("DATA now", .unexpectedArgument, "501 5.5.4"), ("STARTTLS x", .unexpectedArgument, "501 5.5.4"),
      ("MAIL", .badSender, "501 5.1.7"), ("MAIL FROM", .badSender, "501 5.1.7"),
      ("MAIL FROM:budi@contoh.id", .badSender, "501 5.1.7"), ("MAIL FROM:<budi@contoh.id", .badSender, "501 5.1.7"),
      ("MAIL FROM:<budi@contoh.id>SIZE=1", .badSender, "501 5.1.7"),
      ("MAIL TO:<budi@contoh.id>", .badSender, "501 5.1.7"), ("RCPT TO:<>", .badRecipient, "501 5.1.3"),
      ("RCPT FROM:<budi@contoh.id>", .badRecipient, "501 5.1.3"),
      ("MAIL FROM:<> FOO=1", .unknownParameter("FOO"), "555 5.5.4"),
      ("MAIL FROM:<> BODY=TERNARY", .badParameter("BODY"), "501 5.5.4"),
      ("RCPT TO:<budi@contoh.id> NOTIFY=NEVER", .unknownParameter("NOTIFY"), "555 5.5.4"),
      ("MAIL FROM:<> BODY=9BIT", .badParameter("BODY"), "501 5.5.4"),
      ("MAIL FROM:<> SIZE", .badParameter("SIZE"), "501 5.5.4"),
      ("MAIL FROM:<> SIZE=", .badParameter("SIZE"), "501 5.5.4"),
      ("MAIL FROM:<> SIZE=-1", .badParameter("SIZE"), "501 5.5.4"),
      ("MAIL FROM:<> SIZE=123456789012345678901", .badParameter("SIZE"), "501 5.5.4"),
      ("MAIL FROM:<> SIZE=1 SIZE=2", .badParameter("SIZE"), "501 5.5.4"),
      ("MAIL FROM:<> SMTPUTF8=1", .badParameter("SMTPUTF8"), "501 5.5.4"),
      ("MAIL FROM:<päivi@contoh.id>", .senderNeedsUTF8, "550 5.6.7"),
      ("RCPT TO:<päivi@contoh.id>", .recipientNeedsUTF8, "553 5.6.7"), ("BDAT", .badChunkSize, "501 5.5.4"),
      ("BDAT x", .badChunkSize, "501 5.5.4"), ("BDAT -1", .badChunkSize, "501 5.5.4"),
      ("BDAT 9223372036854775808", .badChunkSize, "501 5.5.4"), ("BDAT 1 FIRST", .badChunkSize, "501 5.5.4"),
      ("BDAT 1 LAST x", .badChunkSize, "501 5.5.4"), ("BDAT 1LAST", .badChunkSize, "501 5.5.4"),
      ("NOOP \u{0}", .controlCharacter, "500 5.5.2"), ("DATA\r", .controlCharacter, "500 5.5.2"),
    ] as [(String, LMTPSyntaxError, String)])
  func mistakes(_ line: String, _ error: LMTPSyntaxError, _ code: String) {
    #expect(parse(line) == .failure(error))
    var buffer = ByteBuffer()
    error.reply.write(into: &buffer)
    #expect(String(buffer: buffer).hasPrefix(code + " "))
  }

  @Test func `Non-ASCII addresses are taken with SMTPUTF8`() {
    let path = LMTPPath(localPart: "päivi", domain: "例え.jp")
    #expect(
      parse("MAIL FROM:<päivi@例え.jp> SMTPUTF8") == .success(.mail(LMTPSender(path: path, isSMTPUTF8: true))))
    #expect(parse("RCPT TO:<päivi@例え.jp>", utf8: true) == .success(.rcpt(path)))
    let broken = ByteBuffer(bytes: Array("RCPT TO:<p".utf8) + [0xE4] + Array("ivi@contoh.id>".utf8))
    #expect(throws: LMTPSyntaxError.badRecipient) { try LMTPCommand.parse(broken, isSMTPUTF8: true) }
  }

  @Test(
    "Paths are read and written with as little quoting as possible",
    arguments: [
      ("<budi@contoh.id>", "budi", "contoh.id", "<budi@contoh.id>"),
      ("<@hosta.int,@jkl.org:userc@d.bar.org>", "userc", "d.bar.org", "<userc@d.bar.org>"),
      (#"<"budi"@contoh.id>"#, "budi", "contoh.id", "<budi@contoh.id>"),
      (#"<"Joe\,Smith"@x.y>"#, "Joe,Smith", "x.y", #"<"Joe,Smith"@x.y>"#),
      (#"<"a\"b\\c d"@x.y>"#, #"a"b\c d"#, "x.y", #"<"a\"b\\c d"@x.y>"#),
      (#"<"a>@b"@x.y>"#, "a>@b", "x.y", #"<"a>@b"@x.y>"#),
      ("<budi@[127.0.0.1]>", "budi", "[127.0.0.1]", "<budi@[127.0.0.1]>"),
      ("<budi@[IPv6:::1]>", "budi", "[IPv6:::1]", "<budi@[IPv6:::1]>"), ("<budi>", "budi", nil, "<budi>"),
      ("<PostMaster>", "PostMaster", nil, "<PostMaster>"),
      ("<a..b.@docomo.ne.jp>", "a..b.", "docomo.ne.jp", #"<"a..b."@docomo.ne.jp>"#),
      ("<x@under_score.example>", "x", "under_score.example", "<x@under_score.example>"),
      ("<budi+Kerja/2026@contoh.id>", "budi+Kerja/2026", "contoh.id", "<budi+Kerja/2026@contoh.id>"),
      ("<!#$%&'*+-/=?^_`{|}~@x>", "!#$%&'*+-/=?^_`{|}~", "x", "<!#$%&'*+-/=?^_`{|}~@x>"),
    ] as [(String, String, String?, String)])
  func paths(_ text: String, _ local: String, _ domain: String?, _ written: String) {
    let path = LMTPPath(localPart: local, domain: domain)
    #expect(parse("RCPT TO:" + text) == .success(.rcpt(path)))
    #expect(path.text == written)
    #expect(parse("RCPT TO:" + written) == .success(.rcpt(path)))
    #expect(path.isPostmaster == (local.lowercased() == "postmaster"))
  }

  @Test(
    "Broken paths are refused",
    arguments: [
      "budi", "<", "<@>", "<@contoh.id>", "<budi@>", "<budi@contoh.id", "<bu di@contoh.id>", "<budi@@contoh.id>",
      "<budi@contoh..id>", "<budi@.contoh.id>", "<budi@contoh.id.>", "<budi@-contoh.id>", "<budi@contoh-.id>",
      "<budi@con toh.id>", "<budi@[127.0.0.1>", "<budi@[]>", #"<"budi@contoh.id>"#, #"<""@contoh.id>"#,
      #"<"budi"x@contoh.id>"#, "<@a.b:>", "<@a.b,:x@y>", "<@a.b x@y>", "<budi@contoh.id>>", "<<budi@contoh.id>>",
      "<\(String(repeating: "x", count: LMTPLimits.path))@contoh.id>",
      "<x@\(String(repeating: "a.", count: LMTPLimits.domain / 2))aa>",
    ])
  func brokenPaths(_ text: String) {
    #expect(parse("RCPT TO:" + text) == .failure(.badRecipient))
  }

  @Test(
    "Sub-addresses are split off",
    arguments: [
      ("budi", "+", "budi", nil), ("budi+Kerja", "+", "budi", "Kerja"), ("budi+a+b", "+", "budi", "a+b"),
      ("budi+", "+", "budi", nil), ("+budi", "+", "+budi", nil), ("budi-x+y", "+-", "budi", "x+y"),
      ("budi+x", "", "budi+x", nil), ("päivi+Työ", "+", "päivi", "Työ"), ("a+\u{301}b", "+", "a", "\u{301}b"),
    ] as [(String, String, String, String?)])
  func subAddresses(_ local: String, _ separators: String, _ user: String, _ detail: String?) {
    let split = SubAddress.split(local, separators: separators)
    #expect(Array(split.user.utf8) == Array(user.utf8))
    #expect(split.detail.map { Array($0.utf8) } == detail.map { Array($0.utf8) })
  }

  @Test func `Replies of several lines carry their codes on each`() {
    var buffer = ByteBuffer()
    LMTPReply(550, EnhancedStatus(5, 1, 1), ["one", "two\r\n250 2.0.0 OK"]).write(into: &buffer)
    #expect(String(buffer: buffer) == "550-5.1.1 one\r\n550 5.1.1 two??250 2.0.0 OK\r\n")
    buffer.clear()
    let list: [LMTPCapability] = [
      .pipelining, .size(1000), .eightBitMIME, .smtpUTF8, .chunking, .enhancedStatusCodes, .startTLS,
    ]
    LMTPReply.capabilities(host: "mail.contoh.id", list).write(into: &buffer)
    #expect(
      String(buffer: buffer)
        == "250-mail.contoh.id\r\n250-PIPELINING\r\n250-SIZE 1000\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250-CHUNKING\r\n"
        + "250-ENHANCEDSTATUSCODES\r\n250 STARTTLS\r\n")
    buffer.clear()
    LMTPReply(250, nil, String(repeating: "x", count: 2000)).write(into: &buffer)
    #expect(buffer.readableBytes == LMTPLimits.replyLine)
  }

  @Test func `Replies for recipients have the codes an MTA acts on`() {
    let table: [(LMTPReply, Int, String)] = [
      (.delivered(to: budi), 250, "2.1.5"), (.noSuchUser(budi), 550, "5.1.1"), (.userDisabled(budi), 550, "5.2.1"),
      (.mailboxFull(budi, isPermanent: true), 552, "5.2.2"), (.mailboxFull(budi, isPermanent: false), 452, "4.2.2"),
      (.tooBig(limit: 10), 552, "5.3.4"), (.temporaryFailure(budi), 451, "4.3.0"), (.noRecipients, 503, "5.5.1"),
      (.cannotVerify, 252, "2.5.0"), (.goodbye, 221, "2.0.0"), (.tooManyRecipients, 452, "4.5.3"),
    ]
    for (reply, code, status) in table {
      #expect(reply.code == code)
      #expect(reply.status?.description == status)
      // RFC 2034 §4: the class agrees with the first digit of the reply.
      #expect(reply.status.map { Int($0.kind) } == code / 100)
      #expect(reply.isPositive == (code < 400))
    }
  }
}
