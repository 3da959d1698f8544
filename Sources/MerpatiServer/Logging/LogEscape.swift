/// Text from clients and servers in a line of the log or of JSON: one line, one value, nothing that moves a cursor, hides
/// or turns what stands beside it.
public enum LogEscape {
  /// A word of the text form as it is; everything else in quotes, so that no value looks like a key and its value.
  static func value(_ text: String) -> String {
    // Nearly all of them.
    if !text.isEmpty, text.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F && $0 != 0x22 && $0 != 0x5C }) { return text }
    // A few words, as reasons are.
    if !text.isEmpty, text.utf8.allSatisfy({ $0 >= 0x20 && $0 < 0x7F && $0 != 0x22 && $0 != 0x5C }) {
      return "\"\(text)\""
    }
    let safe = Self.text(text)
    let isWord = !safe.isEmpty && safe.unicodeScalars.allSatisfy { $0.isPrintableASCII && $0 != "\"" && $0 != " " }
    return isWord ? safe : "\"" + safe.replacing("\"", with: #"\""#) + "\""
  }

  /// Free text: what is no visible character becomes `\uXXXX`, and a backslash two, so that nobody can write such a code
  /// himself.
  static func text(_ text: String) -> String {
    if text.utf8.allSatisfy({ $0 >= 0x20 && $0 < 0x7F && $0 != 0x5C }) { return text }
    guard text.unicodeScalars.contains(where: { $0 == "\\" || needsEscape($0) }) else { return text }
    var result = String.UnicodeScalarView()
    for scalar in text.unicodeScalars {
      if scalar == "\\" {
        result.append(contentsOf: #"\\"#.unicodeScalars)
      } else if needsEscape(scalar) {
        result.append(contentsOf: code(scalar).unicodeScalars)
      } else {
        result.append(scalar)
      }
    }
    return String(result)
  }

  /// A JSON string (RFC 8259 §7) with its quotes.
  static func json(_ text: String) -> String {
    "\"" + Self.text(text).replacing("\"", with: #"\""#) + "\""
  }

  /// JSON made elsewhere: it leaves C1 controls and the signs that turn text as they are, which a terminal obeys. They
  /// stand in strings only, where their codes mean the same.
  public static func finishedJSON(_ json: String) -> String {
    func isObeyed(_ scalar: Unicode.Scalar) -> Bool { scalar != "\n" && needsEscape(scalar) }
    guard json.unicodeScalars.contains(where: isObeyed) else { return json }
    var result = String.UnicodeScalarView()
    for scalar in json.unicodeScalars {
      if isObeyed(scalar) { result.append(contentsOf: code(scalar).unicodeScalars) } else { result.append(scalar) }
    }
    return String(result)
  }

  private static func needsEscape(_ scalar: Unicode.Scalar) -> Bool {
    if scalar.isPrintableASCII { return false }
    switch scalar.properties.generalCategory {
    // Controls; marks of direction, joiners and other invisible signs; line ends; what no font shows.
    case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate, .privateUse, .unassigned: return true
    // Blanks that look like the one between two pairs.
    case .spaceSeparator: return scalar != " "
    default: return false
    }
  }

  /// `\u001b`; beyond U+FFFF two halves, as JSON has it.
  private static func code(_ scalar: Unicode.Scalar) -> String {
    String(scalar).utf16.map { unit in
      let digits = String(unit, radix: 16)
      return "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
    }.joined()
  }
}

extension Unicode.Scalar {
  fileprivate var isPrintableASCII: Bool { (0x20...0x7E).contains(value) }
}
