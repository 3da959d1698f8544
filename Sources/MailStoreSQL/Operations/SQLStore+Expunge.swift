public import MailStore

extension SQLStore {
  public func expunge(_ uids: [UID]?, in ref: MailboxRef) async throws(StoreError) -> [UID] {
    var result: [UID] = []
    if let uids {
      let uids = ascending(uids)
      for start in stride(from: 0, to: uids.count, by: StoreLimits.rowsPerSlice) {
        let slice = uids[start..<min(start + StoreLimits.rowsPerSlice, uids.count)]
        result += try await writer.write { transaction throws(StoreError) in
          try transaction.expunge(UIDRuns.consecutive(slice), in: ref, limit: .max)
        }
      }
      return result
    }
    // EXPUNGE need not be atomic; a long one is done in parts. Messages that come in meanwhile are not meant.
    var next: UID = 1
    let (first, end) = try await writer.write { transaction throws(StoreError) in
      let end = try transaction.mailbox(ref).mailbox.state.uidNext
      let gone = try transaction.expunge([1...max(end - 1, 1)], in: ref, limit: StoreLimits.rowsPerSlice)
      return (gone, end)
    }
    result = first
    var part = first
    while part.count == StoreLimits.rowsPerSlice, let last = part.last, last < end - 1 {
      next = last + 1
      let rest = next...(end - 1)
      part = try await writer.write { transaction throws(StoreError) in
        try transaction.expunge([rest], in: ref, limit: StoreLimits.rowsPerSlice)
      }
      result += part
    }
    return result
  }
}

extension Transaction {
  /// Removes the messages in `runs` that are `\Deleted`, the first `limit` of them. Returns their UIDs.
  func expunge(_ runs: [ClosedRange<UID>], in ref: MailboxRef, limit: Int) throws(StoreError) -> [UID] {
    let (account, mailbox) = try mailbox(ref)
    guard mailbox.state.deleted > 0 else { return [] }
    return try remove(runs, from: mailbox, of: account, onlyDeleted: true, limit: limit)
  }

  /// Removes messages, `\Deleted` or not (POP3). Their charge is given back at once; the bytes follow when nothing needs
  /// them any more (see `Reaper`).
  @discardableResult
  func remove(
    _ runs: [ClosedRange<UID>], from mailbox: MailboxBox, of account: AccountBox, onlyDeleted: Bool, limit: Int = .max
  ) throws(StoreError) -> [UID] {
    let ref = account.ref(mailbox)
    var gone: [UID] = []
    var bytes: Int64 = 0
    let find = try db(
      """
      SELECT uid, flags, size FROM message
      WHERE account = ?1 AND mailbox = ?2 AND uid BETWEEN ?3 AND ?4 AND flags & ?5 = ?5 ORDER BY uid LIMIT ?6
      """)
    for run in runs where gone.count < limit {
      touch(mailbox, of: account)
      let before = gone.count
      bind(find, ref, run.lowerBound, run.upperBound)
      find.bind(5, onlyDeleted ? Int64(SystemFlags.deleted.rawValue) : 0)
      find.bind(6, limit - gone.count)
      try find.forEach { row in
        gone.append(row.uid(0))
        bytes += row.int(2)
        mailbox.state.count(SystemFlags(rawValue: UInt8(truncatingIfNeeded: row.int(1))), size: row.int(2), sign: -1)
      }
      guard gone.count > before, let last = gone.last else { continue }
      try removeRows(run.lowerBound...last, of: ref, keepingContent: true, onlyDeleted: onlyDeleted)
    }
    guard let first = gone.first, let last = gone.last else { return [] }
    refund(account, bytes: bytes, messages: Int64(gone.count))
    try schedulePurge(first...last, of: mailbox, account)
    let uids = gone
    change(mailbox, of: account) { $0.expunged = uids }
    return gone
  }

  /// Rows go to the expunge log. With `keepingContent` they hold on to the bytes until the purge.
  func removeRows(
    _ run: ClosedRange<UID>, of ref: MailboxRef, keepingContent: Bool, onlyDeleted: Bool
  ) throws(StoreError) {
    let modSeq = modSeq(try account(ref.account))
    let log = try db(
      """
      INSERT INTO expunged (account, mailbox, uid, modseq, expunged, content, flags, keywords, internal, zone, saved, size,
        instance, uidl, retrieved)
      SELECT account, mailbox, uid, ?6, ?7, CASE WHEN ?8 THEN content END, flags, keywords, internal, zone, saved, size,
        instance, uidl, retrieved
      FROM message WHERE account = ?1 AND mailbox = ?2 AND uid BETWEEN ?3 AND ?4 AND flags & ?5 = ?5 ORDER BY uid
      """)
    let mask = onlyDeleted ? Int64(SystemFlags.deleted.rawValue) : 0
    bind(log, ref, run.lowerBound, run.upperBound)
    log.bind(5, mask)
    log.bind(6, modSeq)
    log.bind(7, now)
    log.bind(8, keepingContent ? 1 : 0)
    try log.run()
    let delete = try db(
      "DELETE FROM message WHERE account = ?1 AND mailbox = ?2 AND uid BETWEEN ?3 AND ?4 AND flags & ?5 = ?5")
    bind(delete, ref, run.lowerBound, run.upperBound)
    delete.bind(5, mask)
    try delete.run()
  }

  /// One row for the reaper, however many messages.
  func schedulePurge(
    _ uids: ClosedRange<UID>, of mailbox: MailboxBox, _ account: AccountBox
  ) throws(StoreError) {
    let row = try db(
      "INSERT INTO purge (account, mailbox, first_uid, last_uid, modseq, expunged) VALUES (?, ?, ?, ?, ?, ?)")
    row.bind(1, account.id)
    row.bind(2, mailbox.state.id)
    row.bind(3, uids.lowerBound)
    row.bind(4, uids.upperBound)
    row.bind(5, modSeq(account))
    row.bind(6, now)
    try row.run()
  }
}
