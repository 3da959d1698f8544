import Bytes
import IMAPClient
import IMAPCore

/// Folders of both sides and what the state knows of them, while they are brought together.
struct FolderView: Sendable {
  let map: NameMap
  private let patterns: [ListPattern]
  private let named: [(text: String, list: ListPattern)]
  /// Selectable mailboxes that were asked for, by name.
  var remotes: [String: RemoteMailbox]
  /// Every name that the server has, selectable or not.
  var remoteNames: Set<String>
  var locals: Set<[String]>
  var known: [KnownMailbox]

  init(map: NameMap, patterns: [String], remotes: [RemoteMailbox], locals: [[String]], known: [KnownMailbox]) {
    let separator = map.delimiter?.asciiValue ?? 0
    named = patterns.map { ($0, ListPattern($0, separator: separator)) }
    let patterns = named.map(\.list)
    self.map = map
    self.patterns = patterns
    func isWanted(_ name: String) -> Bool {
      let name = NameMap.isInbox(name) ? "INBOX" : name
      return patterns.isEmpty || patterns.contains { $0.matches(name) }
    }
    self.remotes = Dictionary(
      remotes.filter { $0.isSelectable && isWanted($0.name) }.map { ($0.name, $0) },
      uniquingKeysWith: { first, _ in first })
    remoteNames = Set(remotes.map(\.name))
    self.locals = Set(locals)
    self.known = known.filter { isWanted($0.remote) }
  }

  /// Names that were asked for by themselves and are on neither side.
  var missing: [String] {
    named.filter { pattern in
      pattern.list.isLiteral && !remotes.keys.contains { pattern.list.matches(NameMap.isInbox($0) ? "INBOX" : $0) }
        && !known.contains { pattern.list.matches($0.remote) }
        && !locals.contains { map.remote($0).map { pattern.list.matches($0) } ?? false }
    }.map(\.text)
  }

  func isWanted(_ name: String) -> Bool { patterns.isEmpty || patterns.contains { $0.matches(name) } }

  /// Mailboxes that the state does not know, INBOX and parents first.
  var freshRemotes: [RemoteMailbox] {
    let names = Set(known.map(\.remote))
    return remotes.values.filter { !names.contains($0.name) }.sorted {
      (!NameMap.isInbox($0.name) ? 1 : 0, $0.path.count, $0.name)
        < (!NameMap.isInbox($1.name) ? 1 : 0, $1.path.count, $1.name)
    }
  }

  /// Folders that the state does not know, parents first.
  var freshLocals: [[String]] {
    let paths = Set(known.map(\.local))
    return locals.subtracting(paths).sorted { ($0.count, Paths.text($0)) < ($1.count, Paths.text($1)) }
  }

  /// Known mailboxes in the order parents, children.
  var knownOrder: [Int] {
    known.indices.sorted { (known[$0].local.count, known[$0].remote) < (known[$1].local.count, known[$1].remote) }
  }

  /// A folder was renamed here, children with it. Returns what changed in the state.
  mutating func localWasRenamed(_ old: [String], to new: [String]) -> [Int] {
    locals = Set(locals.map { Self.moved($0, from: old, to: new) ?? $0 })
    return known.indices.filter { index in
      guard let path = Self.moved(known[index].local, from: old, to: new) else { return false }
      known[index].local = path
      return true
    }
  }

  /// A mailbox was renamed on the server, children with it (RFC 9051 §6.3.6; INBOX is never renamed by us).
  mutating func remoteWasRenamed(_ old: String, to new: String) -> [Int] {
    func moved(_ name: String) -> String? {
      if name == old { return new }
      guard let delimiter = map.delimiter, name.hasPrefix(old + String(delimiter)) else { return nil }
      return new + name.dropFirst(old.count)
    }
    remoteNames = Set(remoteNames.map { moved($0) ?? $0 })
    remotes = Dictionary(
      remotes.values.map { mailbox in
        var mailbox = mailbox
        mailbox.name = moved(mailbox.name) ?? mailbox.name
        return (mailbox.name, mailbox)
      }, uniquingKeysWith: { first, _ in first })
    return known.indices.filter { index in
      guard let name = moved(known[index].remote) else { return false }
      known[index].remote = name
      return true
    }
  }

  private static func moved(_ path: [String], from old: [String], to new: [String]) -> [String]? {
    path.starts(with: old) ? new + path.dropFirst(old.count) : nil
  }
}
