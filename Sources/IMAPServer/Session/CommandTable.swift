import IMAPCore

/// Where a session stands (RFC 9051 §3).
struct SessionStates: OptionSet, Sendable {
  let rawValue: UInt8
  static let notAuthenticated = SessionStates(rawValue: 1)
  static let authenticated = SessionStates(rawValue: 2)
  static let selected = SessionStates(rawValue: 4)
  static let loggedIn: SessionStates = [.authenticated, .selected]
  static let any: SessionStates = [.notAuthenticated, .authenticated, .selected]
}

/// One row for each command. State checks and the end of every command read nothing else.
///
/// Commands run one at a time, in the order they came; the rest waits unread. That is the simplest order that RFC 9051
/// §5.5 allows, and no ambiguity can arise.
struct CommandRow: Sendable {
  let name: CommandName
  let states: SessionStates
  /// Numbers in the arguments mean messages by their place, or the answer does.
  let usesSequenceNumbers: Bool
  /// EXPUNGE may be sent before the completion. The UID forms of FETCH, STORE, SEARCH, SORT and THREAD may as well
  /// (RFC 9051 §7.5.1, RFC 5256 §3).
  let breaksSequenceNumbers: Bool
  let rfc: String

  /// It writes its completion itself, since what follows on the wire is of another kind.
  var isCompleteInItself: Bool { name == .compress || name == .unauthenticate }
}

enum CommandTable {
  static let rows: [CommandRow] = [
    row(.append, .loggedIn, "RFC 9051 §6.3.12, RFC 3502"),
    row(.authenticate, .notAuthenticated, "RFC 9051 §6.2.2, RFC 4959"),
    row(.cancelUpdate, .selected, "RFC 5267 §4.3.5"),
    row(.capability, .any, "RFC 9051 §6.1.1"),
    row(.check, .selected, "RFC 3501 §6.4.1"),
    row(.close, .selected, "RFC 9051 §6.4.1"),
    row(.comparator, .loggedIn, "RFC 5255 §4.7"),
    row(.compress, .loggedIn, "RFC 4978 §3"),
    row(.copy, .selected, uses: true, "RFC 9051 §6.4.7"),
    row(.create, .loggedIn, "RFC 9051 §6.3.4, RFC 6154 §3"),
    row(.delete, .loggedIn, "RFC 9051 §6.3.5"),
    row(.deleteACL, .loggedIn, "RFC 4314 §3.2"),
    row(.enable, .loggedIn, "RFC 9051 §6.3.1"),
    row(.esearch, .loggedIn, "RFC 7377 §2"),
    row(.examine, .loggedIn, "RFC 9051 §6.3.3"),
    row(.expunge, .selected, "RFC 9051 §6.4.3, §6.4.9"),
    row(.fetch, .selected, uses: true, breaks: false, "RFC 9051 §6.4.5"),
    row(.genURLAuth, .loggedIn, "RFC 4467 §7"),
    row(.getACL, .loggedIn, "RFC 4314 §3.3"),
    row(.getMetadata, .loggedIn, "RFC 5464 §4.2"),
    row(.getQuota, .loggedIn, "RFC 9208 §4.1.1"),
    row(.getQuotaRoot, .loggedIn, "RFC 9208 §4.1.2"),
    row(.id, .any, "RFC 2971 §3.1"),
    row(.idle, .loggedIn, "RFC 9051 §6.3.13"),
    row(.language, .any, "RFC 5255 §3.2"),
    row(.list, .loggedIn, "RFC 9051 §6.3.9, RFC 5258"),
    row(.listRights, .loggedIn, "RFC 4314 §3.4"),
    row(.login, .notAuthenticated, "RFC 9051 §6.2.3"),
    row(.logout, .any, "RFC 9051 §6.1.3"),
    row(.lsub, .loggedIn, "RFC 3501 §6.3.9"),
    row(.move, .selected, uses: true, "RFC 9051 §6.4.8"),
    row(.myRights, .loggedIn, "RFC 4314 §3.5"),
    row(.namespace, .loggedIn, "RFC 9051 §6.3.10"),
    row(.noop, .any, "RFC 9051 §6.1.2"),
    row(.notify, .loggedIn, "RFC 5465 §3.1"),
    row(.rename, .loggedIn, "RFC 9051 §6.3.6"),
    row(.replace, .selected, uses: true, "RFC 8508 §3"),
    row(.resetKey, .loggedIn, "RFC 4467 §7"),
    row(.search, .selected, uses: true, breaks: false, "RFC 9051 §6.4.4"),
    row(.select, .loggedIn, "RFC 9051 §6.3.2"),
    row(.setACL, .loggedIn, "RFC 4314 §3.1"),
    row(.setMetadata, .loggedIn, "RFC 5464 §4.3"),
    row(.setQuota, .loggedIn, "RFC 9208 §4.1.3"),
    row(.sort, .selected, uses: true, breaks: false, "RFC 5256 §3, RFC 5267 §3, RFC 5957"),
    row(.startTLS, .notAuthenticated, "RFC 9051 §6.2.1"),
    row(.status, .loggedIn, "RFC 9051 §6.3.11"),
    row(.store, .selected, uses: true, breaks: false, "RFC 9051 §6.4.6"),
    row(.subscribe, .loggedIn, "RFC 9051 §6.3.7"),
    row(.thread, .selected, uses: true, breaks: false, "RFC 5256 §3"),
    row(.uid, .selected, "RFC 9051 §6.4.9"),
    row(.unauthenticate, .loggedIn, "RFC 8437 §3"),
    row(.unselect, .selected, "RFC 9051 §6.4.2"),
    row(.unsubscribe, .loggedIn, "RFC 9051 §6.3.8"),
    row(.urlFetch, .loggedIn, "RFC 4467 §7"),
  ]

  private static let byName: [CommandRow?] = {
    var table = [CommandRow?](repeating: nil, count: CommandName.allCases.count)
    for row in rows { table[Int(row.name.rawValue)] = row }
    return table
  }()

  /// A command without a row is legal nowhere.
  static func row(for name: CommandName) -> CommandRow {
    byName[Int(name.rawValue)]
      ?? CommandRow(name: name, states: [], usesSequenceNumbers: false, breaksSequenceNumbers: false, rfc: "")
  }

  private static func row(
    _ name: CommandName, _ states: SessionStates, uses: Bool = false, breaks: Bool = true, _ rfc: String
  ) -> CommandRow {
    CommandRow(name: name, states: states, usesSequenceNumbers: uses, breaksSequenceNumbers: breaks, rfc: rfc)
  }
}
