import LMTPServer
import Logging
import MailStore
import NIOCore
import Synchronization

/// Where `merpati deliver` hands its message over.
struct LocalDeliveries: Sendable {
  private let delivery: LocalDelivery

  init(store: any MailStore, settings: Settings, logger: Logger) {
    delivery = LocalDelivery(store: store, settings: settings.lmtpServer(offersSTARTTLS: false), logger: logger)
  }

  func begin(_ request: ControlRequest.Delivery) -> MessageIntake {
    let relay = ChunkRelay()
    let delivery = delivery
    let outcome = Task {
      let outcome = await delivery.deliver(relay, to: request.recipient, sender: request.sender)
      relay.stop()
      return outcome
    }
    return MessageIntake(relay: relay, outcome: outcome, name: request.recipient)
  }
}

/// One message on its way in from a pipe. One task at a time.
struct MessageIntake: Sendable {
  let relay: ChunkRelay
  let outcome: Task<LocalDeliveryOutcome, Never>
  let name: String

  /// Returns when the delivery has taken the bytes, or wants no more of them.
  func append(_ bytes: ByteBuffer) async { await relay.send(bytes) }

  func finish() async throws(ControlFailure) -> ControlReply {
    relay.end()
    let result = await outcome.value
    if result.exitCode != 0 {
      throw ControlFailure(ControlFailure.Code(rawValue: result.exitCode) ?? .temporary, result.sentence(for: name))
    }
    var reply = ControlReply()
    reply.message = result.sentence(for: name)
    return reply
  }

  /// The sender went away in the middle: nothing is delivered.
  func discard() async {
    relay.fail()
    _ = await outcome.value
  }
}

/// Hands chunks from one task to another, one at a time, so that a pipe is read no faster than it is stored.
final class ChunkRelay: AsyncSequence, Sendable {
  typealias Element = ByteBuffer

  struct SenderGone: Error {}

  private enum Ending { case open, ended, failed, stopped }
  private struct State {
    var chunk: ByteBuffer?
    var ending = Ending.open
    var producer: CheckedContinuation<Void, Never>?
    var consumer: CheckedContinuation<Void, Never>?
  }
  private let state = Mutex(State())

  struct Iterator: AsyncIteratorProtocol {
    let relay: ChunkRelay
    mutating func next() async throws -> ByteBuffer? { try await relay.next() }
  }
  func makeAsyncIterator() -> Iterator { Iterator(relay: self) }

  func send(_ chunk: ByteBuffer) async {
    await withCheckedContinuation { continuation in
      let (wake, done) = state.withLock { state -> (CheckedContinuation<Void, Never>?, Bool) in
        guard state.ending == .open else { return (nil, true) }
        state.chunk = chunk
        state.producer = continuation
        defer { state.consumer = nil }
        return (state.consumer, false)
      }
      wake?.resume()
      if done { continuation.resume() }
    }
  }

  func end() { close(.ended) }
  func fail() { close(.failed) }
  /// The receiver wants no more.
  func stop() { close(.stopped) }

  private func close(_ ending: Ending) {
    let waiting = state.withLock { state in
      if state.ending == .open || ending == .stopped { state.ending = ending }
      defer {
        state.producer = nil
        state.consumer = nil
      }
      return [state.producer, state.consumer]
    }
    for continuation in waiting { continuation?.resume() }
  }

  private func next() async throws -> ByteBuffer? {
    while true {
      let (chunk, producer, ending) = state.withLock { state in
        let taken = (state.chunk, state.producer, state.ending)
        if state.chunk != nil {
          state.chunk = nil
          state.producer = nil
        }
        return taken
      }
      if let chunk {
        producer?.resume()
        return chunk
      }
      switch ending {
      case .open: break
      case .ended, .stopped: return nil
      case .failed: throw SenderGone()
      }
      await withCheckedContinuation { continuation in
        let ready = state.withLock { state in
          if state.chunk != nil || state.ending != .open { return true }
          state.consumer = continuation
          return false
        }
        if ready { continuation.resume() }
      }
    }
  }
}
