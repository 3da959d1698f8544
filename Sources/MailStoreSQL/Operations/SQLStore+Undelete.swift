public import MailStore

extension SQLStore: MailStoreUpkeep {
  public func keptForUndelete(of account: AccountID) async throws(StoreError) -> QuotaUsage {
    try await readers.run { reader throws(StoreError) in try reader.kept(of: account) }
  }

  public func deletedMessages(
    of account: AccountID, _ filter: DeletedFilter
  ) async throws(StoreError) -> DeletedListing {
    let (rows, messages) = try await readers.run { reader throws(StoreError) in
      try reader.deleted(of: account, filter, limit: StoreLimits.listedDeleted)
    }
    return DeletedListing(messages: messages, total: rows.count)
  }

  public func undelete(
    of account: AccountID, _ filter: DeletedFilter, ignoringQuota: Bool
  ) async throws(StoreError) -> UndeleteReport {
    let rows = try await readers.run { reader throws(StoreError) in
      try reader.deleted(of: account, filter, limit: 0).rows
    }
    if !ignoringQuota {
      let (usage, limits) = try await quota(of: account)
      try limits.check(
        usage, addingBytes: rows.reduce(0) { $0 + $1.size }, messages: Int64(rows.count))
    }
    // In the order they had: the lowest UID of a mailbox comes first. In parts, so that deliveries go between them.
    let byMailbox = Dictionary(grouping: rows, by: \.mailbox).sorted { $0.key < $1.key }
    var report = UndeleteReport()
    for (mailbox, rows) in byMailbox {
      let uids = rows.map(\.uid).sorted()
      for start in stride(from: 0, to: uids.count, by: StoreLimits.purgeSlice) {
        let slice = Array(uids[start..<min(start + StoreLimits.purgeSlice, uids.count)])
        let part = try await writer.write { transaction throws(StoreError) in
          try transaction.undelete(slice, of: mailbox, account: account, ignoringQuota: ignoringQuota)
        }
        report.messages += part.messages
        report.octets += part.octets
        report.newUIDLs += part.newUIDLs
        report.mailboxes.merge(part.mailboxes, uniquingKeysWith: +)
      }
    }
    return report
  }
}

extension Transaction {
  private struct Gone {
    var uid: UID
    var message: NewMessage
  }

  /// Where messages go whose mailbox was deleted by a version that did not note its name.
  private static let namelessTarget = "Undeleted"

  /// `uids` ascending, of one mailbox by its number, deleted or not. What was purged or brought back meanwhile is passed
  /// over.
  fileprivate func undelete(
    _ uids: [UID], of mailbox: Int64, account id: AccountID, ignoringQuota: Bool
  ) throws(StoreError) -> UndeleteReport {
    let account = try account(id)
    let logged = try gone(uids, "expunged", mailbox, account)
    // The messages of a deleted mailbox still stand among the living.
    let buried = account.mailboxes[mailbox] == nil ? try gone(uids, "message", mailbox, account) : []
    guard !logged.isEmpty || !buried.isEmpty else { return UndeleteReport() }
    let target = try undeleteTarget(mailbox, account)
    let names = try keywordNames(mailbox, account)
    try forget(logged, buried, mailbox, account)
    var report = UndeleteReport()
    var bits: [UInt64: UInt64] = [0: 0]
    for gone in (logged + buried).sorted(by: { $0.uid < $1.uid }) {
      var message = gone.message
      try charge(account, bytes: message.size, messages: 1, ignoringLimits: ignoringQuota)
      message.flags.remove(.deleted)
      if let known = bits[message.keywords] {
        message.keywords = known
      } else {
        let words = names.filter { message.keywords & (1 << UInt64($0.key)) != 0 }.sorted { $0.key < $1.key }
        let mapped = try keywordBits(words.map(\.value), in: target, of: account, adding: true)
        bits[message.keywords] = mapped
        message.keywords = mapped
      }
      // The same UIDL: who has it downloaded does not download again. Not when another message has it since.
      if try isTaken(message, account) {
        message.instance = nextInstance(account)
        message.uidl = nil
        report.newUIDLs += 1
      }
      // Days after retrieval count from the next one, or upkeep would remove it again at once.
      message.retrieved = nil
      _ = try insert(message, into: target, of: account)
      report.messages += 1
      report.octets += message.size
    }
    report.mailboxes[target.state.name] = report.messages
    return report
  }

  private func gone(
    _ uids: [UID], _ table: String, _ mailbox: Int64, _ account: AccountBox
  ) throws(StoreError) -> [Gone] {
    var result: [Gone] = []
    let row = try db.statement(
      """
      SELECT flags, keywords, internal, zone, size, content, instance, uidl FROM \(table)
      WHERE account = ? AND mailbox = ? AND uid = ? AND content IS NOT NULL
      """)
    // Of a message that was buried with its mailbox, a chunk may have the flags.
    var flags = FlagCursor(MailboxRef(account: AccountID(account.id), mailbox: MailboxID(mailbox)), db)
    for uid in uids {
      row.bind(1, account.id)
      row.bind(2, mailbox)
      row.bind(3, uid)
      let found = try row.first { row in
        NewMessage(
          flags: SystemFlags(rawValue: UInt8(truncatingIfNeeded: row.int(0))), keywords: row.bits(1),
          date: InternalDate(seconds: row.int(2), zoneMinutes: Int16(truncatingIfNeeded: row.int(3))),
          size: row.int(4), content: row.int(5), instance: row.int(6), uidl: row.optionalText(7))
      }
      guard var message = found else { continue }
      if table == "message", let entry = try flags.entry(uid) {
        message.flags = entry.flags
        message.keywords = entry.keywords
      }
      result.append(Gone(uid: uid, message: message))
    }
    return result
  }

  /// The old rows let go of the contents that the new ones take over.
  private func forget(
    _ logged: [Gone], _ buried: [Gone], _ mailbox: Int64, _ account: AccountBox
  ) throws(StoreError) {
    hasWritten = true
    let clear = try db("UPDATE expunged SET content = NULL WHERE account = ? AND mailbox = ? AND uid = ?")
    let delete = try db("DELETE FROM message WHERE account = ? AND mailbox = ? AND uid = ?")
    for (rows, statement) in [(logged, clear), (buried, delete)] {
      for row in rows {
        statement.bind(1, account.id)
        statement.bind(2, mailbox)
        statement.bind(3, row.uid)
        try statement.run()
      }
    }
  }

  private func undeleteTarget(_ mailbox: Int64, _ account: AccountBox) throws(StoreError) -> MailboxBox {
    if let box = account.mailboxes[mailbox], box.state.isSelectable { return box }
    let row = try db("SELECT COALESCE(name, former_name) FROM mailbox WHERE account = ? AND id = ?")
    row.bind(1, account.id)
    row.bind(2, mailbox)
    let name = try row.first { $0.optionalText(0) }.flatMap { $0 } ?? Self.namelessTarget
    if let box = account.mailbox(named: name), box.state.isSelectable { return box }
    _ = try createMailbox(name, of: account, specialUse: nil)
    let made = try target(name, in: account)
    try adoptAnnotations(of: mailbox, by: made, of: account)
    return made
  }

  private func keywordNames(_ mailbox: Int64, _ account: AccountBox) throws(StoreError) -> [Int: String] {
    var names: [Int: String] = [:]
    let rows = try db("SELECT bit, name FROM keyword WHERE account = ? AND mailbox = ?")
    rows.bind(1, account.id)
    rows.bind(2, mailbox)
    try rows.forEach { names[Int($0.int(0))] = $0.text(1) }
    return names
  }

  private func isTaken(_ message: NewMessage, _ account: AccountBox) throws(StoreError) -> Bool {
    let uidl = message.uidl ?? PrintedID.uidl(epoch: account.counters.uidlEpoch, instance: message.instance)
    // Not by those that lie buried with their mailbox, of which it may be one itself.
    let row = try db(
      """
      SELECT 1 FROM message m JOIN mailbox b ON b.account = m.account AND b.id = m.mailbox
      WHERE m.account = ? AND m.uidl = ? AND b.name IS NOT NULL LIMIT 1
      """)
    row.bind(1, account.id)
    row.bind(2, uidl)
    return try row.first { _ in true } != nil
  }
}
