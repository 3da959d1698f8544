import BlobStore
import MailFormat
import MailStore
import NIOCore
import Synchronization

/// What a thread of the preparing pool keeps; nothing so far.
final class PrepareWorker: Sendable {}

/// A message on its way in, over a spool: few bytes stay in memory, many go to a file.
final class IncomingSQLMessage: IncomingMessage {
  private struct State {
    var size = 0
    /// Bytes taken since the spool wrote to its file last.
    var unwritten = 0
    /// Why nothing more is taken.
    var failure: StoreError?
  }

  private let spool: Spool
  private let packs: PackStore
  private let pool: WorkerPool<PrepareWorker>
  private let freeSpace: FreeSpace
  private let limit: Int
  private let state = Mutex(State())

  init(packs: PackStore, pool: WorkerPool<PrepareWorker>, freeSpace: FreeSpace, limit: Int) {
    spool = packs.newSpool()
    self.packs = packs
    self.pool = pool
    self.freeSpace = freeSpace
    self.limit = limit
  }

  var size: Int {
    get async { state.withLock { $0.size } }
  }

  func append(_ bytes: ByteBuffer) async throws(StoreError) {
    let goesToDisk = try state.withLock { state throws(StoreError) in
      guard state.failure == nil else { return false }
      state.size += bytes.readableBytes
      if state.size > limit {
        state.failure = .messageTooLarge(limit: limit)
        spool.discard()
        throw .messageTooLarge(limit: limit)
      }
      state.unwritten += bytes.readableBytes
      guard state.unwritten > packs.spools.currentThreshold else { return false }
      state.unwritten = 0
      return true
    }
    // After a failure bytes are ignored: the protocol still reads them off the wire.
    if state.withLock({ $0.failure }) != nil { return }
    if !goesToDisk { return try take(bytes) }
    // Blocking work (files) never runs on an event loop (design §5).
    try await pool.run { [self] _ throws(StoreError) in
      do throws(StoreError) { try freeSpace.take(Int64(packs.settings.spoolThreshold)) } catch { try refuse(error) }
      try take(bytes, toDisk: true)
    }
  }

  private func take(_ bytes: ByteBuffer, toDisk: Bool = false) throws(StoreError) {
    do throws(BlobError) {
      try spool.append(bytes)
      if toDisk { try spool.spill() }
    } catch { try refuse(StoreError(error)) }
  }

  private func refuse(_ error: StoreError) throws(StoreError) -> Never {
    state.withLock { $0.failure = error }
    spool.discard()
    throw error
  }

  func finish() async throws(StoreError) -> any PreparedMessage {
    try checkWhole()
    return try await pool.run { [self] _ throws(StoreError) in try prepare() }
  }

  /// Throws what kept the message from being taken whole.
  func checkWhole() throws(StoreError) {
    if let failure = state.withLock({ $0.failure }) { throw failure }
  }

  /// Parses and compresses, on a thread of the preparing pool. Called once.
  func prepare() throws(StoreError) -> PreparedSQLMessage {
    defer { spool.discard() }
    let size = state.withLock { $0.size }
    return try blobCall { () throws(BlobError) in
      let summary = try spool.withBytes { MessageSummary.make($0, step: $1) }
      return PreparedSQLMessage(size: size, blob: try packs.encode(spool), summary: summary)
    }
  }

  func discard() async {
    state.withLock { $0.failure = $0.failure ?? .shuttingDown }
    spool.discard()
  }
}
