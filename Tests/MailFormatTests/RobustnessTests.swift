import MailFormat
import NIOCore
import Testing

/// Hostile and broken messages: nothing may crash, and what must hold for every message holds.
@Suite struct RobustnessTests {
  static let fixtures: [[UInt8]] = [
    [], message("\n"), message("a"), message("A: b"), message("A: b\n"), message("A: b\n\n"),
    message("From x@y Mon\nA: b\n\nc"),
    PartTests.mixed,
    message(
      "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: message/rfc822\n\nSubject: x\n--b\n\ny\n--b--\n"),
    message("Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: message/rfc822\n\n--b\n\ny\n--b--\n"),
    message("Content-Type: multipart/digest; boundary=\"\"\n\n--\n\n--\nA: b\n----\n--\n"),
    message("Content-Type: multipart/mixed; boundary=b\n\n--b--\n--b\nlate\n"),
    message("Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\nU3ViamVjdDogeAoKeQo=\n"),
    message("Content-Type: multipart/mixed; boundary=b\n--b\n\none\n--b--\n"),
    message("To: \"\\\nCc: (\\\nFrom: <@\nSubject: =?\nDate: +\nContent-Type: a/b; c=\"\\\nContent-Language: ,,;\n\n"),
    message("To: a@b:c;d<e>\"f\"(g)@[h]\\,:;<>\n\n"),
    [0x00, 0x0D, 0x0A, 0x00, 0x3A, 0x00, 0x0D, 0x0D, 0x0A, 0x0A, 0xFF, 0xFE, 0x00],
    Array("Content-Type: multipart/mixed; boundary=\"a\rb\"\r\n\r\n--ab\r\n\r\nx\r--ab\r\n".utf8),
  ]

  @Test(arguments: fixtures) func `What must hold for every message holds`(bytes: [UInt8]) {
    #expect(violations(of: bytes) == [])
  }

  @Test(arguments: fixtures) func `Messages cut at every byte are messages`(bytes: [UInt8]) {
    for length in 0..<bytes.count { #expect(violations(of: Array(bytes[..<length])) == [], "\(length)") }
  }

  @Test(arguments: [1, 2, 3] as [UInt64]) func `Random changes break nothing`(seed: UInt64) {
    var state = seed
    func random(_ bound: Int) -> Int {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Int(state >> 33) % bound
    }
    let alphabet = Array("-b:;\"()<>@,\\= \r\n\t*'%?/".utf8) + [0x00, 0xE9, 0xC3]
    for _ in 0..<400 {
      var bytes = Self.fixtures[random(Self.fixtures.count)]
      guard !bytes.isEmpty else { continue }
      for _ in 0..<(1 + random(8)) {
        let place = random(bytes.count)
        switch random(3) {
        case 0: bytes[place] = alphabet[random(alphabet.count)]
        case 1: bytes.insert(alphabet[random(alphabet.count)], at: place)
        default: bytes.insert(contentsOf: bytes[place..<min(bytes.count, place + random(40))], at: place)
        }
      }
      #expect(violations(of: bytes) == [], "seed \(seed): \(bytes)")
    }
  }

  @Test func `Ten thousand levels of multiparts`() {
    var text = ""
    for level in 0..<10_000 { text += "Content-Type: multipart/mixed; boundary=b\(level)\n\n--b\(level)\n" }
    let bytes = message(text + "\nx\n")
    #expect(violations(of: bytes) == [])
    var part = bytes.index.root
    var depth = 1
    while let child = part.children.first {
      part = child
      depth += 1
    }
    #expect(depth == 100 && part.isOpaque)
  }

  @Test func `Ten thousand levels of messages`() {
    let bytes = message(String(repeating: "Content-Type: message/rfc822\n\n", count: 10_000) + "A: b\n\nx\n")
    #expect(violations(of: bytes) == [])
  }

  @Test func `A hundred thousand tiny parts`() {
    let bytes = message(
      "Content-Type: multipart/mixed; boundary=b\n\n" + String(repeating: "--b\n\nx\n", count: 100_000) + "--b--\n")
    #expect(violations(of: bytes) == [])
    let parts = bytes.index.root.children
    #expect(parts.count == 9_999)
    #expect(parts.last.map(\.bodyEnd) == bytes.count - 9)
  }

  @Test func `A hundred thousand tiny parts, limited`() {
    let bytes = message(
      "Content-Type: multipart/mixed; boundary=b\n\n"
        + String(repeating: "--b\nContent-Type: message/rfc822\n\n", count: 50))
    #expect(violations(of: bytes, limits: MIMELimits(parts: 7)) == [])
    #expect(violations(of: bytes, limits: MIMELimits(depth: 1, parts: 1)) == [])
  }

  @Test func `A megabyte in one header line`() {
    let line = String(repeating: "x", count: 1 << 20)
    #expect(violations(of: message("Subject: \(line)\nTo: \(line)\nMessage-ID: <\(line)@y>\n\n")) == [])
    #expect(violations(of: message("\(line): x\n\n")) == [])
    #expect(violations(of: message("Content-Type: text/plain; \(line)=\(line)\n\n")) == [])
    for unit in ["(", "\"", "<", "=?", "\\", "a,", ":", "a@b,", ";a=b", "=?a?q?b?=", "<a@b>", "1 "] {
      let value = String(repeating: unit, count: 20_000)
      let text = "To: \(value)\nSubject: \(value)\nDate: \(value)\nReferences: \(value)\nContent-Type: a/b\(value)\n\n"
      #expect(violations(of: message(text)) == [], "\(unit)")
    }
  }

  @Test func `Fields far beyond the limit of the header are not read`() {
    let bytes = message("A: \(String(repeating: "x", count: 2_000))\nSubject: y\nContent-Type: text/html\n\n")
    let summary = MessageSummary.make(bytes.span.bytes, limits: MIMELimits(headerBytes: 1_000))
    #expect(summary.index.root.subtype == "plain")
    #expect(summary.baseSubject == "")
    #expect(summary.index.headerLength == bytes.count)
  }

  @Test func `A hundred boundaries that begin alike`() {
    var text = ""
    for level in 0..<99 {
      let boundary = String(repeating: "a", count: 60) + String(repeating: "b", count: level)
      text += "Content-Type: multipart/mixed; boundary=\(boundary)\n\n--\(boundary)\n"
    }
    let line = "--" + String(repeating: "a", count: 59) + "c\n"
    let bytes = message(text + "\n" + String(repeating: line, count: 2_000))
    #expect(violations(of: bytes) == [])
  }
}
