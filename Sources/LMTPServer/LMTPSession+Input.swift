import Bytes
import LMTPCore
import Logging
import MailFormat
import MailNet
import MailStore
import NIOCore

/// Lines in, commands out; and between them, content.
extension LMTPSession {
  func take(_ buffer: inout ByteBuffer) {
    armDeadline()
    var budget = TurnBudget(commands: LMTPSizes.commandsPerTurn)
    while !isBusy, !isStartingTLS, !connection.isClosing {
      switch input {
      case .command:
        // A client that sends commands without end has its turn again when the others of this loop have had theirs.
        guard buffer.readableBytes == 0 || budget.takeOne() else { return whileBusy { _ in await Task.yield() } }
        switch framer.next(from: &buffer) {
        case .incomplete: return
        case .refused(let error): bad(error.reply)
        case .line(let line): command(line)
        }
      case .data(var decoder):
        takeData(&decoder, from: &buffer)
        if case .data = input, !isBusy { return }
      case .chunk(var decoder, let size, let isLast):
        takeChunk(&decoder, size: size, isLast: isLast, from: &buffer)
        if case .chunk = input, !isBusy { return }
      }
    }
  }

  private func command(_ line: ByteBuffer) {
    do throws(LMTPSyntaxError) {
      let command = try LMTPCommand.parse(line, isSMTPUTF8: transaction?.sender.isSMTPUTF8 ?? false)
      guard let row = CommandTable.row(for: command) else { return bad(LMTPSyntaxError.unknownCommand.reply) }
      if row.needsLHLO, client == nil { return bad(.lhloFirst) }
      row.run(self, command)
    } catch {
      bad(error.reply)
      // A chunk of unknown length follows: nothing that comes can be told from it.
      if error == .badChunkSize { end("bad chunk size") }
    }
  }

  // MARK: Content

  /// Content of DATA up to the store's next turn, or to its end.
  private func takeData(_ decoder: inout DataDecoder, from buffer: inout ByteBuffer) {
    repeat {
      // The decoder is put back before anything else runs.
      input = .command
      while !wantsStore, case .bytes(let piece) = decoder.next(from: &buffer) { add(piece) }
      if decoder.isAtEnd { return finishMessage() }
      input = .data(decoder)
      guard wantsStore else { return }
      giveStore()
    } while !isBusy
  }

  private func takeChunk(
    _ decoder: inout ChunkDecoder, size: Int64, isLast: Bool, from buffer: inout ByteBuffer
  ) {
    repeat {
      input = .command
      while let piece = decoder.next(from: &buffer) {
        add(piece)
        if wantsStore { break }
      }
      if decoder.isAtEnd { return chunkEnded(size: size, isLast: isLast) }
      input = .chunk(decoder, size: size, isLast: isLast)
      guard wantsStore else { return }
      giveStore()
    } while !isBusy
  }

  /// Content of the message. Without a transaction, or after a failure, it is swallowed.
  private func add(_ piece: ByteBuffer) {
    guard transaction != nil, transaction?.failure == nil else { return }
    let isBinary = transaction?.binary != nil
    let clean = (isBinary ? transaction?.binary?.take(piece) : transaction?.normalizer.normalize(piece)) ?? piece
    transaction?.size += isBinary ? piece.readableBytes : clean.readableBytes
    if transaction?.binary?.failure != nil { return fail(.cannotConvert) }
    if let size = transaction?.size, size > settings.maxMessageBytes {
      fail(.tooBig(limit: settings.maxMessageBytes))
    } else if transaction?.pending.readableBytes == 0 {
      transaction?.pending = clean
    } else {
      transaction?.pending.writeImmutableBuffer(clean)
    }
  }

  private var wantsStore: Bool { (transaction?.pending.readableBytes ?? 0) >= LMTPSizes.piece }

  /// The message cannot be taken any more.
  func fail(_ why: DeliveryRules.Refusal) {
    transaction?.failure = why
    transaction?.pending = ByteBuffer()
    guard let incoming = transaction?.incoming else { return }
    transaction?.incoming = nil
    Task { await incoming.discard() }
  }

  /// Hands content to the store while nothing more is read.
  private func giveStore() {
    whileBusy { await $0.appendPending() }
  }

  func appendPending() async {
    guard transaction?.failure == nil, let pending = transaction?.pending else { return }
    transaction?.pending = ByteBuffer()
    let incoming = transaction?.incoming ?? server.store.newIncomingMessage()
    transaction?.incoming = incoming
    do throws(StoreError) {
      try await incoming.append(pending)
    } catch {
      let refusal = DeliveryRules.refusal(error)
      if refusal == .trouble || refusal == .noRoom { log(error, "spooling") }
      fail(refusal)
    }
  }

  // MARK: The end of a message

  /// DATA or BDAT LAST is complete: one reply for each recipient (RFC 2033 §4.2, §4.3).
  func finishMessage() {
    guard var transaction else { return }
    if transaction.binary != nil, transaction.failure == nil {
      if let rest = transaction.binary?.finish() { transaction.pending.writeImmutableBuffer(rest) }
      if transaction.binary?.failure != nil { transaction.failure = .cannotConvert }
    } else {
      transaction.normalizer.finish(into: &transaction.pending)
    }
    self.transaction = transaction
    if let failure = transaction.failure { return refuseAll(failure) }
    whileBusy { session in
      await session.appendPending()
      await session.deliver()
    }
  }

  private func refuseAll(_ why: DeliveryRules.Refusal) {
    guard let transaction else { return }
    for recipient in transaction.recipients {
      logDelivery(recipient, size: transaction.size, result: .failure(why))
      reply(server.rules.reply(why, to: recipient.path))
    }
    endTransaction()
  }

  private func deliver() async {
    guard let transaction else { return }
    if let failure = transaction.failure { return refuseAll(failure) }
    guard let incoming = transaction.incoming else { return refuseAll(.trouble) }
    let trace = TraceHeaders(
      hostname: settings.hostname, client: client, clientAddress: TraceHeaders.literal(connection.peer),
      transport: .init(isTLS: connection.isTLS, isUTF8: transaction.sender.isSMTPUTF8),
      queueID: transaction.queueID, date: settings.now())
    let results: [Result<Delivered, StoreError>]
    do throws(StoreError) {
      results = try await server.rules.deliver(
        finishing: incoming, sender: transaction.sender.path, to: transaction.recipients, trace: trace)
    } catch {
      log(error, "preparing a message")
      return refuseAll(DeliveryRules.refusal(error))
    }
    self.transaction?.incoming = nil
    for (recipient, result) in zip(transaction.recipients, results) {
      switch result {
      case .success: reply(.delivered(to: recipient.path))
      case .failure(let error): reply(server.rules.reply(DeliveryRules.refusal(error), to: recipient.path))
      }
    }
    // The client goes on while the log is written.
    connection.flush()
    for (recipient, result) in zip(transaction.recipients, results) {
      switch result {
      case .success(let delivered): logDelivery(recipient, size: transaction.size, result: .success(delivered))
      case .failure(let error):
        let refusal = DeliveryRules.refusal(error)
        if refusal == .trouble || refusal == .noRoom { log(error, "delivering") }
        logDelivery(recipient, size: transaction.size, result: .failure(refusal))
      }
    }
    endTransaction()
  }

  func endTransaction() {
    dropTransaction()
    input = .command
    leaveIfShuttingDown()
  }

  /// One line for each delivery.
  private func logDelivery(
    _ recipient: DeliveryRules.Recipient, size: Int, result: Result<Delivered, DeliveryRules.Refusal>
  ) {
    switch result {
    case .success: counts.delivered += 1
    case .failure: counts.refused += 1
    }
    DeliveryLog.write(
      server.logger, queueID: transaction?.queueID ?? "-", recipient: recipient, size: size, result: result,
      more: ["conn": "\(connection.id)"])
  }
}
