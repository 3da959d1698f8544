import Bytes

/// How names of mailboxes of others begin (RFC 2342, RFC 9051 §6.3.10):
///
///     shared/NAME/...   mailboxes of the account NAME
///     Public/...        mailboxes of the account that `imap.public-account` names
struct Namespaces: Sendable {
  /// With the separator at its end; empty: there is no such namespace.
  let others: String
  let everybodys: String
  /// Whose mailboxes are the public ones.
  let publicAccount: String

  init(_ settings: IMAPServerSettings) {
    others = settings.othersPrefix
    publicAccount = settings.publicAccount
    everybodys = settings.publicAccount.isEmpty ? "" : settings.publicPrefix
  }

  enum Meaning: Hashable, Sendable {
    /// In the personal namespace.
    case own
    /// A level above mailboxes of others, which is no mailbox.
    case level
    /// A mailbox of an account, as that calls it.
    case others(account: String, name: String)
  }

  func meaning(of name: String) -> Meaning {
    if let rest = Self.rest(of: name, behind: everybodys) {
      return rest.isEmpty ? .level : .others(account: publicAccount, name: String(rest))
    }
    guard let rest = Self.rest(of: name, behind: others) else { return .own }
    guard let slash = rest.firstIndex(of: "/") else { return .level }
    let inner = rest[rest.index(after: slash)...]
    return inner.isEmpty ? .level : .others(account: String(rest[..<slash]), name: String(inner))
  }

  /// What a mailbox of somebody else is called here; nil: it cannot be named.
  func name(of mailbox: String, owner: String) -> String? {
    if !everybodys.isEmpty, owner.equalsIgnoringASCIICase(publicAccount) { return everybodys + mailbox }
    return others.isEmpty ? nil : "\(others)\(owner)/\(mailbox)"
  }

  /// Nil: the name lies elsewhere. The prefix without its separator is the prefix.
  private static func rest(of name: String, behind prefix: String) -> Substring? {
    guard !prefix.isEmpty else { return nil }
    if name.utf8.starts(with: prefix.utf8) { return Substring(name.utf8.dropFirst(prefix.utf8.count)) }
    return name.utf8.elementsEqual(prefix.utf8.dropLast()) ? "" : nil
  }
}
