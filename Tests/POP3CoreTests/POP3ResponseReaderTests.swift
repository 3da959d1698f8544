import NIOCore
import POP3Core
import Testing

/// Reads a pipeline: for each command whether its response has lines.
private func pipeline(_ bytes: [UInt8], _ hasLines: [Bool], cuts: [Int]) throws -> [String] {
  var reader = POP3ResponseReader()
  var result: [String] = []
  var next = 0
  var isInBody = false
  var start = 0
  for cut in cuts + [bytes.count] {
    reader.feed(ByteBuffer(bytes: bytes[start..<cut]))
    start = cut
    reading: while next < hasLines.count {
      if !isInBody {
        guard let status = try reader.nextStatus() else { break }
        result.append("\(status.isOK ? "+" : "-")\(status.code.map { "[\($0)] " } ?? "")\(status.text)")
        isInBody = status.isOK && hasLines[next]
        if isInBody { reader.beginBody(octets: nil, wholeLimit: 1 << 20) } else { next += 1 }
      } else {
        switch reader.nextBody() {
        case .whole(let body):
          result.append(String(buffer: body))
          isInBody = false
          next += 1
        case .needsMore: break reading
        case .begin, .piece, .end: Issue.record("short bodies come whole")
        }
      }
    }
  }
  if next < hasLines.count { result.append("more") }
  if reader.unread > 0 { result.append("unread \(reader.unread)") }
  return result
}

@Suite struct POP3ResponseReaderTests {
  @Test(
    "A pipeline of responses is told apart, wherever its bytes are cut",
    arguments: [
      (
        "+OK 5 octets\r\nabc\r\n.\r\n-ERR [SYS/TEMP] later\r\n+OK\r\n.\r\n+ok  bye \r\n", [true, true, true, false],
        ["+5 octets", "abc\r\n", "-[SYS/TEMP] later", "+", "", "+bye "]
      ),
      // An old server: bare LFs, and lines too many between responses.
      ("+OK\nabc\n.\n\n+OK\n", [true, false], ["+", "abc\n", "+"]),
      ("+OK\r\nabc\r\n.\r\n\r\n \r\n  -ERR\tno\r\n", [true, true], ["+", "abc\r\n", "-no"]),
      ("+OK: fine\r\n-ERR, no\r\n", [false, false], ["+: fine", "-, no"]),
      ("+OK\r\nabc\r\n", [true, true], ["+", "more"]), ("+OK", [false], ["more", "unread 3"]),
      ("+OK\r\n+OK injected\r\n", [false], ["+", "unread 14"]),
    ])
  func pipelines(_ sent: String, _ hasLines: [Bool], _ expected: [String]) throws {
    let bytes = Array(sent.utf8)
    #expect(try pipeline(bytes, hasLines, cuts: []) == expected)
    for cut in 0...bytes.count { #expect(try pipeline(bytes, hasLines, cuts: [cut]) == expected, "cut at \(cut)") }
    #expect(try pipeline(bytes, hasLines, cuts: Array(0...bytes.count)) == expected)
  }

  @Test(
    "What is no response is an error that shows it",
    arguments: ["OK\r\n", "+OKAY\r\n", "-ERROR\r\n", "HTTP/1.1 400 Bad Request\r\n", "* OK IMAP4rev1\r\n", "+ \r\n"])
  func noResponse(_ line: String) {
    #expect(throws: POP3ReadError.notAResponse(String(line.dropLast(1)))) {
      _ = try pipeline(Array(line.utf8), [false], cuts: [])
    }
  }

  @Test("A line without end, or empty lines without end, are not listened to for ever")
  func bounds() {
    #expect(throws: POP3ReadError.lineTooLong) {
      _ = try pipeline(Array("+OK ".utf8) + Array(repeating: 97, count: POP3Limits.receivedLine), [false], cuts: [])
    }
    #expect(throws: POP3ReadError.notAResponse("")) {
      let blank = Array(repeating: UInt8(ascii: "\n"), count: POP3Limits.strayLines + 1)
      _ = try pipeline(blank, [false], cuts: [])
    }
  }

  @Test("LIST is read as servers send it")
  func scans() {
    func scans(_ text: String) -> [[Int64]] {
      POP3ListingLine.scans(ByteBuffer(string: text)).map { [Int64($0.number), $0.octets] }
    }
    #expect(scans("1 120\r\n2 200\r\n") == [[1, 120], [2, 200]])
    #expect(scans("3 5\n1 7 octets, seen\n2\t9") == [[3, 5], [1, 7], [2, 9]])
    #expect(scans("  1   120  \r\n\r\n2\r\n3 x\r\n4 -5\r\n") == [[1, 120], [2, 0], [3, 0], [4, 0]])
    #expect(scans("0 1\r\nx 2\r\n-1 3\r\n1x 4\r\n99999999999999999999 5\r\n") == [])
    #expect(scans("1 99999999999999999999\r\n") == [[1, 0]])
    #expect(scans("") == [])
    #expect(POP3ListingLine.scans(ByteBuffer(string: "1 1\n2 2\n3 3\n"), limit: 2).count == 2)
  }

  @Test("UIDL is reported as it is")
  func uniqueIDs() {
    func ids(_ bytes: [UInt8]) -> [String] {
      POP3ListingLine.uniqueIDs(ByteBuffer(bytes: bytes)).map { "\($0.number)=\($0.id)" }
    }
    #expect(ids(Array("1 whqtsw000\r\n2 QhdPYR:00WBw1Ph7x7\r\n".utf8)) == ["1=whqtsw000", "2=QhdPYR:00WBw1Ph7x7"])
    #expect(ids(Array("2 same\n1 same\n".utf8)) == ["2=same", "1=same"])
    #expect(ids(Array("1\r\n2 \r\n3  two words \r\n".utf8)) == ["1=", "2=", "3=two words"])
    let long = String(repeating: "i", count: 5000)
    #expect(ids(Array("1 \(long)\r\n".utf8)) == ["1=\(long)"])
    // Latin-1 octets: two ids that differ stay two.
    #expect(ids([49, 32, 0xE4, 13, 10, 50, 32, 0xF6, 0, 13, 10]) == ["1=ä", "2=ö\0"])
  }

  @Test("STAT is read as servers send it")
  func dropListing() throws {
    #expect(try #require(POP3ListingLine.dropListing("2 320")) == (2, 320))
    #expect(try #require(POP3ListingLine.dropListing(" 2  320 octets")) == (2, 320))
    #expect(try #require(POP3ListingLine.dropListing("0")) == (0, 0))
    for bad in ["", "none", "2x 3", "-1 2"] { #expect(POP3ListingLine.dropListing(bad) == nil) }
  }

  @Test("Noise is read or refused, never more of it handed out than came", arguments: 0..<20)
  func noise(_ seed: UInt64) {
    var generator = SeededGenerator(state: seed)
    let alphabet = Array("+OK-ERR. [A]1 \r\n\n..\0\u{FF}".unicodeScalars.map { UInt8(truncatingIfNeeded: $0.value) })
    for _ in 0..<100 {
      let bytes = (0..<Int.random(in: 0...200, using: &generator)).map { _ in
        alphabet[Int.random(in: 0..<alphabet.count, using: &generator)]
      }
      var reader = POP3ResponseReader()
      var given = 0
      do {
        for chunk in stride(from: 0, to: bytes.count, by: 7) {
          reader.feed(ByteBuffer(bytes: bytes[chunk..<min(chunk + 7, bytes.count)]))
          while let status = try reader.nextStatus() {
            given += status.line.readableBytes
            guard status.isOK else { continue }
            reader.beginBody(octets: Int64.random(in: -2...40, using: &generator), wholeLimit: 20)
            reading: while true {
              switch reader.nextBody() {
              case .whole(let bytes), .piece(let bytes): given += bytes.readableBytes
              case .begin: break
              case .end, .needsMore: break reading
              }
            }
          }
        }
      } catch {
        // Refused.
      }
      #expect(given <= bytes.count)
      let body = ByteBuffer(bytes: bytes)
      #expect(POP3ListingLine.scans(body).count <= bytes.count)
      #expect(POP3ListingLine.uniqueIDs(body).allSatisfy { $0.number > 0 })
    }
  }
}
