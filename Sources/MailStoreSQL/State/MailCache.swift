import MailStore
import Synchronization

/// Mailboxes and usage of the accounts seen so far, as of the last commit: LIST, STATUS, SELECT and quota answers read
/// nothing else. Only the writer's thread changes it, after its commit; `\Recent` floors excepted.
final class MailCache: Sendable {
  private struct State {
    var accounts: [Int64: PublishedAccount] = [:]
    /// Floors raised by sessions and not yet in the rows.
    /// With room at once: see `ViewRegistry`.
    var raisedFloors = Set<MailboxRef>(minimumCapacity: 16)
    var shapes = 0
  }
  private let state = Mutex(State())

  /// Nil: not loaded yet, or no such account.
  func account(_ id: AccountID) -> PublishedAccount? { state.withLock { $0.accounts[id.rawValue] } }

  func usage(_ id: AccountID) -> QuotaUsage? { state.withLock { $0.accounts[id.rawValue]?.usage } }

  func modSeq(_ id: AccountID) -> ModSeq? { state.withLock { $0.accounts[id.rawValue]?.modSeq } }

  func mailbox(_ ref: MailboxRef) -> MailboxInfo? {
    state.withLock { $0.accounts[ref.account.rawValue]?.mailboxes[ref.mailbox.rawValue] }
  }

  /// With the counters of a viewer who is not the owner.
  func mailbox(_ ref: MailboxRef, as viewer: AccountID) -> MailboxInfo? {
    state.withLock { state in
      guard let account = state.accounts[ref.account.rawValue], var info = account.mailboxes[ref.mailbox.rawValue]
      else {
        return nil
      }
      let counts = account.viewers[ref.mailbox.rawValue]?[viewer.rawValue] ?? ViewerCounts()
      info.unseen = info.messages - Int(counts.seen)
      info.highestModSeq = max(info.highestModSeq, counts.modSeq)
      return info
    }
  }

  /// Outer nil: the account is not loaded. `name` is canonical.
  func mailbox(named name: String, of id: AccountID) -> MailboxInfo?? {
    state.withLock { state -> MailboxInfo?? in
      guard let account = state.accounts[id.rawValue] else { return nil }
      return .some(account.names[name].flatMap { account.mailboxes[$0] })
    }
  }

  func listing(_ id: AccountID) -> MailboxListing? {
    guard let account = account(id) else { return nil }
    let order = account.order ?? Self.order(account)
    if account.order == nil {
      // Names have not changed if the account still has the same ones.
      state.withLock { state in
        if state.accounts[id.rawValue]?.shape == account.shape { state.accounts[id.rawValue]?.order = order }
      }
    }
    return MailboxListing(
      mailboxes: order.compactMap { account.mailboxes[$0] },
      subscribedWithoutMailbox: account.loneSubscriptions.sorted { Names.precedes($0, $1) })
  }

  /// By names. What was in order before one name changed is nearly so after it, and quickly sorted: others may change
  /// thousands of names, one after another, before a session that watches them.
  private static func order(_ account: PublishedAccount) -> [Int64] {
    var named: [(name: String, id: Int64)] = []
    named.reserveCapacity(account.mailboxes.count)
    for id in account.formerOrder {
      if let info = account.mailboxes[id] { named.append((info.name, id)) }
    }
    if named.count < account.mailboxes.count {
      let known = Set(named.lazy.map(\.id))
      for (id, info) in account.mailboxes where !known.contains(id) { named.append((info.name, id)) }
    }
    named.sort { Names.precedes($0.name, $1.name) }
    return named.map(\.id)
  }

  // MARK: The writer's thread

  func set(_ account: PublishedAccount, id: Int64) {
    state.withLock { Self.set(account, id: id, &$0) }
  }

  private static func set(_ account: PublishedAccount, id: Int64, _ state: inout State) {
    var account = account
    state.shapes += 1
    account.shape = state.shapes
    account.formerOrder = state.accounts[id].map { $0.order ?? $0.formerOrder } ?? []
    for (mailbox, old) in state.accounts[id]?.mailboxes ?? [:] {
      guard let floor = account.mailboxes[mailbox]?.recentFloor, floor < old.recentFloor else { continue }
      account.mailboxes[mailbox]?.recentFloor = old.recentFloor
    }
    state.accounts[id] = account
  }

  func remove(_ id: Int64) { state.withLock { $0.accounts[id] = nil } }

  func publish(_ publication: Publication) {
    state.withLock { state in
      for (id, account) in publication.accounts { Self.set(account, id: id, &state) }
      for (id, usage, modSeq) in publication.usage {
        state.accounts[id]?.usage = usage
        state.accounts[id]?.modSeq = modSeq
      }
      for (ref, info) in publication.mailboxes {
        let account = ref.account.rawValue
        guard let old = state.accounts[account]?.mailboxes[ref.mailbox.rawValue] else { continue }
        var info = info
        info.recentFloor = max(info.recentFloor, old.recentFloor)
        state.accounts[account]?.mailboxes[ref.mailbox.rawValue] = info
      }
      for (ref, viewers) in publication.viewers {
        state.accounts[ref.account.rawValue]?.viewers[ref.mailbox.rawValue] = viewers
      }
    }
  }

  // MARK: \Recent

  /// Raises the floor to `end` and returns where it was; nil when nothing is between (RFC 3501 §2.3.2: a message is
  /// recent to one session).
  func claimRecent(_ ref: MailboxRef, upTo end: UID) -> UID? {
    state.withLock { state in
      guard let floor = state.accounts[ref.account.rawValue]?.mailboxes[ref.mailbox.rawValue]?.recentFloor, floor < end
      else { return nil }
      state.accounts[ref.account.rawValue]?.mailboxes[ref.mailbox.rawValue]?.recentFloor = end
      state.raisedFloors.insert(ref)
      return floor
    }
  }

  /// The floors to be written; they count as written from now on.
  func takeRaisedFloors() -> [(ref: MailboxRef, floor: UID)] {
    state.withLock { state in
      guard !state.raisedFloors.isEmpty else { return [] }
      let result = state.raisedFloors.compactMap { ref in
        state.accounts[ref.account.rawValue]?.mailboxes[ref.mailbox.rawValue].map { (ref, $0.recentFloor) }
      }
      state.raisedFloors.removeAll()
      return result
    }
  }
}
