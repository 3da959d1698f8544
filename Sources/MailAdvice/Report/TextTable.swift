/// Columns of plain text, as wide as their longest cell.
struct TextTable {
  enum Side { case left, right }
  var sides: [Side]
  var rows: [[String]] = []

  init(_ sides: [Side]) { self.sides = sides }

  /// Lines without blanks at their end. `width` is met by narrower gaps if it can be.
  func lines(width: Int, indent: String = "") -> [String] {
    let widths = sides.indices.map { column in rows.map { Self.width(of: $0[column]) }.max() ?? 0 }
    let used = widths.reduce(0, +) + Self.width(of: indent)
    let gap = used + 2 * (sides.count - 1) <= width ? "  " : " "
    return rows.map { row in
      let cells = row.enumerated().map { column, cell in
        let padding = String(repeating: " ", count: max(0, widths[column] - Self.width(of: cell)))
        return sides[column] == .right ? padding + cell : cell + padding
      }
      return Self.trimmed(indent + cells.joined(separator: gap))
    }
  }

  static func trimmed(_ line: String) -> String {
    var line = line
    while line.last == " " { line.removeLast() }
    return line
  }

  /// Cells of a terminal that a text takes: two for wide East Asian characters and emoji, none for combining marks.
  static func width(of text: String) -> Int {
    text.unicodeScalars.reduce(0) { sum, scalar in
      switch scalar.properties.generalCategory {
      case .nonspacingMark, .enclosingMark, .format: return sum
      default: break
      }
      switch scalar.value {
      case 0x1100...0x115F, 0x2E80...0xA4CF, 0xAC00...0xD7A3, 0xF900...0xFAFF, 0xFE30...0xFE6F, 0xFF00...0xFF60,
        0x1F300...0x1FAFF, 0x20000...0x3FFFD:
        return sum + 2
      default: return sum + 1
      }
    }
  }

  /// Breaks at blanks. `94 %` and `4.7 GiB` stay together.
  static func wrap(_ text: String, width: Int, first: String = "", rest: String = "") -> [String] {
    var lines: [String] = []
    var line = first
    var isFresh = true
    for word in words(text) {
      if !isFresh, Self.width(of: line) + 1 + Self.width(of: word) > width {
        lines.append(trimmed(line))
        line = rest
        isFresh = true
      }
      line += isFresh ? word : " " + word
      isFresh = false
    }
    lines.append(trimmed(line))
    return lines
  }

  private static func words(_ text: String) -> [String] {
    let units: Set<String> = ["%", "B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB", "ms", "s", "min", "h"]
    var words: [String] = []
    for word in text.split(separator: " ").map(String.init) {
      let bare = String(word.prefix { $0.isLetter || $0 == "%" })
      if units.contains(bare), let last = words.last, last.last?.isNumber == true {
        words[words.count - 1] = last + " " + word
      } else {
        words.append(word)
      }
    }
    return words
  }
}
