public import MailStore
import Synchronization

/// Sessions that watch whole accounts. Where nobody does, a commit pays one look at a counter.
final class AccountWatches: Sendable {
  final class Slot: Sendable {
    let id = WatchID()
    let account: Int64
    fileprivate let onChange: @Sendable () -> Void
    fileprivate let notes = Mutex(AccountNotes())
    init(_ account: AccountID, _ onChange: @escaping @Sendable () -> Void) {
      self.account = account.rawValue
      self.onChange = onChange
    }
    func take() -> AccountNotes.Taken { notes.withLock { $0.take() } }
    func noteShared() -> Bool { notes.withLock { $0.noteShared() } }
    func tell() { onChange() }
  }

  private func all() -> [Slot] { slots.withLock { $0.values.flatMap { $0 } } }

  private let count = Atomic(0)
  private let slots = Mutex<[Int64: [Slot]]>([:])

  func add(_ slot: Slot) {
    // Under the lock, so that a commit which sees the counter at nought is older than the watch.
    slots.withLock { slots in
      slots[slot.account, default: []].append(slot)
      count.wrappingAdd(1, ordering: .sequentiallyConsistent)
    }
  }

  func remove(_ slot: Slot) {
    slots.withLock { slots in
      guard let index = slots[slot.account]?.firstIndex(where: { $0 === slot }) else { return }
      slots[slot.account]?.remove(at: index)
      if slots[slot.account]?.isEmpty == true { slots[slot.account] = nil }
      count.wrappingSubtract(1, ordering: .sequentiallyConsistent)
    }
  }

  /// The writer's thread, after the cache has what it publishes.
  func publish(_ publication: Publication, access: AccessCache) {
    guard count.load(ordering: .sequentiallyConsistent) > 0 else { return }
    publishShared(publication, access)
    var touched: [Int64: (mailboxes: [MailboxID], isReshaped: Bool)] = [:]
    for (id, _) in publication.accounts { touched[id] = ([], true) }
    for (ref, _) in publication.mailboxes {
      touched[ref.account.rawValue, default: ([], false)].mailboxes.append(ref.mailbox)
    }
    for (account, what) in touched {
      for slot in slots.withLock({ $0[account] ?? [] }) {
        let isDue = slot.notes.withLock { $0.note(what.mailboxes, isReshaped: what.isReshaped) }
        if isDue { slot.onChange() }
      }
    }
    for place in publication.annotated {
      for slot in all() {
        let watcher = AccountID(slot.account)
        let names = place.names(for: watcher, slot.id) { access.rights(of: watcher, in: $0) }
        guard !names.isEmpty else { continue }
        let isDue = slot.notes.withLock { $0.note(annotated: names) }
        if isDue { slot.onChange() }
      }
    }
  }
}

extension AccountWatches {
  /// Those who may see mailboxes of others that were touched. Rights that were there before are not remembered: when a list
  /// changes, all look.
  private func publishShared(_ publication: Publication, _ access: AccessCache) {
    var touched = publication.mailboxes.map { $0.ref }.filter { access.isShared($0) }
    for (id, account) in publication.accounts {
      let all = account.mailboxes.keys.map { MailboxRef(account: AccountID(id), mailbox: MailboxID($0)) }
      touched += all.filter { access.isShared($0) }
    }
    guard !touched.isEmpty || !publication.shared.lists.isEmpty else { return }
    for slot in all() {
      let viewer = AccountID(slot.account)
      let isConcerned =
        publication.shared.lists.keys.contains { $0.account != viewer }
        || touched.contains { $0.account != viewer && !access.rights(of: viewer, in: $0).isEmpty }
      if isConcerned, slot.noteShared() { slot.tell() }
    }
  }
}

extension SQLStore {
  public func watch(
    _ account: AccountID, onChange: @escaping @Sendable () -> Void
  ) async throws(StoreError) -> any AccountWatch {
    let slot = AccountWatches.Slot(account, onChange)
    views.watches.add(slot)
    do throws(StoreError) {
      _ = try await published(account)
      // So that what happens in them can be told.
      _ = try await sharedMailboxes(with: account, of: nil)
    } catch {
      views.watches.remove(slot)
      throw error
    }
    return SQLAccountWatch(account, slot, views.watches, self)
  }
}

private final class SQLAccountWatch: AccountWatch {
  private let account: AccountID
  private let slot: AccountWatches.Slot
  private let watches: AccountWatches
  private let store: SQLStore
  private var cache: MailCache { store.cache }

  init(_ account: AccountID, _ slot: AccountWatches.Slot, _ watches: AccountWatches, _ store: SQLStore) {
    self.account = account
    self.slot = slot
    self.watches = watches
    self.store = store
  }

  deinit { watches.remove(slot) }

  var id: WatchID { slot.id }

  func news() -> AccountNews {
    // In this order: a commit that comes between the two tells the session again.
    let taken = slot.take()
    var news = AccountNews(annotated: taken.annotated, missesAnnotations: taken.missesAnnotations)
    for name in taken.annotated where name.owner == nil {
      guard let mailbox = name.mailbox else { continue }
      news.annotatedMailboxes[mailbox] = cache.mailbox(MailboxRef(account: account, mailbox: mailbox))?.name
    }
    let isElsewhere = taken.annotated.contains { $0.owner != nil }
    let shared = taken.isReshaped || isElsewhere ? store.loadedSharedMailboxes(with: account) : []
    if isElsewhere { news.noteElsewhere(shared) }
    if taken.isReshaped {
      news.listing = cache.listing(account)
      news.shared = shared
    } else {
      news.changed = taken.mailboxes.compactMap { cache.mailbox(MailboxRef(account: account, mailbox: $0)) }
    }
    return news
  }

  func close() { watches.remove(slot) }
}
