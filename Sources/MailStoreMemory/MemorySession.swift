import MailStore
import Synchronization

/// Whom to tell of changes. Told once until it has looked.
final class MemorySlot: Sendable {
  private let onChange: @Sendable () -> Void
  private let state = Mutex((isTold: false, isClosed: false))

  init(_ onChange: @escaping @Sendable () -> Void) { self.onChange = onChange }

  func tell() {
    let isDue = state.withLock { state in
      defer { state.isTold = true }
      return !state.isTold && !state.isClosed
    }
    if isDue { onChange() }
  }

  func willLook() { state.withLock { $0.isTold = false } }
  func close() { state.withLock { $0.isClosed = true } }
}

/// A mailbox that one session has selected.
final class MemorySession: OpenMailbox {
  let ref: MailboxRef
  let info: MailboxInfo
  let slot: MemorySlot
  private let store: MemoryStore
  /// Nil: the owner.
  private let viewer: AccountID?

  init(store: MemoryStore, ref: MailboxRef, info: MailboxInfo, slot: MemorySlot, viewer: AccountID? = nil) {
    self.store = store
    self.viewer = viewer
    self.ref = ref
    self.info = info
    self.slot = slot
  }

  private typealias Kept = (base: MailboxSnapshot, marks: [UID: SeenMark]?, snapshot: MailboxSnapshot)
  private let kept = Mutex<Kept?>(nil)

  var current: MailboxSnapshot? {
    slot.willLook()
    return store.disk.state.withLock { state in
      guard let mailbox = state.accounts[ref.account]?.mailboxes[ref.mailbox] else { return nil }
      guard let viewer else { return mailbox.snapshot }
      // The same one again while nothing has changed.
      return kept.withLock { kept in
        if let old = kept, old.base === mailbox.snapshot, old.marks == mailbox.marks[viewer] { return old.snapshot }
        let snapshot = mailbox.snapshot(for: viewer)
        kept = (mailbox.snapshot, mailbox.marks[viewer], snapshot)
        return snapshot
      }
    }
  }

  func claimRecent() -> ClosedRange<UID>? { recent(taking: true) }
  func peekRecent() -> ClosedRange<UID>? { recent(taking: false) }

  private func recent(taking: Bool) -> ClosedRange<UID>? {
    guard viewer == nil else { return nil }
    let fault = store.settings.fault
    return store.disk.state.withLock { state in
      guard let mailbox = state.accounts[ref.account]?.mailboxes[ref.mailbox], mailbox.recentFloor < mailbox.uidNext
      else { return nil }
      if taking, fault != .recentForAll {
        state.accounts[ref.account]?.mailboxes[ref.mailbox]?.recentFloor = mailbox.uidNext
      }
      return mailbox.recentFloor...(mailbox.uidNext - 1)
    }
  }

  func close() {
    slot.close()
    store.openings.withLock { openings in
      openings.sessions[ref]?.removeAll { $0 === slot }
      if openings.sessions[ref]?.isEmpty == true { openings.sessions[ref] = nil }
    }
  }
}
