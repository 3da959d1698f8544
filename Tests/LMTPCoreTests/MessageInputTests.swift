import Bytes
import LMTPCore
import NIOCore
import Testing

/// Numbers that are the same in every run.
private struct SeededGenerator: RandomNumberGenerator {
  var state: UInt64
  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}

/// Content, and what is left behind the end; nil when the end has not come.
private func decode(_ bytes: [UInt8], cuts: [Int] = []) -> (content: [UInt8], rest: [UInt8])? {
  var decoder = DataDecoder()
  var input = ByteBuffer()
  var output = ByteBuffer()
  var start = 0
  for cut in cuts + [bytes.count] {
    input.writeBytes(bytes[start..<cut])
    start = cut
    if decoder.decode(&input, into: &output) {
      #expect(decoder.isAtEnd)
      return (Array(buffer: output), Array(buffer: input) + bytes[start...])
    }
    #expect(input.readableBytes == 0)
  }
  return nil
}

/// The same by RFC 5321 §4.5.2 and nothing else, all at once: split at CRLF, stop at a lone dot, take off one dot.
private func oracle(_ bytes: [UInt8]) -> (content: [UInt8], rest: [UInt8])? {
  var content: [UInt8] = []
  var position = 0
  while position < bytes.count {
    var end = position
    while end + 1 < bytes.count, !(bytes[end] == 0x0D && bytes[end + 1] == 0x0A) { end += 1 }
    guard end + 1 < bytes.count else { return nil }
    let line = bytes[position..<end]
    position = end + 2
    if line == [0x2E] { return (content, Array(bytes[position...])) }
    content += (line.first == 0x2E ? line.dropFirst() : line) + [0x0D, 0x0A]
  }
  return nil
}

private func normalize(_ bytes: [UInt8], cuts: [Int] = []) -> ([UInt8], LineEndNormalizer.Counts) {
  var normalizer = LineEndNormalizer()
  var output = ByteBuffer()
  var start = 0
  for (index, cut) in (cuts + [bytes.count]).enumerated() {
    let chunk = ByteBuffer(bytes: bytes[start..<cut])
    start = cut
    // Both ways in, by turns.
    if index % 2 == 0 {
      normalizer.normalize(chunk, into: &output)
    } else {
      var piece = normalizer.normalize(chunk)
      output.writeBuffer(&piece)
    }
  }
  normalizer.finish(into: &output)
  #expect(normalizer.endsWithLineEnd == (output.readableBytesView.suffix(2).elementsEqual([0x0D, 0x0A])))
  return (Array(buffer: output), normalizer.counts)
}

private func cuts(_ count: Int, _ generator: inout SeededGenerator) -> [Int] {
  (0..<Int.random(in: 0...6, using: &generator)).map { _ in Int.random(in: 0...count, using: &generator) }.sorted()
}

@Suite struct DataDecoderTests {
  @Test(
    "The end is CRLF.CRLF, wherever the stream is cut",
    arguments: [
      (".\r\n", "", ""), ("a\r\n.\r\n", "a\r\n", ""), ("a\r\n.\r\nQUIT\r\n", "a\r\n", "QUIT\r\n"),
      ("..\r\n.\r\n", ".\r\n", ""), (".a\r\n..b\r\n.\r\n", "a\r\n.b\r\n", ""), ("\r\n\r\n.\r\nx", "\r\n\r\n", "x"),
      ("a.\r\n.\r\n", "a.\r\n", ""), ("...\r\n.\r\n", "..\r\n", ""), (". \r\n.\r\n", " \r\n", ""),
    ])
  func ends(_ stream: String, _ content: String, _ rest: String) throws {
    let bytes = Array(stream.utf8)
    for cuts in [[], Array(0...bytes.count)] + (0...bytes.count).map({ [$0] }) {
      let found = try #require(decode(bytes, cuts: cuts))
      #expect(found.content == Array(content.utf8))
      #expect(found.rest == Array(rest.utf8))
    }
  }

  /// Each of these has been taken for the end of a message by some server, so that what follows it became commands.
  @Test(
    "Nothing else ends it: what would be smuggled stays content",
    arguments: [
      "\n.\n", "\n.\r\n", "\r\n.\n", "\r\n.\r", "\r.\r", "\r.\r\n", "\n.\r", "\r\n\0.\r\n", "\r\n.\0\r\n", "\r\n. \r\n",
      "\r\n.\r\r\n", "\r\r\n.\n", "\r\n..\r\n", "\n\r.\r\n",
    ])
  func smuggling(_ false_end: String) throws {
    let smuggled = "body" + false_end + "MAIL FROM:<evil@x>\r\nRCPT TO:<budi@contoh.id>\r\nDATA\r\nSubject: x\r\n"
    let bytes = Array((smuggled + "\r\n.\r\nNOOP\r\n").utf8)
    for cuts in [[], Array(0...bytes.count)] + (0...bytes.count).map({ [$0] }) {
      let found = try #require(decode(bytes, cuts: cuts))
      #expect(found.rest == Array("NOOP\r\n".utf8))
      #expect(found.content.count >= smuggled.utf8.count - 1)
      // Mapped afterwards, the content still has to be stuffed by whoever sends it on; it can end nothing here.
      #expect(found.content == oracle(bytes)?.content)
    }
  }

  @Test func `Random streams are decoded as the RFC's own words would have it`() {
    var generator = SeededGenerator(state: 5321)
    let alphabet: [[UInt8]] = [
      [0x0D], [0x0A], [0x2E], [0x0D, 0x0A], [0x0D, 0x0A, 0x2E], [0x61], [0], [0x2E, 0x0D, 0x0A],
    ]
    var ended = 0
    for round in 0..<5000 {
      let bytes = (0..<Int.random(in: 0...24, using: &generator))
        .flatMap { _ in alphabet.randomElement(using: &generator) ?? [] }
      let found = decode(bytes, cuts: cuts(bytes.count, &generator))
      let expected = oracle(bytes)
      #expect(found?.content == expected?.content, "round \(round): \(bytes)")
      #expect(found?.rest == expected?.rest, "round \(round): \(bytes)")
      ended += expected == nil ? 0 : 1
    }
    #expect(ended > 500)
  }

  @Test func `A message without dots at line starts is not copied but sliced`() {
    var decoder = DataDecoder()
    var input = ByteBuffer(string: "Subject: x\r\n\r\nbody. and more...\r\nend\r\n.\r\nQUIT\r\n")
    #expect(decoder.next(from: &input) == .bytes(ByteBuffer(string: "Subject: x\r\n\r\nbody. and more...\r\nend\r\n")))
    #expect(decoder.next(from: &input) == .end)
    #expect(decoder.next(from: &input) == .end)
    #expect(String(buffer: input) == "QUIT\r\n")
  }

  @Test func `BDAT takes exactly its octets, whatever they are`() {
    let bytes = Array("a\r\n.\r\n\0RSET".utf8)
    for cut in 0...bytes.count {
      var decoder = ChunkDecoder(size: 8)
      var input = ByteBuffer()
      var output = ByteBuffer()
      for part in [bytes[..<cut], bytes[cut...]] {
        input.writeBytes(part)
        while var piece = decoder.next(from: &input) { output.writeBuffer(&piece) }
      }
      #expect(decoder.isAtEnd && decoder.remaining == 0)
      #expect(String(buffer: output) == "a\r\n.\r\n\0R")
      #expect(String(buffer: input) == "SET")
    }
    var empty = ChunkDecoder(size: 0)
    var input = ByteBuffer(string: "x")
    #expect(empty.isAtEnd && empty.next(from: &input) == nil && input.readableBytes == 1)
  }
}

@Suite struct LineEndNormalizerTests {
  @Test(
    "Bare CR, bare LF and NUL are mapped, wherever the message is cut",
    arguments: [
      ("", "", 0, 0, 0), ("a\r\nb\r\n", "a\r\nb\r\n", 0, 0, 0), ("a\nb\n", "a\r\nb\r\n", 0, 2, 0),
      ("a\rb", "a\r\nb", 1, 0, 0), ("a\r", "a\r\n", 1, 0, 0), ("\r\r\n", "\r\n\r\n", 1, 0, 0),
      ("\n\r", "\r\n\r\n", 1, 1, 0), ("\r\n\n", "\r\n\r\n", 0, 1, 0), ("a\0b\r\n", "a\u{1}b\r\n", 0, 0, 1),
      ("\r\0\n", "\r\n\u{1}\r\n", 1, 1, 1), ("\r\r\r", "\r\n\r\n\r\n", 3, 0, 0), ("x", "x", 0, 0, 0),
    ] as [(String, String, Int, Int, Int)])
  func fixtures(_ message: String, _ expected: String, _ bareCR: Int, _ bareLF: Int, _ nul: Int) {
    let bytes = Array(message.utf8)
    // U+0001 stands for 0x80 in the table, for a string cannot hold it.
    let expected = expected.utf8.map { $0 == 1 ? 0x80 : $0 }
    var counts = LineEndNormalizer.Counts()
    (counts.bareCR, counts.bareLF, counts.nul) = (bareCR, bareLF, nul)
    for cuts in [[], Array(0...bytes.count)] + (0...bytes.count).map({ [$0] }) {
      let (output, found) = normalize(bytes, cuts: cuts)
      #expect(output == expected, "cut at \(cuts)")
      #expect(found == counts)
    }
  }

  @Test func `What comes out is clean, and a second pass changes nothing`() {
    var generator = SeededGenerator(state: 2822)
    let alphabet: [UInt8] = [0x0D, 0x0A, 0x0D, 0x0A, 0x00, 0x61, 0x2E, 0x80]
    for _ in 0..<5000 {
      let bytes = (0..<Int.random(in: 0...40, using: &generator))
        .map { _ in alphabet.randomElement(using: &generator) ?? 0 }
      let (output, counts) = normalize(bytes, cuts: cuts(bytes.count, &generator))
      #expect(output == normalize(bytes).0)
      #expect(!output.contains(0))
      for (index, byte) in output.enumerated() {
        if byte == 0x0A { #expect(index > 0 && output[index - 1] == 0x0D) }
        if byte == 0x0D { #expect(index + 1 < output.count && output[index + 1] == 0x0A) }
      }
      #expect(output.count == bytes.count + counts.bareCR + counts.bareLF)
      let (again, none) = normalize(output, cuts: cuts(output.count, &generator))
      #expect(again == output && none.isEmpty)
    }
  }

  @Test func `A clean chunk comes back as the same storage`() {
    var normalizer = LineEndNormalizer()
    let chunk = ByteBuffer(string: String(repeating: "line\r\n", count: 1000))
    let out = normalizer.normalize(chunk)
    let same = chunk.withUnsafeReadableBytes { before in
      out.withUnsafeReadableBytes { after in before.baseAddress == after.baseAddress && before.count == after.count }
    }
    #expect(same)
    #expect(normalizer.counts.isEmpty)
  }
}

@Suite struct LMTPLineFramerTests {
  private func frames(_ bytes: [UInt8], cuts: [Int]) -> [LMTPLineFramer.Frame] {
    var framer = LMTPLineFramer()
    var buffer = ByteBuffer()
    var found: [LMTPLineFramer.Frame] = []
    var start = 0
    for cut in cuts + [bytes.count] {
      buffer.writeBytes(bytes[start..<cut])
      start = cut
      while true {
        let frame = framer.next(from: &buffer)
        if frame == .incomplete { break }
        found.append(frame)
      }
    }
    return found
  }

  @Test func `Lines end with CRLF; one that ends with LF is refused and not obeyed`() {
    let bytes = Array("LHLO x\r\nDATA\nRSET\r\n\r\nNOOP\r\nQUI".utf8)
    let expected: [LMTPLineFramer.Frame] = [
      .line(ByteBuffer(string: "LHLO x")), .refused(.bareLF), .line(ByteBuffer(string: "RSET")),
      .line(ByteBuffer(string: "")), .line(ByteBuffer(string: "NOOP")),
    ]
    for cuts in [[], Array(0...bytes.count)] + (0...bytes.count).map({ [$0] }) {
      #expect(frames(bytes, cuts: cuts) == expected, "cut at \(cuts)")
    }
  }

  @Test func `An overlong line is refused once and dropped to its end`() {
    let longest = [UInt8](repeating: 0x78, count: LMTPLimits.commandLine - 2)
    let next = Array("\r\nNOOP\r\n".utf8)
    for cuts in [[], [4000], [4094], [4095], [4096], [4097]] {
      #expect(
        frames(longest + next, cuts: cuts) == [.line(ByteBuffer(bytes: longest)), .line(ByteBuffer(string: "NOOP"))])
      #expect(
        frames([0x78] + longest + next, cuts: cuts) == [.refused(.lineTooLong), .line(ByteBuffer(string: "NOOP"))])
    }
    var framer = LMTPLineFramer()
    var buffer = ByteBuffer()
    var refused = 0
    for _ in 0..<5000 {
      buffer.writeRepeatingByte(0x78, count: 1500)
      while framer.next(from: &buffer) != .incomplete { refused += 1 }
      #expect(buffer.readableBytes == 0 || refused == 0)
    }
    #expect(refused == 1)
  }
}
