import MailStore
import Synchronization

/// All mailboxes in memory: those that sessions have open, and some that were open lately.
final class ViewRegistry: Sendable {
  private struct Entry {
    let view: View
    var users = 0
    var lastUse: UInt64 = 0
  }

  private struct State {
    var entries: [MailboxRef: Entry] = [:]
    var clock: UInt64 = 0
  }

  private let state = Mutex(State())
  /// Entries of snapshots that nobody uses and that are kept.
  private let idleLimit: Int

  init(idleEntries: Int) { idleLimit = idleEntries }

  /// The snapshot after the last commit if the mailbox is in memory.
  func loaded(_ ref: MailboxRef) -> MailboxSnapshot? {
    state.withLock { $0.entries[ref]?.view }?.snapshot
  }

  /// The view, in use until `release`; `isNew`: the caller must load it.
  func acquire(_ ref: MailboxRef) -> (view: View, isNew: Bool) {
    state.withLock { state in
      state.clock += 1
      if var entry = state.entries[ref] {
        entry.users += 1
        state.entries[ref] = entry
        return (entry.view, false)
      }
      let view = View(ref)
      state.entries[ref] = Entry(view: view, users: 1, lastUse: state.clock)
      return (view, true)
    }
  }

  func release(_ view: View) {
    state.withLock { state in
      guard var entry = state.entries[view.ref], entry.view === view else { return }
      state.clock += 1
      entry.users -= 1
      entry.lastUse = state.clock
      state.entries[view.ref] = entry
      guard entry.users == 0 else { return }
      if view.snapshot == nil { state.entries[view.ref] = nil }
      trim(&state)
    }
  }

  /// It could not be loaded; the next one to open it tries again.
  func forget(_ view: View) {
    state.withLock { state in
      guard let entry = state.entries[view.ref], entry.view === view else { return }
      state.entries[view.ref] = nil
    }
  }

  private func trim(_ state: inout State) {
    // Idle views are few; a walk over them is cheap against loading one.
    var idle = state.entries.filter { $0.value.users == 0 }.map {
      (ref: $0.key, count: $0.value.view.snapshot?.count ?? 0, lastUse: $0.value.lastUse)
    }
    var total = idle.reduce(0) { $0 + $1.count }
    guard total > idleLimit || idle.count > Self.idleViews else { return }
    idle.sort { $0.lastUse < $1.lastUse }
    for (position, view) in idle.enumerated() {
      guard total > idleLimit || idle.count - position > Self.idleViews else { return }
      state.entries[view.ref] = nil
      total -= view.count
    }
  }

  private static let idleViews = 256

  // MARK: The writer's thread

  func publish(_ publication: Publication, cache: MailCache) {
    for (ref, changes) in publication.changes {
      guard let view = state.withLock({ $0.entries[ref]?.view }) else { continue }
      let slots = view.publish(changes, working: publication.working[ref], info: cache.mailbox(ref))
      if changes.contains(where: \.isDeletion) { forget(view) }
      for slot in slots { slot.tell() }
    }
  }
}
