import MailStore

/// Reading and writing the rows that the writer's thread keeps in memory.
enum MailTables {
  /// Nil: no such account in this volume, or it was removed.
  static func loadAccount(_ id: Int64, _ db: SQLConnection) throws(StoreError) -> AccountBox? {
    let row = try db(
      """
      SELECT modseq, next_mailbox, last_uidvalidity, next_content, next_instance, uidl_epoch, bytes, messages
      FROM account_state WHERE account = ? AND state <> 1
      """)
    row.bind(1, id)
    let counters = try row.first { row in
      AccountCounters(
        modSeq: row.bits(0), nextMailbox: row.int(1), lastUIDValidity: UInt32(truncatingIfNeeded: row.int(2)),
        nextContent: row.int(3), nextInstance: row.int(4), uidlEpoch: row.int(5), bytes: row.int(6),
        messages: row.int(7))
    }
    guard let counters else { return nil }
    let account = AccountBox(id: id, counters: counters)
    for state in try mailboxes(of: id, db) {
      account.mailboxes[state.id] = MailboxBox(state)
      account.names[state.name] = state.id
    }
    let viewers = try db("SELECT mailbox, viewer, seen, modseq FROM viewer WHERE account = ?")
    viewers.bind(1, id)
    try viewers.forEach { row in
      account.mailboxes[row.int(0)]?.state.viewers[row.int(1)] = ViewerCounts(seen: row.int(2), modSeq: row.bits(3))
    }
    let subscriptions = try db("SELECT name FROM subscription WHERE account = ?")
    subscriptions.bind(1, id)
    try subscriptions.forEach { account.subscriptions.insert($0.text(0)) }
    return account
  }

  private static func mailboxes(of account: Int64, _ db: SQLConnection) throws(StoreError) -> [MailboxState] {
    var keywords: [Int64: [String]] = [:]
    let words = try db("SELECT mailbox, bit, name FROM keyword WHERE account = ? ORDER BY mailbox, bit")
    words.bind(1, account)
    try words.forEach { row in
      let bit = Int(row.int(1))
      guard bit < StoreLimits.keywordsPerMailbox else { return }
      var names = keywords[row.int(0)] ?? []
      // Bits are given out without gaps; a gap would be damage, which `check` names.
      while names.count < bit { names.append("") }
      names.append(row.text(2))
      keywords[row.int(0)] = names
    }
    var result: [MailboxState] = []
    let rows = try db(
      """
      SELECT id, name, uidvalidity, uidnext, highestmodseq, messages, unseen, deleted, bytes, recent_floor, special_use,
        selectable
      FROM mailbox WHERE account = ? AND name IS NOT NULL
      """)
    rows.bind(1, account)
    try rows.forEach { row in
      result.append(mailbox(row, keywords: keywords[row.int(0)] ?? []))
    }
    return result
  }

  /// Columns in the order of the query above.
  static func mailbox(_ row: SQLStatement, keywords: [String]) -> MailboxState {
    MailboxState(
      id: row.int(0), name: row.text(1), uidValidity: UInt32(truncatingIfNeeded: row.int(2)), uidNext: row.uid(3),
      highestModSeq: row.bits(4), messages: row.int(5), unseen: row.int(6), deleted: row.int(7), bytes: row.int(8),
      recentFloor: row.uid(9), specialUse: row.optionalText(10).flatMap(SpecialUse.init(rawValue:)),
      isSelectable: row.int(11) != 0, keywords: keywords)
  }

  static func insert(_ mailbox: MailboxState, account: Int64, _ db: SQLConnection) throws(StoreError) {
    let row = try db(
      """
      INSERT INTO mailbox (account, id, name, uidvalidity, uidnext, highestmodseq, recent_floor, special_use, selectable,
        expunge_floor)
      VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
      """)
    row.bind(1, account)
    row.bind(2, mailbox.id)
    row.bind(3, mailbox.name)
    row.bind(4, mailbox.uidValidity)
    row.bind(5, mailbox.uidNext)
    row.bind(6, mailbox.highestModSeq)
    row.bind(7, mailbox.recentFloor)
    row.bind(8, mailbox.specialUse?.rawValue)
    row.bind(9, mailbox.isSelectable ? 1 : 0)
    row.bind(10, mailbox.highestModSeq)
    try row.run()
  }

  static func update(_ mailbox: MailboxState, account: Int64, _ db: SQLConnection) throws(StoreError) {
    let row = try db(
      """
      UPDATE mailbox SET uidnext = ?3, highestmodseq = ?4, messages = ?5, unseen = ?6, deleted = ?7, bytes = ?8
      WHERE account = ?1 AND id = ?2
      """)
    row.bind(1, account)
    row.bind(2, mailbox.id)
    row.bind(3, mailbox.uidNext)
    row.bind(4, mailbox.highestModSeq)
    row.bind(5, mailbox.messages)
    row.bind(6, mailbox.unseen)
    row.bind(7, mailbox.deleted)
    row.bind(8, mailbox.bytes)
    try row.run()
  }

  static func update(_ account: AccountBox, _ db: SQLConnection) throws(StoreError) {
    let row = try db(
      """
      UPDATE account_state SET modseq = ?2, next_mailbox = ?3, last_uidvalidity = ?4, next_content = ?5,
        next_instance = ?6, bytes = ?7, messages = ?8 WHERE account = ?1
      """)
    let counters = account.counters
    row.bind(1, account.id)
    row.bind(2, counters.modSeq)
    row.bind(3, counters.nextMailbox)
    row.bind(4, counters.lastUIDValidity)
    row.bind(5, counters.nextContent)
    row.bind(6, counters.nextInstance)
    row.bind(7, counters.bytes)
    row.bind(8, counters.messages)
    try row.run()
  }
}
