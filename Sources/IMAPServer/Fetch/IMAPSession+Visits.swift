import IMAPCore
import MailNet
import MailStore
import NIOCore
import Synchronization

/// FETCH of what is in the store: visits of as many messages as the socket takes at a time, the next ones being encoded on
/// threads of the store while the loop sends the last.
extension IMAPSession {
  private struct VisitUnderWay {
    var uids: ArraySlice<UID>
    var encoder: FetchEncoder
    var task: Task<Result<Int, StoreError>, Never>
  }

  /// What a FETCH has met so far.
  private struct Outcome {
    var isWhole = true
    var damage: StoreError?
    var hasUnknownEncoding = false
  }

  /// False: some messages were not there any more.
  func fetchFromStore(
    _ plan: FetchPlan, _ indexes: IndexRanges, newlySeen: ModSeq
  ) async throws(CommandError) -> Bool {
    let shown = try shownFlags(newlySeen: newlySeen)
    let ref = try selectedView().mailbox.ref
    var rest = indexes.uids(in: shown.told)[...]
    var pace = FetchPace(chunk: settings.outputChunk, most: settings.messagesPerVisit, plan)
    var outcome = Outcome()
    // Comes before `ahead`: what a visit left because its buffer was full.
    var left: ArraySlice<UID> = []
    var ahead: [VisitUnderWay] = []
    defer { VisitsAhead.giveBack(ahead.count) }
    while !rest.isEmpty || !left.isEmpty || !ahead.isEmpty {
      guard !isOver else { throw .connectionClosed }
      let uids: ArraySlice<UID>
      let encoder: FetchEncoder
      let result: Result<Int, StoreError>
      if left.isEmpty, !ahead.isEmpty {
        let next = ahead.removeFirst()
        VisitsAhead.giveBack(1)
        (uids, encoder) = (next.uids, next.encoder)
        result = await next.task.value
      } else {
        uids = left.isEmpty ? pace.next(&rest) : left
        encoder = makeEncoder(plan, shown, pace.octets(of: uids.count))
        result = await Self.visit(listener.store, ref, uids, plan.needs, encoder)
      }
      guard !isOver else { throw .connectionClosed }
      let done: Int
      switch result {
      case .success(let count): done = count
      case .failure(.corrupt):
        // A row among them cannot be read: one by one, so that it keeps none of the others from being sent.
        try await visitOneByOne(uids, plan, shown, ref, &outcome)
        left = []
        continue
      case .failure(let error): throw .store(error)
      }
      pace.note(done, octets: encoder.out.readableBytes)
      // A store that makes no progress must not hold the session forever.
      left = uids.dropFirst(max(done, 1))
      while ahead.count < IMAPServerSettings.visitsAhead, !rest.isEmpty, connection.isWritable, VisitsAhead.take() {
        ahead.append(start(pace.next(&rest), plan, shown, ref, pace))
      }
      try await send(encoder, done, plan, ref, &outcome)
    }
    if let damage = outcome.damage { throw .store(damage) }
    // RFC 9051 §7.5.2
    if outcome.hasUnknownEncoding { throw .no(.unknownCTE, "Unknown transfer encoding") }
    return outcome.isWhole
  }

  private func start(
    _ uids: ArraySlice<UID>, _ plan: FetchPlan, _ shown: ShownFlags, _ ref: MailboxRef, _ pace: FetchPace
  ) -> VisitUnderWay {
    let encoder = makeEncoder(plan, shown, pace.octets(of: uids.count))
    let store = listener.store
    let needs = plan.needs
    let task = Task(executorPreference: connection.taskExecutor) {
      let result = await Self.visit(store, ref, uids, needs, encoder)
      VisitsAhead.returned()
      return result
    }
    return VisitUnderWay(uids: uids, encoder: encoder, task: task)
  }

  private static func visit(
    _ store: any MailStore, _ ref: MailboxRef, _ uids: ArraySlice<UID>, _ needs: ContentNeeds, _ encoder: FetchEncoder
  ) async -> Result<Int, StoreError> {
    do throws(StoreError) {
      return .success(
        try await store.visit(ref, uids, needs: needs) { row throws(StoreError) in encoder.visit(row) })
    } catch {
      return .failure(error)
    }
  }

  /// Hands over what a visit has written, and returns when the socket has room for more.
  private func send(
    _ encoder: FetchEncoder, _ done: Int, _ plan: FetchPlan, _ ref: MailboxRef, _ outcome: inout Outcome
  ) async throws(CommandError) {
    if encoder.visited < done { outcome.isWhole = false }
    if outcome.damage == nil { outcome.damage = encoder.firstError }
    if encoder.hasUnknownEncoding { outcome.hasUnknownEncoding = true }
    if connection.out.readableBytes == 0 {
      connection.out = encoder.out
    } else {
      connection.out.writeImmutableBuffer(encoder.out)
    }
    if let large = encoder.large {
      switch try await stream(large, plan, ref) {
      case .sent(let unknownEncoding, let error):
        if unknownEncoding { outcome.hasUnknownEncoding = true }
        if outcome.damage == nil { outcome.damage = error }
      case .gone: outcome.isWhole = false
      }
    }
    // Half a buffer goes out at once: the next one is being written meanwhile.
    if connection.out.readableBytes >= settings.outputChunk / 2 {
      do throws(ConnectionClosed) { try await connection.writable() } catch { throw .connectionClosed }
    }
    guard !isOver else { throw .connectionClosed }
  }

  private func visitOneByOne(
    _ uids: ArraySlice<UID>, _ plan: FetchPlan, _ shown: ShownFlags, _ ref: MailboxRef, _ outcome: inout Outcome
  ) async throws(CommandError) {
    for index in uids.indices {
      let encoder = makeEncoder(plan, shown, 0)
      let result = await Self.visit(listener.store, ref, uids[index...index], plan.needs, encoder)
      guard !isOver else { throw .connectionClosed }
      switch result {
      case .success(let done): try await send(encoder, done, plan, ref, &outcome)
      case .failure(let error):
        guard case .corrupt = error else { throw .store(error) }
        if outcome.damage == nil { outcome.damage = error }
      }
    }
  }

  /// It writes into the outgoing buffer itself, if that is empty: what it writes is then not copied again.
  private func makeEncoder(_ plan: FetchPlan, _ shown: ShownFlags, _ octets: Int) -> FetchEncoder {
    var buffer = ByteBuffer()
    if connection.out.readableBytes == 0 {
      swap(&buffer, &connection.out)
      buffer.clear()
    }
    if octets > buffer.capacity { buffer.reserveCapacity(min(octets, settings.outputChunk)) }
    return FetchEncoder(
      plan, shown, chunk: settings.outputChunk, wholeMessageLimit: settings.wholeMessageLimit, out: buffer)
  }
}

/// How many messages the next visit takes: about as many as fill a buffer.
private struct FetchPace {
  let chunk: Int
  let most: Int
  private var octetsEach: Int

  init(chunk: Int, most: Int, _ plan: FetchPlan) {
    self.chunk = chunk
    self.most = most
    // What such answers mostly take: too small a guess costs a copy of the buffer, too large a one visits more.
    octetsEach = plan.opensMessage ? 8 << 10 : plan.needs.contains(.envelope) ? 512 : 192
  }

  /// Octets that so many will take, and somewhat more.
  func octets(of messages: Int) -> Int { messages * octetsEach * 9 / 8 + 64 }

  func next(_ rest: inout ArraySlice<UID>) -> ArraySlice<UID> {
    let count = min(max(1, chunk * 7 / 8 / octetsEach), most)
    defer { rest = rest.dropFirst(count) }
    return rest.prefix(count)
  }

  mutating func note(_ messages: Int, octets: Int) {
    guard messages > 0 else { return }
    octetsEach = max(1, (3 * octetsEach + octets / messages) / 4)
  }
}

/// Visits whose answers nobody waits for yet, in the whole process.
private enum VisitsAhead {
  private static let held = Atomic(0)
  private static let running = Atomic(0)

  /// False: there are enough. Else the visit is to be started, and `returned` and `giveBack` to be called.
  static func take() -> Bool {
    guard running.wrappingAdd(1, ordering: .relaxed).newValue <= IMAPServerSettings.runningVisitsAhead else {
      returned()
      return false
    }
    guard held.wrappingAdd(1, ordering: .relaxed).newValue <= IMAPServerSettings.allVisitsAhead else {
      returned()
      giveBack(1)
      return false
    }
    return true
  }

  /// The store has done its part.
  static func returned() { running.wrappingSubtract(1, ordering: .relaxed) }

  /// The buffers are the session's now, or gone.
  static func giveBack(_ number: Int) { held.wrappingSubtract(number, ordering: .relaxed) }
}
