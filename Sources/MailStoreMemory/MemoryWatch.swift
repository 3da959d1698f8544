public import MailStore
import Synchronization

/// Whom to tell of changes in an account.
final class MemoryWatchSlot: Sendable {
  let id = WatchID()
  let account: AccountID
  private let onChange: @Sendable () -> Void
  private let notes = Mutex(AccountNotes())

  init(_ account: AccountID, _ onChange: @escaping @Sendable () -> Void) {
    self.account = account
    self.onChange = onChange
  }

  func tell(_ change: MemoryAccountChange) {
    let isDue = notes.withLock { notes in
      var isDue = notes.note(change.mailboxes, isReshaped: change.isReshaped)
      if change.isShared, notes.noteShared() { isDue = true }
      for place in change.annotated {
        if notes.note(annotated: place.names(for: account, id, rights: change.rights)) { isDue = true }
      }
      return isDue
    }
    if isDue { onChange() }
  }

  func take() -> AccountNotes.Taken { notes.withLock { $0.take() } }
}

/// What a transaction has done to an account that somebody watches.
struct MemoryAccountChange: Sendable {
  var mailboxes: [MailboxID]
  var isReshaped: Bool
  var annotated: [AnnotatedPlace]
  /// Of the account in mailboxes of others.
  var rights: @Sendable (MailboxRef) -> MailboxRights = { _ in [] }
  /// In a mailbox of somebody else that the account may see, or saw.
  var isShared = false

  /// Found by comparing what was with what is.
  init(from old: MemoryAccount?, to new: MemoryAccount?, touched: [MailboxRef], annotated: [AnnotatedPlace]) {
    self.annotated = annotated
    mailboxes = touched.map(\.mailbox)
    isReshaped =
      old?.names != new?.names || old?.subscriptions != new?.subscriptions
      || new?.mailboxes.values.contains { mailbox in
        guard let before = old?.mailboxes[mailbox.id] else { return true }
        return before.isSelectable != mailbox.isSelectable || before.specialUse != mailbox.specialUse
          || before.uidValidity != mailbox.uidValidity
      } == true
  }
}

extension MemoryStore {
  public func watch(
    _ account: AccountID, onChange: @escaping @Sendable () -> Void
  ) async throws(StoreError) -> any AccountWatch {
    try await read { state throws(StoreError) in
      _ = try state.account(account)
      let slot = MemoryWatchSlot(account, onChange)
      self.openings.withLock { $0.watches[account, default: []].append(slot) }
      return MemoryAccountWatch(self, slot)
    }
  }
}

private final class MemoryAccountWatch: AccountWatch {
  private let store: MemoryStore
  private let slot: MemoryWatchSlot

  init(_ store: MemoryStore, _ slot: MemoryWatchSlot) {
    self.store = store
    self.slot = slot
  }

  deinit { close() }

  var id: WatchID { slot.id }

  func news() -> AccountNews {
    let taken = slot.take()
    return store.disk.state.withLock { state in
      guard let account = state.accounts[slot.account] else { return AccountNews() }
      var news = AccountNews(annotated: taken.annotated, missesAnnotations: taken.missesAnnotations)
      for name in taken.annotated where name.owner == nil {
        guard let mailbox = name.mailbox else { continue }
        news.annotatedMailboxes[mailbox] = account.mailboxes[mailbox]?.name
      }
      news.noteElsewhere(state.shared(with: slot.account))
      if taken.isReshaped {
        news.listing = account.listing
        news.shared = state.shared(with: slot.account)
      } else {
        news.changed = taken.mailboxes.compactMap { account.mailboxes[$0].map(account.info) }
      }
      return news
    }
  }

  func close() {
    store.openings.withLock { openings in
      openings.watches[slot.account]?.removeAll { $0 === slot }
      if openings.watches[slot.account]?.isEmpty == true { openings.watches[slot.account] = nil }
    }
  }
}
