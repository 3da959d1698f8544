import MailStore

/// What viewers who are not the owner see of a mailbox (see `SeenOverlay`). Marks and messages of one commit come together:
/// both are changed under the view's lock.
extension View {
  struct Overlay {
    var marks: SeenOverlay
    var users = 1
  }

  /// The writer's thread, between two commits, so that none is missed. Counts one more user.
  func addOverlay(
    of viewer: Int64, _ load: () throws(StoreError) -> SeenOverlay
  ) throws(StoreError) {
    let isThere = withState { state in
      guard state.overlays[viewer] != nil else { return false }
      state.overlays[viewer]?.users += 1
      return true
    }
    if isThere { return }
    let marks = try load()
    withState { $0.overlays[viewer] = Overlay(marks: marks) }
  }

  func removeOverlay(of viewer: Int64) {
    withState { state in
      state.overlays[viewer]?.users -= 1
      if state.overlays[viewer]?.users == 0 { state.overlays[viewer] = nil }
    }
  }

  func snapshot(for viewer: Int64) -> MailboxSnapshot? {
    withState { state in
      guard case .loaded(let base) = state.phase else { return nil }
      return state.overlays[viewer]?.marks.snapshot(over: base)
    }
  }
}

extension View.State {
  mutating func update(_ changes: [MailboxChange], _ marks: [Int64: [UID: SeenMark]]) {
    for viewer in overlays.keys {
      for change in changes where !change.expunged.isEmpty { overlays[viewer]?.marks.forget(change.expunged) }
      if let changed = marks[viewer] { overlays[viewer]?.marks.take(changed) }
    }
  }
}

/// What a commit does to marks and access control lists.
struct SharedChanges {
  var marks: [MailboxRef: [Int64: [UID: SeenMark]]] = [:]
  /// Nil: the mailbox is gone.
  var lists: [MailboxRef: [AccessEntry]?] = [:]

  var isEmpty: Bool { marks.isEmpty && lists.isEmpty }

  mutating func mark(_ uid: UID, _ mark: SeenMark, by viewer: Int64, in ref: MailboxRef) {
    marks[ref, default: [:]][viewer, default: [:]][uid] = mark
  }

  /// `later` came after this.
  mutating func merge(_ later: SharedChanges) {
    for (ref, viewers) in later.marks {
      for (viewer, changed) in viewers {
        marks[ref, default: [:]][viewer, default: [:]].merge(changed) { $1 }
      }
    }
    lists.merge(later.lists) { $1 }
  }
}
