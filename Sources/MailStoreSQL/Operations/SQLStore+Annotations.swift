public import MailStore
import NIOCore

extension SQLStore {
  public func annotations(of account: AccountID) async throws(StoreError) -> [MailboxID?: [Annotation]] {
    _ = try await published(account)
    return try await readers.run { reader throws(StoreError) in
      let row = try reader.db(
        "SELECT mailbox, entry, value FROM annotation WHERE account = ? AND uid = 0 ORDER BY mailbox, entry")
      row.bind(1, account.rawValue)
      var found: [MailboxID?: [Annotation]] = [:]
      try row.forEach { row in
        let mailbox = row.int(0) == 0 ? nil : MailboxID(row.int(0))
        found[mailbox, default: []].append(Annotation(row.text(1), row.buffer(2)))
      }
      return found
    }
  }

  public func setAnnotations(
    _ changes: [AnnotationChange], in mailbox: MailboxID?, of account: AccountID, limits: AnnotationLimits,
    by authors: [WatchID]
  ) async throws(StoreError) -> Bool {
    try await writer.write { transaction throws(StoreError) in
      try transaction.setAnnotations(changes, in: mailbox, of: account, limits: limits, by: authors)
    }
  }
}

extension Transaction {
  /// Private entries are those of the account's owner: `viewer` says whose they are, 0 stands for all.
  fileprivate func setAnnotations(
    _ changes: [AnnotationChange], in mailbox: MailboxID?, of id: AccountID, limits: AnnotationLimits,
    by authors: [WatchID]
  ) throws(StoreError) -> Bool {
    let account = try account(id)
    if let mailbox, account.mailboxes[mailbox.rawValue]?.state.isSelectable != true { throw .mailboxGone }
    let place = mailbox?.rawValue ?? 0
    var entries: [String: Int] = [:]
    let rows = try db(
      "SELECT entry, COALESCE(LENGTH(value), 0) FROM annotation WHERE account = ? AND mailbox = ? AND uid = 0")
    rows.bind(1, account.id)
    rows.bind(2, place)
    try rows.forEach { entries[$0.text(0)] = Int($0.int(1)) }
    let (count, octets) = (entries.count, Self.octets(entries))
    for change in changes { entries[change.entry] = change.value?.readableBytes }
    let added = Self.octets(entries) - octets
    guard entries.count <= max(limits.entries, count) else { return false }
    if added > 0 {
      // Those of a deleted mailbox wait for the reaper, and count no more.
      let sum = try db(
        """
        SELECT COALESCE(SUM(LENGTH(CAST(entry AS BLOB)) + COALESCE(LENGTH(value), 0)), 0) FROM annotation a
        WHERE account = ?1 AND (mailbox = 0 OR EXISTS (
          SELECT 1 FROM mailbox m WHERE m.account = ?1 AND m.id = a.mailbox AND m.name IS NOT NULL))
        """)
      sum.bind(1, account.id)
      let usage = try sum.first { $0.int(0) } ?? 0
      guard usage + Int64(added) <= Int64(limits.octets) else { return false }
      let quota = QuotaLimits(of: directory.account(account.id), default: settings.defaultQuota)
      if let limit = quota.annotationBytes, usage + Int64(added) > limit {
        throw .overQuota(OverQuota(resource: .annotations, limit: limit, usage: usage))
      }
    }
    let modSeq = modSeq(account)
    hasWritten = true
    let remove = try db("DELETE FROM annotation WHERE account = ? AND mailbox = ? AND uid = 0 AND entry = ?")
    let insert = try db(
      "INSERT INTO annotation (account, mailbox, uid, viewer, entry, value, modseq) VALUES (?, ?, 0, ?, ?, ?, ?)")
    for change in changes {
      remove.bind(1, account.id)
      remove.bind(2, place)
      remove.bind(3, change.entry)
      try remove.run()
      guard let value = change.value else { continue }
      insert.bind(1, account.id)
      insert.bind(2, place)
      insert.bind(3, change.entry.hasPrefix("/private/") ? account.id : 0)
      insert.bind(4, change.entry)
      insert.bind(5, value)
      insert.bind(6, modSeq)
      try insert.run()
    }
    note(changes.map { AnnotationName(mailbox, $0.entry) }, of: account.id, by: authors)
    return true
  }

  private static func octets(_ entries: [String: Int]) -> Int {
    entries.reduce(0) { $0 + $1.key.utf8.count + $1.value }
  }
}
