public import MailStore

extension SQLStore {
  public func account(named name: String) async throws(StoreError) -> Account? {
    try checkOpen()
    return directory.account(named: name)
  }

  public func account(_ id: AccountID) async throws(StoreError) -> Account? {
    try checkOpen()
    return directory.account(id.rawValue)
  }

  public func accounts() async throws(StoreError) -> [Account] {
    try checkOpen()
    return directory.all()
  }

  public func addAccount(_ account: NewAccount) async throws(StoreError) -> Account {
    try await writer.alone { writer throws(StoreError) in try writer.addAccount(account) }
  }

  public func updateAccount(_ id: AccountID, _ change: AccountChange) async throws(StoreError) -> Account {
    try await writer.alone { writer throws(StoreError) in try writer.updateAccount(id, change) }
  }

  public func removeAccount(_ id: AccountID) async throws(StoreError) {
    try await writer.alone { writer throws(StoreError) in try writer.removeAccount(id) }
  }

  public func quota(of id: AccountID) async throws(StoreError) -> (usage: QuotaUsage, limits: QuotaLimits) {
    let published = try await published(id)
    return (published.usage, QuotaLimits(of: directory.account(id.rawValue), default: settings.defaultQuota))
  }
}

/// Changes of the directory. When an account is added, the directory's commit comes first: a crash before the volume's
/// leaves an account without mailboxes. When one is removed, the volume notes the intention first, so that mail without an
/// account is cleared away only if that was wanted. The next opening completes either.
extension Writer {
  func addAccount(_ new: NewAccount) throws(StoreError) -> Account {
    let name = Names.account(new.name)
    try Names.checkAccount(name)
    guard directory.account(named: name) == nil else { throw .accountExists(name) }
    if let error = hasFailed { throw error }
    let created = transaction.now
    let floor = try highestAccount()
    let id = try inDirectory { db throws(StoreError) in
      let id = try AccountTable.insert(new, name: name, created: created, above: floor, db)
      guard id < StoreLimits.accounts else { throw .database(message: "the store has no more account numbers") }
      return id
    }
    let account = Account(
      id: AccountID(id), name: name, credentials: new.credentials, quota: new.quota, pop3Expire: new.pop3Expire,
      created: created)
    do throws(StoreError) { try provision(id) } catch {
      // Left to the next opening only when taking it back fails as well.
      try? inDirectory { db throws(StoreError) in try AccountTable.delete(id, db) }
      throw error
    }
    directory.set(account)
    return account
  }

  /// Mailboxes for an account that has none.
  func provision(_ id: Int64) throws(StoreError) {
    try inTransaction { transaction throws(StoreError) in try transaction.provision(id) }
  }

  func updateAccount(_ id: AccountID, _ change: AccountChange) throws(StoreError) -> Account {
    guard var account = directory.account(id.rawValue) else { throw .noSuchAccount("\(id)") }
    if let generation = change.onlyIfGeneration, generation != account.credentialsGeneration { return account }
    if let name = change.name.map(Names.account), name != account.name {
      try Names.checkAccount(name)
      guard directory.account(named: name) == nil else { throw .accountExists(name) }
      account.name = name
    }
    if let isEnabled = change.isEnabled { account.isEnabled = isEnabled }
    if let credentials = change.credentials {
      account.credentials = credentials
      account.credentialsGeneration += 1
    }
    if let quota = change.quota { account.quota = quota }
    if let expire = change.pop3Expire { account.pop3Expire = expire }
    let changed = account
    try inDirectory { db throws(StoreError) in try AccountTable.update(changed, db) }
    directory.set(changed)
    return changed
  }

  func removeAccount(_ id: AccountID) throws(StoreError) {
    guard directory.account(id.rawValue) != nil else { throw .noSuchAccount("\(id)") }
    try setRemoving(true, id.rawValue)
    do throws(StoreError) {
      try inDirectory { db throws(StoreError) in try AccountTable.delete(id.rawValue, db) }
    } catch {
      // The account stays; that it was to go does no harm while the directory has it. With the directory's commit in doubt
      // the note must stay, since it may be gone.
      if directoryFailure == nil { try? setRemoving(false, id.rawValue) }
      throw error
    }
    directory.remove(id.rawValue)
    try bury(id)
  }

  /// Notes, where the mail is, that the account is about to be removed from the directory.
  func setRemoving(_ isRemoving: Bool, _ id: Int64) throws(StoreError) {
    try inTransaction { transaction throws(StoreError) in
      transaction.hasWritten = true
      let row = try transaction.db("UPDATE account_state SET state = ? WHERE account = ? AND state <> 1")
      row.bind(1, isRemoving ? 2 : 0)
      row.bind(2, id)
      try row.run()
    }
  }

  /// The highest account number that the volume has ever seen.
  private func highestAccount() throws(StoreError) -> Int64 {
    let row = try transaction.db(
      """
      SELECT MAX((SELECT COALESCE(MAX(account), 0) FROM account_state),
        COALESCE((SELECT value FROM volume_state WHERE name = 'highest_account'), 0))
      """)
    return try row.first { $0.int(0) } ?? 0
  }

  /// The account's mail is out of reach from now on; the reaper clears it away.
  func bury(_ id: AccountID) throws(StoreError) {
    defer {
      transaction.forget(id.rawValue)
      cache.remove(id.rawValue)
    }
    try inTransaction { transaction throws(StoreError) in
      guard let account = try transaction.accountIfAny(id.rawValue) else { return }
      transaction.reshape(account)
      for mailbox in account.mailboxes.values { try transaction.bury(mailbox, of: account) }
      try transaction.removeGrants(to: id.rawValue)
      try transaction.noteUIDValidity(account.counters.lastUIDValidity)
      let row = try transaction.db("UPDATE account_state SET state = 1 WHERE account = ?")
      row.bind(1, id.rawValue)
      try row.run()
    }
  }

  /// A failure here is no failure of the volume: deliveries go on.
  private func inDirectory<Value>(
    _ body: (SQLConnection) throws(StoreError) -> Value
  ) throws(StoreError) -> Value {
    if let error = hasFailed ?? directoryFailure { throw error }
    try directoryDB("BEGIN IMMEDIATE").run()
    let value: Value
    do throws(StoreError) { value = try body(directoryDB) } catch {
      if directoryDB.isInTransaction { try? directoryDB("ROLLBACK").run() }
      throw error
    }
    do throws(StoreError) { try directoryDB("COMMIT").run() } catch {
      // Taken back by us, or known not to have happened (see `makeDurable`): only this change is lost.
      if directoryDB.isInTransaction, (try? directoryDB("ROLLBACK").run()) != nil { throw error }
      if error.precedesSync { throw error }
      failDirectory(error)
      throw error
    }
    do throws(StoreError) { try directoryDB.checkpointIfDue() } catch {
      if error.isFailedSync { failDirectory(error) }
    }
    return value
  }
}

extension Transaction {
  /// INBOX and the mailboxes that clients look for, subscribed.
  func provision(_ id: Int64) throws(StoreError) {
    hasWritten = true
    // An account made anew under an old name, within the second or with the clock set back, must not repeat what clients
    // know: its number, never given out twice, is in every UIDL, and UIDVALIDITY goes on from the volume's highest
    // (RFC 1939 §7, RFC 9051 §2.3.1.1).
    let counters = AccountCounters(
      lastUIDValidity: try highestUIDValidity(), uidlEpoch: now << 20 | (id & 0xF_FFFF))
    let row = try db(
      """
      INSERT INTO account_state (account, modseq, next_mailbox, last_uidvalidity, next_content, next_instance, uidl_epoch,
        bytes, messages)
      VALUES (?, ?, ?, ?, ?, ?, ?, 0, 0)
      """)
    row.bind(1, id)
    row.bind(2, counters.modSeq)
    row.bind(3, counters.nextMailbox)
    row.bind(4, counters.lastUIDValidity)
    row.bind(5, counters.nextContent)
    row.bind(6, counters.nextInstance)
    row.bind(7, counters.uidlEpoch)
    try row.run()
    let highest = try db("UPDATE volume_state SET value = MAX(value, ?) WHERE name = 'highest_account'")
    highest.bind(1, id)
    try highest.run()
    let account = AccountBox(id: id, counters: counters)
    adopt(account)
    let mailboxes: [(String, SpecialUse?)] = [
      (Names.inbox, nil), ("Archive", .archive), ("Drafts", .drafts), ("Junk", .junk), ("Sent", .sent),
      ("Trash", .trash),
    ]
    for (name, use) in mailboxes {
      try createMailbox(name, of: account, specialUse: use)
      try setSubscribed(true, name, of: account)
    }
    try noteUIDValidity(account.counters.lastUIDValidity)
  }

  private func highestUIDValidity() throws(StoreError) -> UInt32 {
    let row = try db("SELECT MAX(value) FROM volume_state WHERE name = 'highest_uidvalidity'")
    return UInt32(clamping: try row.first { $0.int(0) } ?? 0)
  }

  /// Kept for the volume when an account goes, so that its successor of the same name starts above it.
  func noteUIDValidity(_ value: UInt32) throws(StoreError) {
    let row = try db(
      """
      INSERT INTO volume_state (name, value) VALUES ('highest_uidvalidity', ?)
      ON CONFLICT (name) DO UPDATE SET value = MAX(value, excluded.value)
      """)
    row.bind(1, value)
    try row.run()
  }
}
