import Bytes
public import NIOCore

/// `COMPARATOR` (RFC 5255 §4.7).
public struct ComparatorCommand: Hashable, Sendable {
  /// As sent: collation-order of RFC 4790 §3.3, or `default`. None: which one is active?
  public var patterns: [String]
  public init(_ patterns: [String] = []) { self.patterns = patterns }
}

extension CommandReader {
  /// comparator-cmd = "COMPARATOR" *(SP comp-order-quoted)
  mutating func comparatorCommand() throws(IMAPSyntaxError) -> ComparatorCommand {
    ComparatorCommand(try astrings("a comparator", "comparators"))
  }

  /// *(SP astring), to the end of the command.
  mutating func astrings(_ what: Sentence, _ all: Sentence) throws(IMAPSyntaxError) -> [String] {
    var strings: [String] = []
    while !cursor.isAtEnd {
      try space()
      guard strings.count < limits.listElements else { throw error("More than \(limits.listElements) \(all)") }
      strings.append(try astring(what))
    }
    return strings
  }
}

extension CommandPrinter {
  mutating func print(_ command: ComparatorCommand) {
    for pattern in command.patterns {
      space()
      astring(pattern)
    }
  }
}

extension ByteBuffer {
  /// `* COMPARATOR active (all that matched)` (RFC 5255 §4.8).
  /// - matching: printed if there is more than one.
  public mutating func writeComparator(active: String, matching: [String] = []) {
    writeStaticString("* COMPARATOR ")
    writeAString(active, .rev1)
    if matching.count > 1 {
      writeSpace()
      writeAStrings(matching)
    }
    writeCRLF()
  }

  /// In parentheses.
  mutating func writeAStrings(_ strings: [String]) {
    writeStaticString("(")
    for (index, string) in strings.enumerated() {
      if index > 0 { writeSpace() }
      writeAString(string, .rev1)
    }
    writeStaticString(")")
  }
}
