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
    touch(mailbox, of: account)
    let gone = try takeOut(runs, of: mailbox, account, limit: limit) { !onlyDeleted || $0.flags.contains(.deleted) }
    guard let first = gone.first?.uid, let last = gone.last?.uid else { return [] }
    let bytes = try removeRows(gone, of: account.ref(mailbox), keepingContent: true)
    uncount(gone, bytes: bytes, mailbox)
    refund(account, bytes: bytes, messages: Int64(gone.count))
    try removeMarks(gone, mailbox, account)
    try schedulePurge(first...last, of: mailbox, account)
    let uids = gone.map(\.uid)
    change(mailbox, of: account) { $0.expunged = uids }
    return uids
  }

  func uncount(_ gone: [MessageEntry], bytes: Int64, _ mailbox: MailboxBox) {
    mailbox.state.messages -= Int64(gone.count)
    mailbox.state.bytes -= bytes
    for entry in gone {
      if !entry.flags.contains(.seen) { mailbox.state.unseen -= 1 }
      if entry.flags.contains(.deleted) { mailbox.state.deleted -= 1 }
    }
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
