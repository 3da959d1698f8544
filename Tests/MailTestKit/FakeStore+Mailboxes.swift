public import MailStore
import Synchronization

extension FakeStore {
  public func mailboxes(of account: AccountID) async throws(StoreError) -> MailboxListing {
    try await transaction { state throws(StoreError) in
      let entry = try state.account(account)
      return MailboxListing(
        mailboxes: entry.mailboxes.map(\.info), subscribedWithoutMailbox: entry.subscribedWithoutMailbox)
    }
  }

  public func mailbox(named name: String, of account: AccountID) async throws(StoreError) -> MailboxInfo? {
    try await transaction { state throws(StoreError) in
      let entry = try state.account(account)
      return entry.index(named: name).map { entry.mailboxes[$0].info }
    }
  }

  public func createMailbox(_ name: String, of account: AccountID, specialUse: SpecialUse?) async throws(StoreError)
    -> MailboxInfo
  {
    try await transaction { state throws(StoreError) in
      try state.createMailbox(name, of: account, specialUse: specialUse)
    }
  }

  public func deleteMailbox(_ name: String, of account: AccountID) async throws(StoreError) {
    try await transaction { state throws(StoreError) in
      var entry = try state.account(account)
      guard let index = entry.index(named: name) else { throw .noSuchMailbox(name) }
      let mailbox = entry.mailboxes[index]
      if mailbox.name == "INBOX" { throw .inboxIsFixed }
      let hasChildren = entry.mailboxes.contains { $0.name.hasPrefix(mailbox.name + "/") }
      if hasChildren, !mailbox.isSelectable { throw .hasChildren(mailbox.name) }
      entry.mailboxes.remove(at: index)
      if hasChildren {
        // A new number: sessions that had the mailbox open see their end.
        state.addMailbox(mailbox.name, to: &entry)
        if let left = entry.index(named: mailbox.name) { entry.mailboxes[left].isSelectable = false }
      }
      if mailbox.isSubscribed { entry.subscribedWithoutMailbox.append(mailbox.name) }
      state.accounts[account] = entry
      state.notify.append(contentsOf: mailbox.listeners.values)
    }
  }

  public func renameMailbox(_ name: String, to newName: String, of account: AccountID) async throws(StoreError) {
    try await transaction { state throws(StoreError) in
      let target = FakeNames.canonical(newName)
      try FakeNames.check(target)
      var entry = try state.account(account)
      guard let index = entry.index(named: name) else { throw .noSuchMailbox(name) }
      if entry.index(named: target) != nil { throw .mailboxExists(target) }
      let source = entry.mailboxes[index]
      if source.name == "INBOX" {
        // RFC 9051 §6.3.6: the messages move, INBOX stays and is empty.
        let info = try state.createMailbox(target, of: account, specialUse: nil)
        try state.moveMessages(
          source.messages.map(\.uid), from: MailboxRef(account: account, mailbox: source.id),
          to: MailboxRef(account: account, mailbox: info.id))
        return
      }
      if target.hasPrefix(source.name + "/") { throw .invalidMailboxName(target, reason: "inside itself") }
      for index in entry.mailboxes.indices {
        let old = entry.mailboxes[index].name
        if old == source.name || old.hasPrefix(source.name + "/") {
          entry.mailboxes[index].name = target + old.dropFirst(source.name.count)
        }
      }
      for missing in FakeNames.parents(of: target) where entry.index(named: missing) == nil {
        state.addMailbox(missing, to: &entry)
      }
      state.accounts[account] = entry
    }
  }

  public func setSubscribed(_ subscribed: Bool, _ name: String, of account: AccountID) async throws(StoreError) {
    try await transaction { state throws(StoreError) in
      var entry = try state.account(account)
      let name = FakeNames.canonical(name)
      if let index = entry.index(named: name) {
        entry.mailboxes[index].isSubscribed = subscribed
      } else if !subscribed, let index = entry.subscribedWithoutMailbox.firstIndex(of: name) {
        entry.subscribedWithoutMailbox.remove(at: index)
      } else if subscribed, !entry.subscribed(name) {
        throw .noSuchMailbox(name)
      }
      state.accounts[account] = entry
    }
  }

  public func openMailbox(
    _ name: String, of account: AccountID, onChange: @escaping @Sendable () -> Void
  ) async throws(StoreError) -> any OpenMailbox {
    try await transaction { state throws(StoreError) in
      var entry = try state.account(account)
      guard let index = entry.index(named: name) else { throw .noSuchMailbox(name) }
      guard entry.mailboxes[index].isSelectable else { throw .notSelectable(name) }
      let listener = state.nextListener
      state.nextListener += 1
      entry.mailboxes[index].listeners[listener] = onChange
      state.accounts[account] = entry
      let info = entry.mailboxes[index].info
      return FakeOpenMailbox(
        store: self, ref: MailboxRef(account: account, mailbox: info.id), info: info, listener: listener)
    }
  }
}

final class FakeOpenMailbox: OpenMailbox {
  let store: FakeStore
  let ref: MailboxRef
  let info: MailboxInfo
  let listener: Int

  init(store: FakeStore, ref: MailboxRef, info: MailboxInfo, listener: Int) {
    self.store = store
    self.ref = ref
    self.info = info
    self.listener = listener
  }

  private func mailbox() -> FakeMailbox? {
    store.state.withLock { state in
      guard let entry = state.accounts[ref.account], let index = entry.index(of: ref.mailbox) else { return nil }
      return entry.mailboxes[index]
    }
  }

  var current: MailboxSnapshot? { mailbox()?.snapshot }

  func claimRecent() -> ClosedRange<UID>? {
    store.state.withLock { state in
      guard let index = state.accounts[ref.account]?.index(of: ref.mailbox),
        let mailbox = state.accounts[ref.account]?.mailboxes[index], mailbox.recentFloor < mailbox.uidNext
      else { return nil }
      state.accounts[ref.account]?.mailboxes[index].recentFloor = mailbox.uidNext
      return mailbox.recentFloor...(mailbox.uidNext - 1)
    }
  }

  func peekRecent() -> ClosedRange<UID>? {
    guard let mailbox = mailbox(), mailbox.recentFloor < mailbox.uidNext else { return nil }
    return mailbox.recentFloor...(mailbox.uidNext - 1)
  }

  func close() {
    store.state.withLock { state in
      guard let index = state.accounts[ref.account]?.index(of: ref.mailbox) else { return }
      state.accounts[ref.account]?.mailboxes[index].listeners[listener] = nil
    }
  }
}
