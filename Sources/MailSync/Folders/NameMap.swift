import Bytes

/// Names of the server and paths of local folders.
///
/// The prefix of the personal namespace is not a level: `INBOX.Sent` is `Sent` where the prefix is `INBOX.`. What a level
/// cannot hold in the name of a directory is the business of `MaildirTree`.
struct NameMap: Sendable, Hashable {
  var prefix: String
  var delimiter: Character?

  init(_ traits: RemoteTraits) {
    prefix = traits.prefix
    delimiter = traits.delimiter
  }

  /// Nil: no level is left of the name, or one that cannot be a folder.
  func local(_ remote: String) -> [String]? {
    if Self.isInbox(remote) { return ["INBOX"] }
    var name = Substring(remote)
    if !prefix.isEmpty, remote.hasPrefix(prefix) { name = name.dropFirst(prefix.count) }
    var levels = delimiter.map { name.split(separator: $0, omittingEmptySubsequences: false) } ?? [name]
    guard !levels.isEmpty, levels.allSatisfy({ !$0.isEmpty && !$0.contains(Paths.separator) }) else { return nil }
    // Without a prefix, children of INBOX stand below it in any spelling of INBOX.
    if Self.isInbox(levels[0]), levels.count > 1 { levels[0] = "INBOX" }
    let path = levels.map(String.init)
    // A folder beside the root with the name of INBOX would be taken for it.
    if path.count == 1, Self.isInbox(path[0]) { return nil }
    return path
  }

  /// Nil: the server cannot have such a name.
  func remote(_ path: [String]) -> String? {
    if path.count == 1, Self.isInbox(path[0]) { return "INBOX" }
    if let delimiter {
      guard path.allSatisfy({ !$0.isEmpty && !$0.contains(delimiter) }) else { return nil }
      return prefix + path.joined(separator: String(delimiter))
    }
    return path.count == 1 ? prefix + path[0] : nil
  }

  // RFC 9051 §5.1: INBOX in any case.
  static func isInbox(_ name: some StringProtocol) -> Bool {
    name.utf8.count == 5 && zip(name.utf8, "INBOX".utf8).allSatisfy { $0.asciiUppercased == $1 }
  }
}
