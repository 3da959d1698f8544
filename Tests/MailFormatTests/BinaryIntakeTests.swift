import Bytes
import MailFormat
import MailTestKit
import NIOCore
import Testing

@Suite struct BinaryIntakeTests {
  private func taken(_ message: [UInt8], cutAt cuts: [Int] = [], limits: MIMELimits = .init()) -> (
    bytes: ByteBuffer, intake: BinaryIntake
  ) {
    var intake = BinaryIntake(limits: limits)
    var out = ByteBuffer()
    var start = 0
    for cut in cuts.sorted() + [message.count] where cut >= start && cut <= message.count {
      out.writeImmutableBuffer(intake.take(ByteBuffer(bytes: message[start..<cut])))
      start = cut
    }
    out.writeImmutableBuffer(intake.finish())
    return (out, intake)
  }

  private func decoded(_ message: ByteBuffer, _ path: [Int]) -> [UInt8]? {
    let index = MessageIndex.parse(message.readableBytesSpan)
    guard let part = index.part(at: path), var decoder = TransferDecoder(part) else { return nil }
    var out = ByteBuffer()
    decoder.decode(message.readableBytesSpan.extracting(part.bodyRange), into: &out)
    decoder.finish(into: &out)
    return Array(out.readableBytesView)
  }

  private func lines(_ text: String) -> [UInt8] { Array(text.utf8) }

  @Test func `A message that is binary as a whole keeps its octets to the end`() {
    let data: [UInt8] = [0, 10, 13, 13, 10, 45, 45, 255, 13, 10]
    let header = "Subject: x\r\nContent-Type: image/png\r\nCONTENT-Transfer-Encoding : BINARY\r\n\r\n"
    let (bytes, intake) = taken(lines(header) + data)
    #expect(intake.failure == nil && intake.encodedParts == 1 && intake.strayNUL == 0)
    #expect(decoded(bytes, [1]) == data)
    #expect(
      String(buffer: bytes)
        == "Subject: x\r\nContent-Type: image/png\r\nCONTENT-Transfer-Encoding: base64\r\n\r\nAAoNDQotLf8NCg==\r\n")
  }

  @Test func `What is not binary goes by the one rule for line ends and NUL`() {
    let text = "A: b\nC: d\r e\r\n\r\n\u{0}x\ry\n\r\n--no boundary\r"
    var normalizer = LineEndNormalizer()
    var expected = normalizer.normalize(ByteBuffer(string: text))
    normalizer.finish(into: &expected)
    let (bytes, intake) = taken(lines(text))
    #expect(bytes == expected)
    #expect(intake.strayNUL == 1 && intake.encodedParts == 0)
  }

  @Test func `Containers are labelled 8bit, and what is in them is looked at`() {
    let data: [UInt8] = [13, 10, 45, 45, 98, 0, 13, 13, 10]  // begins like the outer boundary's line, but for an octet
    let head =
      "Content-Transfer-Encoding: binary\r\nContent-Type: multipart/digest; boundary=\"bx\"\r\n\r\npreamble\r\n--bx\r\n\r\n"
      + "Content-Type: multipart/mixed; boundary=inner\r\nContent-Transfer-Encoding: binary\r\n\r\n--inner\r\n"
      + "Content-Type: a/b\r\nContent-Transfer-Encoding: binary\r\n\r\n"
    let (bytes, intake) = taken(lines(head) + data + lines("\r\n--inner--\r\nepilogue\r\n--bx--\r\n"))
    #expect(intake.failure == nil && intake.encodedParts == 1)
    #expect(decoded(bytes, [1, 1]) == data)
    #expect(!String(buffer: bytes).lowercased().contains("binary"))
    #expect(String(buffer: bytes).components("8bit") == 2)
  }

  @Test func `The first of several encodings counts`() {
    let data: [UInt8] = [0, 1]
    let both =
      "Content-Type: a/b\r\nContent-Transfer-Encoding: binary\r\nContent-Transfer-Encoding: 7bit\r\nX: y\r\n\r\n"
    #expect(decoded(taken(lines(both) + data).bytes, [1]) == data)
    let other = "Content-Type: a/b\r\nContent-Transfer-Encoding: 7bit\r\nContent-Transfer-Encoding: binary\r\n\r\n"
    let (bytes, intake) = taken(lines(other) + data)
    #expect(intake.strayNUL == 1)
    #expect(bytes.readableBytesView.starts(with: lines(other)))
  }

  @Test func `What cannot be kept is known`() {
    #expect(
      taken(lines("Content-Type: multipart/x\r\nContent-Transfer-Encoding: binary\r\n\r\n")).intake.failure
        == .noBoundary)
    let long = "Content-Type: a/b; x=" + String(repeating: "y", count: BinaryIntake.longestField) + "\r\n\r\n"
    #expect(taken(lines(long)).intake.failure == .fieldTooLong)
    #expect(taken(lines("X" + long)).intake.failure == nil)
    let deep = "Content-Type: message/rfc822\r\nContent-Transfer-Encoding: binary\r\n\r\n"
    #expect(taken(lines(deep + deep), limits: MIMELimits(depth: 2)).intake.failure == .tooDeep)
    #expect(taken(lines(deep + deep), limits: MIMELimits(depth: 3)).intake.failure == nil)
  }

  @Test func `A header that is cut off by a boundary or the end is whole`() {
    let (bytes, _) = taken(
      lines(
        "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Transfer-Encoding: binary\r\n--b\r\n"
          + "Content-Transfer-Encoding: binary"))
    #expect(
      String(buffer: bytes)
        == "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Transfer-Encoding: base64\r\n--b\r\n"
        + "Content-Transfer-Encoding: base64\r\n")
  }

  /// Random messages of random parts: each binary part is found again where it was, octet for octet, however the message was
  /// cut on its way, and what comes out is clean.
  @Test func `Whatever the parts and the cuts, decoding gives back what came`() {
    for seed in 0..<400 {
      var random = SeededRandom(seed: UInt64(seed))
      var parts: [(path: [Int], data: [UInt8])] = []
      let message = Self.multipart(&random, path: [], level: 0, into: &parts)
      let whole = taken(message)
      #expect(whole.intake.failure == nil && whole.intake.strayNUL == 0)
      for (path, data) in parts { #expect(decoded(whole.bytes, path) == data, "seed \(seed), part \(path)") }
      #expect(whole.intake.encodedParts == parts.count)
      var normalizer = LineEndNormalizer()
      var again = normalizer.normalize(whole.bytes)
      normalizer.finish(into: &again)
      #expect(again == whole.bytes, "seed \(seed): not clean")
      let cuts = (0..<40).map { _ in Int.random(in: 0...message.count, using: &random) }
      #expect(taken(message, cutAt: cuts).bytes == whole.bytes, "seed \(seed): cut")
      if seed < 20 { #expect(taken(message, cutAt: Array(0...message.count)).bytes == whole.bytes, "seed \(seed)") }
    }
  }

  private static func multipart(
    _ random: inout SeededRandom, path: [Int], level: Int, into parts: inout [(path: [Int], data: [UInt8])]
  ) -> [UInt8] {
    let boundary =
      ["b", "bb", "--", "x-\(level)", String(repeating: "q", count: 70)].randomElement(using: &random) ?? "b"
    let name = "\(boundary)\(level)"
    var result = Array(
      "Content-Type: multipart/mixed; boundary=\"\(name)\"\r\nContent-Transfer-Encoding: binary\r\n\r\n".utf8)
    for number in 1...Int.random(in: 1...3, using: &random) {
      result += Array("--\(name)\r\n".utf8)
      let place = path + [number]
      switch Int.random(in: 0..<(level < 3 ? 5 : 3), using: &random) {
      case 0: result += Array("Content-Type: text/plain\r\n\r\nhalo\r\n--\r\nx".utf8)
      case 3: result += multipart(&random, path: place, level: level + 1, into: &parts)
      case 4:
        result += Array("Content-Type: message/rfc822\r\n\r\n".utf8)
        result += multipart(&random, path: place, level: level + 1, into: &parts)
      default:
        let pieces: [[UInt8]] = [
          [0], [13], [10], [13, 10], [13, 10, 45, 45], [45, 45], [255], Array("b".utf8), [13, 13, 10],
        ]
        var data: [UInt8] = []
        for _ in 0..<Int.random(in: 0...90, using: &random) { data += pieces.randomElement(using: &random) ?? [] }
        // No boundary may stand in it (RFC 2046 §5.1.1).
        while let place = Self.boundary(in: data) { data[place] = 1 }
        parts.append((place, data))
        result += Array("Content-Type: a/b\r\nContent-Transfer-Encoding: binary\r\n\r\n".utf8) + data
      }
      result += Array("\r\n".utf8)
    }
    return result + Array("--\(name)--".utf8)
  }

  /// Where a line begins that might be a boundary.
  private static func boundary(in data: [UInt8]) -> Int? {
    for index in data.indices where data[index...].starts(with: [45, 45]) {
      if index == 0 || (index > 1 && data[index - 2] == 13 && data[index - 1] == 10) { return index }
    }
    return nil
  }

  @Test func `A long binary part costs no more memory than a piece of it`() {
    var intake = BinaryIntake()
    _ = intake.take(
      ByteBuffer(
        string: "Content-Type: multipart/x; boundary=b\r\n\r\n--b\r\nContent-Transfer-Encoding: binary\r\n\r\n"))
    let chunk = ByteBuffer(repeating: 0x0D, count: 30_000)
    var octets = 0
    for _ in 0..<1000 {
      let out = intake.take(chunk)
      octets += out.readableBytes
      #expect(out.readableBytes < 60_000)
    }
    #expect(octets > 39_000_000)
  }
}

extension String {
  /// How often `text` stands in it.
  fileprivate func components(_ text: String) -> Int {
    split(separator: text, omittingEmptySubsequences: false).count - 1
  }
}
