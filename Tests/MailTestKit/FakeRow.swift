import MailFormat
import MailStore
import NIOCore

/// What the parser says of a message.
struct FakeFacts: Sendable {
  let summary: MessageSummary
  /// The Message-ID of the thread's first message, or a value of this message's own.
  let threadKey: String?

  init(_ bytes: ByteBuffer) {
    summary = MessageSummary.make(bytes.readableBytesSpan)
    threadKey = summary.references.first ?? summary.messageID
  }
}

/// A row of a visit.
final class FakeRow: MessageRow {
  private let message: FakeMessage

  init(_ message: FakeMessage) { self.message = message }

  private var summary: MessageSummary { message.content.facts.summary }

  var uid: UID { message.uid }
  var internalDate: InternalDate { message.date }
  var saveDate: Int64 { message.saveDate }
  var size: Int { message.size }
  var uidl: String { message.uidl }
  var emailID: String { message.content.emailID }
  var threadID: String {
    guard let key = message.content.facts.threadKey else { return "T" + message.content.emailID }
    // The same for every message with this key; FNV-1a.
    let hash = key.utf8.reduce(0xcbf2_9ce4_8422_2325 as UInt64) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
    return "T" + String(hash, radix: 16)
  }
  var trace: ByteBuffer { message.trace }
  var preview: String { summary.preview }
  var sortKeys: SortKeys {
    SortKeys(
      sentDate: summary.sentDate, sentDay: summary.sentDay, baseSubject: summary.baseSubject, from: summary.sortFrom,
      to: summary.sortTo, cc: summary.sortCc, displayFrom: summary.displayFrom, displayTo: summary.displayTo)
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
    let bytes = message.content.bytes
    return try body(bytes.readableBytesSpan)
  }
}

extension FakeReader {
  var index: MessageIndex { message.content.facts.summary.index }
}
