import POP3Core

/// A command: where it may be given and what it does. Whatever reads commands reads these rows and nothing else.
struct CommandRow: Sendable {
  struct States: OptionSet, Sendable {
    let rawValue: UInt8
    /// RFC 1939 §4
    static let authorization = States(rawValue: 1)
    /// RFC 1939 §5
    static let transaction = States(rawValue: 2)
    static let both: States = [.authorization, .transaction]
  }

  var keyword: String
  var states: States
  /// It may be carried out while messages before it are still to be sent; its answer then waits behind them.
  var joinsBatch: Bool
  /// It is about single messages: those of a large maildrop may still be being read.
  var needsListing: Bool
  var rfc: String
  var run: @Sendable (isolated POP3Session, POP3Command) -> Void

  init(
    _ keyword: String, _ states: States, joinsBatch: Bool = false, needsListing: Bool = false, rfc: String,
    _ run: @escaping @Sendable (isolated POP3Session, POP3Command) -> Void
  ) {
    self.keyword = keyword
    self.states = states
    self.joinsBatch = joinsBatch
    self.needsListing = needsListing
    self.rfc = rfc
    self.run = run
  }
}

enum CommandTable {
  static let rows: [CommandRow] = [
    CommandRow("CAPA", .both, rfc: "RFC 2449 §5") { $0.capa($1) },
    CommandRow("STLS", .authorization, rfc: "RFC 2595 §4") { $0.stls($1) },
    CommandRow("USER", .authorization, rfc: "RFC 1939 §7") { $0.user($1) },
    CommandRow("PASS", .authorization, rfc: "RFC 1939 §7") { $0.pass($1) },
    CommandRow("AUTH", .authorization, rfc: "RFC 5034 §4") { $0.auth($1) },
    CommandRow("UTF8", .authorization, rfc: "RFC 6856 §2.1") { $0.utf8($1) },
    CommandRow("LANG", .both, rfc: "RFC 6856 §3") { $0.lang($1) },
    CommandRow("STAT", .transaction, joinsBatch: true, rfc: "RFC 1939 §5") { $0.stat($1) },
    CommandRow("LIST", .transaction, joinsBatch: true, needsListing: true, rfc: "RFC 1939 §5") { $0.list($1) },
    CommandRow("UIDL", .transaction, joinsBatch: true, needsListing: true, rfc: "RFC 1939 §7") { $0.uidl($1) },
    CommandRow("RETR", .transaction, joinsBatch: true, needsListing: true, rfc: "RFC 1939 §5") { $0.retr($1) },
    CommandRow("TOP", .transaction, joinsBatch: true, needsListing: true, rfc: "RFC 1939 §7") { $0.top($1) },
    CommandRow("DELE", .transaction, joinsBatch: true, needsListing: true, rfc: "RFC 1939 §5") { $0.dele($1) },
    CommandRow("NOOP", .transaction, joinsBatch: true, rfc: "RFC 1939 §5") { $0.noop($1) },
    CommandRow("RSET", .transaction, rfc: "RFC 1939 §5") { $0.rset($1) },
    CommandRow("QUIT", .both, rfc: "RFC 1939 §4, §6") { $0.quit($1) },
  ]

  private static let byKeyword = Dictionary(uniqueKeysWithValues: rows.map { ($0.keyword, $0) })

  static func row(for command: POP3Command) -> CommandRow? { byKeyword["\(command.keyword)"] }
}
