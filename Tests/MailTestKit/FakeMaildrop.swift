public import MailStore
import NIOCore
import Synchronization

extension FakeStore {
  public func openMaildrop(of account: AccountID) async throws(StoreError) -> any Maildrop {
    try await transaction(.openMaildrop) { state throws(StoreError) in
      let inbox = try state.destination("INBOX", of: account)
      return FakeMaildrop(
        store: self, ref: MailboxRef(account: account, mailbox: inbox.id), snapshot: inbox.messages)
    }
  }
}

/// Holds the messages themselves, so whatever happens to the mailbox they stay readable.
final class FakeMaildrop: Maildrop {
  let store: FakeStore
  let ref: MailboxRef
  let snapshot: [FakeMessage]
  let messages: [MaildropMessage]
  private let isClosed = Mutex(false)

  init(store: FakeStore, ref: MailboxRef, snapshot: [FakeMessage]) {
    self.store = store
    self.ref = ref
    self.snapshot = snapshot
    store.maildrops.withLock { $0 += 1 }
    self.messages = snapshot.map { MaildropMessage(uid: $0.uid, size: $0.size, uidl: $0.uidl) }
  }

  func visit(
    _ indexes: ArraySlice<Int>, needs: ContentNeeds,
    _ visitor: @escaping @Sendable (Int, any MessageRow) throws(StoreError) -> VisitControl
  ) async throws(StoreError) -> Int {
    try await store.transaction(.visit) { _ throws(StoreError) in try self.checkOpen() }
    let numbers = Array(indexes)
    return try await FakeStore.walk(numbers.map { snapshot[$0] }) { position, row throws(StoreError) in
      try visitor(numbers[position], row)
    }
  }

  func openMessage(at index: Int) async throws(StoreError) -> any MessageReader {
    try await store.transaction(.read) { _ throws(StoreError) in
      try self.checkOpen()
      return FakeReader(store: self.store, message: self.snapshot[index])
    }
  }

  func markRetrieved(_ indexes: [Int], at seconds: Int64) async throws(StoreError) {
    let uids = Set(indexes.map { snapshot[$0].uid })
    try await store.transaction(.markRetrieved) { state throws(StoreError) in
      try state.change(self.ref) { (mailbox, _) throws(StoreError) -> (Void, ModSeq) in
        for index in mailbox.messages.indices where uids.contains(mailbox.messages[index].uid) {
          mailbox.messages[index].retrievedAt = mailbox.messages[index].retrievedAt ?? seconds
        }
        return ((), 0)
      }
    }
  }

  func delete(_ indexes: [Int]) async throws(StoreError) {
    let uids = Set(indexes.map { snapshot[$0].uid })
    try await store.transaction(.delete) { state throws(StoreError) in
      _ = try state.remove(uids, from: self.ref)
    }
  }

  func close() {
    isClosed.withLock { $0 = true }
    store.maildrops.withLock { $0 -= 1 }
  }

  private func checkOpen() throws(StoreError) {
    if isClosed.withLock({ $0 }) { throw .corrupt(what: "maildrop used after close") }
  }
}

final class FakeReader: MessageReader {
  let store: FakeStore
  let message: FakeMessage

  init(store: FakeStore, message: FakeMessage) {
    self.store = store
    self.message = message
  }

  var size: Int { message.size }
  var trace: ByteBuffer { message.trace }

  func read(_ range: Range<Int>) async throws(StoreError) -> ByteBuffer {
    let message = message
    return try await store.transaction(.read) { _ in
      var whole = ByteBuffer()
      whole.writeImmutableBuffer(message.trace)
      whole.writeImmutableBuffer(message.content.bytes)
      let wanted = range.clamped(to: 0..<whole.readableBytes)
      return whole.getSlice(at: whole.readerIndex + wanted.lowerBound, length: wanted.count) ?? ByteBuffer()
    }
  }
}
