import Foundation
import Logging
import Testing

@testable import MerpatiServer

@Suite struct LogTests {
  /// What a terminal obeys, a reader overlooks, or a program takes for the end of a line.
  static let hostile = [
    "\r\n", "\n", "\u{0}", "\u{1B}[31m", "\u{85}", "\u{2028}", "\u{2029}", "\u{7F}", "\u{9B}31m", "\u{202E}",
    "\u{2066}",
    "\u{200B}", "\u{FEFF}", "\u{E0001}", "\u{F0000}", "\u{A0}level=error", "\u{3000}", "\\u000a", "\\", "\"", " x=y",
  ]

  @Test(arguments: hostile)
  func `What a client sends stays one value, and comes back as it was`(evil: String) throws {
    let value = "budi\(evil)peer=10.0.0.1"
    let text = LineLogHandler.text(.info, "imap", "login", [("account", value), ("peer", "192.0.2.1")])
    #expect(text.hasSuffix(" peer=192.0.2.1\n"))
    #expect(text.unicodeScalars.dropLast().allSatisfy { $0.properties.generalCategory != .control })
    #expect(text.unicodeScalars.allSatisfy { $0.properties.generalCategory != .format })
    // Between the key and the next one stands one word, or one text in quotes.
    let start = try #require(text.range(of: "account="))
    let rest = String(text[start.upperBound...].dropLast(" peer=192.0.2.1\n".count))
    let inner = rest.hasPrefix("\"") ? String(rest.dropFirst().dropLast()) : rest
    #expect(rest.hasPrefix("\"") || !rest.contains(" "))
    #expect(unescaped(inner) == value)

    let json = LineLogHandler.json(.info, "imap", "login", [("account", value)])
    #expect(json.unicodeScalars.dropLast().allSatisfy { $0.properties.generalCategory != .control })
    let decoded = try JSONDecoder().decode([String: String].self, from: Data(json.utf8))
    #expect(decoded["account"] == value)
    #expect(Set(decoded.keys) == ["time", "level", "room", "event", "account"])
  }

  /// The text form is read back like a JSON string.
  private func unescaped(_ text: String) -> String? {
    try? JSONDecoder().decode(String.self, from: Data(("\"" + text + "\"").utf8))
  }

  @Test func `JSON that is made elsewhere shows a terminal nothing to obey, and means the same`() throws {
    for evil in Self.hostile {
      let made = String(decoding: try JSONEncoder().encode(["name": "a\(evil)b"]), as: UTF8.self)
      let shown = LogEscape.finishedJSON(made)
      #expect(shown.unicodeScalars.allSatisfy { ![.control, .format].contains($0.properties.generalCategory) })
      #expect(try JSONDecoder().decode([String: String].self, from: Data(shown.utf8)) == ["name": "a\(evil)b"])
    }
  }

  @Test(arguments: ["\r\n", "\n", "\u{0}", "\u{1B}[31m", "\u{85}", "\u{2028}", "\u{7F}"])
  func `A client cannot forge a line of the log`(evil: String) {
    for line in [
      LineLogHandler.text(.info, "imap", "login", [("account", "budi\(evil)2026 error forged")]),
      LineLogHandler.json(.info, "imap", "login", [("account", "budi\(evil)\"}")]),
    ] {
      #expect(line.filter(\.isNewline).count == 1)
      #expect(line.last == "\n")
      #expect(!line.dropLast().unicodeScalars.contains { $0.value < 0x20 || $0.value == 0x7F })
    }
  }

  @Test func `Values with spaces and quotes stay one value`() {
    let line = LineLogHandler.text(.info, "imap", "end", [("why", "he said \"no\"")])
    #expect(line.hasSuffix(#" why="he said \"no\"""# + "\n"))
  }

  @Test func `What a full disk kept from the log is counted, and told when there is room`() throws {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("log-\(UUID().uuidString.prefix(8))")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let link = folder.appendingPathComponent("log").path
    let file = folder.appendingPathComponent("file").path
    try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: "/dev/full")
    let sink = try LogSink(path: link, json: false)
    for number in 0..<3 { sink.write("lost \(number)\n") }
    try FileManager.default.removeItem(atPath: link)
    try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: file)
    try sink.reopen()
    sink.write("kept\n")
    sink.write("kept too\n")
    let lines = try String(contentsOfFile: file, encoding: .utf8).split(separator: "\n")
    #expect(lines.count == 3 && lines.dropFirst() == ["kept", "kept too"])
    #expect(lines.first?.hasSuffix("lines were lost while the log could not be written lines=3") == true)
  }
}
