import Bytes
public import IMAPCore
public import LocalMail

/// A keyword; compared without ASCII case (RFC 9051 §2.3.2).
public struct KeywordName: Sendable, Hashable, Comparable {
  public let text: String
  private let folded: [UInt8]

  public init(_ text: String) {
    self.text = text
    self.folded = text.utf8.map(\.asciiUppercased)
  }

  public static func == (left: Self, right: Self) -> Bool { left.folded == right.folded }
  public static func < (left: Self, right: Self) -> Bool { left.folded.lexicographicallyPrecedes(right.folded) }
  public func hash(into hasher: inout Hasher) { hasher.combine(folded) }
}

/// Flags of a message in the form in which both sides are compared.
///
/// Maildir's letters stand for `\Seen` (S), `\Answered` (R), `\Flagged` (F), `\Draft` (D), `\Deleted` (T) and the keyword
/// `$Forwarded` (P).
public struct SyncFlags: Sendable, Hashable {
  /// Only what can be stored: no `\Recent`.
  public var system: FlagSet
  public var keywords: Set<KeywordName>

  static let forwarded = KeywordName("$Forwarded")

  public init(_ system: FlagSet = [], keywords: Set<KeywordName> = []) {
    self.system = system.intersection(.storable)
    self.keywords = keywords
  }

  public init(_ list: FlagList) {
    self.init(list.system, keywords: Set(list.keywords.filter(Keyword.isValid).map(KeywordName.init)))
  }

  public init(_ flags: MaildirFlags) {
    var system: FlagSet = []
    if flags.seen { system.insert(.seen) }
    if flags.replied { system.insert(.answered) }
    if flags.flagged { system.insert(.flagged) }
    if flags.draft { system.insert(.draft) }
    if flags.trashed { system.insert(.deleted) }
    // A local keyword that is no atom cannot be named in IMAP; it stays where it is.
    var keywords = Set(flags.keywords.filter(Keyword.isValid).map(KeywordName.init))
    if flags.passed { keywords.insert(Self.forwarded) }
    self.init(system, keywords: keywords)
  }

  public var isEmpty: Bool { system.isEmpty && keywords.isEmpty }
  public var list: FlagList { FlagList(system, keywords: keywords.sorted().map(\.text)) }

  public var maildir: MaildirFlags {
    var flags = MaildirFlags()
    flags.seen = system.contains(.seen)
    flags.replied = system.contains(.answered)
    flags.flagged = system.contains(.flagged)
    flags.draft = system.contains(.draft)
    flags.trashed = system.contains(.deleted)
    flags.passed = keywords.contains(Self.forwarded)
    flags.keywords = keywords.filter { $0 != Self.forwarded }.sorted().map(\.text)
    return flags
  }

  func subtracting(_ other: SyncFlags) -> SyncFlags {
    SyncFlags(system.subtracting(other.system), keywords: keywords.subtracting(other.keywords))
  }

  func intersection(_ other: SyncFlags) -> SyncFlags {
    SyncFlags(system.intersection(other.system), keywords: keywords.intersection(other.keywords))
  }

  func union(_ other: SyncFlags) -> SyncFlags {
    SyncFlags(system.union(other.system), keywords: keywords.union(other.keywords))
  }
}

extension SyncFlags {
  /// The three-way merge. Each flag is either there or not, so against the ancestor there are only these cases: nobody
  /// changed it, one side changed it (that side is right), both changed it (then to the same). Contradiction is not possible.
  public static func merge(ancestor: SyncFlags, local: SyncFlags, remote: SyncFlags) -> SyncFlags {
    let added = local.subtracting(ancestor)
    let removed = ancestor.subtracting(local)
    return remote.subtracting(removed).union(added)
  }
}

extension SyncFlags {
  static func isAtom(_ keyword: String) -> Bool { Keyword.isValid(keyword) }
}
