import MailNet
import MailStore
import NIOCore
import POP3Core

/// Answers ahead of their commands.
extension POP3Session {
  /// Answers a RETR on the loop, if its answer is there and the socket has room. False: it goes into the batch.
  func answerAhead(_ index: Int) -> Bool {
    guard connection.out.readableBytes < POP3Sizes.burst, connection.isWritable,
      let (bytes, sent) = ahead.take(index)
    else { return false }
    connection.out.writeImmutableBuffer(bytes)
    note(sent)
    readAhead(after: index)
    // The client reads these while the next are put together.
    if connection.out.readableBytes >= POP3Sizes.ahead { connection.flush() }
    return true
  }

  /// The same for the first items of a batch, where reading has begun for them. Returns how many were answered.
  func answerAhead(_ items: ArraySlice<Item>) async throws(ConnectionClosed) -> Int {
    guard let first = items.first, first.lines == nil, first.index < ahead.end else { return 0 }
    while !ahead.isDecided(first.index), let task = ahead.task { await task.value }
    var count = 0
    for item in items {
      guard item.lines == nil, let (bytes, sent) = ahead.take(item.index) else { break }
      connection.out.writeImmutableBuffer(item.before)
      connection.out.writeImmutableBuffer(bytes)
      count += 1
      readAhead(after: item.index)
      if connection.out.readableBytes >= POP3Sizes.burst { try await roomAgain() }
      note(sent)
    }
    return count
  }

  /// A whole message is going out: the next ones will be asked for.
  func readAhead(after index: Int) {
    ahead.note(index)
    guard ahead.isInRow, ahead.hasRoom, let drop else { return }
    let limit = ahead.limit
    let largest = ahead.largest
    var items: [Item] = []
    var octets = 0
    var next = max(ahead.end, index + 1)
    while next < drop.messages.count, items.count < POP3Sizes.batch {
      let size = drop.messages[next].size
      if size > largest || octets + size > limit { break }
      if !drop.isDeleted(next) {
        items.append(Item(before: ByteBuffer(), index: next, size: size, lines: nil))
        octets += size
      }
      next += 1
    }
    guard !items.isEmpty, ahead.reserve() else { return ahead.settle() }
    let maildrop = drop.maildrop
    let burst = Burst(
      items, fallback: isUTF8 ? .asIs : settings.utf8Fallback, language: language, into: ahead.takeSpare())
    let indexes = items.map(\.index)
    let number = ahead.nextRead()
    let task = Task(executorPreference: connection.taskExecutor) {
      let answers = await Self.read(indexes, of: maildrop, burst)
      await self.finishAhead(answers, number)
    }
    ahead.begin(number, task, octets: octets, upTo: next)
  }

  private func finishAhead(_ answers: AnswersAhead.Answers?, _ number: Int) {
    ahead.finish(answers, of: number)
  }

  /// Nil: they are read when they are asked for, which then tells what is wrong with them.
  private static func read(
    _ indexes: [Int], of maildrop: any Maildrop, _ burst: Burst
  ) async -> AnswersAhead.Answers? {
    do throws(StoreError) {
      _ = try await maildrop.visit(indexes[...], needs: [.dates, .message]) { index, row throws(StoreError) in
        burst.add(index, row)
      }
    } catch {
      return nil
    }
    let result = burst.take()
    // A message that cannot be sent has left words of its own in the buffer; what comes behind it is not used.
    var sent = result.sent[...]
    if result.done > sent.count {
      var good = 0
      while good < sent.count, sent[good].index == indexes[good] { good += 1 }
      sent = sent.prefix(good)
    }
    return AnswersAhead.Answers(bytes: result.buffer, sent: sent)
  }
}
