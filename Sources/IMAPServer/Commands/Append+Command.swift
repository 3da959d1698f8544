import Bytes
import IMAPCore
import MailNet
import MailStore
import NIOCore

/// APPEND (RFC 9051 §6.3.12, RFC 3502): a conversation, since each message streams into the store as it comes.
extension IMAPSession {
  func startAppend(_ first: AppendMessage) {
    let row = CommandTable.row(for: .append)
    tally.count(.append)
    guard countBeforeLogin() else { return }
    guard row.states.contains(state) else {
      framer.refuseCommand()
      finish(first.tag, row, isUID: false, .bad(refusal(of: row)))
      return
    }
    tally.badInARow = 0
    begin(first.tag, .append, isUID: false)
    Task(executorPreference: connection.taskExecutor) { await self.runAppend(first) }
  }

  private func runAppend(_ first: AppendMessage) async {
    let completion: Completion
    do throws(CommandError) {
      completion = try await append(first)
    } catch {
      // What still comes of this command is thrown away (RFC 7888 §4).
      framer.refuseCommand()
      completion = self.completion(for: error, of: .append)
    }
    await finishTask(completion)
  }

  private func append(_ first: AppendMessage) async throws(CommandError) -> Completion {
    let account = try accountID()
    let name = first.mailbox.string
    // Before the literal is asked for: a client with much to send is spared it.
    let info = try await storeCall { store throws(StoreError) in try await store.mailbox(named: name, of: account) }
    guard let info else { throw .store(.noSuchMailbox(name)) }
    guard info.isSelectable else { throw .store(.notSelectable(name)) }

    var messages: [AppendedMessage] = []
    var total = 0
    var next: AppendMessage? = first
    while let message = next {
      total += try await checkSize(message, before: total, account)
      let prepared = try await receive(message)
      messages.append(
        AppendedMessage(
          message: prepared, flags: SystemFlags(rawValue: message.flags.system.intersection(.storable).rawValue),
          keywords: message.flags.keywords,
          date: message.date.map { InternalDate(seconds: $0.seconds, zoneMinutes: $0.zoneMinutes) }))
      next = try await nextMessage()
    }
    let all = messages
    let assigned = try await longStoreCall("Appending") { store throws(StoreError) in
      try await store.append(all, to: name, of: account)
    }
    noteOwn(assigned, in: first.mailbox)
    tally.appended += all.count
    return .ok("APPEND completed", code: .appendUID(validity: assigned.uidValidity, assigned: assigned.assigned))
  }

  /// Everything that is known before the octets come. Returns the message's size.
  private func checkSize(_ message: AppendMessage, before: Int, _ account: AccountID) async throws(CommandError) -> Int
  {
    let size = message.literal.size
    // RFC 7889 §4
    guard size <= Int64(settings.appendLimit) else { throw .store(.messageTooLarge(limit: settings.appendLimit)) }
    // RFC 3502 §6.3.11: a message without octets cancels the whole APPEND.
    guard size > 0 else { throw .no(nil, "An empty message cancels APPEND") }
    // RFC 3516 §4.4: BINARY is not offered for APPEND, as literals hold no NUL in the store.
    guard !message.literal.isBinary else { throw .no(.unknownCTE, "Binary literals are not taken") }
    let all = before + Int(size)
    guard before == 0 || all <= settings.appendTogether else {
      throw .no(.limit, "Messages of one APPEND may have at most \(settings.appendTogether) octets together")
    }
    try await storeCall { store throws(StoreError) in try await store.checkQuota(of: account, adding: all) }
    guard !isOver else { throw .connectionClosed }
    return Int(size)
  }

  /// Takes one message's octets into the store.
  private func receive(_ message: AppendMessage) async throws(CommandError) -> any PreparedMessage {
    let incoming = store.newIncomingMessage()
    do throws(CommandError) {
      framer.acceptMessage()
      var normalizer = LineEndNormalizer()
      while let bytes = try await nextBytes() {
        let lines = normalizer.normalize(bytes)
        try await storeCall { _ throws(StoreError) in try await incoming.append(lines) }
      }
      var rest = ByteBuffer()
      normalizer.finish(into: &rest)
      let last = rest
      return try await longStoreCall("Appending") { _ throws(StoreError) in
        if last.readableBytes > 0 { try await incoming.append(last) }
        return try await incoming.finish()
      }
    } catch {
      await incoming.discard()
      throw error
    }
  }

  /// Nil: the message is complete.
  private func nextBytes() async throws(CommandError) -> ByteBuffer? {
    while true {
      switch try await nextEvent() {
      case .sendContinuation: connection.out.writeContinuation()
      case .appendBytes(let bytes): return bytes
      case .appendMessageEnd: return nil
      case .rejected(let error): throw .rejected(error)
      case .close(let code, let reason):
        bye(reason, code: code)
        throw .connectionClosed
      default: throw .bad("Unexpected data in APPEND")
      }
    }
  }

  /// What follows a message: another one (RFC 3502), or the end.
  private func nextMessage() async throws(CommandError) -> AppendMessage? {
    switch try await nextEvent() {
    case .appendMessage(let message): return message
    case .appendEnd: return nil
    case .rejected(let error): throw .rejected(error)
    case .close(let code, let reason):
      bye(reason, code: code)
      throw .connectionClosed
    default: throw .bad("Unexpected data in APPEND")
    }
  }
}
