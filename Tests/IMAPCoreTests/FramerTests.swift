import Bytes
import IMAPCore
import NIOCore
import Testing

private func command(_ line: String) -> Seen { .event(.command(CommandFrame(bytes(line)))) }

private func rejection(_ seen: Seen?) -> IMAPSyntaxError? {
  if case .event(.rejected(let error)) = seen { error } else { nil }
}

@Suite struct FramerTests {
  @Test func `A bare LF ends a line, an empty line is nobody's command`() {
    var framer = CommandFramer()
    #expect(
      drive(&framer, [bytes("a NOOP\nb LOGIN {1+}\nx y\r\n\r\n\nc NOOP\r\n")]) == [
        command("a NOOP"), command("b LOGIN {1+}\nx y"), command("c NOOP"),
      ])
    #expect(framer.isIdle)
  }

  @Test func `A synchronizing literal is asked for once, cut anywhere`() {
    for split in everySplit(bytes("a LOGIN {3}\r\nfoo {0}\r\n\r\nb NOOP\r\n")) {
      var framer = CommandFramer()
      #expect(
        drive(&framer, split) == [
          .event(.sendContinuation), .event(.sendContinuation), command("a LOGIN {3}\r\nfoo {0}\r\n"),
          command("b NOOP"),
        ])
    }
  }

  @Test func `Octets of a literal are not taken for lines`() throws {
    var framer = CommandFramer()
    let seen = drive(&framer, [bytes("a LOGIN {15+}\r\nx\r\nb NOOP {5+}\r p\r\n")])
    #expect(seen == [command("a LOGIN {15+}\r\nx\r\nb NOOP {5+}\r p")])
  }

  @Test func `Lines asked for are not commands`() {
    for split in everySplit(bytes("a IDLE\r\nDONE\r\nb AUTHENTICATE X\r\n{5}\r\nc NOOP\r\n")) {
      var framer = CommandFramer()
      let seen = drive(&framer, split) { frame in frame.tag != "c" }
      #expect(
        seen == [
          command("a IDLE"), .event(.line(bytes("DONE"))), command("b AUTHENTICATE X"), .event(.line(bytes("{5}"))),
          command("c NOOP"),
        ])
    }
  }

  @Test func `Answers of AUTHENTICATE and IDLE are read`() {
    #expect(AuthenticateLine(bytes("*")) == .cancel)
    #expect(AuthenticateLine(bytes("")) == .response(ByteBuffer()))
    #expect(AuthenticateLine(bytes("Zm9v")) == .response(bytes("foo")))
    #expect(AuthenticateLine(bytes("Zm9")) == nil)
    #expect(AuthenticateLine(bytes("**")) == nil)
    #expect(Idle.isDone(bytes("done")))
    #expect(!Idle.isDone(bytes("a NOOP")))
  }

  @Test func `Bytes behind STARTTLS can be seen and thrown away`() {
    var framer = CommandFramer()
    framer.receive(bytes("a STARTTLS\r\nb NOOP\r\n"))
    #expect(framer.next() == .command(CommandFrame(bytes("a STARTTLS"))))
    #expect(!framer.isIdle)
    #expect(framer.discardInput() == 8)
    #expect(framer.isIdle)
    #expect(framer.next() == .needMore)
  }

  @Test func `A command's literal limit follows the login state, between two commands of one packet`() {
    var limits = IMAPLimits()
    limits.literalsBeforeLogin = 4
    var framer = CommandFramer(limits: limits)
    framer.receive(bytes("a LOGIN {5}\r\nb LOGIN x y\r\nc DELETE {5+}\r\nabcde\r\n"))
    guard case .rejected(let error) = framer.next() else {
      Issue.record("not rejected")
      return
    }
    #expect(error.tag == "a")
    #expect(framer.next() == .command(CommandFrame(bytes("b LOGIN x y"))))
    framer.isLoggedIn = true
    #expect(framer.next() == .command(CommandFrame(bytes("c DELETE {5+}\r\nabcde"))))
  }
}

@Suite struct FramerLimitTests {
  @Test func `A line over the limit hears BAD with its tag once, and the next command is understood`() {
    var limits = IMAPLimits()
    limits.lineBeforeLogin = 20
    for split in everySplit(bytes("tag NOOP" + String(repeating: "x", count: 40) + "\r\nb NOOP\r\n")) {
      var framer = CommandFramer(limits: limits)
      let seen = drive(&framer, split)
      #expect(seen.count == 2)
      #expect(rejection(seen.first)?.tag == "tag")
      #expect(rejection(seen.first)?.code == .tooBig)
      #expect(seen.last == command("b NOOP"))
      #expect(framer.isIdle)
    }
  }

  @Test func `A line of exactly the limit is a command`() {
    var limits = IMAPLimits()
    limits.line = 20
    var framer = CommandFramer(limits: limits, isLoggedIn: true)
    #expect(drive(&framer, [bytes("a DELETE xxxxxxxxxxx\r\n")]) == [command("a DELETE xxxxxxxxxxx")])
    #expect(rejection(drive(&framer, [bytes("a DELETE xxxxxxxxxxxx\r\n")]).first) != nil)
  }

  @Test func `Endless input without a line end costs bounded memory and one answer`() {
    var framer = CommandFramer()
    var answers = 0
    let chunk = ByteBuffer(repeating: UInt8(ascii: "x"), count: 1000)
    framer.receive(bytes("a "))
    for _ in 0..<2000 {
      framer.receive(chunk)
      while true {
        let event = framer.next()
        if event == .needMore { break }
        answers += 1
        #expect(rejection(.event(event)) != nil)
      }
      #expect(framer.bufferedByteCount <= 10_000)
    }
    #expect(answers == 1)
    #expect(drive(&framer, [bytes("\r\nb NOOP\r\n")]) == [command("b NOOP")])
  }

  @Test func `A line too long behind a literal that was asked for does not turn the literal into commands`() {
    var limits = IMAPLimits()
    limits.line = 30
    let input = "a LOGIN {12}\r\nx\r\nz NOOP\r\ny " + String(repeating: "y", count: 40) + "\r\nb NOOP\r\n"
    for split in everySplit(bytes(input)) {
      var framer = CommandFramer(limits: limits, isLoggedIn: true)
      let seen = drive(&framer, split)
      #expect(seen.count == 3)
      #expect(seen.first == .event(.sendContinuation))
      #expect(rejection(seen.dropFirst().first)?.tag == "a")
      #expect(seen.last == command("b NOOP"))
    }
  }

  @Test func `Text after a literal counts as part of the line`() {
    var limits = IMAPLimits()
    limits.line = 30
    limits.nonSynchronizingLiteral = nil
    let input =
      "a LOGIN {50+}\r\n" + String(repeating: "\n", count: 50) + String(repeating: "y", count: 40) + "\r\nb NOOP\r\n"
    for split in everySplit(bytes(input)) {
      var framer = CommandFramer(limits: limits, isLoggedIn: true)
      let seen = drive(&framer, split)
      #expect(seen.count == 2)
      #expect(rejection(seen.first)?.tag == "a")
      #expect(seen.last == command("b NOOP"))
    }
  }

  @Test(arguments: ["9223372036854775807", "9223372036854775808", "18446744073709551616", "99999999999999999999999999"])
  func `A huge synchronizing literal is refused without being asked for`(size: String) {
    for split in everySplit(bytes("a LOGIN {\(size)}\r\nb NOOP\r\n")) {
      var framer = CommandFramer()
      let seen = drive(&framer, split)
      #expect(seen.count == 2)
      #expect(rejection(seen.first)?.tag == "a")
      #expect(rejection(seen.first)?.code == .tooBig)
      #expect(seen.last == command("b NOOP"))
    }
  }

  @Test(arguments: ["9223372036854775807", "9223372036854775808", "99999999999999999999999999", "16777217"])
  func `A huge non-synchronizing literal is refused and the connection ends`(size: String) {
    for line in ["a LOGIN {\(size)+}\r\nb NOOP\r\n", "a SELECT ~{\(size)+}\r\nb NOOP\r\n"] {
      var framer = CommandFramer()
      let seen = drive(&framer, [bytes(line)])
      #expect(seen.count == 2)
      #expect(rejection(seen.first)?.tag == "a")
      guard case .event(.close(.tooBig, _)) = seen.last else {
        Issue.record("not closed: \(seen)")
        continue
      }
      framer.receive(bytes("c NOOP\r\n"))
      guard case .close = framer.next() else {
        Issue.record("not closed for good")
        continue
      }
    }
  }

  @Test func `A refused non-synchronizing literal is passed over with all that belongs to its command`() {
    var limits = IMAPLimits()
    limits.literalsBeforeLogin = 4
    let input = "a LOGIN {10+}\r\n12\r\nb NOOP y {3+}\r\nz\r\n rest\r\nc NOOP\r\n"
    for split in everySplit(bytes(input)) {
      var framer = CommandFramer(limits: limits)
      let seen = drive(&framer, split)
      #expect(seen.count == 2)
      #expect(rejection(seen.first)?.tag == "a")
      #expect(seen.last == command("c NOOP"))
    }
  }

  @Test func `Many small literals that add up are refused`() {
    var limits = IMAPLimits()
    limits.literals = 10
    limits.literalsPerCommand = 3
    var framer = CommandFramer(limits: limits, isLoggedIn: true)
    let sum = drive(&framer, [bytes("a LOGIN {6+}\r\n123456 {5+}\r\n12345\r\n")])
    #expect(rejection(sum.first)?.code == .tooBig)
    let count = drive(&framer, [bytes("a X {1+}\r\n1 {1+}\r\n1 {1+}\r\n1 {1+}\r\n1\r\nb NOOP\r\n")])
    #expect(rejection(count.first)?.code == .limit)
    #expect(count.last == command("b NOOP"))
  }

  @Test func `With LITERAL- a non-synchronizing literal over 4096 hears TOOBIG`() {
    var limits = IMAPLimits()
    limits.nonSynchronizingLiteral = 4096
    let message = String(repeating: "m", count: 4097)
    var framer = CommandFramer(limits: limits, isLoggedIn: true)
    let seen = drive(
      &framer, [bytes("a APPEND x {4097+}\r\n\(message)\r\nb DELETE {4097+}\r\n\(message)\r\nc NOOP\r\n")])
    #expect(rejection(seen.first)?.code == .tooBig)
    #expect(rejection(seen.dropFirst().first)?.code == .tooBig)
    #expect(seen.last == command("c NOOP"))
    #expect(seen.count == 3)
  }

  @Test func `An answer line over the limit is thrown away`() {
    var limits = IMAPLimits()
    limits.saslLine = 10
    for split in everySplit(bytes("a AUTHENTICATE X\r\nabcdefghijklmnopq\r\nb NOOP\r\n")) {
      var framer = CommandFramer(limits: limits)
      let seen = drive(&framer, split) { $0.tag == "a" }
      #expect(seen.count == 3)
      #expect(rejection(seen.dropFirst().first) != nil)
      #expect(seen.last == command("b NOOP"))
    }
  }

  @Test(arguments: [
    String(repeating: "(", count: 10_000), String(repeating: "NOT ", count: 10_000) + "ALL",
    String(repeating: "OR ALL ", count: 9_000) + "ALL", String(repeating: "(NOT ", count: 5000),
  ])
  func `Search keys nested ten thousand deep are refused cleanly`(keys: String) {
    #expect {
      try parse("SEARCH " + keys)
    } throws: { ($0 as? IMAPSyntaxError)?.reason.english.contains("deeper than 100") == true }
  }

  @Test func `Search keys nested to the limit are read`() throws {
    _ = try parse("SEARCH " + String(repeating: "(", count: 100) + "ALL" + String(repeating: ")", count: 100))
    _ = try parse("SEARCH " + String(repeating: "(ALL) ", count: 1000) + "ALL")
  }

  @Test(arguments: ["SELECT a (X ", "FETCH 1 FLAGS (X ", "STORE 1 (X "])
  func `Parameters nested ten thousand deep are refused cleanly`(start: String) {
    #expect {
      try parse(start + String(repeating: "(", count: 10_000))
    } throws: { ($0 as? IMAPSyntaxError)?.reason.english.contains("deeper than 50") == true }
  }

  @Test func `Lists and sets over their limits are refused`() {
    var limits = IMAPLimits()
    limits.setElements = 3
    limits.listElements = 3
    limits.partDepth = 3
    limits.keyword = 3
    limits.tag = 3
    limits.mailboxName = 3
    for line in [
      "COPY 1,2,3,4 a", "FETCH 1 (FLAGS FLAGS FLAGS FLAGS)", "FETCH 1 BODY[1.2.3.4]", "STORE 1 FLAGS abcd",
      "STORE 1 FLAGS a b c d", "SEARCH ALL ALL ALL ALL", "DELETE abcd", "LIST \"\" abcd", "ENABLE A B C D",
    ] {
      #expect(throws: IMAPSyntaxError.self, "\(line)") { try parse(line, limits: limits) }
    }
    #expect(throws: IMAPSyntaxError.self) { try CommandFrame(bytes("abcd NOOP")).parse(limits: limits) }
    #expect(throws: Never.self) { try parse("COPY 1,2,3 abc", limits: limits) }
  }

  @Test(arguments: 0..<64)
  func `Random octets never trip the framer or the reader, however they are cut`(seed: Int) {
    var random = SeededGenerator(seed: UInt64(seed))
    let words = [
      "a ", "FETCH ", "SEARCH ", "APPEND ", "LOGIN ", "{3}", "{2+}", "~{1+}", "\r\n", "\n", "(", ")", "\"", "\\", " ",
      "1:*",
      "BODY[", "]", "<", "x", "\0", "\u{FF}", "{9999999999999999999999+}", "NOT ", "OR ", "INBOX ", "$", ",",
    ]
    var input = ByteBuffer()
    for _ in 0..<200 { input.writeString(words[Int.random(in: 0..<words.count, using: &random)]) }
    func outcome(_ chunks: [ByteBuffer]) -> [Seen] {
      var framer = CommandFramer(isLoggedIn: true)
      return drive(&framer, chunks)
    }
    let whole = outcome([input])
    for case .event(.command(let frame)) in whole { _ = try? frame.parse() }
    var chunks: [ByteBuffer] = []
    var rest = input
    while rest.readableBytes > 0 {
      if let chunk = rest.readSlice(length: min(rest.readableBytes, Int.random(in: 1...5, using: &random))) {
        chunks.append(chunk)
      }
    }
    #expect(outcome(chunks) == whole)
  }
}
