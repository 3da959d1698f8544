import MailStore
import Synchronization

/// All mailboxes in memory: those that sessions have open, and some that were open lately.
final class ViewRegistry: Sendable {
  private struct Entry {
    let view: View
    var users = 0
  }

  private struct State {
    // With room at once: what Swift's runtime finds out about a type of dictionary when it is first filled takes 0.2 ms, for
    // which the first client would wait.
    var entries = [MailboxRef: Entry](minimumCapacity: 16)
    /// Views without users.
    var idle: [MailboxRef: Idle] = [:]
    /// What all idle ones take.
    var idleEntries = 0
    var clock: UInt64 = 0

    mutating func addIdle(_ ref: MailboxRef, entries: Int) {
      let view = Idle(used: clock, entries: entries)
      idle[ref] = view
      idleEntries += view.weight
    }

    mutating func removeIdle(_ ref: MailboxRef) {
      if let old = idle.removeValue(forKey: ref) { idleEntries -= old.weight }
    }
  }

  private struct Idle {
    /// When it was used last.
    let used: UInt64
    let entries: Int
    /// Its entries are packed.
    var isResting = false

    /// In entries that are not packed: a packed one takes one to four octets instead of 24.
    var weight: Int { isResting ? entries / 8 : entries }
  }

  private let state = Mutex(State())
  /// Entries of snapshots that nobody uses and that are kept.
  private let idleLimit: Int
  /// Packs the entries of one, on a thread of the store.
  private let rest: @Sendable (MailboxSnapshot) -> Void
  let watches = AccountWatches()

  init(idleEntries: Int, rest: @escaping @Sendable (MailboxSnapshot) -> Void) {
    idleLimit = idleEntries
    self.rest = rest
  }

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
        state.removeIdle(ref)
        return (entry.view, false)
      }
      let view = View(ref)
      state.entries[ref] = Entry(view: view, users: 1)
      return (view, true)
    }
  }

  func release(_ view: View) {
    let resting = state.withLock { state -> [MailboxSnapshot] in
      guard var entry = state.entries[view.ref], entry.view === view else { return [] }
      state.clock += 1
      entry.users -= 1
      state.entries[view.ref] = entry
      guard entry.users == 0 else { return [] }
      guard let snapshot = view.snapshot else {
        state.entries[view.ref] = nil
        return []
      }
      state.addIdle(view.ref, entries: snapshot.count)
      return trim(&state)
    }
    for snapshot in resting { rest(snapshot) }
  }

  /// It could not be loaded; the next one to open it tries again.
  func forget(_ view: View) {
    state.withLock { state in
      guard let entry = state.entries[view.ref], entry.view === view else { return }
      state.entries[view.ref] = nil
      state.removeIdle(view.ref)
    }
  }

  /// Large mailboxes are packed before any is forgotten: reading one from the database takes as long as all its messages. Returns
  /// those to be packed.
  private func trim(_ state: inout State) -> [MailboxSnapshot] {
    var resting: [MailboxSnapshot] = []
    while state.idleEntries > idleLimit || state.idle.count > Self.idleViews {
      let byAge = state.idle.min { $0.value.used < $1.value.used }
      let large = state.idle.lazy.filter { !$0.value.isResting && $0.value.entries > MailboxSnapshot.restingCapacity }
      if state.idleEntries > idleLimit, let (ref, view) = large.min(by: { $0.value.used < $1.value.used }),
        let snapshot = state.entries[ref]?.view.snapshot
      {
        state.idleEntries -= view.weight
        state.idle[ref]?.isResting = true
        state.idleEntries += state.idle[ref]?.weight ?? 0
        resting.append(snapshot)
      } else if let oldest = byAge?.key {
        state.entries[oldest] = nil
        state.removeIdle(oldest)
      } else {
        break
      }
    }
    return resting
  }

  private static let idleViews = 256

  // MARK: The writer's thread

  /// An idle view has grown or shrunk.
  private func recount(_ view: View) {
    let resting = state.withLock { state -> [MailboxSnapshot] in
      guard let old = state.idle[view.ref], let count = view.snapshot?.count, count != old.entries else { return [] }
      let new = Idle(used: old.used, entries: count, isResting: old.isResting)
      state.idle[view.ref] = new
      state.idleEntries += new.weight - old.weight
      return trim(&state)
    }
    for snapshot in resting { rest(snapshot) }
  }

  private func publishShared(_ publication: Publication) {
    for (ref, marks) in publication.shared.marks where publication.changes[ref] == nil {
      guard let view = state.withLock({ $0.entries[ref]?.view }) else { continue }
      for slot in view.publish([], working: nil, info: nil, marks: marks) { slot.tell() }
    }
    for ref in publication.shared.lists.keys {
      guard let view = state.withLock({ $0.entries[ref]?.view }) else { continue }
      for slot in view.allSessions where slot.viewer != nil { slot.tell() }
    }
  }

  func publish(_ publication: Publication, cache: MailCache, access: AccessCache) {
    for (ref, changes) in publication.changes {
      guard let view = state.withLock({ $0.entries[ref]?.view }) else { continue }
      let slots = view.publish(
        changes, working: publication.working[ref], info: cache.mailbox(ref),
        marks: publication.shared.marks[ref] ?? [:])
      if changes.contains(where: \.isDeletion) { forget(view) } else if slots.isEmpty { recount(view) }
      for slot in slots { slot.tell() }
    }
    if !publication.shared.isEmpty { publishShared(publication) }
    watches.publish(publication, access: access)
  }
}
