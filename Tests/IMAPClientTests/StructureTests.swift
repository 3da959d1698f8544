import Bytes
import IMAPCore
import MailFormat
import MailTestKit
import NIOCore
import Testing

/// What MailFormat writes about a message, IMAPCore's reader reads as the message is.
@Suite struct StructureTests {
  /// A random message with all that structures know.
  private struct Maker {
    var random: SeededRandom
    var boundaries = 0
    mutating func pick<T>(_ values: [T]) -> T { values[Int.random(in: 0..<values.count, using: &random)] }

    mutating func part(_ depth: Int) -> String {
      let kind = depth > 3 ? pick(["text", "file"]) : pick(["text", "file", "multi", "multi", "message"])
      let fields =
        pick(["", "Content-ID: <a\"b@c>\r\n", "Content-Description: =?utf-8?q?x?= (y)\r\n"])
        + pick([
          "", "Content-Disposition: attachment; filename=\"a \\\" b.pdf\"\r\n", "Content-Disposition: inline\r\n",
        ])
        + pick(["", "Content-Language: de, en\r\n"]) + pick(["", "Content-Location: http://x/{3}\r\n"])
      switch kind {
      case "text":
        return
          "Content-Type: text/\(pick(["plain", "html"])); charset=\(pick(["utf-8", "\"x\\\"y\""]))\r\n\(fields)\r\nhallo\r\nw\u{F6}lt\r\n"
      case "file":
        return
          "Content-Type: Image/PNG; name=\"\u{F6} {12}\"\r\nContent-Transfer-Encoding: Base64\r\n\(fields)\r\nQUJD\r\n"
      case "message":
        return "Content-Type: message/rfc822\r\n\(fields)\r\n" + message(depth + 1)
      default:
        boundaries += 1
        let boundary = "b\(boundaries)"
        let parts = (0...Int.random(in: 0...2, using: &random)).map { _ in "--\(boundary)\r\n" + part(depth + 1) }
        return "Content-Type: multipart/\(pick(["mixed", "Alternative"])); boundary=\(boundary)\r\n\(fields)\r\n"
          + parts.joined(separator: "\r\n") + "\r\n--\(boundary)--\r\n"
      }
    }

    mutating func message(_ depth: Int = 0) -> String {
      pick(["", "From: \"A \\\" B\" <a@b>, c@d\r\n", "From: G: x@y, \u{F6} <z@w>;\r\n"])
        + pick(["", "Subject: x {5}\r\n", "Subject: \u{F6}\r\n lang\r\n", "Subject: NIL\r\n"])
        + pick(["", "Date: Wed, 17 Jul 1996 02:23:25 -0700\r\nMessage-ID: <1@x>\r\nTo: q@r\r\n"])
        + "MIME-Version: 1.0\r\n" + part(depth)
    }
  }

  private func fetched(_ wire: ByteBuffer, _ item: String) throws -> FetchResponse {
    var line = ByteBuffer(string: "* 1 FETCH (\(item) ")
    line.writeImmutableBuffer(wire)
    line.writeString(")\r\n")
    var framer = ResponseFramer()
    framer.receive(line)
    guard case .response(let frame) = framer.next(), framer.isIdle, case .fetch(let fetch) = try frame.parse() else {
      throw ScriptError("not one FETCH: \(String(buffer: line))")
    }
    return fetch
  }

  private func check(_ body: BodyStructureValue, _ part: Part, isExtended: Bool, _ seed: Int) {
    #expect(body.type == part.type.lowercased() && body.subtype == part.subtype.lowercased(), "seed \(seed)")
    #expect(body.children.count == (part.isMultipart || part.isMessage ? part.children.count : 0), "seed \(seed)")
    if !part.isMultipart {
      #expect(body.octets == Int64(part.bodyRange.count), "seed \(seed)")
      #expect(body.lines == (part.isText || part.isMessage ? Int64(part.lineCount) : nil), "seed \(seed)")
    }
    #expect((body.envelope != nil) == part.isMessage, "seed \(seed)")
    for (child, part) in zip(body.children, part.children) { check(child, part, isExtended: isExtended, seed) }
  }

  @Test func `Structures and envelopes of random messages`() throws {
    var dispositions: Set<String?> = []
    for seed in 0..<1500 {
      var maker = Maker(random: SeededRandom(seed: UInt64(seed)))
      let message = ByteBuffer(string: maker.message())
      let index = MessageIndex.parse(message.readableBytesSpan)
      for isExtended in [true, false] {
        var wire = ByteBuffer()
        BodyStructureWriter.writeBody(index, message.readableBytesSpan, extensible: isExtended, into: &wire)
        let fetch = try fetched(wire, isExtended ? "BODYSTRUCTURE" : "BODY")
        let body = try #require(fetch.structure, "seed \(seed): \(String(buffer: wire))")
        check(body, index.root, isExtended: isExtended, seed)
        if isExtended { dispositions.insert(body.disposition) } else { #expect(body.disposition == nil) }
      }
      var wire = ByteBuffer()
      Envelope.write(message.readableBytesSpan, header: index.root.headerRange, into: &wire)
      let envelope = try #require(try fetched(wire, "ENVELOPE").envelope, "seed \(seed)")
      let text = String(buffer: message)
      let header = text.components(upTo: "\r\n\r\n")
      #expect((envelope.messageID != nil) == header.contains("Message-ID: <1@x>"), "seed \(seed)")
      #expect(envelope.to.isEmpty == !header.contains("To: q@r"), "seed \(seed)")
      if header.contains("Subject: NIL") { #expect(envelope.subject == ByteBuffer(string: "NIL")) }
      if header.contains("From: \"A") {
        #expect(envelope.from.first?.name == ByteBuffer(string: "A \" B") && envelope.from.count == 2)
      }
    }
    #expect(dispositions == [nil, "attachment", "inline"])
  }
}

extension String {
  /// Up to `end`, not including it.
  fileprivate func components(upTo end: String) -> String {
    let bytes = Array(utf8)
    let mark = Array(end.utf8)
    guard bytes.count >= mark.count else { return self }
    for start in 0...(bytes.count - mark.count) where Array(bytes[start..<start + mark.count]) == mark {
      return String(decoding: bytes[..<start], as: UTF8.self)
    }
    return self
  }
}
