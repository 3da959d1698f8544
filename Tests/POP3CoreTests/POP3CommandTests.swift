import NIOCore
import POP3Core
import Testing

private func parse(_ line: String) -> Result<POP3Command, POP3SyntaxError> { parse(Array(line.utf8)) }

private func parse(_ line: [UInt8]) -> Result<POP3Command, POP3SyntaxError> {
  do throws(POP3SyntaxError) {
    return .success(try POP3Command.parse(ByteBuffer(bytes: line)))
  } catch {
    return .failure(error)
  }
}

@Suite struct POP3CommandTests {
  @Test(
    "Commands are read",
    arguments: [
      ("USER budi", .user("budi")), ("user budi@contoh.id  ", .user("budi@contoh.id")), ("USER 鳩", .user("鳩")),
      ("USER a b", .user("a b")), ("PASS rahasia", .pass(Array("rahasia".utf8))),
      ("pass  two  spaces ", .pass(Array(" two  spaces ".utf8))), ("STAT", .stat), ("stat ", .stat),
      ("LIST", .list(nil)),
      ("LIST ", .list(nil)), ("LIST 1", .list(1)), ("list  2147483648 ", .list(2_147_483_648)), ("RETR 12", .retr(12)),
      ("DELE 7", .dele(7)), ("NOOP", .noop), ("RSET", .rset), ("QUIT", .quit), ("TOP 1 0", .top(1, lines: 0)),
      ("top 3 10", .top(3, lines: 10)), ("UIDL", .uidl(nil)), ("UIDL 5", .uidl(5)), ("CAPA", .capa), ("STLS", .stls),
      ("AUTH", .authListing), ("AUTH PLAIN", .auth(mechanism: "PLAIN", initialResponse: nil)),
      ("AUTH plain =", .auth(mechanism: "plain", initialResponse: ByteBuffer())),
      (
        "AUTH PLAIN dGVzdAB0ZXN0AHRlc3Q=",
        .auth(mechanism: "PLAIN", initialResponse: ByteBuffer(string: "test\0test\0test"))
      ),
      ("UTF8", .utf8), ("LANG", .lang(nil)), ("LANG id", .lang("id")), ("lang *", .lang("*")),
    ] as [(String, POP3Command)])
  func commands(_ line: String, _ command: POP3Command) {
    #expect(parse(line) == .success(command))
    #expect("\(command.keyword)" == line.prefix { $0 != " " }.uppercased())
  }

  @Test(
    "Mistakes are told apart",
    arguments: [
      ("", .unknownCommand), (" STAT", .unknownCommand), ("ST", .unknownCommand), ("STATS", .unknownCommand),
      ("APOP mrose c4c9334bac560ecc979e58001b3e22fb", .unknownCommand), ("XTND XMIT", .unknownCommand),
      ("USER", .missingArgument), ("USER  ", .missingArgument), ("PASS", .missingArgument), ("PASS ", .missingArgument),
      ("RETR", .missingArgument), ("DELE ", .missingArgument), ("TOP", .missingArgument), ("TOP 1", .missingArgument),
      ("STAT 1", .tooManyArguments), ("LIST 1 2", .tooManyArguments), ("TOP 1 2 3", .tooManyArguments),
      ("QUIT now", .tooManyArguments), ("AUTH PLAIN AAAA BBBB", .tooManyArguments), ("LANG en id", .tooManyArguments),
      ("RETR 0", .badNumber), ("RETR -1", .badNumber), ("RETR 1x", .badNumber), ("LIST a", .badNumber),
      ("RETR 99999999999999999999", .badNumber), ("RETR 9223372036854775808", .badNumber), ("TOP 0 1", .badNumber),
      ("TOP 1 -1", .badNumber), ("AUTH PLAIN !", .badBase64), ("AUTH PLAIN =AAA", .badBase64),
      ("AUTH PLAIN AAA=BBB=", .badBase64), ("AUTH PLAIN AAA", .badBase64), ("PASS a\0b", .controlCharacter),
      ("NOOP\r", .controlCharacter), ("LANG \(String(repeating: "x", count: 65))", .tooManyArguments),
    ] as [(String, POP3SyntaxError)])
  func mistakes(_ line: String, _ error: POP3SyntaxError) {
    #expect(parse(line) == .failure(error))
  }

  @Test func `A name that is no UTF-8 is refused, a password is left to SASLprep`() {
    #expect(parse(Array("USER caf".utf8) + [0xE9]) == .failure(.notUTF8))
    #expect(parse(Array("PASS caf".utf8) + [0xE9]) == .success(.pass(Array("caf".utf8) + [0xE9])))
  }

  @Test func `Answers to challenges are cancelled, decoded or refused`() {
    #expect(POP3AuthResponse.parse(ByteBuffer(string: "*")) == .cancel)
    #expect(POP3AuthResponse.parse(ByteBuffer(string: "")) == .response(ByteBuffer()))
    #expect(POP3AuthResponse.parse(ByteBuffer(string: "AGJ1ZGk=")) == .response(ByteBuffer(string: "\0budi")))
    for bad in ["**", "=", "AGJ1ZGk", "AGJ1 ZGk=", "AA=A", "AB=="] {
      #expect(POP3AuthResponse.parse(ByteBuffer(string: bad)) == .badBase64, "\(bad)")
    }
  }
}

@Suite struct POP3LineFramerTests {
  /// Feeds `bytes` cut at the given places and collects what comes out.
  private func frames(
    _ bytes: [UInt8], cuts: [Int], mode: POP3LineFramer.Mode = .command
  ) -> [POP3LineFramer.Frame] {
    var framer = POP3LineFramer()
    var buffer = ByteBuffer()
    var found: [POP3LineFramer.Frame] = []
    var start = 0
    for cut in cuts + [bytes.count] {
      buffer.writeBytes(bytes[start..<cut])
      start = cut
      while true {
        let frame = framer.next(from: &buffer, mode: mode)
        if frame == .incomplete { break }
        found.append(frame)
      }
    }
    return found
  }

  @Test func `Lines come out alike wherever the stream is cut`() {
    let bytes = Array("USER budi\r\nPASS a b\nSTAT\r\n\r\n\nQUIT\r\nrest".utf8)
    let expected = ["USER budi", "PASS a b", "STAT", "", "", "QUIT"]
      .map { POP3LineFramer.Frame.line(ByteBuffer(string: $0)) }
    #expect(frames(bytes, cuts: []) == expected)
    for cut in bytes.indices { #expect(frames(bytes, cuts: [cut]) == expected, "cut at \(cut)") }
    #expect(frames(bytes, cuts: Array(bytes.indices)) == expected)
  }

  @Test func `A line of the greatest length is taken, one octet more is told once and dropped to its end`() {
    let longest = [UInt8](repeating: 0x78, count: POP3Limits.commandLine - 2)
    let next = Array("\r\nNOOP\r\n".utf8)
    for cuts in [[], [500], Array(0...(longest.count + next.count))] {
      #expect(
        frames(longest + next, cuts: cuts)
          == [.line(ByteBuffer(bytes: longest)), .line(ByteBuffer(string: "NOOP"))])
      let tooLong = [0x78] + longest + next
      #expect(frames(tooLong, cuts: cuts) == [.tooLong, .line(ByteBuffer(string: "NOOP"))])
    }
  }

  @Test func `An endless line is told once and holds no memory`() {
    var framer = POP3LineFramer()
    var buffer = ByteBuffer()
    var errors = 0
    for _ in 0..<10_000 {
      buffer.writeRepeatingByte(0x78, count: 1000)
      while true {
        let frame = framer.next(from: &buffer)
        if frame == .incomplete { break }
        #expect(frame == .tooLong)
        errors += 1
      }
      #expect(buffer.readableBytes == 0)
    }
    #expect(errors == 1)
    buffer.writeString("end\r\nNOOP\r\n")
    #expect(framer.next(from: &buffer) == .line(ByteBuffer(string: "NOOP")))
  }

  @Test func `AUTH and its answers may be long, up to their own limit`() {
    let response = String(repeating: "A", count: POP3Limits.authenticationLine - 20)
    for cuts in [[], [3], [600], [5000, 9000]] {
      #expect(frames(Array("auth PLAIN \(response)\r\n".utf8), cuts: cuts).count == 1)
      #expect(
        frames(Array("auth PLAIN \(response)\r\n".utf8), cuts: cuts)
          == [.line(ByteBuffer(string: "auth PLAIN \(response)"))])
      #expect(
        frames(Array("\(response)\r\n".utf8), cuts: cuts, mode: .authentication)
          == [.line(ByteBuffer(string: response))])
      #expect(frames(Array("AUTHOR \(response)\r\nx\n".utf8), cuts: cuts).first == .tooLong)
      #expect(frames(Array("AUTH \(response)\(response)\r\n".utf8), cuts: cuts) == [.tooLong])
    }
  }
}
