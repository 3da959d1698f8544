import Bytes
import IMAPCore
import MailFormat
import MailNet
import MailStore
import NIOCore

/// Messages too large to be held: read in pieces, sent in pieces.
extension IMAPSession {
  enum StreamOutcome {
    /// `damage`: a section could not be read and went out as NIL, or the message could not be opened and nothing did.
    case sent(unknownEncoding: Bool, damage: StoreError?)
    case gone
  }

  /// One read of a large message, and one write. Behind the trace pieces begin at multiples of it, as the chunks do in
  /// which the store keeps them: then a chunk goes out as it was decoded.
  private static let piece = 128 << 10

  /// Octets that are picked from or decoded on the event loop. More elsewhere: the next piece of a message is mostly there when
  /// it is asked for, so that the loop's others would have no turn before the last one.
  private static let pieceOnLoop = 16 << 10

  private static func pieceEnd(_ position: Int, trace: Int) -> Int {
    trace + (max(position - trace, 0) / piece + 1) * piece
  }

  /// Sends the response of one large message.
  func stream(_ large: FetchEncoder.LargeMessage, _ plan: FetchPlan, _ ref: MailboxRef) async throws(CommandError)
    -> StreamOutcome
  {
    let reader: (any MessageReader)?
    do throws(StoreError) { reader = try await listener.store.openMessage(large.uid, in: ref) } catch {
      // Nothing of it has been sent: one damaged message does not keep the others from being read.
      guard case .corrupt = error else { throw .store(error) }
      return .sent(unknownEncoding: false, damage: error)
    }
    guard !isOver else { throw .connectionClosed }
    guard var reader else { return .gone }
    var head = (bytes: large.head, hasItems: large.headHasItems)
    if let bare = large.bare {
      do throws(CommandError) {
        if let surrogate = try await surrogate(of: reader) {
          noteDowngraded(large.uid)
          head = surrogateHead(bare, plan, surrogate.surrogate)
          reader = surrogate
        }
      } catch {
        guard case .store(.corrupt(let what)) = error else { throw error }
        return .sent(unknownEncoding: false, damage: .corrupt(what: what))
      }
    }
    let index = reader.index
    let trace = reader.trace.readableBytes
    var unknownEncoding = false
    var damage: StoreError?
    connection.out.writeImmutableBuffer(head.bytes)
    // A part is measured once, however often it is asked for.
    var measures: [[Int]: Measure] = [:]
    for (number, section) in plan.sections.enumerated() {
      // Sections of little each may be many.
      guard await drained() else { throw .connectionClosed }
      if number > 0 || head.hasItems { connection.out.writeSpace() }
      connection.out.writeFetchItem(section.item, isResponse: true)
      connection.out.writeSpace()
      switch section.kind {
      case .stored(let path):
        guard let place = index.place(of: path, trace: trace) else {
          connection.out.writeStaticString("NIL")
          continue
        }
        let part = section.partial.map { $0.range(in: place.count) } ?? 0..<place.count
        connection.out.writeLiteralHeader(size: part.count)
        try await send(reader, place.lowerBound + part.lowerBound..<place.lowerBound + part.upperBound)
      case .fields(let path, let names, let not):
        if let error = try await sendFields(
          reader, index.place(of: path, trace: trace), names, not: not, section.partial)
        {
          damage = error
        }
      case .binary(let path), .binarySize(let path):
        let measured = if let known = measures[path] { known } else { try await measure(reader, path) }
        measures[path] = measured
        if case .unknown = measured { unknownEncoding = true }
        if case .damaged(let error) = measured { damage = error }
        if case .binarySize = section.kind {
          connection.out.writeDecimal(measured.size)
        } else {
          try await sendDecoded(reader, path, measured, section.partial)
        }
      }
    }
    connection.out.writeStaticString(")\r\n")
    return .sent(unknownEncoding: unknownEncoding, damage: damage)
  }

  /// The items that come from headers, of the surrogate.
  private func surrogateHead(
    _ bare: (head: ByteBuffer, hasItems: Bool), _ plan: FetchPlan, _ surrogate: MessageSurrogate
  ) -> (bytes: ByteBuffer, hasItems: Bool) {
    var out = bare.head
    var line = FetchLine(continuing: bare.hasItems)
    for item in plan.items {
      switch item {
      case .envelope:
        line.writeName("ENVELOPE", into: &out)
        surrogate.appendEnvelope(to: &out)
      case .body:
        line.writeName("BODY", into: &out)
        surrogate.appendBody(extensible: false, to: &out)
      case .bodyStructure:
        line.writeName("BODYSTRUCTURE", into: &out)
        surrogate.appendBody(extensible: true, to: &out)
      default: break
      }
    }
    return (out, line.hasItems)
  }

  /// Sends octets of a message whose literal has been announced. Nothing can be taken back: if they cannot be read the
  /// connection ends here.
  private func send(_ reader: any MessageReader, _ range: Range<Int>) async throws(CommandError) {
    let damage = try await forEachPiece(reader, range, inLiteral: true) { bytes in
      if self.connection.out.readableBytes == 0 {
        self.connection.out = bytes
      } else {
        self.connection.out.writeImmutableBuffer(bytes)
      }
    }
    if let damage { throw abandoned(damage) }
  }

  /// Returns why it could not be read to the end.
  private func forEachPiece(
    _ reader: any MessageReader, _ range: Range<Int>, inLiteral: Bool, _ body: (ByteBuffer) async -> Void
  ) async throws(CommandError) -> StoreError? {
    let trace = reader.trace.readableBytes
    var position = range.lowerBound
    while position < range.upperBound {
      let end = min(Self.pieceEnd(position, trace: trace), range.upperBound)
      let bytes: ByteBuffer
      do throws(StoreError) {
        bytes = try await reader.read(position..<end)
        guard bytes.readableBytes == end - position else { throw .corrupt(what: "message shorter than its size") }
      } catch {
        return error
      }
      guard !isOver else { throw .connectionClosed }
      await body(bytes)
      position = end
      if inLiteral, await !drained() { throw .connectionClosed }
    }
    return nil
  }

  /// Ends the connection in the middle of a literal.
  private func abandoned(_ error: StoreError) -> CommandError {
    _ = completion(for: .store(error), of: .fetch)
    isOver = true
    connection.close()
    return .connectionClosed
  }

  /// The header is read twice, since a literal is announced by its size: senders write headers of any length.
  private func sendFields(
    _ reader: any MessageReader, _ place: Range<Int>?, _ names: HeaderFieldNames, not: Bool, _ partial: Partial?
  ) async throws(CommandError) -> StoreError? {
    guard let place else {
      connection.out.writeStaticString("NIL")
      return nil
    }
    var size = 0
    let damage = try await filter(reader, place, HeaderFieldFilter(names, not: not), inLiteral: false) { bytes in
      size += bytes.readableBytes
    }
    if let damage {
      connection.out.writeStaticString("NIL")
      return damage
    }
    let wanted = partial.map { $0.range(in: size) } ?? 0..<size
    connection.out.writeLiteralHeader(size: wanted.count)
    var done = 0
    let later = try await filter(reader, place, HeaderFieldFilter(names, not: not), inLiteral: true) { bytes in
      let from = max(wanted.lowerBound - done, 0)
      let to = min(wanted.upperBound - done, bytes.readableBytes)
      if from < to { self.connection.out.writeSpan(bytes.readableBytesSpan.extracting(from..<to)) }
      done += bytes.readableBytes
    }
    if let later { throw abandoned(later) }
    return nil
  }

  private func filter(
    _ reader: any MessageReader, _ place: Range<Int>, _ start: HeaderFieldFilter, inLiteral: Bool,
    _ body: (ByteBuffer) -> Void
  ) async throws(CommandError) -> StoreError? {
    var filter = start
    let damage = try await forEachPiece(reader, place, inLiteral: inLiteral) { bytes in
      body(await Self.worked(&filter, bytes) { $0.filter($1.readableBytesSpan, into: &$2) })
    }
    if let damage { return damage }
    var rest = ByteBuffer()
    filter.finish(into: &rest)
    body(rest)
    return nil
  }

  /// What `work` makes of a piece; off the event loop, unless it is a small one.
  private static func worked<State: Sendable>(
    _ state: inout State, _ bytes: ByteBuffer,
    _ work: @escaping @Sendable (inout State, ByteBuffer, inout ByteBuffer) -> Void
  ) async -> ByteBuffer {
    var out = ByteBuffer()
    guard bytes.readableBytes > pieceOnLoop else {
      work(&state, bytes, &out)
      return out
    }
    let before = state
    (state, out) = await offLoop {
      var (state, out) = (before, ByteBuffer())
      work(&state, bytes, &out)
      return (state, out)
    }
    return out
  }

  // MARK: BINARY

  private enum Measure {
    case size(Int, hasNUL: Bool)
    case absent
    case unknown
    case damaged(StoreError)

    var size: Int { if case .size(let size, _) = self { size } else { 0 } }
  }

  /// The octets of a decoded part: read once to be counted, since a literal is announced by its size.
  private func measure(_ reader: any MessageReader, _ path: [Int]) async throws(CommandError) -> Measure {
    guard !path.isEmpty else { return .size(reader.size, hasNUL: false) }
    guard let part = reader.index.binaryPart(path) else { return .absent }
    guard var decoder = TransferDecoder(part) else { return .unknown }
    let trace = reader.trace.readableBytes
    let body = part.bodyStart + trace..<part.bodyEnd + trace
    let damage = try await forEachPiece(reader, body, inLiteral: false) { bytes in
      _ = await Self.worked(&decoder, bytes) { $0.decode($1.readableBytesSpan, into: &$2) }
    }
    if let damage { return .damaged(damage) }
    var scratch = ByteBuffer()
    decoder.finish(into: &scratch)
    return .size(decoder.size, hasNUL: decoder.hasNUL)
  }

  private func sendDecoded(
    _ reader: any MessageReader, _ path: [Int], _ measured: Measure, _ partial: Partial?
  ) async throws(CommandError) {
    guard case .size(let size, let hasNUL) = measured else {
      connection.out.writeStaticString("NIL")
      return
    }
    let wanted = partial.map { $0.range(in: size) } ?? 0..<size
    if hasNUL {
      connection.out.writeLiteral8Header(size: wanted.count)
    } else {
      connection.out.writeLiteralHeader(size: wanted.count)
    }
    guard !path.isEmpty else {
      try await send(reader, wanted)
      return
    }
    guard let part = reader.index.binaryPart(path), var decoder = TransferDecoder(part) else { return }
    let trace = reader.trace.readableBytes
    var done = 0
    func put(_ bytes: ByteBuffer) {
      let from = max(wanted.lowerBound - done, 0)
      let to = min(wanted.upperBound - done, bytes.readableBytes)
      if from < to { connection.out.writeSpan(bytes.readableBytesSpan.extracting(from..<to)) }
      done += bytes.readableBytes
    }
    let body = part.bodyStart + trace..<part.bodyEnd + trace
    let damage = try await forEachPiece(reader, body, inLiteral: true) { bytes in
      put(await Self.worked(&decoder, bytes) { $0.decode($1.readableBytesSpan, into: &$2) })
    }
    if let damage { throw abandoned(damage) }
    var scratch = ByteBuffer()
    decoder.finish(into: &scratch)
    put(scratch)
  }
}
