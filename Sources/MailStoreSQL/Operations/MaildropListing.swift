import MailStore
import Synchronization

/// What a maildrop holds, as a reading thread finds it out: first its totals, then its messages. Both are as of one read
/// transaction.
final class MaildropListing: Sendable {
  private enum Phase {
    case opening
    case counted(messages: Int, octets: Int)
    case listed([SQLMaildrop.Entry], octets: Int)
    case ended(StoreError)
  }

  private struct State {
    var phase = Phase.opening
    /// Those that wait for the totals, and for the messages.
    var openers: [UnsafeContinuation<Void, Never>] = []
    var listers: [UnsafeContinuation<Void, Never>] = []
  }

  private let state = Mutex(State())

  var totals: (messages: Int, octets: Int) {
    state.withLock { state in
      switch state.phase {
      case .counted(let messages, let octets): (messages, octets)
      case .listed(let entries, let octets): (entries.count, octets)
      case .opening, .ended: (0, 0)
      }
    }
  }

  var isListed: Bool {
    state.withLock { state in
      if case .listed = state.phase { true } else { false }
    }
  }

  var entries: [SQLMaildrop.Entry] {
    state.withLock { state in
      if case .listed(let entries, _) = state.phase { entries } else { [] }
    }
  }

  /// Returns when the totals are known.
  func opened() async throws(StoreError) {
    await withUnsafeContinuation { continuation in
      let waits = state.withLock { state in
        guard case .opening = state.phase else { return false }
        state.openers.append(continuation)
        return true
      }
      if !waits { continuation.resume() }
    }
    if let failure { throw failure }
  }

  /// Returns when the messages are known.
  func listed() async throws(StoreError) {
    await withUnsafeContinuation { continuation in
      let waits = state.withLock { state in
        switch state.phase {
        case .opening, .counted:
          state.listers.append(continuation)
          return true
        case .listed, .ended: return false
        }
      }
      if !waits { continuation.resume() }
    }
    if let failure { throw failure }
  }

  private var failure: StoreError? {
    state.withLock { state in
      if case .ended(let error) = state.phase { error } else { nil }
    }
  }

  // MARK: The reading thread

  /// Nobody wants the messages any more.
  var isOver: Bool {
    state.withLock { state in
      if case .ended = state.phase { true } else { false }
    }
  }

  func count(messages: Int, octets: Int) {
    change { $0 = .counted(messages: messages, octets: octets) }
  }

  func list(_ entries: [SQLMaildrop.Entry]) {
    let octets = entries.reduce(0) { $0 + $1.message.size }
    change { $0 = .listed(entries, octets: octets) }
  }

  /// What was listed stays.
  func end(with error: StoreError) {
    change { phase in
      if case .listed = phase { return }
      phase = .ended(error)
    }
  }

  private func change(_ body: (inout Phase) -> Void) {
    let waiters = state.withLock { state in
      if case .ended = state.phase { return [UnsafeContinuation<Void, Never>]() }
      body(&state.phase)
      var waiters = state.openers
      state.openers = []
      if case .counted = state.phase { return waiters }
      waiters += state.listers
      state.listers = []
      return waiters
    }
    for waiter in waiters { waiter.resume() }
  }
}

extension Reader {
  /// One read transaction. `isLarge`: the totals are told as soon as they are known.
  func list(_ drop: SQLMaildrop, isLarge: Bool) {
    let listing = drop.listing
    do throws(StoreError) {
      try db.reading { () throws(StoreError) in
        if isLarge, let totals = try totals(drop.ref) {
          listing.count(messages: totals.messages, octets: totals.octets)
        }
        if let entries = try entries(drop.ref, while: { !listing.isOver }) { listing.list(entries) }
      }
    } catch {
      listing.end(with: error)
    }
  }

  private func totals(_ ref: MailboxRef) throws(StoreError) -> (messages: Int, octets: Int)? {
    let row = try db("SELECT messages, bytes FROM mailbox WHERE account = ? AND id = ?")
    row.bind(1, ref.account.rawValue)
    row.bind(2, ref.mailbox.rawValue)
    return try row.first { (Int($0.int(0)), Int($0.int(1))) }
  }

  /// Nil: it is not to go on.
  private func entries(
    _ ref: MailboxRef, while goesOn: () -> Bool
  ) throws(StoreError) -> [SQLMaildrop.Entry]? {
    let state = try db("SELECT uidl_epoch FROM account_state WHERE account = ?")
    state.bind(1, ref.account.rawValue)
    let epoch = try state.first { $0.int(0) } ?? 0
    let rows = try db(
      """
      SELECT uid, size, instance, uidl, content, internal, zone, saved FROM message
      WHERE account = ? AND mailbox = ? ORDER BY uid
      """)
    rows.bind(1, ref.account.rawValue)
    rows.bind(2, ref.mailbox.rawValue)
    defer { rows.reset() }
    var entries: [SQLMaildrop.Entry] = []
    while try rows.step() {
      if entries.count % 256 == 0, !goesOn() { return nil }
      let uidl = rows.optionalText(3) ?? PrintedID.uidl(epoch: epoch, instance: rows.int(2))
      entries.append(
        SQLMaildrop.Entry(
          message: MaildropMessage(uid: rows.uid(0), size: Int(rows.int(1)), uidl: uidl), content: rows.int(4),
          date: InternalDate(seconds: rows.int(5), zoneMinutes: Int16(truncatingIfNeeded: rows.int(6))),
          saved: rows.int(7)))
    }
    return entries
  }
}
