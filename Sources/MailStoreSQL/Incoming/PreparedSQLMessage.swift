import BlobStore
import MailFormat
import MailStore
import NIOCore

/// A message parsed, with everything that goes into `content`, and compressed.
final class PreparedSQLMessage: PreparedMessage {
  let size: Int
  let blob: EncodedBlob
  let columns: ContentColumns

  init(size: Int, blob: EncodedBlob, summary: MessageSummary) {
    self.size = size
    self.blob = blob
    columns = ContentColumns(summary)
  }
}

/// What is computed once at delivery, in the form it has in the row.
struct ContentColumns: Sendable {
  var version: Int32
  var envelope: ByteBuffer
  var structure: ByteBuffer
  var body: ByteBuffer
  var sort: ByteBuffer
  var headers: ByteBuffer
  var parts: ByteBuffer
  var preview: String
  /// For the thread: references newest first, each once, the message's own identifier in front.
  var identifiers: [Int64]

  init(_ summary: MessageSummary) {
    version = MessageSummary.parserVersion
    envelope = summary.envelope
    structure = summary.bodyStructure
    body = summary.body
    sort = SortKeys(summary).encoded()
    headers = summary.commonHeaders
    parts = summary.index.encoded()
    preview = summary.preview
    identifiers = []
    for identifier in [summary.messageID].compactMap({ $0 }) + summary.references.reversed() {
      guard identifiers.count < StoreLimits.threadReferences else { break }
      let hash = Self.hash(identifier)
      if !identifiers.contains(hash) { identifiers.append(hash) }
    }
  }

  /// Of a message whose `headers` are at hand.
  static func identifiers(ofHeaders headers: ByteBuffer) -> [Int64] {
    var headers = headers
    // The mark of a header that was too long to be kept whole (see `CommonHeaders`).
    if headers.getInteger(at: headers.readerIndex, as: UInt8.self) == 0 { headers.moveReaderIndex(forwardBy: 3) }
    return ContentColumns(MessageSummary.make(headers.readableBytesSpan)).identifiers
  }

  /// FNV-1a with a finishing mix; kept in rows, so it never changes. A collision joins two threads, no more.
  private static func hash(_ text: String) -> Int64 {
    var value: UInt64 = 0xCBF2_9CE4_8422_2325
    for byte in text.utf8 { value = (value ^ UInt64(byte)) &* 0x0000_0100_0000_01B3 }
    value ^= value >> 32
    value = value &* 0xD6E8_FEB8_6659_FD93
    value ^= value >> 32
    return Int64(bitPattern: value)
  }
}

extension SortKeys {
  init(_ summary: MessageSummary) {
    self.init(
      sentDate: summary.sentDate, sentDay: summary.sentDay, baseSubject: summary.baseSubject, from: summary.sortFrom,
      to: summary.sortTo, cc: summary.sortCc, displayFrom: summary.displayFrom, displayTo: summary.displayTo)
  }
}
