import MailFormat
import MailStore
import NIOCore
import SearchText
import Synchronization
import Testing

@testable import IMAPServer

/// A message in memory, noting the largest read.
private final class SlicedReader: MessageReader {
  let message: ByteBuffer
  let trace: ByteBuffer
  let index: MessageIndex
  let largest = Mutex(0)

  init(_ bytes: [UInt8], trace: String = "") {
    let message = ByteBuffer(bytes: bytes)
    self.message = message
    self.trace = ByteBuffer(string: trace)
    index = MessageIndex.parse(message.readableBytesSpan)
  }

  var size: Int { trace.readableBytes + message.readableBytes }

  func read(_ range: Range<Int>) async throws(StoreError) -> ByteBuffer {
    largest.withLock { $0 = max($0, range.count) }
    let whole = Array(trace.readableBytesView) + Array(message.readableBytesView)
    return ByteBuffer(bytes: whole[range.clamped(to: 0..<whole.count)])
  }
}

@Suite struct IMAPLargeSearchTests {
  /// Compares the answer of the whole with that of pieces of 1 octet up; returns it.
  @discardableResult
  private func search(_ needle: String, _ reader: SlicedReader, withHeaders: Bool = false) async throws -> Bool {
    let needle = TextNeedle(needle)
    let message = reader.message
    let criterion: SearchNode = withHeaders ? .text(needle) : .body(needle)
    let whole = criterion.matches(reader.index, message.readableBytesSpan, ByteBuffer())
    for piece in [1, 2, 3, 4, 5, 7, 11, 16, 64, 1 << 16] {
      let streamed = try await MessageText.isFound(
        needle, in: reader.index.root, reader, withHeaders: withHeaders, piece: piece, isOver: { false })
      #expect(streamed == whole, "\(needle.folded) in pieces of \(piece)")
    }
    return whole
  }

  private func message(_ charset: String?, _ encoding: String, _ body: [UInt8]) -> SlicedReader {
    let type = charset.map { "Content-Type: text/plain; charset=\($0)\r\n" } ?? ""
    return SlicedReader(
      Array("\(type)Content-Transfer-Encoding: \(encoding)\r\n\r\n".utf8) + body, trace: "Received: x\r\n")
  }

  private func base64(_ bytes: [UInt8]) -> [UInt8] {
    let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
    var result: [UInt8] = []
    for start in stride(from: 0, to: bytes.count, by: 3) {
      let group = bytes[start..<min(start + 3, bytes.count)]
      let bits = group.reduce(0) { $0 << 8 | Int($1) } << (8 * (3 - group.count))
      for place in 0..<4 { result.append(place <= group.count ? alphabet[bits >> (18 - 6 * place) & 63] : 0x3D) }
      if start % 30 == 27 { result += [0x0D, 0x0A] }
    }
    return result
  }

  private func quoted(_ bytes: [UInt8]) -> [UInt8] {
    bytes.enumerated().flatMap { place, byte -> [UInt8] in
      let isPlain = byte > 0x20 && byte < 0x7F && byte != 0x3D
      let digits = String(byte, radix: 16, uppercase: true)
      let text = isPlain ? [byte] : Array(("=" + (byte < 16 ? "0" : "") + digits).utf8)
      return place % 9 == 8 ? text + Array("= \r\n".utf8) : text
    }
  }

  @Test(
    arguments: [
      (
        "utf-8", Array("Hello Jürgen, ПРИВЕТ 你好 😀 end".utf8), ["JÜRGEN", "привет", "你好 😀", "hello j", "END", "好你", "ж"]
      ),
      (nil, Array("Hello Jürgen, ПРИВЕТ 你好 😀 end".utf8), ["JÜRGEN", "привет", "你好 😀", "Ã¼", "END", "好你"]),
      // One wrong octet at the end: all of it is windows-1252.
      (nil, Array("Hello Jürgen end".utf8) + [0xFC], ["JÜRGEN", "jã¼rgen", "ENDü", "end", "endé"]),
      ("iso-8859-1", [0x47, 0x72, 0xFC, 0xDF, 0x65], ["GRÜ", "üße", "ss", "gr"]),
      (
        "gb18030", [0x61, 0xC4, 0xE3, 0xBA, 0xC3, 0x81, 0x30, 0x81, 0x31, 0x62, 0xC4, 0xE3],
        ["你好", "A你", "好\u{81}B", "b你", "你你"]
      ),
      (
        "iso-2022-jp", [0x61, 0x1B, 0x24, 0x42, 0x24, 0x22, 0x24, 0x24, 0x1B, 0x28, 0x42, 0x62, 0x63],
        ["あい", "いBC", "aあ", "ああ", "bc", "$B"]
      ),
    ] as [(String?, [UInt8], [String])])
  func `Texts across pieces are found as in the whole`(charset: String?, text: [UInt8], needles: [String]) async throws
  {
    let bodies = [("8bit", text), ("base64", base64(text)), ("quoted-printable", quoted(text))]
    var answers: Set<Bool> = []
    for needle in needles {
      var found: Set<Bool> = []
      for (encoding, body) in bodies { found.insert(try await search(needle, message(charset, encoding, body))) }
      #expect(found.count == 1, "the encoding made a difference to \(needle)")
      answers.formUnion(found)
    }
    #expect(answers == [true, false])
  }

  @Test func `Every substring is found wherever the borders are`() async throws {
    let text = "aab aaab Ünï çode"
    let reader = message("utf-8", "8bit", Array(text.utf8))
    for start in text.indices {
      for length in 1...6 {
        let needle = String(text[start...].prefix(length))
        #expect(try await search(needle, reader))
        try await search(needle + "q", reader)
        try await search("b" + needle, reader)
      }
    }
  }

  @Test func `Nested parts are looked through as in the whole`() async throws {
    let inner =
      "Subject: terlampir\r\nContent-Type: multipart/alternative; boundary=c\r\n\r\n--c\r\n\r\nsatu dua\r\n--c\r\n"
      + "Content-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n<p>Gr=C3=BC=\r\nn</p>\r\n"
      + "--c--\r\n"
    let text =
      "Subject: =?utf-8?Q?luar_=C3=A9?=\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\npreamble\r\n--b\r\n"
      + "Content-Type: message/rfc822\r\n\r\n\(inner)\r\n--b\r\nContent-Type: image/png\r\n\r\nsatu gambar\r\n--b\r\n"
      + "Content-Type: message/delivery-status\r\n\r\nAction: failed\r\n--b\r\nContent-Type: text/plain\r\n\r\n\r\n--b--\r\n"
    let reader = SlicedReader(Array(text.utf8))
    for needle in [
      "SATU DUA", "grün", "failed", "terlampir", "gambar", "preamble", "luar É", "dua\r\n", "image/png", "--c",
    ] {
      try await search(needle, reader)
      try await search(needle, reader, withHeaders: true)
    }
    #expect(try await search("grün", reader))
    #expect(try await !search("gambar", reader, withHeaders: true))
    #expect(try await search("luar É", reader, withHeaders: true))
  }

  @Test func `A large part is read in pieces and given up when nobody waits`() async throws {
    let reader = message("utf-8", "8bit", [UInt8](repeating: 0x61, count: 3 << 20) + Array("é needle".utf8))
    let needle = TextNeedle("É NEEDLE")
    let found = try await MessageText.isFound(
      needle, in: reader.index.root, reader, withHeaders: false, isOver: { false })
    #expect(found)
    #expect(reader.largest.withLock { $0 } == PartTextSearch.piece)
    var asked = 0
    let abandoned = try await MessageText.isFound(
      needle, in: reader.index.root, reader, withHeaders: false,
      isOver: {
        asked += 1
        return asked > 1
      })
    #expect(!abandoned)
    #expect(asked == 2)
  }

  @Test func `A message shorter than its index is corrupt`() async {
    let full = message("utf-8", "8bit", Array("abc".utf8))
    let short = ShortReader(index: full.index)
    await #expect(throws: StoreError.self) {
      try await MessageText.isFound(
        TextNeedle("x"), in: short.index.root, short, withHeaders: false, isOver: { false })
    }
  }
}

private final class ShortReader: MessageReader {
  let index: MessageIndex
  init(index: MessageIndex) { self.index = index }
  var size: Int { index.size }
  var trace: ByteBuffer { ByteBuffer() }
  func read(_ range: Range<Int>) async throws(StoreError) -> ByteBuffer { ByteBuffer() }
}
