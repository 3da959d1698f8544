import Bytes
public import NIOCore

/// Everything that is kept beside a message's bytes, computed once at delivery.
public struct MessageSummary: Sendable {
  /// Rises whenever the same message would give another summary; kept ones are then made anew.
  public static let parserVersion: Int32 = 2

  public var index: MessageIndex
  /// Wire forms, parentheses included, legal for IMAP4rev1 and rev2.
  public var envelope: ByteBuffer
  public var body: ByteBuffer
  public var bodyStructure: ByteBuffer
  /// Header lines often asked for by HEADER.FIELDS (see `CommonHeaders`), whole and in the order of the message, then the empty
  /// line if the message has one: `HeaderFields.write` makes of them what it makes of the header itself, unless
  /// `CommonHeaders.areWhole` denies it.
  public var commonHeaders: ByteBuffer
  /// Unix seconds of Date:; nil when it cannot be read.
  public var sentDate: Int64?
  /// Days since 1970-01-01 in the zone of Date: itself.
  public var sentDay: Int32?
  /// RFC 5256 §2.1, letters as they are: collation is the reader's.
  public var baseSubject: String
  /// Local part of the first address, for SORT (RFC 5256 §3).
  public var sortFrom: String
  public var sortTo: String
  public var sortCc: String
  /// RFC 5957 §3.
  public var displayFrom: String
  public var displayTo: String
  /// Without angle brackets, in the form that THREAD compares (RFC 5256 §3); nil when missing or not valid.
  public var messageID: String?
  /// Identifiers of References, else the first of In-Reply-To; same form, oldest first.
  public var references: [String]
  /// RFC 8970; at most 200 characters.
  public var preview: String

  /// Computes all of it. Never fails, whatever the bytes are.
  /// - step: called after about each MiB that was looked at, so that whoever mapped the bytes of a large message can let go of
  ///   the pages; the last ones may be looked at again.
  public static func make(
    _ bytes: RawSpan, limits: MIMELimits = .init(), step: (() -> Void)? = nil
  ) -> MessageSummary {
    MessageSummary(bytes, limits, step)
  }

  private init(_ bytes: RawSpan, _ limits: MIMELimits, _ step: (() -> Void)?) {
    index = MessageIndex.parse(bytes, limits: limits, step: step)
    step?()
    let header = index.root.headerRange
    var fields = EnvelopeFields()
    var common = CommonHeaders.Collector(header)
    HeaderFields.forEach(bytes, in: header, within: limits.headerBytes) { name, value, whole in
      // RFC 9051 leaves open how much of a hostile header an envelope reflects.
      guard whole.upperBound - header.lowerBound <= limits.headerBytes else { return false }
      fields.note(bytes, name, value)
      if CommonHeaders.contains(bytes, name) { common.add(bytes, whole) }
      return true
    }
    commonHeaders = common.finish(bytes, header, isCut: header.count > limits.headerBytes)
    envelope = ByteBuffer()
    envelope.reserveCapacity(512)
    Envelope.write(bytes, fields, into: &envelope)
    bodyStructure = ByteBuffer()
    bodyStructure.reserveCapacity(256)
    BodyStructureWriter.writeBody(index, bytes, extensible: true, step: step, into: &bodyStructure)
    step?()
    body = ByteBuffer()
    body.reserveCapacity(bodyStructure.readableBytes)
    BodyStructureWriter.writeBody(index, bytes, extensible: false, step: step, into: &body)
    step?()

    let date = fields.date.flatMap { DateParser.messageDate(bytes, in: $0) }
    sentDate = date?.seconds
    sentDay = date?.day

    var converter = TextConverter()
    baseSubject = SortKeyText.baseSubject(bytes, fields.subject, &converter)
    (sortFrom, displayFrom) = SortKeyText.address(bytes, fields.values(.from).first { _ in true }, &converter)
    (sortTo, displayTo) = SortKeyText.address(bytes, fields.values(.to).first { _ in true }, &converter)
    (sortCc, _) = SortKeyText.address(bytes, fields.values(.cc).first { _ in true }, &converter)

    messageID = fields.messageID.flatMap { MessageIDs.list(bytes, $0, limit: 1).first }
    // RFC 5256 §3 (REFERENCES): In-Reply-To counts only where References has no valid identifier, and only its first.
    references = fields.references.map { MessageIDs.list(bytes, $0) } ?? []
    if references.isEmpty, let inReplyTo = fields.inReplyTo {
      references = MessageIDs.list(bytes, inReplyTo, limit: 1)
    }
    preview = Preview.make(index, bytes, step: step, &converter)
  }
}

/// The header fields that are kept beside a message, so that usual HEADER.FIELDS requests need not open it.
public enum CommonHeaders {
  /// Whether a field's lines are in `MessageSummary.commonHeaders`.
  /// - name: in any case.
  public static func contains(_ name: [UInt8]) -> Bool {
    contains(name.span.bytes, 0..<name.count)
  }

  /// Whether all lines of these names are in what is kept of a message; else the message has to be asked for what is not
  /// found there.
  /// - kept: `MessageSummary.commonHeaders`.
  @inline(__always)
  public static func areWhole(_ kept: RawSpan) -> Bool { kept.byteCount == 0 || kept.at(0) != 0 }

  /// Gathers the lines, as far as they are few. A line of a NUL, which names no field, stands in front of those of a longer
  /// header: a field of 50 MB in a row would be 50 MB in memory, and more, whenever the row is written or looked at.
  struct Collector {
    private var lines = ByteBuffer()
    private var isWhole = true

    init(_ header: Range<Int>) { lines.reserveCapacity(min(header.count, 2_048)) }

    mutating func add(_ bytes: RawSpan, _ field: Range<Int>) {
      if lines.readableBytes + field.count <= MIMELimits.commonHeaderBytes {
        lines.write(bytes, field)
      } else {
        isWhole = false
      }
    }

    /// What is kept; called once. Not `consuming`: of a variable that a closure saw that would be a copy, lines and all.
    /// - isCut: there is more than was looked at.
    mutating func finish(_ bytes: RawSpan, _ header: Range<Int>, isCut: Bool) -> ByteBuffer {
      let line = HeaderFields.emptyLine(bytes, header)
      if isWhole, !isCut {
        if let line { lines.write(bytes, line) }
        return lines
      }
      var marked = ByteBuffer()
      marked.reserveCapacity(lines.readableBytes + 8)
      marked.writeStaticString("\0\r\n")
      marked.writeImmutableBuffer(lines)
      if let line { marked.write(bytes, line) }
      return marked
    }
  }

  @inline(__always)
  static func contains(_ bytes: RawSpan, _ name: Range<Int>) -> Bool {
    func isOne(_ words: StaticString...) -> Bool { words.contains { bytes.equals($0, in: name) } }
    switch name.count {
    case 2: return bytes.equals("to", in: name) || bytes.equals("cc", in: name)
    case 3: return bytes.equals("bcc", in: name)
    case 4: return bytes.equals("from", in: name) || bytes.equals("date", in: name)
    case 6: return bytes.equals("sender", in: name)
    case 7: return bytes.equals("subject", in: name) || bytes.equals("list-id", in: name)
    case 8: return bytes.equals("reply-to", in: name) || bytes.equals("priority", in: name)
    case 10:
      return bytes.equals("message-id", in: name) || bytes.equals("references", in: name)
        || bytes.equals("x-priority", in: name) || bytes.equals("importance", in: name)
    case 11: return bytes.equals("in-reply-to", in: name)
    case 12: return bytes.equals("content-type", in: name)
    default: return false
    }
  }
}

/// Sort keys of a header, as UTF-8.
private enum SortKeyText {
  static func baseSubject(_ bytes: RawSpan, _ value: Range<Int>?, _ converter: inout TextConverter) -> String {
    guard let value else { return "" }
    let text = bytes.extracting(value.prefix(MIMELimits.sortKeyBytes))
    return cut(BaseSubject.extract(EncodedWords.decode(text, &converter)))
  }

  /// What SORT FROM/TO/CC and DISPLAYFROM/DISPLAYTO compare: of the first address.
  static func address(
    _ bytes: RawSpan, _ value: Range<Int>?, _ converter: inout TextConverter
  ) -> (sort: String, display: String) {
    guard let value, let first = Address.parse(bytes, in: value, limit: 1).first else { return ("", "") }
    var mailbox: [UInt8] = []
    if let raw = first.mailbox { UTF8Repair.appendGuessing(raw.span.bytes, to: &mailbox) }
    let sort = cut(String(decoding: mailbox, as: UTF8.self))
    if let name = first.name, !name.isEmpty {
      let decoded = EncodedWords.decode(name.span.bytes, &converter)
      if !decoded.isEmpty { return (sort, cut(String(decoding: decoded, as: UTF8.self))) }
    }
    guard let host = first.host else { return (sort, sort) }
    return (sort, cut(sort + "@" + String(decoding: host, as: UTF8.self)))
  }

  private static func cut(_ text: String) -> String {
    guard text.utf8.count > MIMELimits.keptSortKeyBytes else { return text }
    return String(decoding: text.utf8.prefix(MIMELimits.keptSortKeyBytes), as: UTF8.self)
  }
}
