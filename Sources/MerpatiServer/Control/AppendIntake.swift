import Bytes
import MailStore
import MailTransfer
import NIOCore
import Synchronization

/// Takes what follows a request on the control socket.
protocol ControlIntake: Sendable {
  /// Returns when the bytes have been taken, or are not wanted any more.
  func append(_ bytes: ByteBuffer) async throws
  /// A message is complete. Nil: another one follows.
  func endMessage() async throws -> ControlReply?
  /// The sender has gone away, or broke the protocol: nothing of it comes into the store.
  func discard() async
}

extension MessageIntake: ControlIntake {
  func endMessage() async throws -> ControlReply? { try await finish() }
}

/// The messages of one `append`: each is parsed and compressed while the next comes in, all go in by one transaction.
/// One task at a time.
final class AppendIntake: ControlIntake {
  private struct State {
    var current: (any IncomingMessage)?
    var normalizer = LineEndNormalizer()
    var octets = 0
    var prepared: [Task<Result<any PreparedMessage, StoreError>, Never>] = []
  }

  private let store: any MailStore
  private let request: ControlRequest.Append
  private let state = Mutex(State())

  init(store: any MailStore, request: ControlRequest.Append) throws(ControlFailure) {
    guard (1...ControlLimits.appendMessages).contains(request.messages.count) else {
      throw ControlFailure(.data, "an append has 1 to \(ControlLimits.appendMessages) messages")
    }
    for message in request.messages {
      guard message.keywords.allSatisfy({ StoreKeyword.isValid($0) }) else {
        throw ControlFailure(.data, "a keyword is an atom of at most 255 octets (RFC 9051 §9, flag-keyword)")
      }
      guard message.flags.subtracting([.seen, .answered, .flagged, .deleted, .draft]).isEmpty,
        TransferLimits.dates.contains(message.date?.seconds ?? 0),
        (-1439...1439).contains(message.date?.zoneMinutes ?? 0)
      else { throw ControlFailure(.data, "a message has a date or flags that IMAP cannot show") }
    }
    self.store = store
    self.request = request
  }

  @concurrent
  func append(_ bytes: ByteBuffer) async throws {
    let (message, mapped, octets) = state.withLock { state in
      let message = state.current ?? store.newIncomingMessage()
      state.current = message
      state.octets += bytes.readableBytes
      return (message, state.normalizer.normalize(bytes), state.octets)
    }
    guard octets <= ControlLimits.appendBytes || request.messages.count == 1 else {
      throw ControlFailure(.data, "the messages of one append have more than \(ControlLimits.appendBytes) octets")
    }
    try await message.append(mapped)
  }

  @concurrent
  func endMessage() async throws -> ControlReply? {
    let (message, rest) = state.withLock { state in
      var rest = ByteBuffer()
      state.normalizer.finish(into: &rest)
      let message = state.current ?? store.newIncomingMessage()
      state.current = nil
      state.normalizer = LineEndNormalizer()
      return (message, rest)
    }
    if rest.readableBytes > 0 { try await message.append(rest) }
    let task = Task { () -> Result<any PreparedMessage, StoreError> in
      do throws(StoreError) { return .success(try await message.finish()) } catch { return .failure(error) }
    }
    let tasks = state.withLock { state in
      state.prepared.append(task)
      return state.prepared
    }
    if tasks.count < request.messages.count {
      if tasks.count > ControlLimits.appendAhead { _ = await tasks[tasks.count - 1 - ControlLimits.appendAhead].value }
      return nil
    }
    return try await store(tasks)
  }

  private func store(_ tasks: [Task<Result<any PreparedMessage, StoreError>, Never>]) async throws -> ControlReply {
    var messages: [AppendedMessage] = []
    for (task, wanted) in zip(tasks, request.messages) {
      messages.append(
        AppendedMessage(
          message: try await task.value.get(), flags: wanted.flags, keywords: wanted.keywords, date: wanted.date,
          uid: wanted.uid, uidl: wanted.uidl))
    }
    let account = try await StoreWork(store: store).account(request.account)
    let assigned = try await store.append(
      messages, to: request.mailbox, of: account, ignoringQuota: request.ignoringQuota)
    var reply = ControlReply()
    reply.assigned = ControlReply.Assigned(
      uidValidity: assigned.uidValidity, mailbox: assigned.destination.rawValue, uids: assigned.assigned)
    return reply
  }

  func discard() async {
    let (current, tasks) = state.withLock { ($0.current, $0.prepared) }
    await current?.discard()
    for task in tasks { _ = await task.value }
  }
}
