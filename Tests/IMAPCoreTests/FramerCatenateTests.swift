import Bytes
import IMAPCore
import NIOCore
import Testing

private func header(
  _ mailbox: String, replaces: ReplacedMessage? = nil, index: Int = 0, flags: FlagList = FlagList(),
  _ body: AppendMessage.Body, size: Int64 = 0, sync: Bool = false, binary: Bool = false
) -> Seen {
  .event(
    .appendMessage(
      AppendMessage(
        tag: "a", replaces: replaces, mailbox: MailboxName(mailbox), index: index, flags: flags, date: nil, body: body,
        literal: LiteralHeader(size: size, isSynchronizing: sync, isBinary: binary))))
}

private func text(_ size: Int64, sync: Bool = false, binary: Bool = false) -> Seen {
  .event(.appendText(LiteralHeader(size: size, isSynchronizing: sync, isBinary: binary)))
}

private let noop: Seen = .event(.command(CommandFrame(bytes("b NOOP"))))
private let end: Seen = .event(.appendEnd(tag: "a"))

@Suite struct FramerCatenateTests {
  @Test func `Parts come one by one, cut anywhere`() {
    let input =
      "a APPEND Drafts (\\Draft) CATENATE (URL \"/x;UIDVALIDITY=3/;UID=2\" text {3}\r\none url /y/;UID=1 "
      + "TEXT {0+}\r\n)\r\nb NOOP\r\n"
    for split in everySplit(bytes(input)) {
      var framer = CommandFramer(isLoggedIn: true)
      #expect(
        drive(&framer, split) == [
          header("Drafts", flags: FlagList(.draft), .catenate), .event(.appendURL(bytes("/x;UIDVALIDITY=3/;UID=2"))),
          text(3, sync: true), .event(.sendContinuation), .message(bytes("one")),
          .event(.appendURL(bytes("/y/;UID=1"))), text(0), .message(ByteBuffer()), .event(.appendCatenated), end, noop,
        ])
    }
  }

  @Test func `A message of URLs alone has no literal to be known by`() {
    for split in everySplit(bytes("a append {1+}\r\nx catenate (URL /a/;UID=1 URL \"/b/;UID=2\")\r\nb NOOP\r\n")) {
      var framer = CommandFramer(isLoggedIn: true)
      #expect(
        drive(&framer, split) == [
          header("x", .catenate), .event(.appendURL(bytes("/a/;UID=1"))), .event(.appendURL(bytes("/b/;UID=2"))),
          .event(.appendCatenated), end, noop,
        ])
    }
  }

  @Test func `A URL may come as a literal`() {
    for split in everySplit(bytes("a APPEND x CATENATE (URL {5}\r\n/a b\r URL {2+}\r\n/c)\r\nb NOOP\r\n")) {
      var framer = CommandFramer(isLoggedIn: true)
      #expect(
        drive(&framer, split) == [
          header("x", .catenate), .event(.sendContinuation), .event(.appendURL(bytes("/a b\r"))),
          .event(.appendURL(bytes("/c"))), .event(.appendCatenated), end, noop,
        ])
    }
  }

  @Test func `Catenated messages, literals and UTF8 stand in one APPEND`() {
    let input =
      "a APPEND x CATENATE (URL /a) (\\Seen) CATENATE (TEXT {1+}\r\n1 UTF8 (~{1+}\r\n2)) UTF8 (~{2+}\r\n\u{0}3) {1+}\r\n4\r\n"
      + "b NOOP\r\n"
    for split in everySplit(bytes(input)) {
      var framer = CommandFramer(isLoggedIn: true)
      #expect(
        drive(&framer, split) == [
          header("x", .catenate), .event(.appendURL(bytes("/a"))), .event(.appendCatenated),
          header("x", index: 1, flags: FlagList(.seen), .catenate), text(1), .message(bytes("1")),
          text(1, binary: true), .message(bytes("2")), .event(.appendCatenated),
          header("x", index: 2, .utf8, size: 2, binary: true), .message(bytes("\u{0}3")),
          header("x", index: 3, .literal, size: 1), .message(bytes("4")), end, noop,
        ])
    }
  }

  @Test func `REPLACE names the message that goes, and takes one message`() {
    for split in everySplit(bytes("a uid replace 2000 Drafts {2}\r\nhi\r\nb NOOP\r\n")) {
      var framer = CommandFramer(isLoggedIn: true)
      #expect(
        drive(&framer, split) == [
          header("Drafts", replaces: .init(uid: true, number: 2000), .literal, size: 2, sync: true),
          .event(.sendContinuation), .message(bytes("hi")), end, noop,
        ])
    }
    for split in everySplit(bytes("a REPLACE * x CATENATE (URL /a)\r\nb NOOP\r\n")) {
      var framer = CommandFramer(isLoggedIn: true)
      #expect(
        drive(&framer, split) == [
          header("x", replaces: .init(uid: false, number: MessageSet.star), .catenate),
          .event(.appendURL(bytes("/a"))), .event(.appendCatenated), end, noop,
        ])
    }
    for split in everySplit(bytes("a REPLACE 1 x {1+}\r\n1 {1+}\r\n2\r\nb NOOP\r\n")) {
      var framer = CommandFramer(isLoggedIn: true)
      #expect(
        drive(&framer, split) == [
          header("x", replaces: .init(uid: false, number: 1), .literal, size: 1), .message(bytes("1")),
          .event(.rejected(IMAPSyntaxError(tag: "a", "Unexpected text after the message", at: 0))), noop,
        ])
    }
  }

  @Test(arguments: [
    "a APPEND x CATENATE ()", "a APPEND x CATENATE (URL)", "a APPEND x CATENATE (URL /a",
    "a APPEND x CATENATE (FOO /a)",
    "a APPEND x CATENATE (URL /a) y", "a APPEND x CATENATE (URL /aURL /b)", "a REPLACE x y", "a REPLACE 0 x {1+}\r\n1",
    "a REPLACE 1 x", "a REPLACE 1:2 x {1+}\r\n1", "a UID REPLACE $ x {1+}\r\n1",
    "a APPEND x CATENATE (TEXT {1+}\r\n1 BLA)", "a APPEND x UTF8 ({1+}\r\n1)", "a APPEND x UTF8 (~{1+}\r\n1",
    "a APPEND x CATENATE (URL /a TEXT \"x\")", "a APPEND x CATENATE (UTF8 {1+}\r\n1)",
    "a APPEND x CATENATE (TEXT ~{1+}\r\n1)",
  ])
  func `What is malformed is refused, and the next command is read`(input: String) {
    for split in everySplit(bytes(input + "\r\nb NOOP\r\n")) {
      var framer = CommandFramer(isLoggedIn: true)
      let seen = drive(&framer, split)
      #expect(seen.last == noop)
      #expect(!seen.contains(end))
      switch seen.dropLast().last {
      case .event(.rejected(let error)): #expect(error.tag == "a")
      case .event(.command(let frame)): #expect(throws: IMAPSyntaxError.self) { try frame.parse() }
      default: Issue.record("not refused: \(seen)")
      }
    }
  }

  @Test func `A refusal between parts keeps in step, wherever it comes`() {
    let input =
      "a APPEND x CATENATE (URL /a TEXT {2+}\r\n1\n URL {2+}\r\n/b TEXT {3+}\r\n) \n) {4+}\r\nb X\n\r\nb NOOP\r\n"
    for split in everySplit(bytes(input)) {
      for most in 0...10 {
        var framer = CommandFramer(isLoggedIn: true)
        var events: [FramerEvent] = []
        var isRefused = false
        for chunk in split {
          framer.receive(chunk)
          loop: while true {
            let event = framer.next()
            switch event {
            case .needMore: break loop
            case .appendMessage, .appendText, .appendURL, .appendCatenated, .appendMessageEnd:
              if !isRefused, events.count == most {
                framer.refuseCommand()
                isRefused = true
              } else {
                framer.acceptMessage()
              }
              events.append(event)
            case .appendBytes: break
            default: events.append(event)
            }
          }
        }
        #expect(events.last == .command(CommandFrame(bytes("b NOOP"))), "after \(most): \(events)")
      }
    }
  }

  @Test func `Too many parts hear NO, LIMIT; too long a URL is not asked for`() {
    var limits = IMAPLimits()
    limits.catenatedParts = 2
    limits.url = 5
    var framer = CommandFramer(limits: limits, isLoggedIn: true)
    let many = drive(&framer, [bytes("a APPEND x CATENATE (URL a URL b TEXT {1+}\r\n1 URL c)\r\nb NOOP\r\n")])
    guard case .event(.rejected(let limit)) = many.dropLast().last else {
      Issue.record("not refused: \(many)")
      return
    }
    #expect(limit.code == .limit && limit.answer == .no && many.last == noop)
    let long = drive(&framer, [bytes("a APPEND x CATENATE (URL {6}\r\nb NOOP\r\n")])
    guard case .event(.rejected(let tooBig)) = long.first else {
      Issue.record("not refused: \(long)")
      return
    }
    #expect(tooBig.code == .tooBig && long == [.event(.rejected(tooBig)), noop])
  }
}
