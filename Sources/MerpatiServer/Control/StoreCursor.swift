import MailStore
import MailTransfer
import NIOCore
import Synchronization

/// Reads many messages in batches of bounded size: small ones many in one visit, large ones in pieces. A damaged message
/// is told and passed over. One task at a time.
final class StoreCursor: Sendable {
  private struct State {
    /// How many of `uids` are done with.
    var position = 0
    /// A message that is being read in pieces, and how far.
    var large: (uid: UID, reader: any MessageReader, offset: Int)?
    /// A visit met damage: one message at a time, so that only the damaged ones are missing.
    var isCareful = false
  }

  private let store: any MailStore
  private let ref: MailboxRef
  private let uids: [UID]
  private let batch: Int
  private let state = Mutex(State())

  /// `uids` ascending. `batch`: octets of one batch, about.
  init(store: any MailStore, ref: MailboxRef, uids: [UID], batch: Int = ControlLimits.readBatch) {
    self.store = store
    self.ref = ref
    self.uids = uids
    self.batch = batch
  }

  var position: Int { state.withLock { $0.position } }

  /// Empty: the end.
  @concurrent
  func next() async throws(StoreError) -> [StoreReadEvent] {
    while true {
      if let events = try await nextPiece() { return events }
      let (position, isCareful) = state.withLock { ($0.position, $0.isCareful) }
      guard position < uids.count else { return [] }
      let events = try await visit(isCareful ? uids[position...position] : uids[position...])
      if !events.isEmpty { return events }
    }
  }

  private struct Batch {
    var events: [StoreReadEvent] = []
    var octets = 0
    var isLarge = false
  }

  private func visit(_ slice: ArraySlice<UID>) async throws(StoreError) -> [StoreReadEvent] {
    let gathered = Mutex(Batch())
    let limit = batch
    do throws(StoreError) {
      let done = try await store.visit(ref, slice, needs: .message) { row throws(StoreError) in
        if row.size > ControlLimits.readBatch {
          gathered.withLock { $0.isLarge = $0.events.isEmpty }
          return .stopBefore
        }
        let events = Self.whole(row)
        return gathered.withLock { batch in
          batch.events += events
          batch.octets += row.size
          return batch.octets >= limit ? .stop : .next
        }
      }
      state.withLock { $0.position += done }
    } catch {
      guard case .corrupt = error else { throw error }
      return damaged(error)
    }
    let result = gathered.withLock { $0 }
    return result.isLarge ? try await beginLarge() : result.events
  }

  private static func whole(_ row: any MessageRow) -> [StoreReadEvent] {
    var bytes = row.trace
    do throws(StoreError) {
      try row.withMessage { span throws(StoreError) in
        bytes.reserveCapacity(minimumWritableBytes: span.byteCount)
        _ = span.withUnsafeBytes { bytes.writeBytes($0) }
      }
    } catch {
      return [.damaged(row.uid, error)]
    }
    let begin = StoreReadEvent.begin(row.uid, size: bytes.readableBytes)
    return bytes.readableBytes > 0 ? [begin, .piece(bytes), .end] : [begin, .end]
  }

  /// The visit itself failed: at which message shows when they are visited one by one.
  private func damaged(_ error: StoreError) -> [StoreReadEvent] {
    state.withLock { state in
      guard state.isCareful else {
        state.isCareful = true
        return []
      }
      defer { state.position += 1 }
      return [.damaged(uids[state.position], error)]
    }
  }

  // MARK: Large messages

  private func beginLarge() async throws(StoreError) -> [StoreReadEvent] {
    let uid = uids[position]
    do throws(StoreError) {
      guard let reader = try await store.openMessage(uid, in: ref) else {
        state.withLock { $0.position += 1 }
        return []
      }
      state.withLock { $0.large = (uid, reader, 0) }
      return [.begin(uid, size: reader.size)]
    } catch {
      guard case .corrupt = error else { throw error }
      state.withLock { $0.position += 1 }
      return [.damaged(uid, error)]
    }
  }

  /// Nil: no large message is under way.
  private func nextPiece() async throws(StoreError) -> [StoreReadEvent]? {
    guard let (uid, reader, offset) = state.withLock({ $0.large }) else { return nil }
    guard offset < reader.size else {
      finishLarge()
      return [.end]
    }
    do throws(StoreError) {
      let piece = try await reader.read(offset..<min(offset + ControlLimits.readBatch, reader.size))
      guard piece.readableBytes > 0 else { throw .corrupt(what: "the message with UID \(uid) ends before its size") }
      state.withLock { $0.large?.offset += piece.readableBytes }
      return [.piece(piece)]
    } catch {
      guard case .corrupt = error else { throw error }
      finishLarge()
      return [.damaged(uid, error)]
    }
  }

  private func finishLarge() {
    state.withLock { state in
      state.large = nil
      state.position += 1
    }
  }
}
