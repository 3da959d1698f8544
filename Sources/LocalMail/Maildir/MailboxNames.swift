import Bytes

/// Names of mailboxes as directories of a Maildir++ tree, and back: `["Archive", "2024"]` is `.Archive.2024`.
///
/// Levels are in modified UTF-7. What a level cannot hold there is shown as `%` and two digits: `.` as `%2E`, `/` as `%2F`,
/// a level without a name as `%00`; and `%` itself as `%25` where one of these would follow. So every path has one
/// directory and every such directory one path, and no path leads out of the tree.
enum MailboxNames {
  static let inbox = ["INBOX"]

  /// INBOX is the root itself (in any case of letters: RFC 9051 §5.1).
  static func isInbox(_ path: [String]) -> Bool { path.count == 1 && path[0].equalsIgnoringASCIICase("INBOX") }

  private static let escapes: [(code: String, level: String)] = [("2E", "."), ("2F", "/"), ("00", ""), ("25", "%")]

  static func directory(_ path: [String]) -> String { path.map { "." + encode($0) }.joined() }

  /// Nil for names that are no mailboxes.
  static func path(ofDirectory name: String) -> [String]? {
    guard name.utf8.first == .dot, name.utf8.count > 1 else { return nil }
    let levels = name.dropFirst().split(separator: ".", omittingEmptySubsequences: false)
    guard levels.allSatisfy({ !$0.isEmpty }) else { return nil }
    let path = levels.map { decode(String($0)) }
    // A directory `.INBOX` would be a second INBOX; Dovecot does not show it either.
    return isInbox(path) ? nil : path
  }

  static func encode(_ level: String) -> String {
    guard !level.isEmpty else { return "%00" }
    var result = ""
    var rest = (ModifiedUTF7.encode(level) as String)[...]
    while let character = rest.unicodeScalars.popFirst() {
      switch character {
      case ".": result += "%2E"
      case "/": result += "%2F"
      case "%": result += escapes.contains { rest.utf8.starts(with: $0.code.utf8) } ? "%25" : "%"
      default: result.unicodeScalars.append(character)
      }
    }
    return result
  }

  /// A level that is no modified UTF-7 is what it says: Dovecot can be told to keep names in UTF-8.
  static func decode(_ level: String) -> String {
    guard level != "%00" else { return "" }
    var plain = ""
    var rest = level[...]
    while let character = rest.unicodeScalars.popFirst() {
      if character == "%", let escape = escapes.first(where: { rest.utf8.starts(with: $0.code.utf8) }),
        !escape.level.isEmpty
      {
        plain += escape.level
        rest = rest.dropFirst(2)
      } else {
        plain.unicodeScalars.append(character)
      }
    }
    return ModifiedUTF7.decode(plain) ?? plain
  }
}
