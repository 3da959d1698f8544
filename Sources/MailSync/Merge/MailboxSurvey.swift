import LocalMail

/// Where a mailbox that both sides had is now.
enum Presence: Sendable, Hashable {
  case both
  case remoteGone
  case localGone
}

/// What was found when both sides of a mailbox were looked at. `rows` keeps its order to the end of the pass: others speak
/// of messages by their index.
struct MailboxSurvey: Sendable {
  /// As it will be saved with the view.
  var mailbox: KnownMailbox
  var presence: Presence
  /// The server lets nothing be changed here.
  var isReadOnly: Bool { mailbox.isReadOnly }
  /// UIDVALIDITY is a new one.
  var isRenumbered = false
  var rows: [KnownMessage]
  /// Rows to be saved.
  var dirty: Set<Int> = []
  /// Rows to be removed.
  var dropped: Set<Int> = []
  /// All messages of the local folder, by base.
  var local: [String: LocalMessage]
  /// Those that belong to no row.
  var newLocal: Set<String> = []
  var facts: [String: LocalFacts] = [:]
  var settledAppends: [String] = []
  /// Pairs before anything happened: what the brake measures against.
  var pairsBefore = 0
  var report: MailboxReport

  init(mailbox: KnownMailbox, presence: Presence, rows: [KnownMessage], local: [LocalMessage]) {
    self.mailbox = mailbox
    self.presence = presence
    self.rows = rows
    self.local = Dictionary(local.map { ($0.base, $0) }) { first, _ in first }
    self.report = MailboxReport(mailbox: mailbox.remote)
    pairsBefore = rows.count { $0.base != nil && $0.isLanded }
  }

  /// To be called when the rows are complete.
  mutating func findNewLocal() { newLocal = Set(local.keys).subtracting(rows.compactMap(\.base)) }

  mutating func drop(_ row: Int) {
    dropped.insert(row)
    dirty.remove(row)
  }

  /// The row and this file are one message.
  mutating func pair(_ row: Int, with base: String, agreed: SyncFlags?, fingerprint: Fingerprint?) {
    rows[row].base = base
    rows[row].isLanded = true
    rows[row].agreed = agreed
    if let fingerprint { rows[row].fingerprint = fingerprint }
    newLocal.remove(base)
    dirty.insert(row)
  }

  /// Everything that the view's transaction has to do.
  var changes: MessageChanges {
    var changes = MessageChanges()
    changes.saved = dirty.sorted().map { rows[$0] }
    changes.removed = dropped.map { rows[$0].id }.filter { $0 != 0 }
    changes.settledAppends = settledAppends
    return changes
  }
}
