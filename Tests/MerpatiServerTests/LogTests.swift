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
}
