public import MailStore
import Synchronization

extension MemoryStore {
  public func beginMaildrop(of id: AccountID) async throws(StoreError) -> any Maildrop {
    try await read { state throws(StoreError) in
      let account = try state.account(id)
      guard let inbox = account.mailbox(named: "INBOX") else { throw .noSuchMailbox("INBOX") }
      let drop = MemoryMaildrop(store: self, ref: account.ref(inbox), snapshot: inbox.messages)
      self.openings.withLock { $0.pins[ObjectIdentifier(drop)] = (id, account.modSeq) }
      return drop
    }
  }
}

/// The INBOX as one POP3 session sees it. It holds the messages themselves.
final class MemoryMaildrop: Maildrop {
  let messages: [MaildropMessage]
  let isListed = true
  private let store: MemoryStore
  private let ref: MailboxRef
  private let snapshot: [MemoryMessage]

  init(store: MemoryStore, ref: MailboxRef, snapshot: [MemoryMessage]) {
    self.store = store
    self.ref = ref
    self.snapshot = snapshot
    messages = snapshot.map { MaildropMessage(uid: $0.uid, size: $0.content.size, uidl: $0.uidl) }
  }

  deinit { close() }

  var totals: (messages: Int, octets: Int) { (messages.count, messages.reduce(0) { $0 + $1.size }) }
  func listed() async throws(StoreError) {}

  func close() { store.openings.withLock { $0.pins[ObjectIdentifier(self)] = nil } }

  private var isOpen: Bool { store.openings.withLock { $0.pins[ObjectIdentifier(self)] != nil } }

  func visit(
    _ indexes: ArraySlice<Int>, needs: ContentNeeds,
    _ visitor: @escaping @Sendable (Int, any MessageRow) throws(StoreError) -> VisitControl
  ) async throws(StoreError) -> Int {
    guard !indexes.isEmpty else { return 0 }
    try store.checkOpen()
    let numbers = Array(indexes)
    return try await MemoryStore.walk(numbers.map { snapshot[$0] }, ref.account) { position, row throws(StoreError) in
      try visitor(numbers[position], row)
    }
  }

  func openMessage(at index: Int) async throws(StoreError) -> any MessageReader {
    try store.checkOpen()
    // After `close` its messages are like any others.
    let message = snapshot[index]
    let isKept = try await store.read { state in state.holds(message.content, of: self.ref.account) }
    guard isOpen || isKept else { throw .expunged(message.uid) }
    return MemoryReader(message.content)
  }

  func markRetrieved(_ indexes: [Int], at seconds: Int64) async throws(StoreError) {
    let uids = indexes.map { snapshot[$0].uid }
    try await store.write { state in
      for uid in uids {
        guard var mailbox = state.accounts[self.ref.account]?.mailboxes[self.ref.mailbox],
          let index = mailbox.index(of: uid), mailbox.messages[index].retrieved == nil
        else { continue }
        mailbox.messages[index].retrieved = seconds
        state.accounts[self.ref.account]?.mailboxes[self.ref.mailbox] = mailbox
      }
    }
  }

  func delete(_ indexes: [Int]) async throws(StoreError) {
    let uids = Set(indexes.map { snapshot[$0].uid })
    guard !uids.isEmpty else { return }
    try await store.write { state throws(StoreError) in _ = try state.remove(uids, from: self.ref) }
  }
}

extension MemoryState {
  /// Some message, expunged or not, still has these bytes.
  func holds(_ content: MemoryContent, of id: AccountID) -> Bool {
    if accounts[id]?.mailboxes.values.contains(where: { $0.messages.contains { $0.content === content } }) == true {
      return true
    }
    return ghosts.contains { $0.key.account == id && $0.value.values.contains { $0.message.content === content } }
  }
}
