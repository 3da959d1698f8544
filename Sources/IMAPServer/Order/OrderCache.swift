import MailStore
import SearchText
import Synchronization

/// Keys of mailboxes that were sorted or threaded a moment ago, for all sessions together.
///
/// What a message sorts by never changes and neither mailboxes nor UIDs are given out twice, so nothing in it can be wrong.
/// Its size is bounded, and what nobody uses any more is let go of.
final class OrderCache: Sendable {
  private struct Name: Hashable {
    var mailbox: MailboxRef
    var key: OrderKey
    var collation: Collation

    init(_ mailbox: MailboxRef, _ key: OrderKey, _ collation: Collation) {
      self.mailbox = mailbox
      self.key = key
      // Numbers are the same by all of them.
      self.collation = key.isCollated ? collation : .unicodeCasemap
    }
  }

  private struct Entry {
    var column: KeyColumn
    var bytes: Int
    var used: ContinuousClock.Instant
  }

  private struct State {
    var entries: [Name: Entry] = [:]
    var bytes = 0
    var isSwept = false

    mutating func remove(_ name: Name) {
      if let entry = entries.removeValue(forKey: name) { bytes -= entry.bytes }
    }
  }

  private let state = Mutex(State())
  private let limit: Int
  private let idle: Duration

  init(limit: Int = OrderLimits.cachedBytes, idle: Duration = .seconds(OrderLimits.idleSeconds)) {
    self.limit = limit
    self.idle = idle
  }

  func column(_ key: OrderKey, by collation: Collation, of mailbox: MailboxRef) -> KeyColumn? {
    state.withLock { state in
      let name = Name(mailbox, key, collation)
      state.entries[name]?.used = .now
      return state.entries[name]?.column
    }
  }

  func put(_ column: KeyColumn, _ key: OrderKey, by collation: Collation, of mailbox: MailboxRef) {
    let bytes = column.bytes
    guard bytes <= limit else { return }
    let begins = state.withLock { state in
      let name = Name(mailbox, key, collation)
      state.remove(name)
      while state.bytes + bytes > limit, let oldest = state.entries.min(by: { $0.value.used < $1.value.used }) {
        state.remove(oldest.key)
      }
      state.entries[name] = Entry(column: column, bytes: bytes, used: .now)
      state.bytes += bytes
      defer { state.isSwept = true }
      return !state.isSwept
    }
    if begins { Task.detached { [weak self] in await self?.sweep() } }
  }

  /// Octets kept.
  var bytes: Int { state.withLock { $0.bytes } }

  /// Lets go of what nobody uses, until nothing is left.
  private func sweep() async {
    while (try? await Task.sleep(for: idle / 2)) != nil {
      let isEmpty = state.withLock { state in
        let start = ContinuousClock.now - idle
        for (name, entry) in state.entries where entry.used < start { state.remove(name) }
        if state.entries.isEmpty { state.isSwept = false }
        return state.entries.isEmpty
      }
      if isEmpty { return }
    }
  }
}
