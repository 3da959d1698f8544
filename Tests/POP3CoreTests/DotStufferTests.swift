import Bytes
import NIOCore
import POP3Core
import Testing

/// Numbers that are the same in every run.
struct SeededGenerator: RandomNumberGenerator {
  var state: UInt64
  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}

private func stuff(_ bytes: [UInt8], cuts: [Int] = []) -> [UInt8] {
  var stuffer = DotStuffer()
  var output = ByteBuffer()
  var start = 0
  for cut in cuts + [bytes.count] {
    stuffer.stuff(ByteBuffer(bytes: bytes[start..<cut]), into: &output)
    start = cut
  }
  stuffer.finish(into: &output)
  return Array(buffer: output)
}

/// Decodes what a peer would get; nil if the end didn't come, or came too early.
private func unstuff(_ bytes: [UInt8], cuts: [Int] = []) -> [UInt8]? {
  var decoder = DotDecoder()
  var output = ByteBuffer()
  var input = ByteBuffer()
  var start = 0
  var ended = false
  for cut in cuts + [bytes.count] {
    input.writeBytes(bytes[start..<cut])
    start = cut
    ended = decoder.decode(&input, into: &output)
    if ended { break }
  }
  return ended && start == bytes.count && input.readableBytes == 0 ? Array(buffer: output) : nil
}

/// What a client gets that reads line by line, as most do, an LF being the end of a line.
private func linesUntilDot(_ bytes: [UInt8]) -> [[UInt8]]? {
  var lines: [[UInt8]] = []
  var rest = bytes[...]
  while let end = rest.firstIndex(of: .lf) {
    var line = rest[..<end]
    rest = rest[(end + 1)...]
    if line.last == .cr { line = line.dropLast() }
    if line == [UInt8(ascii: ".")] { return rest.isEmpty ? lines : nil }
    lines.append(Array(line.first == UInt8(ascii: ".") ? line.dropFirst() : line))
  }
  return nil
}

private func cuts(_ count: Int, _ generator: inout SeededGenerator) -> [Int] {
  (0..<Int.random(in: 0...6, using: &generator)).map { _ in Int.random(in: 0...count, using: &generator) }.sorted()
}

@Suite struct DotStufferTests {
  @Test(
    "Lines are stuffed and the end is exact, wherever the message is cut",
    arguments: [
      ("", ".\r\n"), ("a\r\n", "a\r\n.\r\n"), ("a", "a\r\n.\r\n"), (".", "..\r\n.\r\n"), ("..", "...\r\n.\r\n"),
      (".\r\n", "..\r\n.\r\n"), ("\r\n.\r\n", "\r\n..\r\n.\r\n"), ("a\r\n.b\r\n..c\r\n", "a\r\n..b\r\n...c\r\n.\r\n"),
      ("a\r", "a\r\n.\r\n"), ("\r\n", "\r\n.\r\n"), ("a.b\r\n", "a.b\r\n.\r\n"),
      // A bare LF can end nobody's message.
      ("a\n.\r\nb\r\n", "a\r\n..\r\nb\r\n.\r\n"), ("\n.\n", "\r\n..\r\n.\r\n"), ("a\r.\rb", "a\r.\rb\r\n.\r\n"),
    ])
  func fixtures(_ message: String, _ expected: String) {
    let bytes = Array(message.utf8)
    #expect(stuff(bytes) == Array(expected.utf8))
    for cut in 0...bytes.count { #expect(stuff(bytes, cuts: [cut]) == Array(expected.utf8), "cut at \(cut)") }
    #expect(stuff(bytes, cuts: Array(0...bytes.count)) == Array(expected.utf8))
  }

  @Test func `Messages made of dots and line ends come back whole, however both sides are cut`() {
    var generator = SeededGenerator(state: 20_261_123)
    let pieces = [".", "..", "\r\n", "\r\n.\r\n", "\r\n..", "x", "\r", "From ", String(repeating: ".", count: 70)]
    for round in 0..<3000 {
      var text = ""
      for _ in 0..<Int.random(in: 0...30, using: &generator) {
        text += pieces.randomElement(using: &generator) ?? ""
      }
      // A CR before a piece's CRLF makes CR CR LF, which is a bare CR and a line end: both must survive.
      var message = Array(text.utf8)
      if message.last != .lf || !text.hasSuffix("\r\n") { message += [.cr, .lf] }
      let sent = stuff(message, cuts: cuts(message.count, &generator))
      #expect(sent == stuff(message))
      #expect(unstuff(sent, cuts: cuts(sent.count, &generator)) == message, "round \(round)")
    }
  }

  @Test func `Random bytes reach a client that reads by LF without ending early`() {
    var generator = SeededGenerator(state: 7)
    let alphabet: [UInt8] = [.cr, .lf, 0x2E, 0x2E, 0x61, 0x00, 0xFF]
    for _ in 0..<3000 {
      let message = (0..<Int.random(in: 0...60, using: &generator))
        .map { _ in alphabet.randomElement(using: &generator) ?? 0 }
      let sent = stuff(message, cuts: cuts(message.count, &generator))
      #expect(linesUntilDot(sent) != nil)
      #expect(unstuff(sent) != nil)
    }
  }

  @Test func `A large message in large chunks comes back whole`() {
    var message = ByteBuffer()
    for line in 0..<20_000 { message.writeString(line % 3 == 0 ? ".line \(line)\r\n" : "line \(line) ...\r\n") }
    let bytes = Array(buffer: message)
    #expect(unstuff(stuff(bytes, cuts: [65_536, 131_072]), cuts: [1, 65_537, 100_000]) == bytes)
  }
}

@Suite struct TopLimiterTests {
  private func take(_ bytes: [UInt8], lines: Int, cuts: [Int]) -> (String, Bool) {
    var limiter = TopLimiter(lines: lines)
    var output = ByteBuffer()
    var start = 0
    for cut in cuts + [bytes.count] {
      var piece = limiter.take(ByteBuffer(bytes: bytes[start..<cut]))
      output.writeBuffer(&piece)
      start = cut
    }
    return (String(buffer: output), limiter.isComplete)
  }

  @Test(
    "TOP shows header, empty line and so many lines of the body, wherever the message is cut",
    arguments: [
      (0, "A: 1\r\nB: 2\r\n\r\n", true), (1, "A: 1\r\nB: 2\r\n\r\none\r\n", true),
      (2, "A: 1\r\nB: 2\r\n\r\none\r\n\r\n", true), (3, "A: 1\r\nB: 2\r\n\r\none\r\n\r\ntwo\r\n", true),
      (4, "A: 1\r\nB: 2\r\n\r\none\r\n\r\ntwo\r\nthree", false),
      (1_000_000, "A: 1\r\nB: 2\r\n\r\none\r\n\r\ntwo\r\nthree", false),
    ])
  func top(_ lines: Int, _ expected: String, _ isComplete: Bool) {
    let bytes = Array("A: 1\r\nB: 2\r\n\r\none\r\n\r\ntwo\r\nthree".utf8)
    for cut in 0...bytes.count { #expect(take(bytes, lines: lines, cuts: [cut]) == (expected, isComplete)) }
    #expect(take(bytes, lines: lines, cuts: Array(0...bytes.count)) == (expected, isComplete))
  }

  @Test func `A message without header or without body has its own ends`() {
    #expect(take(Array("\r\nbody\r\n".utf8), lines: 0, cuts: []) == ("\r\n", true))
    #expect(take(Array("A: 1\r\n".utf8), lines: 5, cuts: []) == ("A: 1\r\n", false))
    #expect(take(Array("\n\nbody".utf8), lines: 1, cuts: []) == ("\n\n", true))
    #expect(take(Array("x\nA: 1\n\nbody\n".utf8), lines: 0, cuts: []) == ("x\nA: 1\n\n", true))
    #expect(take(Array("\r\r\n\r\nbody\r\n".utf8), lines: 0, cuts: []) == ("\r\r\n\r\n", true))
  }
}
