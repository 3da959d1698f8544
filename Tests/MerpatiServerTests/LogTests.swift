import Foundation
import Logging
import Testing

@testable import MerpatiServer

@Suite struct LogTests {
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
