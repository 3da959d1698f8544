import IMAPCore
import MailFormat
import MailNet
import MailStore
import NIOCore

/// What a session that has not asked for UTF-8 is given of internationalized messages, where `imap.utf8-fallback` is
/// `surrogate` (RFC 6858).
extension IMAPSession {
  /// Whether this session is shown surrogates now.
  var showsSurrogates: Bool { settings.utf8Fallback == .surrogate && !wire.utf8 }

  /// The surrogate of a message; nil: it can be shown as it is.
  func surrogate(of reader: any MessageReader) async throws(CommandError) -> SurrogateReader? {
    let index = reader.index
    let trace = reader.trace.readableBytes
    let places = MessageSurrogate.headerPlaces(of: index, trace: trace)
    // Headers too large to be held are not worth a surrogate.
    guard places.reduce(0, { $0 + $1.count }) <= settings.surrogateHeaders else { return nil }
    var blocks: [ByteBuffer] = []
    blocks.reserveCapacity(places.count)
    for place in places {
      let block = try await storeCall { _ throws(StoreError) in
        place.isEmpty ? ByteBuffer() : try await reader.read(place)
      }
      guard !isOver else { throw .connectionClosed }
      blocks.append(block)
    }
    guard let surrogate = MessageSurrogate(index, trace: trace, blocks: blocks) else { return nil }
    return SurrogateReader(surrogate, reader)
  }

  /// RFC 6858 §3: which of the messages were surrogates.
  func noteDowngraded(_ uid: UID) { downgraded.append(uid) }

  /// The same of responses that nobody asked for, which have no completion.
  func tellDowngraded() {
    guard !isOver, !downgraded.isEmpty else { return }
    let completion = withDowngraded(.ok("These are surrogates"))
    say(.ok, completion.code, completion.text)
  }

  /// The completion of a FETCH, with the code that names surrogates.
  func withDowngraded(_ completion: Completion) -> Completion {
    guard !downgraded.isEmpty else { return completion }
    var completion = completion
    var set = ByteBuffer()
    set.writeMessageSet(MessageSet(sorted: downgraded.sorted()))
    completion.code = .other("DOWNGRADED " + String(buffer: set))
    downgraded = []
    return completion
  }
}

/// Reads a surrogate in ranges.
final class SurrogateReader: MessageReader {
  let surrogate: MessageSurrogate
  private let original: any MessageReader
  /// Its lines are the beginning of the surrogate's header.
  let trace = ByteBuffer()

  init(_ surrogate: MessageSurrogate, _ original: any MessageReader) {
    self.surrogate = surrogate
    self.original = original
  }

  var index: MessageIndex { surrogate.index }
  var size: Int { surrogate.index.size }

  func read(_ range: Range<Int>) async throws(StoreError) -> ByteBuffer {
    var result = ByteBuffer()
    let end = min(range.upperBound, size)
    var position = range.lowerBound
    while position < end {
      let before = result.readableBytes
      switch surrogate.piece(at: position..<end) {
      case .header(let bytes): result.writeImmutableBuffer(bytes)
      case .body(let place): result.writeImmutableBuffer(try await original.read(place))
      }
      guard result.readableBytes > before else { throw .corrupt(what: "message shorter than its size") }
      position += result.readableBytes - before
    }
    return result
  }
}

extension FetchEncoder {
  /// Whether something that is wanted of the message is not ASCII, so that a surrogate may have to be shown. Large messages
  /// are looked at when they are read.
  func mayNeedSurrogate(_ row: any MessageRow) -> Bool {
    func isASCII(_ bytes: RawSpan) -> Bool { bytes.withUnsafeBytes { UTF8Surrogate.isASCII($0) } }
    guard plan.opensMessage else {
      guard row.withTrace(isASCII), plan.sections.isEmpty || row.withCommonHeaders(isASCII) else { return true }
      var columns = ByteBuffer()
      for item in plan.items {
        switch item {
        case .envelope: row.appendEnvelope(to: &columns)
        case .body: row.appendBody(to: &columns)
        case .bodyStructure: row.appendBodyStructure(to: &columns)
        default: break
        }
      }
      return !isASCII(columns.readableBytesSpan)
    }
    guard row.size <= wholeMessageLimit, row.withTrace(isASCII) else { return true }
    do throws(StoreError) {
      let places = MessageSurrogate.headerPlaces(of: try row.index(), trace: 0)
      return try row.withMessage { (message) throws(StoreError) in
        !places.allSatisfy { isASCII(message.extracting($0.clamped(to: 0..<message.byteCount))) }
      }
    } catch {
      // Whoever writes it comes upon the same.
      return false
    }
  }
}
