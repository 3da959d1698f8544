import Bytes
import IMAPCore
import MailFormat
import MailNet
import MailStore
import NIOCore

/// Messages too large to be held: read in pieces, sent in pieces.
extension IMAPSession {
  enum StreamOutcome {
    case sent(unknownEncoding: Bool)
    case gone
  }

  /// One read of a large message, and one write.
  private static let piece = 64 << 10

  /// Sends the response of one large message.
  func stream(_ large: FetchEncoder.LargeMessage, _ plan: FetchPlan, _ ref: MailboxRef) async throws(CommandError)
    -> StreamOutcome
  {
    let reader = try await storeCall { store throws(StoreError) in try await store.openMessage(large.uid, in: ref) }
    guard !isOver else { throw .connectionClosed }
    guard let reader else { return .gone }
    let index = reader.index
    let trace = reader.trace.readableBytes
    var unknownEncoding = false
    connection.out.writeImmutableBuffer(large.head)
    for (number, section) in plan.sections.enumerated() {
      if number > 0 || large.headHasItems { connection.out.writeSpace() }
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
        try await sendFields(reader, index.place(of: path, trace: trace), names, not: not, section.partial)
      case .binary(let path):
        if try await !sendDecoded(reader, path, section.partial) { unknownEncoding = true }
      case .binarySize(let path):
        let decoded = try await measure(reader, path)
        if case .unknown = decoded { unknownEncoding = true }
        if case .size(let size, _) = decoded {
          connection.out.writeDecimal(size)
        } else {
          connection.out.writeDecimal(0)
        }
      }
    }
    connection.out.writeStaticString(")\r\n")
    return .sent(unknownEncoding: unknownEncoding)
  }

  /// Sends octets of a message whose literal has been announced. Nothing can be taken back: if they cannot be read the
  /// connection ends here.
  private func send(_ reader: any MessageReader, _ range: Range<Int>) async throws(CommandError) {
    try await forEachPiece(reader, range, inLiteral: true) { bytes in self.connection.out.writeImmutableBuffer(bytes) }
  }

  private func forEachPiece(
    _ reader: any MessageReader, _ range: Range<Int>, inLiteral: Bool, _ body: (ByteBuffer) -> Void
  ) async throws(CommandError) {
    var position = range.lowerBound
    while position < range.upperBound {
      let end = min(position + Self.piece, range.upperBound)
      let bytes: ByteBuffer
      do throws(StoreError) {
        bytes = try await reader.read(position..<end)
        guard bytes.readableBytes == end - position else { throw .corrupt(what: "message shorter than its size") }
      } catch {
        if inLiteral { abandon(.store(error)) }
        throw inLiteral ? .connectionClosed : .store(error)
      }
      guard !isOver else { throw .connectionClosed }
      body(bytes)
      position = end
      if inLiteral, await !drained() { throw .connectionClosed }
    }
  }

  /// Ends the connection in the middle of a literal.
  private func abandon(_ error: CommandError) {
    _ = completion(for: error, of: .fetch)
    isOver = true
    connection.close()
  }

  private func sendFields(
    _ reader: any MessageReader, _ place: Range<Int>?, _ names: [[UInt8]], not: Bool, _ partial: Partial?
  ) async throws(CommandError) {
    guard let place else {
      connection.out.writeStaticString("NIL")
      return
    }
    // A header is held whole; it is what remains of a message that is mostly header only when that is its fault.
    var header = ByteBuffer()
    try await forEachPiece(reader, place, inLiteral: false) { header.writeImmutableBuffer($0) }
    var fields = ByteBuffer()
    HeaderFields.write(
      fields: names, not: not, of: header.readableBytesSpan, header: 0..<header.readableBytes, into: &fields)
    let part = partial.map { $0.range(in: fields.readableBytes) } ?? 0..<fields.readableBytes
    connection.out.writeLiteralHeader(size: part.count)
    connection.out.writeSpan(fields.readableBytesSpan.extracting(part))
  }

  // MARK: BINARY

  private enum Measure {
    case size(Int, hasNUL: Bool)
    case absent
    case unknown
  }

  /// The octets of a decoded part: read once to be counted, since a literal is announced by its size.
  private func measure(_ reader: any MessageReader, _ path: [Int]) async throws(CommandError) -> Measure {
    guard !path.isEmpty else { return .size(reader.size, hasNUL: false) }
    guard let part = reader.index.binaryPart(path) else { return .absent }
    guard var decoder = TransferDecoder(part) else { return .unknown }
    var scratch = ByteBuffer()
    let trace = reader.trace.readableBytes
    try await forEachPiece(reader, part.bodyStart + trace..<part.bodyEnd + trace, inLiteral: false) { bytes in
      scratch.clear()
      decoder.decode(bytes.readableBytesSpan, into: &scratch)
    }
    decoder.finish(into: &scratch)
    return .size(decoder.size, hasNUL: decoder.hasNUL)
  }

  /// False: nobody knows the encoding.
  private func sendDecoded(
    _ reader: any MessageReader, _ path: [Int], _ partial: Partial?
  ) async throws(CommandError) -> Bool {
    let measured = try await measure(reader, path)
    guard case .size(let size, let hasNUL) = measured else {
      connection.out.writeStaticString("NIL")
      if case .unknown = measured { return false }
      return true
    }
    let wanted = partial.map { $0.range(in: size) } ?? 0..<size
    if hasNUL {
      connection.out.writeLiteral8Header(size: wanted.count)
    } else {
      connection.out.writeLiteralHeader(size: wanted.count)
    }
    guard !path.isEmpty else {
      try await send(reader, wanted)
      return true
    }
    guard let part = reader.index.binaryPart(path), var decoder = TransferDecoder(part) else { return true }
    let trace = reader.trace.readableBytes
    var done = 0
    func put(_ bytes: ByteBuffer) {
      let from = max(wanted.lowerBound - done, 0)
      let to = min(wanted.upperBound - done, bytes.readableBytes)
      if from < to { connection.out.writeSpan(bytes.readableBytesSpan.extracting(from..<to)) }
      done += bytes.readableBytes
    }
    var scratch = ByteBuffer()
    try await forEachPiece(reader, part.bodyStart + trace..<part.bodyEnd + trace, inLiteral: true) { bytes in
      scratch.clear()
      decoder.decode(bytes.readableBytesSpan, into: &scratch)
      put(scratch)
    }
    scratch.clear()
    decoder.finish(into: &scratch)
    put(scratch)
    return true
  }
}
