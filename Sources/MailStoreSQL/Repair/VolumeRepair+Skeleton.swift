import MailStore

/// Accounts and mailboxes: what rows and frames refer to must be there before anything else can be put right.
extension VolumeRepair {
  /// Numbers that cannot be. What such a row stood for is found by the rows and frames that are left.
  func removeImpossibleRows() throws(StoreError) {
    let sentence = "rows with impossible numbers removed"
    for sql: StaticString in [
      "DELETE FROM account_state WHERE account NOT BETWEEN 1 AND 134217727",
      "DELETE FROM mailbox WHERE account NOT BETWEEN 1 AND 134217727 OR id NOT BETWEEN 1 AND 4611686018427387903",
      """
      DELETE FROM message WHERE account NOT BETWEEN 1 AND 134217727 OR mailbox < 1 OR uid NOT BETWEEN 1 AND 4294967293
        OR content NOT BETWEEN 1 AND 68719476735 OR instance NOT BETWEEN 0 AND 4611686018427387903 OR size < 0
      """,
      """
      DELETE FROM expunged WHERE account NOT BETWEEN 1 AND 134217727 OR mailbox < 1 OR uid NOT BETWEEN 1 AND 4294967293
        OR content NOT BETWEEN 1 AND 68719476735 OR instance NOT BETWEEN 0 AND 4611686018427387903 OR size < 0
      """,
      "DELETE FROM content WHERE key NOT BETWEEN 68719476737 AND 9223372036854775806 OR key & 68719476735 = 0 OR size < 0",
      "DELETE FROM blob WHERE id NOT BETWEEN 1 AND 4611686018427387903 OR pack < 1 OR offset < 0",
      "DELETE FROM keyword WHERE bit NOT BETWEEN 0 AND 63 OR name = '' OR LENGTH(CAST(name AS BLOB)) > 255",
      "DELETE FROM purge WHERE first_uid < 1 OR last_uid < first_uid OR modseq < 0",
      "DELETE FROM pack WHERE id < 1",
    ] { try mend(sentence, sql) }
    let numbers = "numbers out of all bounds put right"
    for sql: StaticString in [
      "UPDATE message SET modseq = 1 WHERE modseq NOT BETWEEN 0 AND 4611686018427387903",
      "UPDATE expunged SET modseq = 1 WHERE modseq NOT BETWEEN 0 AND 4611686018427387903",
      "UPDATE message SET flags = flags & 31 WHERE flags NOT BETWEEN 0 AND 31",
      "UPDATE message SET zone = 0 WHERE zone NOT BETWEEN -1440 AND 1440",
      "UPDATE mailbox SET highestmodseq = 1 WHERE highestmodseq NOT BETWEEN 0 AND 4611686018427387903",
      "UPDATE mailbox SET uidvalidity = 0 WHERE uidvalidity NOT BETWEEN 1 AND 4294967294",
      "UPDATE mailbox SET uidnext = 0 WHERE uidnext NOT BETWEEN 1 AND 4294967294",
      "UPDATE mailbox SET recent_floor = 1 WHERE recent_floor NOT BETWEEN 1 AND 4294967295",
      "UPDATE account_state SET modseq = 1 WHERE modseq NOT BETWEEN 0 AND 4611686018427387903",
      "UPDATE account_state SET next_content = 1 WHERE next_content NOT BETWEEN 1 AND 68719476735",
      "UPDATE account_state SET next_instance = 1 WHERE next_instance NOT BETWEEN 1 AND 4611686018427387903",
      "UPDATE account_state SET next_mailbox = 1 WHERE next_mailbox NOT BETWEEN 1 AND 4611686018427387903",
      "UPDATE account_state SET last_uidvalidity = 0 WHERE last_uidvalidity NOT BETWEEN 0 AND 4294967295",
      "UPDATE account_state SET state = 0 WHERE state NOT BETWEEN 0 AND 2",
    ] { try mend(numbers, sql) }
  }

  // MARK: Accounts

  func mendAccounts() throws(StoreError) {
    let states = try all(try db("SELECT account, state FROM account_state")) { ($0.int(0), $0.int(1)) }
    removed = Set(states.filter { $0.1 == 1 }.map(\.0))
    var known = Set(states.map(\.0))
    let inFrames = Set(try all(try db("SELECT DISTINCT account FROM scan.owner")) { $0.int(0) })
    let inRows = Set(
      try all(
        try db(
          "SELECT account FROM mailbox UNION SELECT account FROM message UNION SELECT DISTINCT key >> 36 FROM content")
      ) { $0.int(0) })
    // With the rows lost, frames tell whom there was; else a row and a frame, or the directory, must agree.
    let wanted = Set(names.keys).union(isLost ? inFrames : inFrames.intersection(inRows))
    for account in wanted.subtracting(known).sorted() {
      try addState(account)
      known.insert(account)
      did("accounts whose state was missing")
    }
    for account in inRows.subtracting(known) where mayGiveUp {
      for statement in [
        try db("DELETE FROM mailbox WHERE account = ?"), try db("DELETE FROM message WHERE account = ?"),
        try db("DELETE FROM content WHERE key >> 36 = ?"), try db("DELETE FROM expunged WHERE account = ?"),
      ] {
        statement.bind(1, account)
        try statement.run()
        did("rows of accounts that never were removed", db.changes)
      }
    }
  }

  func addState(_ account: Int64) throws(StoreError) {
    let row = try db(
      """
      INSERT INTO account_state (account, modseq, next_mailbox, last_uidvalidity, next_content, next_instance, uidl_epoch,
        bytes, messages)
      VALUES (?1, ?2, 1 + MAX(COALESCE((SELECT MAX(id) FROM mailbox WHERE account = ?1), 0),
        COALESCE((SELECT MAX(mailbox) FROM scan.owner WHERE account = ?1), 0)), 0, 1, 1, ?3, 0, 0)
      """)
    row.bind(1, account)
    row.bind(2, try modSeq(account))
    // New UIDLs throughout: the old ones began with a number that is lost, and must mean no other message.
    row.bind(3, now << 20 | (account & 0xF_FFFF))
    try row.run()
    let hasMail = try db("SELECT 1 FROM scan.owner WHERE account = ? LIMIT 1")
    hasMail.bind(1, account)
    if try hasMail.first({ _ in true }) == true {
      tell(account) { $0.unknown.append("POP3 clients see every message as new") }
    }
  }

  // MARK: Mailboxes

  /// Rows for mailboxes that messages, or in a lost database frames, lie in; then the ones that every account has.
  func mendMailboxes() throws(StoreError) {
    let missing = try all(
      try db(
        """
        SELECT DISTINCT m.account, m.mailbox FROM message m
        WHERE NOT EXISTS (SELECT 1 FROM mailbox b WHERE b.account = m.account AND b.id = m.mailbox)
        ORDER BY 1, 2 DESC
        """)
    ) { MailboxRef(account: AccountID($0.int(0)), mailbox: MailboxID($0.int(1))) }
    for ref in missing where !removed.contains(ref.account.rawValue) { try remakeMailbox(ref) }
    if mayHaveLostFrames {
      // The highest number first: of two mailboxes of one name the younger was the one in use.
      let framed = try all(
        try db(
          """
          SELECT DISTINCT o.account, o.mailbox FROM scan.owner o JOIN account_state s ON s.account = o.account AND s.state <> 1
          WHERE NOT EXISTS (SELECT 1 FROM mailbox b WHERE b.account = o.account AND b.id = o.mailbox)
          ORDER BY 1, 2 DESC
          """)
      ) { MailboxRef(account: AccountID($0.int(0)), mailbox: MailboxID($0.int(1))) }
      for ref in framed { try remakeMailbox(ref) }
    }
    try mendBelongings()
    let bare = try all(
      try db(
        """
        SELECT s.account, EXISTS (SELECT 1 FROM mailbox b WHERE b.account = s.account AND b.name IS NOT NULL)
        FROM account_state s WHERE s.state <> 1
        """)
    ) { ($0.int(0), $0.int(1) != 0) }
    for (account, hasMailboxes) in bare where !hasMailboxes || isLost {
      try addDefaults(account)
    }
  }

  /// What belongs to mailboxes that are gone for good goes as well, before a number is given out: a new mailbox must not
  /// come into another one's access key or annotations.
  private func mendBelongings() throws(StoreError) {
    let sentence = "annotations and access keys of mailboxes that are gone removed"
    for sql: StaticString in [
      """
      DELETE FROM annotation WHERE mailbox <> 0 AND NOT EXISTS (
        SELECT 1 FROM mailbox b WHERE b.account = annotation.account AND b.id = annotation.mailbox)
      """,
      """
      DELETE FROM access_key WHERE NOT EXISTS (
        SELECT 1 FROM mailbox b WHERE b.account = access_key.account AND b.id = access_key.mailbox)
      """,
    ] { try mend(sentence, sql) }
  }

  /// Decides whose UIDs may still be relied on, before any is given out. A mailbox whose UIDNEXT is not above all that rows
  /// and frames show has given out UIDs that it no longer knows; so may every mailbox of a database that is older than its
  /// packs, and one whose row lay on a damaged page. Unless somebody remembers how far it had come, it gets a new
  /// UIDVALIDITY. An older database gets one always: it also holds what clients have seen to go.
  func judgeNumbers() throws(StoreError) {
    let isOlder = try db("SELECT 1 FROM stray WHERE alarming LIMIT 1").first { _ in true } ?? false
    let mailboxes = try all(
      try db(
        """
        SELECT b.account, b.id, b.uidvalidity, b.uidnext < 1 OR b.uidnext <= MAX(
          COALESCE((SELECT MAX(uid) FROM message m WHERE m.account = b.account AND m.mailbox = b.id), 0),
          COALESCE((SELECT MAX(uid) FROM expunged e WHERE e.account = b.account AND e.mailbox = b.id), 0),
          COALESCE((SELECT MAX(o.uid) FROM scan.owner o
            WHERE o.account = b.account AND o.mailbox = b.id AND o.uidvalidity = b.uidvalidity), 0))
        FROM mailbox b JOIN account_state s ON s.account = b.account AND s.state <> 1 WHERE b.name IS NOT NULL
        """)
    ) { row in
      (
        MailboxRef(account: AccountID(row.int(0)), mailbox: MailboxID(row.int(1))), UInt32(clamping: row.int(2)),
        row.int(3) != 0
      )
    }
    for (ref, validity, isTooLow) in mailboxes where !fresh.contains(ref) {
      guard validity > 0, isTooLow || isOlder || harvested?.doubtful.contains(ref) == true else {
        if validity == 0 { renewed.insert(ref) }
        continue
      }
      guard !isOlder, let ceiling = ceilings.consult(ref, validity) else {
        renewed.insert(ref)
        continue
      }
      let account = ref.account.rawValue
      nextUID[ref] = max(ceiling.uidNext, try takeUID(ref))
      modSeqs[account] = max(try modSeq(account), ceiling.modSeq + 1)
      touched.insert(ref)
    }
  }

  private func remakeMailbox(_ ref: MailboxRef) throws(StoreError) {
    let account = ref.account.rawValue
    let name = try catalog.mailboxName(account, ref.mailbox.rawValue) ?? "Recovered \(ref.mailbox)"
    try addMailbox(account, id: ref.mailbox.rawValue, name)
    did("mailboxes made again")
  }

  private func addDefaults(_ account: Int64) throws(StoreError) {
    let defaults: [(String, SpecialUse?)] = [
      (Names.inbox, nil), ("Archive", .archive), ("Drafts", .drafts), ("Junk", .junk), ("Sent", .sent),
      ("Trash", .trash),
    ]
    for (name, _) in defaults where try mailbox(account, named: name) == nil { try addMailbox(account, id: nil, name) }
  }

  func mailbox(_ account: Int64, named name: String) throws(StoreError) -> MailboxRef? {
    let row = try db("SELECT id FROM mailbox WHERE account = ? AND name = ?")
    row.bind(1, account)
    row.bind(2, name)
    return try row.first { MailboxRef(account: AccountID(account), mailbox: MailboxID($0.int(0))) }
  }

  /// The mailbox's name, nil for one that was deleted or is not there.
  func mailboxName(_ ref: MailboxRef) throws(StoreError) -> String? {
    let row = try db("SELECT name FROM mailbox WHERE account = ? AND id = ?")
    row.bind(1, ref.account.rawValue)
    row.bind(2, ref.mailbox.rawValue)
    return try row.first { $0.optionalText(0) } ?? nil
  }

  /// Under `wanted`, or the nearest name that can be and is free; subscribed, since clients show only such names.
  @discardableResult
  func addMailbox(_ account: Int64, id: Int64?, _ wanted: String) throws(StoreError) -> MailboxRef {
    let name = try freeName(wanted, account)
    let number: Int64
    if let id {
      number = id
    } else {
      let next = try db(
        """
        SELECT MAX(COALESCE((SELECT next_mailbox FROM account_state WHERE account = ?1), 1),
          1 + COALESCE((SELECT MAX(id) FROM mailbox WHERE account = ?1), 0),
          1 + COALESCE((SELECT MAX(mailbox) FROM scan.owner WHERE account = ?1), 0))
        """)
      next.bind(1, account)
      number = try next.first { $0.int(0) } ?? 1
    }
    let uses: [String: SpecialUse] = [
      "Archive": .archive, "Drafts": .drafts, "Junk": .junk, "Sent": .sent, "Trash": .trash,
    ]
    let state = MailboxState(
      id: number, name: name, uidValidity: try freshUIDValidity(account), highestModSeq: try modSeq(account),
      specialUse: try isFree(uses[name], account) ? uses[name] : nil)
    try MailTables.insert(state, account: account, db)
    let subscription = try db("INSERT OR IGNORE INTO subscription (account, name) VALUES (?, ?)")
    subscription.bind(1, account)
    subscription.bind(2, name)
    try subscription.run()
    let ref = MailboxRef(account: AccountID(account), mailbox: MailboxID(number))
    fresh.insert(ref)
    if id != nil { tell(account) { $0.renewed.append(name) } }
    return ref
  }

  private func isFree(_ use: SpecialUse?, _ account: Int64) throws(StoreError) -> Bool {
    guard let use else { return false }
    let row = try db("SELECT 1 FROM mailbox WHERE account = ? AND special_use = ? AND name IS NOT NULL LIMIT 1")
    row.bind(1, account)
    row.bind(2, use.rawValue)
    return try row.first { _ in true } == nil
  }

  func freeName(_ wanted: String, _ account: Int64) throws(StoreError) -> String {
    var base = Names.canonical(wanted)
    if (try? Names.checkMailbox(base)) == nil { base = "Recovered" }
    guard try mailbox(account, named: base) != nil else { return base }
    var number = 1
    while true {
      let name = number == 1 ? "\(base)-recovered" : "\(base)-recovered-\(number)"
      if (try? Names.checkMailbox(name)) == nil { base = "Recovered" }
      if try mailbox(account, named: name) == nil { return name }
      number += 1
    }
  }

  /// Where messages go whose own mailbox is not known.
  func recovered(_ account: Int64) throws(StoreError) -> MailboxRef {
    if let known = try mailbox(account, named: "Recovered") { return known }
    return try addMailbox(account, id: nil, "Recovered")
  }
}
