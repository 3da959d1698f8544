import Bytes
import MailFormat
import MailNet
import MailStore
import NIOCore
import POP3Core

/// Messages out: RETR and TOP.
extension POP3Session {
  /// Commands whose answers come out of one hop to the store.
  struct Batch {
    var items: [Item] = []
    /// Answers of commands behind the last item.
    var tail = ByteBuffer()
  }

  struct Item: Sendable {
    /// Answers of commands before this one.
    var before: ByteBuffer
    var index: Int
    /// Octets of the message, for the reply.
    var size: Int
    /// TOP: so many lines of the body. Nil: RETR.
    var lines: Int?
  }

  /// Puts a RETR or TOP into the batch.
  func retrieve(_ number: Int, lines: Int?) {
    guard let drop, let index = found(number, in: drop) else { return }
    if lines == nil, batch.items.isEmpty, answerAhead(index) { return }
    batch.items.append(Item(before: batch.tail, index: index, size: drop.messages[index].size, lines: lines))
    batch.tail = ByteBuffer()
  }

  func startBatch() {
    let batch = batch
    whileBusy { session in
      do throws(ConnectionClosed) {
        try await session.run(batch)
      } catch {
        // The peer is gone; `closed` tells it.
      }
      session.finishBatch()
    }
  }

  private func finishBatch() {
    // What came into the batch's tail while it ran is none: reading was paused.
    var tail = batch.tail
    batch = Batch()
    connection.out.writeBuffer(&tail)
  }

  private func run(_ batch: Batch) async throws(ConnectionClosed) {
    var left = batch.items[...]
    while !left.isEmpty {
      let answered = try await answerAhead(left)
      if answered > 0 {
        left = left.dropFirst(answered)
        continue
      }
      // A visit goes up; a client that jumps about costs more visits.
      var end = left.startIndex + 1
      while end < left.endIndex, left[end].index > left[end - 1].index { end += 1 }
      let done = try await visit(Array(left[left.startIndex..<end]))
      left = left.dropFirst(done)
    }
  }

  /// One hop: as many items as fit a burst. Returns how many were answered, at least one.
  private func visit(_ items: [Item]) async throws(ConnectionClosed) -> Int {
    guard let drop else { throw ConnectionClosed(reason: .local) }
    if items[0].size > POP3Sizes.heldMessage {
      try await stream(items[0], from: drop)
      return 1
    }
    let burst = Burst(items, fallback: isUTF8 ? .asIs : settings.utf8Fallback, language: language)
    var failure: StoreError?
    do throws(StoreError) {
      let done = try await drop.maildrop.visit(
        items.map(\.index)[...], needs: [.dates, .message]
      ) { index, row throws(StoreError) in
        burst.add(index, row)
      }
      burst.visited(done)
    } catch {
      failure = error
      burst.failed()
    }
    if let failure { log(failure, "reading messages") }
    let result = burst.take()
    for problem in result.problems { log(problem, "reading a message") }
    // While these go out, the next are read.
    for sent in result.sent where !sent.isTop { readAhead(after: sent.index) }
    send(result.buffer)
    try await roomAgain()
    for sent in result.sent { note(sent) }
    return result.done
  }

  private func send(_ buffer: ByteBuffer) {
    if connection.out.readableBytes == 0 {
      connection.out = buffer
    } else {
      connection.out.writeImmutableBuffer(buffer)
    }
  }

  /// Waits until the socket takes more; a client that takes bytes is not silent.
  func roomAgain() async throws(ConnectionClosed) {
    try await connection.writable()
    guard let drop else { throw ConnectionClosed(reason: .local) }
    drop.lease.touch()
  }

  func note(_ sent: Burst.Sent) {
    if sent.isTop {
      counts.tops += 1
    } else {
      counts.retrieved += 1
      // A surrogate is not the message: it may not take the message's place for good.
      if !sent.isSurrogate { drop?.markRetrieved(sent.index) }
    }
  }

  // MARK: Large messages

  /// A message that is not held in memory, in pieces, each when the socket has taken the one before.
  private func stream(_ item: Item, from drop: OpenDrop) async throws(ConnectionClosed) {
    connection.out.writeImmutableBuffer(item.before)
    let reader: any MessageReader
    var head: ByteBuffer
    let headLength: Int
    do throws(StoreError) {
      reader = try await drop.maildrop.openMessage(at: item.index)
      headLength = reader.trace.readableBytes + reader.index.headerLength
      head = try await reader.read(0..<min(headLength, POP3Sizes.heldMessage))
    } catch {
      log(error, "opening a message")
      POP3Response.error(Burst.text(for: error), code: Burst.code(for: error), language, into: &connection.out)
      return
    }
    let traceLength = reader.trace.readableBytes
    var offset = head.readableBytes
    var isSurrogate = false
    if !isUTF8, settings.utf8Fallback != .asIs, UTF8Surrogate.isNeeded(head.readableBytesSpan) {
      // A header too large to be held is not worth a surrogate.
      if settings.utf8Fallback == .refuse || headLength > head.readableBytes {
        POP3Response.error(.needsUTF8, code: .utf8, language, into: &connection.out)
        return
      }
      head = UTF8Surrogate.header(for: head.readableBytesSpan)
      isSurrogate = true
    }
    let octets = Int64(reader.size - offset + head.readableBytes)
    POP3Response.ok(item.lines == nil ? .messageFollows(octets: octets) : .topFollows, language, into: &connection.out)
    var stuffer = MessageWriter(lines: item.lines)
    stuffer.write(head.readableBytesSpan, to: &connection.out)
    while offset < reader.size, !stuffer.isDone {
      let piece: ByteBuffer
      do throws(StoreError) {
        // Behind the trace pieces end where the chunks do in which the store keeps them.
        let chunk = max(offset - traceLength, 0) / POP3Sizes.piece
        piece = try await reader.read(offset..<min(traceLength + (chunk + 1) * POP3Sizes.piece, reader.size))
        if piece.readableBytes == 0 { throw StoreError.corrupt(what: "message \(item.index) ends at \(offset)") }
      } catch {
        // +OK is said and cannot be taken back: only the end of the connection tells the client.
        log(error, "reading a message")
        end("unreadable message")
        throw ConnectionClosed(reason: .local)
      }
      guard case .transaction = phase else { throw ConnectionClosed(reason: .local) }
      offset += piece.readableBytes
      stuffer.write(piece.readableBytesSpan, to: &connection.out)
      try await roomAgain()
    }
    stuffer.finish(to: &connection.out)
    try await roomAgain()
    note(Burst.Sent(index: item.index, isTop: item.lines != nil, isSurrogate: isSurrogate))
  }
}
