public import MailStore

extension MemoryStore {
  public func account(named name: String) async throws(StoreError) -> Account? {
    let wanted = MemoryNames.lowercased(name)
    return try await read { state in state.accounts.values.first { $0.account.name == wanted }?.account }
  }

  public func account(_ id: AccountID) async throws(StoreError) -> Account? {
    try await read { $0.accounts[id]?.account }
  }

  public func accounts() async throws(StoreError) -> [Account] {
    try await read { state in
      state.accounts.values.map(\.account).sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
    }
  }

  public func addAccount(_ new: NewAccount) async throws(StoreError) -> Account {
    try await write { state throws(StoreError) in
      let name = MemoryNames.lowercased(new.name)
      try MemoryNames.checkAccount(name)
      try state.refuseTaken(name)
      let id = AccountID(state.nextAccount)
      state.nextAccount += 1
      let account = Account(
        id: id, name: name, credentials: new.credentials, quota: new.quota, pop3Expire: new.pop3Expire,
        created: state.now)
      state.accounts[id] = MemoryAccount(account: account)
      // An account of the same name that was removed is not to be repeated (RFC 9051 §2.3.1.1).
      state.accounts[id]?.lastUIDValidity = state.highestUIDValidity
      let mailboxes: [(String, SpecialUse?)] = [
        ("INBOX", nil), ("Archive", .archive), ("Drafts", .drafts), ("Junk", .junk), ("Sent", .sent),
        ("Trash", .trash),
      ]
      for (name, use) in mailboxes {
        let ref = try state.add(name, to: id)
        state.accounts[id]?.mailboxes[ref.mailbox]?.specialUse = use
        state.accounts[id]?.subscriptions.insert(name)
      }
      return account
    }
  }

  public func updateAccount(_ id: AccountID, _ change: AccountChange) async throws(StoreError) -> Account {
    try await write { state throws(StoreError) in
      var account = try state.account(id).account
      if let generation = change.onlyIfGeneration, generation != account.credentialsGeneration { return account }
      if let name = change.name.map(MemoryNames.lowercased), name != account.name {
        try MemoryNames.checkAccount(name)
        try state.refuseTaken(name)
        account.name = name
      }
      if let isEnabled = change.isEnabled { account.isEnabled = isEnabled }
      if let credentials = change.credentials {
        account.credentials = credentials
        account.credentialsGeneration += 1
      }
      if let quota = change.quota { account.quota = quota }
      if let expire = change.pop3Expire { account.pop3Expire = expire }
      state.accounts[id]?.account = account
      return account
    }
  }

  public func removeAccount(_ id: AccountID) async throws(StoreError) {
    try await write { state throws(StoreError) in
      for mailbox in try state.account(id).mailboxes.keys {
        state.bury(MailboxRef(account: id, mailbox: mailbox))
      }
      state.accounts[id] = nil
      for owner in state.accounts.keys {
        state.accounts[owner]?.foreignAnnotations[id] = nil
        for mailbox in state.accounts[owner]?.mailboxes.keys.map({ $0 }) ?? [] {
          state.accounts[owner]?.mailboxes[mailbox]?.access.removeAll { $0.grantee == .account(id) }
          state.accounts[owner]?.mailboxes[mailbox]?.marks[id] = nil
        }
      }
    }
  }

  public func quota(of id: AccountID) async throws(StoreError) -> (usage: QuotaUsage, limits: QuotaLimits) {
    let defaults = settings.defaultQuota
    return try await read { state throws(StoreError) in
      (try state.usage(id), try state.limits(id, defaults))
    }
  }

  public func checkQuota(of id: AccountID, adding size: Int) async throws(StoreError) {
    let defaults = settings.defaultQuota
    try await read { state throws(StoreError) in
      try state.checkRoom(id, bytes: Int64(size), messages: 1, defaults)
    }
  }
}

extension MemoryState {
  func refuseTaken(_ name: String) throws(StoreError) {
    if accounts.values.contains(where: { $0.account.name == name }) { throw .accountExists(name) }
  }

  func usage(_ id: AccountID) throws(StoreError) -> QuotaUsage {
    var usage = try account(id).usage
    if let phantom = phantomUsage[id] {
      usage.bytes += phantom.bytes
      usage.messages += phantom.messages
    }
    return usage
  }

  func limits(_ id: AccountID, _ defaults: QuotaLimits) throws(StoreError) -> QuotaLimits {
    try account(id).account.quota.filled(by: defaults)
  }

  /// A call that makes mailboxes: all there are then must fit.
  func checkMailboxes(_ id: AccountID, before: Int64) throws(StoreError) {
    let usage = try account(id).selectableMailboxes
    if usage > before, let limit = try limits(id, settings.defaultQuota).mailboxes, usage > limit {
      throw .overQuota(OverQuota(resource: .mailboxes, limit: limit, usage: before))
    }
  }

  /// The last octet fits. What adds nothing is never refused.
  /// A message takes the place of another, and is `bytes` larger.
  func checkNet(_ id: AccountID, bytes: Int64, _ defaults: QuotaLimits) throws(StoreError) {
    guard bytes > 0, let limit = try limits(id, defaults).bytes else { return }
    let usage = try usage(id)
    guard usage.bytes + bytes <= limit else {
      throw .overQuota(OverQuota(resource: .storage, limit: limit, usage: usage.bytes))
    }
  }

  func checkRoom(_ id: AccountID, bytes: Int64, messages: Int64, _ defaults: QuotaLimits) throws(StoreError) {
    let usage = try usage(id)
    let limits = try limits(id, defaults)
    guard messages > 0 else { return }
    if let limit = limits.bytes, usage.bytes + bytes > limit {
      throw .overQuota(OverQuota(resource: .storage, limit: limit, usage: usage.bytes))
    }
    if let limit = limits.messages, usage.messages + messages > limit {
      throw .overQuota(OverQuota(resource: .messages, limit: limit, usage: usage.messages))
    }
  }
}
