import MailStore
import Synchronization

/// A mailbox that one session has selected.
final class MailboxSession: OpenMailbox {
  /// What the view knows of the session: whom to wake. `isTold`: woken, and has not looked since; further commits do not
  /// wake it again.
  final class Slot: Sendable {
    private let onChange: @Sendable () -> Void
    private let isTold = Atomic(false)
    private let isClosed = Atomic(false)
    /// Nil: the owner.
    let viewer: Int64?
    init(_ onChange: @escaping @Sendable () -> Void, viewer: AccountID? = nil) {
      self.onChange = onChange
      self.viewer = viewer?.rawValue
    }

    func tell() {
      guard !isClosed.load(ordering: .acquiring), !isTold.exchange(true, ordering: .acquiringAndReleasing) else {
        return
      }
      onChange()
    }

    func willLook() { isTold.store(false, ordering: .sequentiallyConsistent) }
    /// True the first time.
    func close() -> Bool { !isClosed.exchange(true, ordering: .acquiringAndReleasing) }
  }

  let ref: MailboxRef
  let info: MailboxInfo
  private let view: View
  private let slot: Slot
  private let registry: ViewRegistry
  private let cache: MailCache

  init(view: View, info: MailboxInfo, slot: Slot, registry: ViewRegistry, cache: MailCache) {
    ref = view.ref
    self.info = info
    self.view = view
    self.slot = slot
    self.registry = registry
    self.cache = cache
  }

  deinit { close() }

  var current: MailboxSnapshot? {
    // In this order: a commit that comes between the two wakes the session again.
    slot.willLook()
    guard let viewer = slot.viewer else { return view.snapshot }
    return view.snapshot(for: viewer)
  }

  func claimRecent() -> ClosedRange<UID>? {
    guard slot.viewer == nil, let end = view.snapshot?.uidNext, end > 1,
      let floor = cache.claimRecent(ref, upTo: end)
    else { return nil }
    return floor...(end - 1)
  }

  func peekRecent() -> ClosedRange<UID>? {
    guard slot.viewer == nil, let end = view.snapshot?.uidNext, let floor = cache.mailbox(ref)?.recentFloor, floor < end
    else { return nil }
    return floor...(end - 1)
  }

  func close() {
    guard slot.close() else { return }
    view.remove(slot)
    if let viewer = slot.viewer { view.removeOverlay(of: viewer) }
    registry.release(view)
  }
}
