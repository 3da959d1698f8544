public import MailStore
import Synchronization

extension MemoryStore {
  public func mailboxes(of id: AccountID) async throws(StoreError) -> MailboxListing {
    try await read { state throws(StoreError) in
      try state.account(id).listing
    }
  }

  public func mailbox(named name: String, of id: AccountID) async throws(StoreError) -> MailboxInfo? {
    try await read { state throws(StoreError) in
      let account = try state.account(id)
      return account.mailbox(named: name).map(account.info)
    }
  }

  public func createMailbox(
    _ name: String, of id: AccountID, specialUse: SpecialUse?
  ) async throws(StoreError) -> MailboxInfo {
    try await write { state throws(StoreError) in
      let before = try state.account(id).selectableMailboxes
      let ref = try state.create(MemoryNames.canonical(name), of: id, specialUse: specialUse)
      try state.checkMailboxes(id, before: before)
      return try state.account(id).info(state.mailbox(ref))
    }
  }

  public func deleteMailbox(_ name: String, of id: AccountID) async throws(StoreError) {
    try await write { state throws(StoreError) in
      let canonical = MemoryNames.canonical(name)
      if canonical == "INBOX" { throw .inboxIsFixed }
      let account = try state.account(id)
      guard let mailbox = account.mailbox(named: canonical) else { throw .noSuchMailbox(name) }
      let hasChildren = account.names.keys.contains { MemoryNames.isChild($0, of: canonical) }
      // RFC 9051 §6.3.5
      if hasChildren, !mailbox.isSelectable { throw .hasChildren(canonical) }
      state.bury(account.ref(mailbox))
      if hasChildren {
        let name = try state.add(canonical, to: id)
        state.accounts[id]?.mailboxes[name.mailbox]?.isSelectable = false
      }
    }
  }

  public func renameMailbox(_ name: String, to newName: String, of id: AccountID) async throws(StoreError) {
    try await write { state throws(StoreError) in
      let target = MemoryNames.canonical(newName)
      let account = try state.account(id)
      guard let mailbox = account.mailbox(named: name) else { throw .noSuchMailbox(name) }
      try MemoryNames.check(target)
      if account.names[target] != nil { throw .mailboxExists(target) }
      if mailbox.name == "INBOX" {
        // RFC 9051 §6.3.6: the messages move; INBOX and the names below it stay.
        let new = try state.create(target, of: id, specialUse: nil)
        try state.checkMailboxes(id, before: account.selectableMailboxes)
        _ = try state.move(mailbox.messages.map(\.uid), from: account.ref(mailbox), to: new)
        return
      }
      if MemoryNames.isChild(target, of: mailbox.name) {
        throw .invalidMailboxName(target, reason: "a mailbox cannot be moved into itself")
      }
      for parent in MemoryNames.parents(target) where state.accounts[id]?.names[parent] == nil {
        _ = try state.add(parent, to: id)
      }
      let moved = account.mailboxes.values.filter {
        $0.id == mailbox.id || MemoryNames.isChild($0.name, of: mailbox.name)
      }.sorted { MemoryNames.precedes($0.name, $1.name) }
      for box in moved { state.accounts[id]?.names[box.name] = nil }
      for box in moved {
        let suffix = String(decoding: box.name.utf8.dropFirst(mailbox.name.utf8.count), as: UTF8.self)
        try MemoryNames.check(target + suffix)
        try state.give(target + suffix, to: account.ref(box))
      }
      try state.checkMailboxes(id, before: account.selectableMailboxes)
    }
  }

  public func setSubscribed(_ subscribed: Bool, _ name: String, of id: AccountID) async throws(StoreError) {
    try await write { state throws(StoreError) in
      let canonical = MemoryNames.canonical(name)
      let account = try state.account(id)
      if subscribed, account.names[canonical] == nil, !account.subscriptions.contains(canonical) {
        throw .noSuchMailbox(name)
      }
      if subscribed {
        state.accounts[id]?.subscriptions.insert(canonical)
      } else {
        state.accounts[id]?.subscriptions.remove(canonical)
      }
    }
  }

  public func openMailbox(
    _ name: String, of id: AccountID, onChange: @escaping @Sendable () -> Void
  ) async throws(StoreError) -> any OpenMailbox {
    try await read { state throws(StoreError) in
      let account = try state.account(id)
      guard let mailbox = account.mailbox(named: name) else { throw .noSuchMailbox(name) }
      guard mailbox.isSelectable else { throw .notSelectable(name) }
      let session = MemorySession(
        store: self, ref: account.ref(mailbox), info: account.info(mailbox), slot: MemorySlot(onChange))
      // Inside the lock, so that no change slips between the snapshot and the first call of `onChange`.
      self.openings.withLock { $0.sessions[session.ref, default: []].append(session.slot) }
      return session
    }
  }
}

extension MemoryState {
  /// CREATE (RFC 9051 §6.3.4). `name` is canonical.
  mutating func create(_ name: String, of id: AccountID, specialUse: SpecialUse?) throws(StoreError) -> MailboxRef {
    if name == "INBOX", try account(id).names[name] != nil { throw .inboxIsFixed }
    try MemoryNames.check(name)
    let ref: MailboxRef
    if let old = try account(id).mailbox(named: name) {
      guard !old.isSelectable else { throw .mailboxExists(name) }
      ref = MailboxRef(account: id, mailbox: old.id)
      accounts[id]?.mailboxes[old.id]?.isSelectable = true
    } else {
      for parent in MemoryNames.parents(name) where accounts[id]?.names[parent] == nil {
        _ = try add(parent, to: id)
      }
      ref = try add(name, to: id)
    }
    accounts[id]?.mailboxes[ref.mailbox]?.specialUse = specialUse
    return ref
  }

  mutating func add(_ name: String, to id: AccountID, uidValidity: UInt32? = nil) throws(StoreError) -> MailboxRef {
    let account = try account(id)
    guard account.mailboxes.count < MemoryBounds.mailboxes else {
      throw .tooManyMailboxes(limit: MemoryBounds.mailboxes)
    }
    let number = MailboxID(account.nextMailbox)
    accounts[id]?.nextMailbox += 1
    var value = uidValidity ?? 0
    if uidValidity == nil {
      value = try nextUIDValidity(id)
      if settings.fault == .uidValidityReused, let old = account.known.keys.first(where: { $0.name == name }) {
        value = old.uidValidity
      }
    }
    noteUIDValidity(value, id)
    var new = MemoryMailbox(id: number, name: name, uidValidity: value, modSeq: modSeq(id))
    // RFC 4314 §4: it has the list of the one above it.
    new.access = MemoryNames.parents(name).last.flatMap { account.mailbox(named: $0) }?.access ?? []
    accounts[id]?.mailboxes[number] = new
    accounts[id]?.names[name] = number
    if uidValidity != nil { accounts[id]?.known[KnownMailbox(name: name, uidValidity: value)] = number }
    return MailboxRef(account: id, mailbox: number)
  }

  /// Ascending, and above all that the account ever had, so that none comes twice (RFC 9051 §2.3.1.1).
  func nextUIDValidity(_ id: AccountID) throws(StoreError) -> UInt32 {
    let last = try account(id).lastUIDValidity
    guard last < UInt32.max else { throw .database(message: "account \(id) has no more UIDVALIDITY values") }
    return last + 1
  }

  private mutating func noteUIDValidity(_ value: UInt32, _ id: AccountID) {
    let last = accounts[id]?.lastUIDValidity ?? 0
    accounts[id]?.lastUIDValidity = max(last, value)
    highestUIDValidity = max(highestUIDValidity, value)
  }

  /// Another name for a mailbox. If other messages were known under that name with the same UIDVALIDITY, as can be with
  /// imported values, the mailbox gets a new one (RFC 9051 §6.3.6).
  mutating func give(_ name: String, to ref: MailboxRef) throws(StoreError) {
    var mailbox = try mailbox(ref)
    keepKnown(mailbox, ref.account)
    mailbox.name = name
    let known = try account(ref.account).known
    let isImported = known.contains { $0.key.uidValidity == mailbox.uidValidity && $0.value == mailbox.id }
    let other = known[KnownMailbox(name: name, uidValidity: mailbox.uidValidity)]
    if let other, other != mailbox.id {
      mailbox.uidValidity = try nextUIDValidity(ref.account)
      noteUIDValidity(mailbox.uidValidity, ref.account)
    }
    if other == nil, isImported {
      accounts[ref.account]?.known[KnownMailbox(name: name, uidValidity: mailbox.uidValidity)] = mailbox.id
    }
    accounts[ref.account]?.mailboxes[ref.mailbox] = mailbox
    accounts[ref.account]?.names[name] = mailbox.id
  }

  /// For a mailbox that ends or gets another name: clients know its messages by the old one.
  private mutating func keepKnown(_ mailbox: MemoryMailbox, _ id: AccountID) {
    guard mailbox.uidNext > 1 else { return }
    let key = KnownMailbox(name: mailbox.name, uidValidity: mailbox.uidValidity)
    if accounts[id]?.known[key] == nil { accounts[id]?.known[key] = mailbox.id }
  }

  /// The mailbox ends. Its messages are expunged.
  mutating func bury(_ ref: MailboxRef) {
    guard let mailbox = accounts[ref.account]?.mailboxes[ref.mailbox] else { return }
    keepKnown(mailbox, ref.account)
    accessKeys[ref] = nil
    let modSeq = modSeq(ref.account)
    for message in mailbox.messages {
      ghosts[ref, default: [:]][message.uid] = MemoryGhost(message: message, modSeq: modSeq, time: now)
    }
    if settings.fault == .deleteKeepsCharge {
      phantomUsage[ref.account, default: QuotaUsage()].messages += Int64(mailbox.messages.count)
      phantomUsage[ref.account, default: QuotaUsage()].bytes += mailbox.messages.reduce(0) { $0 + $1.size }
    }
    accounts[ref.account]?.mailboxes[ref.mailbox] = nil
    accounts[ref.account]?.names[mailbox.name] = nil
    touch(ref)
  }
}
