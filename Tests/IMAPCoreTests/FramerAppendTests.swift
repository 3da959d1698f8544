import Bytes
import IMAPCore
import NIOCore
import Testing

private func command(_ line: String) -> Seen { .event(.command(CommandFrame(bytes(line)))) }

private func announced(
  _ tag: String = "a", _ mailbox: String, index: Int = 0, flags: FlagList = FlagList(), date: IMAPDateTime? = nil,
  size: Int64, sync: Bool, binary: Bool = false
) -> Seen {
  .event(
    .appendMessage(
      AppendMessage(
        tag: tag, mailbox: MailboxName(mailbox), index: index, flags: flags, date: date,
        literal: LiteralHeader(size: size, isSynchronizing: sync, isBinary: binary))))
}

@Suite struct FramerAppendTests {
  @Test func `An APPEND is announced, asked for, streamed and ended, cut anywhere`() {
    let input = "a append Drafts (\\Seen $x) \" 7-Feb-1994 21:52:25 -0800\" {12}\r\nHi\r\n\r\nb NO{5}\r\nb NOOP\r\n"
    for split in everySplit(bytes(input)) {
      var framer = CommandFramer(isLoggedIn: true)
      #expect(
        drive(&framer, split) == [
          announced(
            "a", "Drafts", flags: FlagList(.seen, keywords: ["$x"]),
            date: IMAPDateTime(seconds: 760_686_745, zoneMinutes: -480), size: 12, sync: true),
          .event(.sendContinuation), .message(bytes("Hi\r\n\r\nb NO{5")),
        ] + rejectionOfRest)
    }
  }

  /// `}` behind the twelve octets is no line end and no message.
  private let rejectionOfRest: [Seen] = [
    .event(.rejected(IMAPSyntaxError(tag: "a", "Unexpected text after the message", at: 0))),
    .event(.command(CommandFrame(bytes("b NOOP")))),
  ]

  @Test func `Several messages in one APPEND, of every kind of literal`() {
    let input =
      "a APPEND {5+}\r\na b/c {3+}\r\none (\\Draft) ~{3}\r\nt\0o \"01-Jan-2000 00:00:00 +0000\" {0+}\r\n\r\nb NOOP\r\n"
    for split in everySplit(bytes(input)) {
      var framer = CommandFramer(isLoggedIn: true)
      #expect(
        drive(&framer, split) == [
          announced("a", "a b/c", size: 3, sync: false), .message(bytes("one")),
          announced("a", "a b/c", index: 1, flags: FlagList(.draft), size: 3, sync: true, binary: true),
          .event(.sendContinuation), .message(bytes("t\0o")),
          announced("a", "a b/c", index: 2, date: IMAPDateTime(seconds: 946_684_800), size: 0, sync: false),
          .message(ByteBuffer()), .event(.appendEnd(tag: "a")), command("b NOOP"),
        ])
    }
  }

  @Test func `A mailbox name in a synchronizing literal is asked for like any argument`() {
    for split in everySplit(bytes("a APPEND {5}\r\nINBOX {2}\r\nhi\r\n")) {
      var framer = CommandFramer(isLoggedIn: true)
      #expect(
        drive(&framer, split) == [
          .event(.sendContinuation), announced("a", "INBOX", size: 2, sync: true), .event(.sendContinuation),
          .message(bytes("hi")), .event(.appendEnd(tag: "a")),
        ])
    }
  }

  @Test func `A refused message that waits to be asked for is never sent`() {
    for split in everySplit(bytes("a APPEND x {100}\r\nb NOOP\r\n")) {
      var framer = CommandFramer(isLoggedIn: true)
      #expect(
        drive(&framer, split, append: .refuse) == [announced("a", "x", size: 100, sync: true), command("b NOOP")])
    }
  }

  @Test func `A refused message that is on its way is passed over, and those behind it`() {
    for split in everySplit(bytes("a APPEND x {6+}\r\n1\r\n2\r\n (\\Seen) {4+}\r\nb X\r\r\nc NOOP\r\n")) {
      var framer = CommandFramer(isLoggedIn: true)
      #expect(drive(&framer, split, append: .refuse) == [announced("a", "x", size: 6, sync: false), command("c NOOP")])
    }
  }

  @Test func `Refusing in the middle of a message keeps in step`() {
    for split in everySplit(bytes("a APPEND x {6+}\r\n1\r\n2\r\n\r\nc NOOP\r\n")) {
      var framer = CommandFramer(isLoggedIn: true)
      let seen = drive(&framer, split, append: .refuseAfterFirstOctets)
      #expect(
        seen.filter { if case .message = $0 { false } else { true } } == [
          announced("a", "x", size: 6, sync: false), command("c NOOP"),
        ])
    }
  }

  @Test func `After a refusal the client that had not been asked may give up its literal`() {
    var framer = CommandFramer(isLoggedIn: true)
    framer.receive(bytes("a APPEND x {6}\r\n"))
    guard case .appendMessage = framer.next() else {
      Issue.record("not announced")
      return
    }
    framer.acceptMessage()
    framer.refuseCommand()
    framer.receive(bytes("b NOOP\r\n"))
    #expect(framer.next() == .command(CommandFrame(bytes("b NOOP"))))
  }

  @Test func `Huge messages are announced with their size; refused ones that come unasked end the connection`() {
    var framer = CommandFramer(isLoggedIn: true)
    #expect(
      drive(&framer, [bytes("a APPEND x {9223372036854775808}\r\nb NOOP\r\n")], append: .refuse)
        == [announced("a", "x", size: .max, sync: true), command("b NOOP")])
    let seen = drive(&framer, [bytes("a APPEND x {9223372036854775807+}\r\nb NOOP\r\n")], append: .refuse)
    #expect(seen.first == announced("a", "x", size: .max, sync: false))
    guard case .event(.close(.tooBig, _)) = seen.last else {
      Issue.record("not closed")
      return
    }
  }

  @Test(arguments: [
    "a APPEND", "a APPEND x", "a APPEND x (\\Seen)", "a APPEND x message", "a APPEND x \"message\"",
  ])
  func `An APPEND with no literal is a command that cannot be read`(line: String) {
    var framer = CommandFramer(isLoggedIn: true)
    #expect(drive(&framer, [bytes(line + "\r\n")]) == [command(line)])
    #expect(throws: IMAPSyntaxError.self) { try CommandFrame(bytes(line)).parse() }
  }

  @Test(arguments: [
    "a APPEND x (\\Seen {3+}", "a APPEND x  {3+}", "a APPEND x \"1-Jan\" {3+}", "a APPEND {3+", "a APPEND x y {3+}",
  ])
  func `A malformed APPEND is refused before its message, which is passed over`(line: String) {
    guard line.hasSuffix("}") else { return }
    for split in everySplit(bytes(line + "\r\nabc\r\nb NOOP\r\n")) {
      var framer = CommandFramer(isLoggedIn: true)
      let seen = drive(&framer, split)
      #expect(seen.count == 2)
      guard case .event(.rejected(let error)) = seen.first else {
        Issue.record("not rejected: \(seen)")
        continue
      }
      #expect(error.tag == "a")
      #expect(seen.last == command("b NOOP"))
    }
  }

  @Test func `A message passes through without being collected`() {
    var framer = CommandFramer(isLoggedIn: true)
    framer.receive(bytes("a APPEND x {50000000}\r\n"))
    guard case .appendMessage = framer.next() else {
      Issue.record("not announced")
      return
    }
    framer.acceptMessage()
    #expect(framer.next() == .sendContinuation)
    let chunk = ByteBuffer(repeating: 0x0A, count: 50_000)
    var octets = 0
    for _ in 0..<1000 {
      framer.receive(chunk)
      while case .appendBytes(let bytes) = framer.next() {
        octets += bytes.readableBytes
        if octets == 50_000_000 { break }
      }
      #expect(framer.bufferedByteCount == 0)
    }
    #expect(octets == 50_000_000)
    #expect(framer.next() == .appendMessageEnd)
    framer.receive(bytes("\r\n"))
    #expect(framer.next() == .appendEnd(tag: "a"))
  }

  @Test func `More messages than allowed hear NO, MESSAGELIMIT`() {
    var limits = IMAPLimits()
    limits.messagesPerAppend = 1
    var framer = CommandFramer(limits: limits, isLoggedIn: true)
    let seen = drive(&framer, [bytes("a APPEND x {1+}\r\n1 {1+}\r\n2\r\nb NOOP\r\n")])
    guard case .event(.rejected(let error)) = seen.dropFirst(2).first else {
      Issue.record("not rejected: \(seen)")
      return
    }
    #expect(error.code == .messageLimit(1))
    #expect(error.answer == .no)
    #expect(seen.last == command("b NOOP"))
  }
}
