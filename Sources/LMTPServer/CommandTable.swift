import LMTPCore

/// A command: whether it needs LHLO before it, and what it does.
struct CommandRow: Sendable {
  var keyword: String
  var needsLHLO: Bool
  var rfc: String
  var run: @Sendable (isolated LMTPSession, LMTPCommand) -> Void

  init(
    _ keyword: String, needsLHLO: Bool = false, rfc: String,
    _ run: @escaping @Sendable (isolated LMTPSession, LMTPCommand) -> Void
  ) {
    self.keyword = keyword
    self.needsLHLO = needsLHLO
    self.rfc = rfc
    self.run = run
  }
}

enum CommandTable {
  static let rows: [CommandRow] = [
    CommandRow("LHLO", rfc: "RFC 2033 §4.1") { $0.lhlo($1) },
    CommandRow("STARTTLS", rfc: "RFC 3207 §4") { $0.startTLS($1) },
    CommandRow("MAIL", needsLHLO: true, rfc: "RFC 5321 §4.1.1.2") { $0.mail($1) },
    CommandRow("RCPT", needsLHLO: true, rfc: "RFC 5321 §4.1.1.3") { $0.rcpt($1) },
    CommandRow("DATA", needsLHLO: true, rfc: "RFC 2033 §4.2") { $0.data($1) },
    // LHLO or not: the octets behind BDAT have to be swallowed.
    CommandRow("BDAT", rfc: "RFC 2033 §4.3, RFC 3030 §2") { $0.bdat($1) },
    CommandRow("RSET", rfc: "RFC 5321 §4.1.1.5") { $0.rset($1) },
    CommandRow("NOOP", rfc: "RFC 5321 §4.1.1.9") { $0.noop($1) },
    CommandRow("VRFY", rfc: "RFC 5321 §4.1.1.6") { $0.vrfy($1) },
    CommandRow("HELP", rfc: "RFC 5321 §4.1.1.8") { $0.help($1) },
    CommandRow("QUIT", rfc: "RFC 5321 §4.1.1.10") { $0.quit($1) },
  ]

  private static let byKeyword = Dictionary(uniqueKeysWithValues: rows.map { ($0.keyword, $0) })

  static func row(for command: LMTPCommand) -> CommandRow? { byKeyword["\(command.keyword)"] }
}
