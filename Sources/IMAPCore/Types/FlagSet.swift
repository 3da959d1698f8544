/// The system flags of RFC 9051 §2.3.2, and `\Recent` of RFC 3501, which is never stored.
///
/// The five lower bits stand as in `MailStore.SystemFlags`, so that a raw value carries over.
public struct FlagSet: OptionSet, Hashable, Sendable {
  public let rawValue: UInt8
  @inlinable public init(rawValue: UInt8) { self.rawValue = rawValue }

  public static let seen = FlagSet(rawValue: 1)
  public static let answered = FlagSet(rawValue: 2)
  public static let flagged = FlagSet(rawValue: 4)
  public static let deleted = FlagSet(rawValue: 8)
  public static let draft = FlagSet(rawValue: 16)
  /// Only ever printed, and only to IMAP4rev1 sessions (RFC 9051 appendix E).
  public static let recent = FlagSet(rawValue: 32)

  /// Everything a client may store.
  public static let storable: FlagSet = [.seen, .answered, .flagged, .deleted, .draft]
}

/// Flags as a client names them in STORE and APPEND.
public struct FlagList: Hashable, Sendable {
  public var system: FlagSet
  /// Keywords as they were written, in that order, each once (compared without ASCII case).
  public var keywords: [String]
  /// `\Recent` and flag-extensions such as `\Foo`, with the backslash. No server has to keep them: STORE and APPEND
  /// pass over them (RFC 9051 §2.3.2: a flag that cannot be stored permanently is ignored or refused).
  public var ignored: [String]

  public init(_ system: FlagSet = [], keywords: [String] = [], ignored: [String] = []) {
    self.system = system
    self.keywords = keywords
    self.ignored = ignored
  }

  public var isEmpty: Bool { system.isEmpty && keywords.isEmpty && ignored.isEmpty }
}

/// A keyword is an atom (RFC 9051 §9, flag-keyword).
public enum Keyword {
  /// True for one or more ATOM-CHARs: printing ASCII without `( ) { % * " \ ]` and space.
  public static func isValid(_ name: some StringProtocol) -> Bool {
    !name.isEmpty && name.utf8.allSatisfy(\.isAtomCharacter)
  }
}
