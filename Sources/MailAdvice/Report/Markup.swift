/// SVG and HTML are written as text; whatever comes from a server goes through here.
enum Markup {
  /// For text and for attributes in double quotes. What can't be printed becomes `?`.
  static func escape(_ text: String) -> String {
    var result = ""
    for scalar in Human.printable(text).unicodeScalars {
      switch scalar {
      case "&": result += "&amp;"
      case "<": result += "&lt;"
      case ">": result += "&gt;"
      case "\"": result += "&quot;"
      case "'": result += "&#39;"
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result
  }

  /// A coordinate with one digit behind the point, none where it is 0.
  static func number(_ value: Double) -> String {
    guard value.isFinite else { return "0" }
    let tenths = Int((min(max(value, -1e6), 1e6) * 10).rounded())
    let sign = tenths < 0 ? "-" : ""
    let (whole, rest) = (tenths.magnitude / 10, tenths.magnitude % 10)
    return rest == 0 ? "\(sign)\(whole)" : "\(sign)\(whole).\(rest)"
  }

  /// Colours for light and dark, as custom properties of `root`. The kinds of content and the ways are told apart by
  /// place, pattern and words as well.
  static func palette(_ root: String) -> String {
    """
    \(root) { --back: #ffffff; --ink: #1d2430; --soft: #5b6573; --rule: #d9dee5; --card: #f4f6f9; --accent: #0b62c4;
      --quota: #c22f2f; --imap: #0b62c4; --keep30: #b35c00; --keep7: #7a4bc2; --delete: #2b7a3d;
      --attachments: #0b62c4; --text: #58a6e8; --bodies: #7d9cc0; --headers: #b9c4d2; }
    @media (prefers-color-scheme: dark) {
      \(root) { --back: #14181f; --ink: #e8ecf2; --soft: #a3adbb; --rule: #323a46; --card: #1d232d; --accent: #76b2f7;
        --quota: #ff7b72; --imap: #76b2f7; --keep30: #f0a54a; --keep7: #c3a0f5; --delete: #6cc784;
        --attachments: #4a90e2; --text: #8cc4f5; --bodies: #7d9cc0; --headers: #566373; }
    }
    """
  }

  static let font = "system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif"
}
