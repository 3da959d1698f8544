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

/// Changes of the directory. The directory's commit comes first when an account is added or removed: a crash before the
/// volume's leaves an account without mailboxes, or mail without an account, and the next opening completes either.
extension Writer {
  func addAccount(_ new: NewAccount) throws(StoreError) -> Account {
    let name = Names.account(new.name)
    try Names.checkAccount(name)
    guard directory.account(named: name) == nil else { throw .accountExists(name) }
    let created = transaction.now
    let id = try inDirectory { db throws(StoreError) in
      let id = try AccountTable.insert(new, name: name, created: created, db)
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
    try inDirectory { db throws(StoreError) in try AccountTable.delete(id.rawValue, db) }
    directory.remove(id.rawValue)
    try bury(id)
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
      let row = try transaction.db("UPDATE account_state SET state = 1 WHERE account = ?")
      row.bind(1, id.rawValue)
      try row.run()
    }
  }

  private func inDirectory<Value>(
    _ body: (SQLConnection) throws(StoreError) -> Value
  ) throws(StoreError) -> Value {
    if let error = hasFailed { throw error }
    try directoryDB("BEGIN IMMEDIATE").run()
    let value: Value
    do throws(StoreError) { value = try body(directoryDB) } catch {
      try? directoryDB("ROLLBACK").run()
      throw error
    }
    do throws(StoreError) { try directoryDB("COMMIT").run() } catch {
      poison(error)
      throw error
    }
    return value
  }
}

extension Transaction {
  /// INBOX and the mailboxes that clients look for, subscribed.
  func provision(_ id: Int64) throws(StoreError) {
    hasWritten = true
    let counters = AccountCounters(uidlEpoch: now)
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
  }
}
