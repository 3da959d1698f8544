import MailFormat
import MailStore
import NIOCore
import Synchronization

final class FakeMaildrop: Maildrop {
  private let store: FakeStore
  private let inner: any Maildrop
  private let isClosed = Mutex(false)

  init(store: FakeStore, inner: any Maildrop) {
    self.store = store
    self.inner = inner
  }

  var messages: [MaildropMessage] { isListed ? inner.messages : [] }
  var totals: (messages: Int, octets: Int) { inner.totals }
  var isListed: Bool { store.listing.isOpen }
  func listed() async throws(StoreError) {
    await store.listing.opened()
    try store.check(.list)
  }

  func visit(
    _ indexes: ArraySlice<Int>, needs: ContentNeeds,
    _ visitor: @escaping @Sendable (Int, any MessageRow) throws(StoreError) -> VisitControl
  ) async throws(StoreError) -> Int {
    try use(.visit)
    return try await inner.visit(indexes, needs: needs, visitor)
  }

  func openMessage(at index: Int) async throws(StoreError) -> any MessageReader {
    try use(.read)
    return FakeReader(store: store, inner: try await inner.openMessage(at: index))
  }

  func markRetrieved(_ indexes: [Int], at seconds: Int64) async throws(StoreError) {
    try store.check(.markRetrieved)
    try await inner.markRetrieved(indexes, at: seconds)
  }

  func delete(_ indexes: [Int]) async throws(StoreError) {
    try store.check(.delete)
    try await inner.delete(indexes)
  }

  func close() {
    isClosed.withLock { $0 = true }
    store.maildrops.withLock { $0 -= 1 }
    inner.close()
  }

  /// A session that reads after `close` is wrong, whatever the store could still give it.
  private func use(_ fault: FakeFault) throws(StoreError) {
    try store.check(fault)
    if isClosed.withLock({ $0 }) { throw .corrupt(what: "maildrop used after close") }
  }
}

final class FakeReader: MessageReader {
  private let store: FakeStore
  private let inner: any MessageReader

  init(store: FakeStore, inner: any MessageReader) {
    self.store = store
    self.inner = inner
  }

  var size: Int { inner.size }
  var trace: ByteBuffer { inner.trace }
  var index: MessageIndex { inner.index }

  func read(_ range: Range<Int>) async throws(StoreError) -> ByteBuffer {
    try store.check(.read)
    store.read()
    return try await inner.read(range)
  }
}
