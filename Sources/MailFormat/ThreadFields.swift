import Bytes

/// What THREAD=REFERENCES goes by in one message (RFC 5256 §3), read into buffers that are used again for the next.
public struct ThreadFields {
  private var text: [UInt8] = []
  private var ranges: [Range<Int>] = []

  /// The message's own identifier; nil when it is missing or not valid.
  private var ownID: Range<Int>?
  /// The subject is that of a reply or a forward.
  public private(set) var isReply = false

  public init() {}

  /// Reads a header, or those of its lines that `CommonHeaders` keeps.
  public mutating func read(_ bytes: RawSpan) {
    text.removeAll(keepingCapacity: true)
    ranges.removeAll(keepingCapacity: true)
    ownID = nil
    isReply = false
    var fields = EnvelopeFields()
    HeaderFields.forEach(bytes, in: 0..<bytes.byteCount) { name, value, _ in
      if name.count == 7 || name.count >= 10 { fields.note(bytes, name, value) }
      return true
    }
    if let value = fields.messageID {
      MessageIDs.append(bytes, value, limit: 1, to: &text, &ranges)
      ownID = ranges.popLast()
    }
    if let value = fields.references { MessageIDs.append(bytes, value, to: &text, &ranges) }
    // RFC 5256 §3: In-Reply-To counts only where References has no valid identifier, and only its first.
    if ranges.isEmpty, let value = fields.inReplyTo { MessageIDs.append(bytes, value, limit: 1, to: &text, &ranges) }
    guard let subject = fields.subject else { return }
    var converter = TextConverter()
    let value = bytes.extracting(subject.prefix(MIMELimits.sortKeyBytes))
    isReply = BaseSubject.strip(EncodedWords.decode(value, &converter)).isReply
  }

  public var referenceCount: Int { ranges.count }

  /// The message's own identifier.
  public func withMessageID<Result>(_ body: (UnsafeRawBufferPointer) -> Result) -> Result? {
    ownID.map { range in text.withUnsafeBytes { body(UnsafeRawBufferPointer(rebasing: $0[range])) } }
  }

  /// Identifiers of its ancestors, the oldest first.
  public func withReference<Result>(_ index: Int, _ body: (UnsafeRawBufferPointer) -> Result) -> Result {
    text.withUnsafeBytes { body(UnsafeRawBufferPointer(rebasing: $0[ranges[index]])) }
  }
}
