public import MailStore

extension SQLStore {
  public func expireRetrieved(of account: AccountID?, now: Int64) async throws(StoreError) -> Int {
    let all: [Account]
    if let account {
      guard let found = directory.account(account.rawValue) else { throw .noSuchAccount("\(account)") }
      all = [found]
    } else {
      all = directory.all()
    }
    var removed = 0
    for account in all {
      guard case .days(let days) = account.pop3Expire, let inbox = try await inbox(of: account.id) else { continue }
      let ref = MailboxRef(account: account.id, mailbox: inbox.id)
      // Not `now` less so many days: the date may have jumped.
      let before = ages.cutoff(days: days, now: now)
      // Found by a reader, so that the writer is not kept from deliveries by the search.
      let uids = try await readers.run { reader throws(StoreError) in try reader.retrieved(before: before, in: ref) }
      for start in stride(from: 0, to: uids.count, by: StoreLimits.rowsPerSlice) {
        let slice = uids[start..<min(start + StoreLimits.rowsPerSlice, uids.count)]
        removed += try await writer.write { transaction throws(StoreError) in
          let (account, mailbox) = try transaction.mailbox(ref)
          return try transaction.remove(
            UIDRuns.consecutive(slice), from: mailbox, of: account, onlyDeleted: false
          ).count
        }
      }
    }
    return removed
  }

  /// Nil for an account that was removed since it was listed.
  private func inbox(of account: AccountID) async throws(StoreError) -> MailboxInfo? {
    do { return try await mailbox(named: Names.inbox, of: account) } catch {
      guard case .noSuchAccount = error else { throw error }
      return nil
    }
  }

  public func compact() async throws(StoreError) -> CompactionReport {
    let indexer = indexer
    return try await upkeep.run { upkeep throws(StoreError) in
      let report = try upkeep.compact()
      indexer?.sweepNow()
      return report
    }
  }

  public func check() async throws(StoreError) -> CheckReport {
    let directory = directory
    return try await upkeep.run { upkeep throws(StoreError) in
      let db = try SQLConnection.reader(path: upkeep.database)
      defer { db.close() }
      // Begun between two commits, so that directory and volume are of one moment; a thread at a time uses `db`.
      let accounts = try upkeep.writer.aloneBlocking { _ throws(StoreError) in
        try db.beginReading()
        return directory.all()
      }
      var report = try Checker(
        db: db, packs: upkeep.packs, accounts: accounts, isStopping: { upkeep.isStopping }
      ).run()
      report.problems = try Checker.problems(ofDirectory: upkeep.writer.directoryDB.path) + report.problems
      return report
    }
  }
}

extension Reader {
  /// Messages whose first completed RETR was at or before that moment.
  func retrieved(before: Int64, in ref: MailboxRef) throws(StoreError) -> [UID] {
    let rows = try db(
      "SELECT uid FROM message WHERE account = ? AND mailbox = ? AND retrieved <= ? ORDER BY uid")
    rows.bind(1, ref.account.rawValue)
    rows.bind(2, ref.mailbox.rawValue)
    rows.bind(3, before)
    var result: [UID] = []
    try rows.forEach { result.append($0.uid(0)) }
    return result
  }
}
