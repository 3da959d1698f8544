import NIOCore
import POP3Core
import Testing

/// What came of a body: its content, how it was handed out, and what is left in the input.
private struct Read: Equatable {
  var content: String?
  var isStreamed = false
  var rest = ""
}

private func read(
  _ bytes: [UInt8], cuts: [Int] = [], octets: Int64? = nil, wholeLimit: Int = 1 << 20
) -> Read {
  var reader = POP3BodyReader(octets: octets, wholeLimit: wholeLimit)
  var result = Read()
  var content: [UInt8] = []
  var input = ByteBuffer()
  var start = 0
  for cut in cuts + [bytes.count] {
    input.writeBytes(bytes[start..<cut])
    start = cut
    guard result.content == nil else { continue }
    reading: while true {
      switch reader.next(from: &input) {
      case .whole(let whole):
        content = Array(buffer: whole)
        result.content = String(decoding: content, as: UTF8.self)
        break reading
      case .begin: result.isStreamed = true
      case .piece(let piece): content += Array(buffer: piece)
      case .end:
        result.content = String(decoding: content, as: UTF8.self)
        break reading
      case .needsMore: break reading
      }
    }
  }
  result.rest = String(buffer: input)
  return result
}

private func everyCut(_ bytes: [UInt8], octets: Int64? = nil, wholeLimit: Int = 1 << 20, _ expected: Read) {
  #expect(read(bytes, octets: octets, wholeLimit: wholeLimit) == expected)
  for cut in 0...bytes.count {
    #expect(read(bytes, cuts: [cut], octets: octets, wholeLimit: wholeLimit) == expected, "cut at \(cut)")
  }
  let all = Array(0...bytes.count)
  #expect(read(bytes, cuts: all, octets: octets, wholeLimit: wholeLimit) == expected, "byte by byte")
}

@Suite struct POP3BodyReaderTests {
  @Test(
    "A body is read exactly, wherever its bytes are cut",
    arguments: [
      (".\r\n", ""), ("\r\n.\r\n", "\r\n"), ("a\r\n.\r\n", "a\r\n"), ("..\r\n.\r\n", ".\r\n"),
      ("...\r\n.\r\n", "..\r\n"), (".a\r\n.\r\n", "a\r\n"), ("a\r\n..b\r\n...\r\n.\r\n", "a\r\n.b\r\n..\r\n"),
      ("a.\r\nb\r\n.\r\n", "a.\r\nb\r\n"), (".\ra\r\n.\r\n", "\ra\r\n"), (".\r\r\n.\r\n", "\r\r\n"),
      ("a\r\r\n.\r\n", "a\r\r\n"), ("a\0b\r\n\u{FF}\r\n.\r\n", "a\0b\r\n\u{FF}\r\n"),
      // The bare LFs of a message on a proper server end nothing.
      ("a\r\nb\n.\r\nc\n.\nd\r\n.\r\n", "a\r\nb\n.\r\nc\n.\nd\r\n"),
      ("a\r\nb\n..\nc\n.d\r\n.\r\n", "a\r\nb\n..\nc\n.d\r\n"),
      // A server that ends its lines with LF.
      ("a\nb\n.\n", "a\nb\n"), ("a\nb\n.\r\n", "a\nb\n"), (".\n", ""), ("\n.\n", "\n"),
      ("a\n..b\r\n..\n.\n", "a\n.b\r\n.\n"),
      // One that does so for the last line alone.
      ("a\r\n.\n", "a\r\n"),
    ])
  func fixtures(_ sent: String, _ content: String) {
    everyCut(Array((sent + "+OK").utf8), Read(content: content, rest: "+OK"))
  }

  @Test(
    "A last line without its CR ends the message at the announced octets, and nowhere else",
    arguments: [
      ("a\r\nbc\n.\r\n", 6, "a\r\nbc\n", "+OK"), ("a\r\nbc\n.\n", 6, "a\r\nbc\n", "+OK"),
      ("a\r\nbc\n.x\r\n.\r\n", 6, "a\r\nbc\n.x\r\n", "+OK"), ("a\r\nbc\n.\rx\r\n.\r\n", 6, "a\r\nbc\n.\rx\r\n", "+OK"),
      ("a\r\nbc\nx\r\n.\r\n", 6, "a\r\nbc\nx\r\n", "+OK"), ("a\r\nbc\n..\r\n.\r\n", 6, "a\r\nbc\n..\r\n", "+OK"),
      ("a\r\nbc\n.\r\n.\r\n", 5, "a\r\nbc\n.\r\n", "+OK"), ("a\r\nbc\n.\r\n.\r\n", 0, "a\r\nbc\n.\r\n", "+OK"),
      // Octets say less than dots: a wrong figure changes nothing.
      ("abcdef\r\n.\r\n", 3, "abcdef\r\n", "+OK"), ("a.\r\nb\r\n.\r\n", 1, "a.\r\nb\r\n", "+OK"),
      ("a\r\n.\r\n", -7, "a\r\n", "+OK"), ("a\r\n.\r\n", Int64.max, "a\r\n", "+OK"),
    ] as [(String, Int64, String, String)])
  func lastLine(_ sent: String, _ octets: Int64, _ content: String, _ rest: String) {
    everyCut(
      Array((sent + rest).utf8), octets: octets,
      Read(content: content, isStreamed: octets > 1 << 20, rest: rest))
  }

  @Test(
    "What is cut is never whole",
    arguments: [
      "", ".", ".\r", "a", "a\r\n", "a\r\n.", "a\r\n.\r", "a\r\n..\r\n", "a\r\nb\n.\r\n", "a\r\nb.\r\n", "a\n",
      "a\n.\r",
      "a\r.\r", "\r\n..",
    ])
  func cut(_ sent: String) {
    let bytes = Array(sent.utf8)
    #expect(read(bytes).content == nil)
    #expect(read(bytes, cuts: Array(0...bytes.count)).content == nil)
    #expect(read(bytes, octets: Int64(bytes.count) + 9).content == nil)
    #expect(read(bytes, wholeLimit: 1).content == nil)
  }

  @Test("Beyond the limit pieces come, with the same content")
  func streamed() {
    let sent = Array("ab\r\n..cd\r\n\r\nlong line without end\r\n..\r\n.\r\n+OK".utf8)
    let content = "ab\r\n.cd\r\n\r\nlong line without end\r\n.\r\n"
    everyCut(sent, wholeLimit: 10, Read(content: content, isStreamed: true, rest: "+OK"))
    everyCut(sent, octets: 11, wholeLimit: 10, Read(content: content, isStreamed: true, rest: "+OK"))
    everyCut(sent, wholeLimit: content.utf8.count, Read(content: content, rest: "+OK"))
    everyCut(sent, wholeLimit: content.utf8.count - 1, Read(content: content, isStreamed: true, rest: "+OK"))
  }

  @Test("A large body is held in pieces, never as a whole")
  func bounded() {
    var reader = POP3BodyReader(octets: nil, wholeLimit: 1 << 20)
    var sent = 0
    var received = 0
    var largest = 0
    var ended = false
    let line = ByteBuffer(string: String(repeating: "x", count: 998) + "\r\n")
    var block = ByteBuffer()
    for number in 0..<64 {
      if number % 7 == 0 { block.writeString("..\r\n") }
      block.writeImmutableBuffer(line)
    }
    let stuffed = 10
    for round in 0...400 {
      var input = round == 400 ? ByteBuffer(string: ".\r\n") : block
      if round < 400 { sent += block.readableBytes - stuffed }
      reading: while true {
        switch reader.next(from: &input) {
        case .piece(let piece):
          received += piece.readableBytes
          largest = max(largest, piece.readableBytes)
        case .begin: break
        case .whole: Issue.record("26 MB are no whole")
        case .end:
          ended = true
          break reading
        case .needsMore: break reading
        }
      }
    }
    #expect(ended)
    #expect(received == sent)
    #expect(largest <= (1 << 20) + block.readableBytes)
  }

  @Test("A message in hand without stuffed lines is not copied")
  func uncopied() throws {
    var input = ByteBuffer(string: "Subject: x\r\n\r\nbody\r\n.\r\n+OK\r\n")
    var reader = POP3BodyReader(octets: nil, wholeLimit: 100)
    guard case .whole(let whole) = reader.next(from: &input) else {
      Issue.record("not whole")
      return
    }
    let same = whole.withUnsafeReadableBytes { message in
      input.withUnsafeReadableBytes { rest in
        message.baseAddress.map { $0 + message.count + 3 } == rest.baseAddress
      }
    }
    #expect(same)
  }

  @Test("Random messages come through the server's stuffing and back", arguments: 0..<40)
  func roundTrip(_ seed: Int) {
    var generator = SeededGenerator(state: UInt64(seed))
    let alphabet = Array(".....\r\n\r\nab\0\u{FF}".unicodeScalars.map { UInt8(truncatingIfNeeded: $0.value) })
    for _ in 0..<50 {
      // As the store holds them: lines end in CRLF; CR on its own may stand anywhere.
      var message: [UInt8] = []
      for _ in 0..<Int.random(in: 0...60, using: &generator) {
        let byte = alphabet[Int.random(in: 0..<alphabet.count, using: &generator)]
        if byte == 10, message.last != 13 { message.append(13) }
        message.append(byte)
      }
      var stuffer = DotStuffer()
      var output = ByteBuffer()
      stuffer.stuff(ByteBuffer(bytes: message), into: &output)
      stuffer.finish(into: &output)
      let sent = Array(buffer: output)
      // The stuffer completes the last line.
      var expected = message
      if !message.isEmpty, !message.reversed().starts(with: [10, 13]) {
        expected += message.last == 13 ? [10] : [13, 10]
      }
      let cuts = (0..<Int.random(in: 0...8, using: &generator)).map { _ in
        Int.random(in: 0...sent.count, using: &generator)
      }.sorted()
      let octets = [nil, Int64(message.count), Int64(expected.count), 3][Int.random(in: 0..<4, using: &generator)]
      let limit = [1 << 20, 16, 1][Int.random(in: 0..<3, using: &generator)]
      let got = read(sent, cuts: cuts, octets: octets, wholeLimit: limit)
      #expect(got.content == String(decoding: expected, as: UTF8.self))
      #expect(got.rest.isEmpty)
    }
  }
}
