/// Text from clients, fit for a log line.
enum LogText {
  static let longest = 128

  /// At most 128 characters; what is not visible becomes `?`.
  static func name(_ text: String) -> String {
    // Nearly all of them.
    if text.utf8.count <= longest, text.utf8.allSatisfy({ $0 >= 0x20 && $0 < 0x7F }) { return text }
    var result = ""
    var count = 0
    for scalar in text.unicodeScalars {
      guard count < longest else { return result + "…" }
      count += 1
      switch scalar.properties.generalCategory {
      case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate, .privateUse, .unassigned:
        result.append("?")
      default:
        result.unicodeScalars.append(scalar)
      }
    }
    return result
  }
}
