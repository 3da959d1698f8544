import Bytes
public import NIOCore

/// `LANGUAGE` (RFC 5255 §3.2).
public struct LanguageCommand: Hashable, Sendable {
  /// As sent: language ranges (RFC 4647 §2), the best one first, or `default`. None: which languages are there?
  public var ranges: [String]
  public init(_ ranges: [String] = []) { self.ranges = ranges }
}

extension CommandReader {
  /// language-cmd = "LANGUAGE" *(SP lang-range-quoted)
  mutating func languageCommand() throws(IMAPSyntaxError) -> LanguageCommand {
    LanguageCommand(try astrings("a language range", "language ranges"))
  }
}

extension CommandPrinter {
  mutating func print(_ command: LanguageCommand) {
    for range in command.ranges {
      space()
      astring(range)
    }
  }
}

extension ByteBuffer {
  /// `* LANGUAGE (tags)` (RFC 5255 §3.3): with one tag it is the language from here on, with several those there are.
  public mutating func writeLanguage(_ tags: [String]) {
    writeStaticString("* LANGUAGE ")
    writeAStrings(tags)
    writeCRLF()
  }
}
