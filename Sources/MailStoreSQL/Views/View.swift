import MailStore
import Synchronization

/// A mailbox in memory, shared by all sessions that have it open: one snapshot, replaced at each commit.
///
/// It begins as `loading`: commits that happen meanwhile are kept in `pending`, and when the rows have been read those
/// that the reading transaction had not seen (their MODSEQ is above the mailbox's) are applied. A view is registered
/// before its reading transaction begins, so a commit is either in the rows read or is published to the view later.
final class View: Sendable {
  enum Phase {
    case loading([UnsafeContinuation<Void, Never>])
    case loaded(MailboxSnapshot)
    /// Deleted, or it could not be loaded.
    case gone(StoreError)
  }

  struct State {
    var phase: Phase = .loading([])
    var info: MailboxInfo?
    var pending: [MailboxChange] = []
    /// In the order in which they opened the mailbox, which is that in which they are told.
    var sessions: [MailboxSession.Slot] = []
    /// Of viewers that have it open and are not its owner.
    var overlays: [Int64: Overlay] = [:]
  }

  let ref: MailboxRef
  private let state = Mutex(State())

  init(_ ref: MailboxRef) { self.ref = ref }

  func withState<Value: Sendable>(_ body: (inout State) -> Value) -> Value { state.withLock { body(&$0) } }

  var snapshot: MailboxSnapshot? {
    state.withLock { state in
      if case .loaded(let snapshot) = state.phase { return snapshot }
      return nil
    }
  }

  // MARK: Loading

  /// Waits until the view has been loaded or has failed.
  func loaded() async throws(StoreError) -> (snapshot: MailboxSnapshot, info: MailboxInfo) {
    await withUnsafeContinuation { continuation in
      let isWaiting = state.withLock { state in
        guard case .loading(let waiters) = state.phase else { return false }
        state.phase = .loading(waiters + [continuation])
        return true
      }
      if !isWaiting { continuation.resume() }
    }
    return try state.withLock { state throws(StoreError) in
      switch state.phase {
      case .loaded(let snapshot):
        guard let info = state.info else { throw .mailboxGone }
        return (snapshot, info)
      case .gone(let error): throw error
      case .loading: throw .mailboxGone
      }
    }
  }

  /// The rows as of some commit; changes above it are applied.
  func finishLoading(_ result: Result<(snapshot: MailboxSnapshot, info: MailboxInfo), StoreError>) {
    let waiters = state.withLock { state in
      guard case .loading(let waiters) = state.phase else { return [UnsafeContinuation<Void, Never>]() }
      switch result {
      case .success(let (snapshot, info)):
        let loadedModSeq = snapshot.highestModSeq
        let newer = state.pending.filter { $0.modSeq > loadedModSeq }
        if newer.contains(where: \.isDeletion) {
          state.phase = .gone(.mailboxGone)
        } else {
          state.phase = .loaded(newer.reduce(snapshot) { $0.applying($1) })
          // A commit published meanwhile has left newer counters.
          if let published = state.info, published.highestModSeq > info.highestModSeq { break }
          state.info = info
        }
      case .failure(let error): state.phase = .gone(error)
      }
      state.pending = []
      return waiters
    }
    for waiter in waiters { waiter.resume() }
  }

  // MARK: The writer's thread

  /// After a commit. Returns those to tell, which must happen outside every lock.
  func publish(
    _ changes: [MailboxChange], working: (snapshot: MailboxSnapshot, folded: Int)?, info: MailboxInfo?,
    marks: [Int64: [UID: SeenMark]] = [:]
  ) -> [MailboxSession.Slot] {
    // Only this thread replaces a loaded snapshot, so the copying of chunks may happen outside the lock.
    var next: MailboxSnapshot?
    let isDeletion = changes.contains(where: \.isDeletion)
    if let base = snapshot, !isDeletion {
      let start = working ?? (base, 0)
      next = changes[start.folded...].reduce(start.snapshot) { snapshot, change in
        change.modSeq > snapshot.highestModSeq ? snapshot.applying(change) : snapshot
      }
    }
    return state.withLock { state in
      if let info { state.info = info }
      switch state.phase {
      case .loading: state.pending += changes
      case .loaded:
        if isDeletion { state.phase = .gone(.mailboxGone) } else if let next { state.phase = .loaded(next) }
      case .gone: break
      }
      // A view that began as loading before and was loaded since: the changes are newer than its rows, or in them.
      if case .loaded(let current) = state.phase, next == nil, !isDeletion {
        state.phase = .loaded(
          changes.reduce(current) { $1.modSeq > $0.highestModSeq ? $0.applying($1) : $0 })
      }
      if !state.overlays.isEmpty { state.update(changes, marks) }
      // Marks alone are nobody else's business.
      return changes.isEmpty
        ? state.sessions.filter { slot in slot.viewer.map { marks[$0] != nil } ?? false } : state.sessions
    }
  }

  // MARK: Sessions

  /// All of them, to be told of other rights.
  var allSessions: [MailboxSession.Slot] { state.withLock { $0.sessions } }

  func add(_ slot: MailboxSession.Slot) { state.withLock { $0.sessions.append(slot) } }

  func remove(_ slot: MailboxSession.Slot) {
    state.withLock { state in
      if let index = state.sessions.lastIndex(where: { $0 === slot }) { state.sessions.remove(at: index) }
    }
  }
}
