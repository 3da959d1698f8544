public import MailStore

/// Access control lists (RFC 4314). They belong to a mailbox, whatever its name, and go with it; accounts stand in them by
/// number, so that a new account of an old name gets nothing.
extension SQLStore {
  public func accessList(of ref: MailboxRef) async throws(StoreError) -> [AccessEntry] {
    _ = try await published(ref.account)
    guard cache.mailbox(ref) != nil else { throw .mailboxGone }
    return access.list(ref)
  }

  public func changeAccess(_ change: AccessChange, of ref: MailboxRef) async throws(StoreError) {
    try await writer.write { transaction throws(StoreError) in try transaction.changeAccess(change, of: ref) }
  }

  public func rights(of viewer: AccountID, in ref: MailboxRef) -> MailboxRights {
    guard viewer != ref.account else { return .all }
    guard directory.account(ref.account.rawValue) != nil else { return [] }
    return access.rights(of: viewer, in: ref)
  }

  public func sharedMailboxes(
    with viewer: AccountID, of owner: AccountID?
  ) async throws(StoreError) -> [SharedMailbox] {
    try checkOpen()
    var found: [SharedMailbox] = []
    for (ref, rights) in access.mailboxes(with: viewer) where owner == nil || owner == ref.account {
      if directory.account(ref.account.rawValue) != nil, cache.account(ref.account) == nil {
        _ = try await published(ref.account)
      }
      if let mailbox = sharedMailbox(ref, rights, with: viewer) { found.append(mailbox) }
    }
    return found.inOrder
  }

  /// Nil: it is gone, or its account is not loaded.
  private func sharedMailbox(
    _ ref: MailboxRef, _ rights: MailboxRights, with viewer: AccountID
  ) -> SharedMailbox? {
    guard let owner = directory.account(ref.account.rawValue), let info = cache.mailbox(ref, as: viewer) else {
      return nil
    }
    return SharedMailbox(owner: owner.id, ownerName: owner.name, info: info, rights: rights)
  }

  /// What of them is loaded; what nobody has used so far cannot have changed.
  func loadedSharedMailboxes(with viewer: AccountID) -> [SharedMailbox] {
    access.mailboxes(with: viewer).compactMap { sharedMailbox($0.ref, $0.rights, with: viewer) }.inOrder
  }

  public func setSubscribed(
    _ subscribed: Bool, toShared name: String, of account: AccountID
  ) async throws(StoreError) {
    try await writer.write { transaction throws(StoreError) in
      try transaction.setSubscribed(subscribed, name, of: transaction.account(account), needsMailbox: false)
    }
  }
}

extension [SharedMailbox] {
  fileprivate var inOrder: [SharedMailbox] {
    sorted { left, right in
      left.owner == right.owner ? Names.precedes(left.info.name, right.info.name) : left.owner < right.owner
    }
  }
}

extension Transaction {
  func changeAccess(_ change: AccessChange, of ref: MailboxRef) throws(StoreError) {
    let (account, mailbox) = try mailbox(ref)
    if case .account(let id) = change.grantee, directory.account(id.rawValue) == nil { throw .noSuchAccount("\(id)") }
    // The owner has all rights as it is.
    guard change.grantee != .account(ref.account) else { return }
    let list = try AccessTable.list(of: ref, db)
    func rights(isNegative: Bool) -> MailboxRights {
      list.first { $0.grantee == change.grantee && $0.isNegative == isNegative }?.rights ?? []
    }
    let old = rights(isNegative: change.isNegative)
    let new = change.apply(to: old).intersection(.all)
    guard new != old else { return }
    let other = rights(isNegative: !change.isNegative)
    let grantees = Set(list.map(\.grantee))
    guard grantees.count < StoreLimits.grantsPerMailbox || grantees.contains(change.grantee) else {
      throw .tooManyGrants(limit: StoreLimits.grantsPerMailbox)
    }
    // Watches of the account look again at what there is.
    touch(mailbox, of: account)
    try AccessTable.put(
      change.isNegative ? other : new, withheld: change.isNegative ? new : other, to: change.grantee, in: ref, db)
    let now = try AccessTable.list(of: ref, db)
    note { $0.lists[ref] = now }
  }

  /// A new mailbox has the list of the one above it (RFC 4314 §4).
  func inheritAccess(_ mailbox: MailboxBox, of account: AccountBox) throws(StoreError) {
    guard let above = Names.lineage(mailbox.state.name).dropLast().last, let parent = account.mailbox(named: above)
    else { return }
    let row = try db(
      """
      INSERT INTO access (account, mailbox, grantee, rights, withheld)
      SELECT account, ?3, grantee, rights, withheld FROM access WHERE account = ?1 AND mailbox = ?2
      """)
    row.bind(1, account.id)
    row.bind(2, parent.state.id)
    row.bind(3, mailbox.state.id)
    try row.run()
    guard db.changes > 0 else { return }
    let ref = account.ref(mailbox)
    let list = try AccessTable.list(of: ref, db)
    note { $0.lists[ref] = list }
  }

  /// The mailbox is gone.
  func removeAccess(of ref: MailboxRef) throws(StoreError) {
    let row = try db("DELETE FROM access WHERE account = ? AND mailbox = ?")
    row.bind(1, ref.account.rawValue)
    row.bind(2, ref.mailbox.rawValue)
    try row.run()
    guard db.changes > 0 else { return }
    note { $0.lists[ref] = .some(nil) }
  }

  /// The account is gone: nobody shares anything with it any more.
  func removeGrants(to account: Int64) throws(StoreError) {
    var refs: [MailboxRef] = []
    let rows = try db("SELECT account, mailbox FROM access WHERE grantee = ?")
    rows.bind(1, account)
    try rows.forEach { refs.append(MailboxRef(account: AccountID($0.int(0)), mailbox: MailboxID($0.int(1)))) }
    for ref in refs {
      try AccessTable.put([], withheld: [], to: .account(AccountID(account)), in: ref, db)
      let list = try AccessTable.list(of: ref, db)
      note { $0.lists[ref] = list }
    }
  }
}
