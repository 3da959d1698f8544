public import MailStore

extension SQLStore {
  public func mailboxes(of account: AccountID) async throws(StoreError) -> MailboxListing {
    _ = try await published(account)
    guard let listing = cache.listing(account) else { throw .noSuchAccount("\(account)") }
    return listing
  }

  public func mailbox(named name: String, of account: AccountID) async throws(StoreError) -> MailboxInfo? {
    let name = Names.canonical(name)
    if let known = cache.mailbox(named: name, of: account) { return known }
    _ = try await published(account)
    return cache.mailbox(named: name, of: account) ?? nil
  }

  public func createMailbox(
    _ name: String, of account: AccountID, specialUse: SpecialUse?
  ) async throws(StoreError) -> MailboxInfo {
    try await writer.write { transaction throws(StoreError) in
      let account = try transaction.account(account)
      let before = account.selectableMailboxes
      let info = try transaction.createMailbox(name, of: account, specialUse: specialUse)
      try transaction.checkMailboxes(account, before: before)
      return info
    }
  }

  public func deleteMailbox(_ name: String, of account: AccountID) async throws(StoreError) {
    try await writer.write { transaction throws(StoreError) in
      try transaction.deleteMailbox(name, of: transaction.account(account))
    }
  }

  public func renameMailbox(_ name: String, to newName: String, of account: AccountID) async throws(StoreError) {
    let parts = try await writer.write { transaction throws(StoreError) in
      let account = try transaction.account(account)
      let before = account.selectableMailboxes
      let parts = try transaction.renameMailbox(name, to: newName, of: account)
      try transaction.checkMailboxes(account, before: before)
      return parts
    }
    guard let parts else { return }
    let result = await move(parts.rest, from: parts.inbox, after: parts.moved)
    if let failure = result.failure { throw failure }
  }

  public func setSubscribed(_ subscribed: Bool, _ name: String, of account: AccountID) async throws(StoreError) {
    try await writer.write { transaction throws(StoreError) in
      try transaction.setSubscribed(subscribed, name, of: transaction.account(account))
    }
  }

  public func openMailbox(
    _ name: String, of account: AccountID, onChange: @escaping @Sendable () -> Void
  ) async throws(StoreError) -> any OpenMailbox {
    guard let info = try await mailbox(named: name, of: account) else { throw .noSuchMailbox(name) }
    guard info.isSelectable else { throw .notSelectable(name) }
    return try await open(MailboxRef(account: account, mailbox: info.id), MailboxSession.Slot(onChange))
  }

  func open(_ ref: MailboxRef, _ slot: MailboxSession.Slot) async throws(StoreError) -> MailboxSession {
    let (view, isNew) = views.acquire(ref)
    if isNew {
      let accepted = readers.submit { [views] reader in
        do throws(StoreError) { view.finishLoading(.success(try reader.loadView(ref))) } catch {
          views.forget(view)
          view.finishLoading(.failure(error))
        }
      }
      if !accepted {
        views.forget(view)
        view.finishLoading(.failure(.shuttingDown))
      }
    }
    do throws(StoreError) {
      view.add(slot)
      var (_, current) = try await view.loaded()
      // What is not in the mailbox's own row stands in the cache.
      if let published = cache.mailbox(ref) {
        current.isSubscribed = published.isSubscribed
        current.name = published.name
        current.recentFloor = published.recentFloor
      }
      if let viewer = slot.viewer { current = try await openOverlay(of: viewer, view, current) }
      return MailboxSession(view: view, info: current, slot: slot, registry: views, cache: cache)
    } catch {
      view.remove(slot)
      views.release(view)
      throw error
    }
  }

  /// The account's mailboxes as of the last commit; read by the writer's thread at the account's first use, so that no
  /// commit can slip in between.
  func published(_ id: AccountID) async throws(StoreError) -> PublishedAccount {
    if let account = cache.account(id) { return account }
    guard directory.account(id.rawValue) != nil else { throw .noSuchAccount("\(id)") }
    return try await writer.alone { writer throws(StoreError) in
      if let account = writer.cache.account(id) { return account }
      guard let account = try writer.transaction.accountIfAny(id.rawValue) else { throw .noSuchAccount("\(id)") }
      let published = account.published()
      writer.cache.set(published, id: id.rawValue)
      return published
    }
  }
}

/// The rules of mailbox names and of what happens to messages when names change.
extension Transaction {
  /// Creates missing parents as well (RFC 9051 §6.3.4).
  @discardableResult
  func createMailbox(_ name: String, of account: AccountBox, specialUse: SpecialUse?) throws(StoreError) -> MailboxInfo
  {
    let canonical = Names.canonical(name)
    // RFC 9051 §6.3.4: it is an error to create INBOX or a name that exists.
    if canonical == Names.inbox, account.names[Names.inbox] != nil { throw .inboxIsFixed }
    try Names.checkMailbox(canonical)
    if let old = account.mailbox(named: canonical) {
      guard !old.state.isSelectable else { throw .mailboxExists(canonical) }
      return try revive(old, of: account, specialUse: specialUse)
    }
    reshape(account)
    try addParents(of: canonical, account)
    let mailbox = try add(canonical, to: account, specialUse: specialUse)
    return account.info(mailbox)
  }

  /// A `\Noselect` name becomes a mailbox.
  private func revive(
    _ mailbox: MailboxBox, of account: AccountBox, specialUse: SpecialUse?
  ) throws(StoreError) -> MailboxInfo {
    reshape(account)
    touch(mailbox, of: account)
    mailbox.state.isSelectable = true
    mailbox.state.specialUse = specialUse
    let row = try db("UPDATE mailbox SET selectable = 1, special_use = ?3 WHERE account = ?1 AND id = ?2")
    row.bind(1, account.id)
    row.bind(2, mailbox.state.id)
    row.bind(3, specialUse?.rawValue)
    try row.run()
    return account.info(mailbox)
  }

  func addParents(of name: String, _ account: AccountBox) throws(StoreError) {
    for parent in Names.lineage(name).dropLast() where account.names[parent] == nil {
      _ = try add(parent, to: account, specialUse: nil)
    }
  }

  /// Call `reshape` first.
  func add(
    _ name: String, to account: AccountBox, specialUse: SpecialUse?, isSelectable: Bool = true,
    uidValidity: UInt32? = nil
  ) throws(StoreError) -> MailboxBox {
    guard account.mailboxes.count < StoreLimits.mailboxesPerAccount else {
      throw .tooManyMailboxes(limit: StoreLimits.mailboxesPerAccount)
    }
    let modSeq = modSeq(account)
    // Ascending and never given out twice, whatever was deleted before (RFC 9051 §2.3.1.1).
    // A date far in the future must not use the numbers up.
    let clock = min(UInt32(clamping: now), StoreLimits.importedUIDValidity)
    guard account.counters.lastUIDValidity < UInt32.max else {
      throw .database(message: "account \(account.id) has no more UIDVALIDITY values")
    }
    let value = uidValidity ?? max(clock, account.counters.lastUIDValidity + 1)
    // A value that an import brought along counts as given out: later ones go beyond it.
    account.counters.lastUIDValidity = max(value, account.counters.lastUIDValidity)
    let state = MailboxState(
      id: account.counters.nextMailbox, name: name, uidValidity: value,
      highestModSeq: modSeq, specialUse: specialUse, isSelectable: isSelectable)
    account.counters.nextMailbox += 1
    try MailTables.insert(state, account: account.id, db)
    let mailbox = MailboxBox(state)
    account.mailboxes[state.id] = mailbox
    account.names[name] = state.id
    try inheritAccess(mailbox, of: account)
    // Its mark is made with it, so that the first deliveries need not wait for one.
    touch(mailbox, of: account)
    return mailbox
  }

  func deleteMailbox(_ name: String, of account: AccountBox) throws(StoreError) {
    let canonical = Names.canonical(name)
    if canonical == Names.inbox { throw .inboxIsFixed }
    guard let mailbox = account.mailbox(named: canonical) else { throw .noSuchMailbox(name) }
    let spelling = mailbox.state.name
    let hasChildren = !account.children(of: spelling).isEmpty
    // RFC 9051 §6.3.5: a \Noselect name with children cannot be deleted.
    if hasChildren, !mailbox.state.isSelectable { throw .hasChildren(spelling) }
    reshape(account)
    try bury(mailbox, of: account)
    // RFC 9051 §6.3.5: the messages go, the name stays while there are names below it. It gets a number of its own, so
    // that it is not the old mailbox when it becomes one again.
    if hasChildren { _ = try add(spelling, to: account, specialUse: nil, isSelectable: false) }
  }

  /// The messages stay where they are under a number that nobody can reach any more, and the reaper clears them away:
  /// deleting a mailbox takes the same time however many messages it has.
  func bury(_ mailbox: MailboxBox, of account: AccountBox) throws(StoreError) {
    touch(mailbox, of: account)
    try keepKnown(mailbox, of: account)
    refund(account, bytes: mailbox.state.bytes, messages: mailbox.state.messages)
    change(mailbox, of: account) { $0.isDeletion = true }
    let row = try db(
      """
      UPDATE mailbox SET former_name = name, name = NULL, died = ?3, messages = 0, unseen = 0, deleted = 0, bytes = 0
      WHERE account = ?1 AND id = ?2
      """)
    row.bind(1, account.id)
    row.bind(2, mailbox.state.id)
    row.bind(3, modSeq(account))
    try row.run()
    try schedulePurge(1...UID.max, of: mailbox, account)
    try removeAccessKey(of: account.ref(mailbox))
    try removeAccess(of: account.ref(mailbox))
    // Its annotations wait for undelete, or the reaper; nobody reads them meanwhile, and they count no more.
    account.mailboxes[mailbox.state.id] = nil
    account.names[mailbox.state.name] = nil
  }

  /// What of a renamed INBOX is moved, and what is still to be moved.
  struct RenamedInbox: Sendable {
    var inbox: MailboxRef
    var moved: AssignedUIDs
    var rest: ArraySlice<UID>
  }

  func renameMailbox(
    _ name: String, to newName: String, of account: AccountBox
  ) throws(StoreError) -> RenamedInbox? {
    let target = Names.canonical(newName)
    guard let mailbox = account.mailbox(named: Names.canonical(name)) else { throw .noSuchMailbox(name) }
    let source = mailbox.state.name
    try Names.checkMailbox(target)
    if account.names[target] != nil { throw .mailboxExists(target) }
    if source == Names.inbox { return try renameInbox(mailbox, to: target, of: account) }
    if Names.isChild(target, of: source) {
      throw .invalidMailboxName(target, reason: "a mailbox cannot be moved into itself")
    }
    reshape(account)
    try addParents(of: target, account)
    var moved = [(mailbox, target)]
    for child in account.children(of: source) {
      let name = target + String(Substring(child.state.name.utf8.dropFirst(source.utf8.count)))
      try Names.checkMailbox(name)
      moved.append((child, name))
    }
    for (box, _) in moved { account.names[box.state.name] = nil }
    let row = try db("UPDATE mailbox SET name = ?3 WHERE account = ?1 AND id = ?2")
    for (box, name) in moved {
      touch(box, of: account)
      try keepKnown(box, of: account)
      box.state.name = name
      account.names[name] = box.state.id
      try keepUIDValidityApart(box, of: account)
      row.bind(1, account.id)
      row.bind(2, box.state.id)
      row.bind(3, name)
      try row.run()
    }
    return nil
  }

  /// RFC 9051 §6.3.6: the messages move to the new name; INBOX and the names below it stay.
  private func renameInbox(
    _ inbox: MailboxBox, to target: String, of account: AccountBox
  ) throws(StoreError) -> RenamedInbox {
    reshape(account)
    try addParents(of: target, account)
    let mailbox = try add(target, to: account, specialUse: nil)
    var uids: [UID] = []
    let rows = try db("SELECT uid FROM message WHERE account = ? AND mailbox = ? ORDER BY uid")
    rows.bind(1, account.id)
    rows.bind(2, inbox.state.id)
    try rows.forEach { uids.append($0.uid(0)) }
    let first = uids.prefix(StoreLimits.rowsPerMove)
    let moved = try move(first, from: inbox, to: mailbox, of: account)
    return RenamedInbox(inbox: account.ref(inbox), moved: moved, rest: uids[first.endIndex...])
  }

  /// `needsMailbox`: the name must be one of the account's mailboxes.
  func setSubscribed(
    _ subscribed: Bool, _ name: String, of account: AccountBox, needsMailbox: Bool = true
  ) throws(StoreError) {
    let canonical = Names.canonical(name)
    let spelling = account.mailbox(named: canonical)?.state.name ?? canonical
    guard account.subscriptions.contains(spelling) != subscribed else { return }
    // RFC 9051 §6.3.7: the server may refuse names that are no mailbox; taking one off the list always works.
    if subscribed, needsMailbox, account.names[spelling] == nil { throw .noSuchMailbox(name) }
    reshape(account)
    let row =
      subscribed
      ? try db("INSERT INTO subscription (account, name) VALUES (?, ?)")
      : try db("DELETE FROM subscription WHERE account = ? AND name = ?")
    row.bind(1, account.id)
    row.bind(2, spelling)
    try row.run()
    if subscribed { account.subscriptions.insert(spelling) } else { account.subscriptions.remove(spelling) }
  }
}
