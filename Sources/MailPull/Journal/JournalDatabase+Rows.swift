import LocalMail

/// Reading and writing of entries.
extension JournalDatabase {
  func lines() throws -> [JournalLine] {
    let statement = try self(
      "SELECT id, uidl, octets, state, landed_at, by_top FROM message WHERE state < 4 ORDER BY id")
    defer { statement.reset() }
    var result: [JournalLine] = []
    while try statement.step() {
      result.append(
        JournalLine(
          id: statement.int(0), uidl: statement.text(1), octets: statement.int(2), state: try state(statement.int(3)),
          landedAt: statement.isNull(4) ? nil : statement.int(4), isBoundByTop: statement.int(5) != 0))
    }
    return result
  }

  func unsettled() throws -> [JournalEntry] {
    try entries(
      self(
        """
        SELECT id, uidl, octets, state, landed_at, by_top, fingerprint, top_hash, message_id, receipt, first_seen, unread
        FROM message WHERE state < 2 ORDER BY id
        """))
  }

  func entries(_ ids: Set<Int64>) throws -> [JournalEntry] {
    let statement = try self(
      """
      SELECT id, uidl, octets, state, landed_at, by_top, fingerprint, top_hash, message_id, receipt, first_seen, unread
      FROM message WHERE id = ?1
      """)
    var result: [JournalEntry] = []
    result.reserveCapacity(ids.count)
    for id in ids.sorted() {
      statement.bind(1, id)
      result += try entries(statement)
    }
    return result
  }

  func gone(uidls: [String]) throws -> [JournalEntry] {
    let statement = try self(
      """
      SELECT id, uidl, octets, state, landed_at, by_top, fingerprint, top_hash, message_id, receipt, first_seen, unread
      FROM message WHERE uidl = ?1 AND state = 4 ORDER BY id
      """)
    var result: [JournalEntry] = []
    for uidl in uidls {
      statement.bind(1, uidl)
      result += try entries(statement)
    }
    return result
  }

  private func entries(_ statement: JournalStatement) throws -> [JournalEntry] {
    defer { statement.reset() }
    var result: [JournalEntry] = []
    while try statement.step() {
      result.append(
        JournalEntry(
          id: statement.int(0), uidl: statement.text(1), octets: statement.int(2),
          fingerprint: Fingerprint(bytes: statement.blob(6) ?? []), topHash: statement.blob(7),
          messageID: statement.text(8), state: try state(statement.int(3)), receipt: statement.text(9) ?? "",
          firstSeen: statement.int(10), landedAt: statement.isNull(4) ? nil : statement.int(4),
          isBoundByTop: statement.int(5) != 0,
          unread: statement.isNull(11) ? nil : JournalEntry.Unread(rawValue: statement.int(11))))
    }
    return result
  }

  private func state(_ value: Int64) throws(PullError) -> JournalEntry.State {
    guard let state = JournalEntry.State(rawValue: value) else {
      throw PullError(.journal(path: path, "a message has the state \(value), which is none"), account: "")
    }
    return state
  }

  // MARK: Writing

  func insert(_ intent: JournalIntent, at now: Int64) throws -> Int64 {
    let statement = try self(
      """
      INSERT INTO message (uidl, octets, state, fingerprint, top_hash, message_id, receipt, first_seen, unread)
      VALUES (?1, ?2, 0, ?3, ?4, ?5, ?6, ?7, ?8)
      """)
    statement.bind(1, intent.uidl)
    statement.bind(2, intent.octets)
    statement.bind(3, intent.fingerprint.bytes)
    statement.bind(4, intent.topHash)
    statement.bind(5, intent.messageID)
    statement.bind(6, intent.receipt)
    statement.bind(7, now)
    statement.bind(8, intent.unread?.rawValue)
    try statement.run()
    return lastRow
  }

  func apply(_ change: JournalChange, at now: Int64) throws {
    switch change {
    case .landed(let id, let receipt):
      let statement = try self("UPDATE message SET state = 2, receipt = ?2, landed_at = ?3 WHERE id = ?1")
      statement.bind(1, id)
      statement.bind(2, receipt)
      statement.bind(3, now)
      try statement.run()
    case .doubtful(let id): try run(self("UPDATE message SET state = 1 WHERE id = ?1"), id)
    case .forget(let id): try run(self("DELETE FROM message WHERE id = ?1"), id)
    case .bind(let id, let uidl, let octets, let byTop):
      // What was gone or asked to go is there again, at home all the same; what is in doubt stays so.
      let statement = try self(
        """
        UPDATE message SET uidl = ?2, octets = ?3, by_top = ?4, state = CASE WHEN state < 2 THEN state ELSE 2 END,
        gone_at = NULL WHERE id = ?1
        """)
      statement.bind(1, id)
      statement.bind(2, uidl)
      statement.bind(3, octets)
      statement.bind(4, byTop ? 1 : 0)
      try statement.run()
    case .deleteAsked(let id): try run(self("UPDATE message SET state = 3, asked_at = ?2 WHERE id = ?1"), id, now)
    case .witness(let witness):
      try run(self("DELETE FROM witness"))
      guard let witness else { return }
      let statement = try self("INSERT INTO witness (uidl, octets) VALUES (?1, ?2)")
      statement.bind(1, witness.uidl)
      statement.bind(2, witness.octets)
      try statement.run()
    case .present(let id): try run(self("UPDATE message SET state = 2, gone_at = NULL WHERE id = ?1"), id)
    case .unread(let id, let unread):
      try run(self("UPDATE message SET unread = ?2 WHERE id = ?1"), id, unread.rawValue)
    case .gone(let id): try run(self("UPDATE message SET state = 4, gone_at = ?2 WHERE id = ?1"), id, now)
    }
  }

  func prune(goneBefore time: Int64) throws {
    try run(self("DELETE FROM message WHERE state = 4 AND gone_at < ?1"), time)
  }

  func witness() throws -> JournalWitness? {
    let statement = try self("SELECT uidl, octets FROM witness")
    defer { statement.reset() }
    guard try statement.step(), let uidl = statement.text(0) else { return nil }
    return JournalWitness(uidl: uidl, octets: statement.int(1))
  }

  // MARK: The place

  func place() throws -> String? {
    let statement = try self("SELECT value FROM about WHERE key = 'place'")
    defer { statement.reset() }
    return try statement.step() ? statement.text(0) : nil
  }

  func forgetAll() throws {
    try run(self("DELETE FROM message"))
    try run(self("DELETE FROM witness"))
  }

  func setPlace(_ mark: String) throws {
    let statement = try self("INSERT INTO about (key, value) VALUES ('place', ?1) ON CONFLICT DO UPDATE SET value = ?1")
    statement.bind(1, mark)
    try statement.run()
  }

  private func run(_ statement: JournalStatement, _ first: Int64? = nil, _ second: Int64? = nil) throws {
    if let first { statement.bind(1, first) }
    if let second { statement.bind(2, second) }
    try statement.run()
  }
}
