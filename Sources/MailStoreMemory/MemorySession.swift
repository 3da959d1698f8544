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

  init(store: MemoryStore, ref: MailboxRef, info: MailboxInfo, slot: MemorySlot) {
    self.store = store
    self.ref = ref
    self.info = info
    self.slot = slot
  }

  var current: MailboxSnapshot? {
    slot.willLook()
    return store.disk.state.withLock { $0.accounts[ref.account]?.mailboxes[ref.mailbox]?.snapshot }
  }

  func claimRecent() -> ClosedRange<UID>? { recent(taking: true) }
  func peekRecent() -> ClosedRange<UID>? { recent(taking: false) }

  private func recent(taking: Bool) -> ClosedRange<UID>? {
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
