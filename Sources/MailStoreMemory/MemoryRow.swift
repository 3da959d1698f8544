import MailFormat
import MailStore
import NIOCore

/// A row of a visit.
final class MemoryRow: MessageRow {
  private let message: MemoryMessage
  private let account: AccountID

  init(_ message: MemoryMessage, _ account: AccountID) {
    self.message = message
    self.account = account
  }

  private var summary: MessageSummary { message.content.message.summary }

  var uid: UID { message.uid }
  var internalDate: InternalDate { message.date }
  var saveDate: Int64 { message.saved }
  var size: Int { message.content.size }
  var uidl: String { message.uidl }
  var emailID: String { "M\(account)-\(message.content.number)" }
  var threadID: String { "T\(account)-\(message.content.thread)" }
  var trace: ByteBuffer { message.content.trace }
  var preview: String { summary.preview }
  var sortKeys: SortKeys {
    SortKeys(
      sentDate: summary.sentDate, sentDay: summary.sentDay, baseSubject: summary.baseSubject, from: summary.sortFrom,
      to: summary.sortTo, cc: summary.sortCc, displayFrom: summary.displayFrom, displayTo: summary.displayTo)
  }
  var sentDate: Int64? { summary.sentDate }

  func withSortText<Result>(_ text: SortText, _ body: (RawSpan) -> Result) -> Result {
    body(sortKeys[text].utf8Span.span.bytes)
  }

  func appendEnvelope(to buffer: inout ByteBuffer) { buffer.writeImmutableBuffer(summary.envelope) }
  func appendBody(to buffer: inout ByteBuffer) { buffer.writeImmutableBuffer(summary.body) }
  func appendBodyStructure(to buffer: inout ByteBuffer) { buffer.writeImmutableBuffer(summary.bodyStructure) }

  func withCommonHeaders<Result>(_ body: (RawSpan) throws -> Result) rethrows -> Result {
    let headers = summary.commonHeaders
    return try body(headers.readableBytesSpan)
  }

  func index() throws(StoreError) -> MessageIndex { summary.index }

  func withMessage<Result>(_ body: (RawSpan) throws(StoreError) -> Result) throws(StoreError) -> Result {
    let bytes = message.content.message.bytes
    return try body(bytes.readableBytesSpan)
  }
}

/// Holds the bytes themselves, whatever becomes of the message.
final class MemoryReader: MessageReader {
  private let content: MemoryContent

  init(_ content: MemoryContent) { self.content = content }

  var size: Int { content.size }
  var trace: ByteBuffer { content.trace }
  var index: MessageIndex { content.message.summary.index }

  func read(_ range: Range<Int>) async throws(StoreError) -> ByteBuffer {
    var whole = content.trace
    whole.writeImmutableBuffer(content.message.bytes)
    let wanted = range.clamped(to: 0..<whole.readableBytes)
    return whole.getSlice(at: whole.readerIndex + wanted.lowerBound, length: wanted.count) ?? ByteBuffer()
  }
}
