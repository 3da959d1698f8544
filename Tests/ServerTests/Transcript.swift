import Foundation
import Testing

/// A conversation between clients and the server, written down so that anyone who knows the protocol can read it.
///
/// ```
/// # a comment
/// @account budi password rahasia quota 10K     what must be there before: see TranscriptRun+Directives.swift
/// C: USER budi            the client sends a line; lines that follow one another go out in one piece
/// C> a\x00b\r\n           the same without CRLF, with escapes \r \n \t \0 \\ \xHH
/// C% 70000 x              sends a text many times over, without CRLF
/// C! close                the client goes away
/// C! starttls             the client begins TLS
/// C! compress             from here on both sides compress (RFC 4978)
/// C! compress-ahead       the same, behind the server's OK to a COMPRESS that is still to be sent
/// C! plain                the client no longer does; nor the server behind its next tagged OK (RFC 8437)
/// S: +OK                  the server must send exactly this line
/// S~ \+OK (?<n>\d+) .*    a line that matches a pattern as a whole; ${n} stands for what it caught, in later lines
/// S& * 1 EXISTS           lines like this that follow one another may come in any order (`S&~` for a pattern)
/// S*                      any lines, up to one that fits the next S line
/// S! closed               the server must close
/// C2: NOOP                a second connection, opened at its first line; plain C and S mean the first one
/// ```
struct Transcript: Sendable, CustomTestStringConvertible {
  enum Action: Sendable {
    case directive([String], document: [String])
    case send([UInt8])
    case expect(String)
    case match(String)
    case inAnyOrder([(text: String, isPattern: Bool)])
    case skip
    case expectClose
    case close
    case startTLS
    case compress(isAhead: Bool)
    case plain
  }

  struct Step: Sendable {
    var line: Int
    var connection: String
    var action: Action
    var text: String
  }

  struct Malformed: Error, CustomStringConvertible {
    var description: String
  }

  let name: String
  let steps: [Step]
  var testDescription: String { name }

  /// Where transcripts live, found from this file's place.
  static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .appendingPathComponent("Transcripts")

  /// Every transcript of one protocol, by name.
  static func all(of protocolName: String) -> [Transcript] {
    let folder = folder.appendingPathComponent(protocolName)
    let files = (try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []
    return files.filter { $0.hasSuffix(".txt") }.sorted().map { file in
      do {
        let text = try String(contentsOf: folder.appendingPathComponent(file), encoding: .utf8)
        return try Transcript(name: "\(protocolName)/\(file.dropLast(4))", text: text)
      } catch {
        // A file that cannot be read is a test that fails, not one that is skipped.
        return Transcript(name: "\(protocolName)/\(file): \(error)", steps: [])
      }
    }
  }

  init(name: String, steps: [Step]) {
    self.name = name
    self.steps = steps
  }

  init(name: String, text: String) throws {
    var steps: [Step] = []
    var lines = text.split(separator: "\n", omittingEmptySubsequences: false).enumerated().makeIterator()
    while let (index, line) = lines.next() {
      let line = String(line)
      if line.isEmpty || line.hasPrefix("#") { continue }
      if line.hasPrefix("@") {
        var words = line.dropFirst().split(separator: " ").map(String.init)
        var document: [String] = []
        if let last = words.last, last.hasPrefix("<<") {
          words.removeLast()
          let end = String(last.dropFirst(2))
          while let (_, next) = lines.next(), next != end { document.append(String(next)) }
        }
        steps.append(
          Step(line: index + 1, connection: "", action: .directive(words, document: document), text: line))
        continue
      }
      try Self.append(line, number: index + 1, to: &steps)
    }
    self.init(name: name, steps: steps)
  }

  private static func append(_ line: String, number: Int, to steps: inout [Step]) throws {
    guard let match = line.wholeMatch(of: #/([CS])([0-9A-Za-z]*)(:|>|~|%|\*|!|&~|&)(?: (.*))?/#) else {
      throw Malformed(description: "line \(number) is neither C, S, @ nor #: \(line)")
    }
    let (side, connection, mark) = (match.1, String(match.2), match.3)
    let text = String(match.4 ?? "")
    func add(_ action: Action) {
      steps.append(Step(line: number, connection: connection, action: action, text: line))
    }
    switch (side, mark) {
    case ("C", ":"): add(.send(Array(text.utf8) + [13, 10]))
    case ("C", ">"): add(.send(try unescape(text, line: number)))
    case ("C", "%"):
      let parts = text.split(separator: " ", maxSplits: 1)
      guard parts.count == 2, let count = Int(parts[0]) else {
        throw Malformed(description: "line \(number): C% N TEXT")
      }
      let unit = try unescape(String(parts[1]), line: number)
      add(.send(Array(repeatElement(unit, count: count).joined())))
    case ("C", "!") where text == "close": add(.close)
    case ("C", "!") where text == "starttls": add(.startTLS)
    case ("C", "!") where text == "compress": add(.compress(isAhead: false))
    case ("C", "!") where text == "compress-ahead": add(.compress(isAhead: true))
    case ("C", "!") where text == "plain": add(.plain)
    case ("S", ":"): add(.expect(text))
    case ("S", "~"): add(.match(text))
    case ("S", "*"): add(.skip)
    case ("S", "!") where text == "closed": add(.expectClose)
    case ("S", "&"), ("S", "&~"):
      if let last = steps.last, last.connection == connection, case .inAnyOrder(var group) = last.action {
        group.append((text, mark == "&~"))
        steps[steps.count - 1].action = .inAnyOrder(group)
      } else {
        add(.inAnyOrder([(text, mark == "&~")]))
      }
    default: throw Malformed(description: "line \(number): no such step: \(line)")
    }
  }

  static func unescape(_ text: String, line: Int) throws -> [UInt8] {
    var result: [UInt8] = []
    var bytes = Array(text.utf8)[...]
    while let byte = bytes.popFirst() {
      guard byte == UInt8(ascii: "\\") else {
        result.append(byte)
        continue
      }
      switch bytes.popFirst() {
      case UInt8(ascii: "r"): result.append(13)
      case UInt8(ascii: "n"): result.append(10)
      case UInt8(ascii: "t"): result.append(9)
      case UInt8(ascii: "0"): result.append(0)
      case UInt8(ascii: "\\"): result.append(UInt8(ascii: "\\"))
      case UInt8(ascii: "x"):
        guard let value = UInt8(String(decoding: bytes.prefix(2), as: UTF8.self), radix: 16) else {
          throw Malformed(description: "line \(line): \\x wants two hex digits")
        }
        result.append(value)
        bytes = bytes.dropFirst(2)
      default: throw Malformed(description: "line \(line): unknown escape")
      }
    }
    return result
  }
}
