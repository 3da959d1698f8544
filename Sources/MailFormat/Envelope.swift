import Bytes
public import NIOCore

/// IMAP's ENVELOPE (RFC 9051 §7.5.2).
public enum Envelope {
  /// Writes `(date subject from sender reply-to to cc bcc in-reply-to message-id)` of a header, legal for IMAP4rev1 too:
  /// whatever is not ASCII goes as a literal. RFC 2047 words are kept as they are.
  public static func write(_ bytes: RawSpan, header: Range<Int>, into buffer: inout ByteBuffer) {
    var fields = EnvelopeFields()
    fields.collect(bytes, header: header)
    write(bytes, fields, into: &buffer)
  }

  static func write(_ bytes: RawSpan, _ fields: EnvelopeFields, into buffer: inout ByteBuffer) {
    var parser = AddressParser()
    buffer.writeStaticString("(")
    writeValue(bytes, fields.date, into: &buffer)
    buffer.writeStaticString(" ")
    if let subject = fields.subject { writeSubject(bytes, subject, into: &buffer) } else { buffer.writeNil() }
    buffer.writeStaticString(" ")
    for kind in EnvelopeFields.Kind.allCases {
      let hasOwn = writeAddresses(bytes, fields, kind, &parser, into: &buffer)
      if !hasOwn {
        // RFC 9051 §7.5.2: where Sender or Reply-To is absent or empty, the server sets it to From's value.
        let isDefaulted = kind == .sender || kind == .replyTo
        if !isDefaulted || !writeAddresses(bytes, fields, .from, &parser, into: &buffer) { buffer.writeNil() }
      }
      buffer.writeStaticString(" ")
    }
    writeValue(bytes, fields.inReplyTo, into: &buffer)
    buffer.writeStaticString(" ")
    writeValue(bytes, fields.messageID, into: &buffer)
    buffer.writeStaticString(")")
  }

  private static func writeValue(_ bytes: RawSpan, _ value: Range<Int>?, into buffer: inout ByteBuffer) {
    if let value { buffer.writeUnfolded(bytes, value) } else { buffer.writeNil() }
  }

  /// The subject with runs of blanks and folds as one space: RFC 5322 gives runs in it no meaning of their own.
  private static func writeSubject(_ bytes: RawSpan, _ value: Range<Int>, into buffer: inout ByteBuffer) {
    let trimmed = bytes.trimmed(value)
    var isSimple = true
    for offset in trimmed where bytes.at(offset).isWhitespace {
      let follows = bytes.peek(offset + 1).map(\.isWhitespace) ?? false
      if bytes.at(offset) != .space || follows {
        isSimple = false
        break
      }
    }
    if isSimple { return buffer.writeIMAPString(bytes, trimmed) }
    var text: [UInt8] = []
    text.reserveCapacity(trimmed.count)
    for offset in trimmed {
      let byte = bytes.at(offset)
      if !byte.isWhitespace {
        text.append(byte)
      } else if text.last != .space {
        text.append(.space)
      }
    }
    buffer.writeIMAPString(text)
  }

  /// Writes the list of one kind; writes nothing and returns false when it has no address.
  private static func writeAddresses(
    _ bytes: RawSpan, _ fields: EnvelopeFields, _ kind: EnvelopeFields.Kind, _ parser: inout AddressParser,
    into buffer: inout ByteBuffer
  ) -> Bool {
    var count = 0
    for (fieldKind, value) in fields.addresses where fieldKind == kind {
      guard count < MIMELimits.addresses else { break }
      parser.parse(bytes, value) { address in
        if count == 0 { buffer.writeStaticString("(") }
        count += 1
        buffer.writeAddress(address)
        return count < MIMELimits.addresses || address.isGroupStart
      }
    }
    if count > 0 { buffer.writeStaticString(")") }
    return count > 0
  }
}

/// The places of an envelope's fields. Of date, subject and identifiers the last counts, addresses of several fields are
/// put together.
struct EnvelopeFields {
  enum Kind: CaseIterable { case from, sender, replyTo, to, cc, bcc }

  var date: Range<Int>?
  var subject: Range<Int>?
  var inReplyTo: Range<Int>?
  var messageID: Range<Int>?
  var references: Range<Int>?
  var addresses: [(kind: Kind, value: Range<Int>)] = []

  mutating func collect(_ bytes: RawSpan, header: Range<Int>) {
    let limit = MIMELimits().headerBytes
    HeaderFields.forEach(bytes, in: header, within: limit) { name, value, whole in
      if whole.upperBound - header.lowerBound <= limit { note(bytes, name, value) }
      return true
    }
  }

  @inline(__always)
  mutating func note(_ bytes: RawSpan, _ name: Range<Int>, _ value: Range<Int>) {
    switch name.count {
    case 2:
      if bytes.equals("to", in: name) { add(.to, value) } else if bytes.equals("cc", in: name) { add(.cc, value) }
    case 3: if bytes.equals("bcc", in: name) { add(.bcc, value) }
    case 4:
      if bytes.equals("from", in: name) { add(.from, value) } else if bytes.equals("date", in: name) { date = value }
    case 6: if bytes.equals("sender", in: name) { add(.sender, value) }
    case 7: if bytes.equals("subject", in: name) { subject = value }
    case 8: if bytes.equals("reply-to", in: name) { add(.replyTo, value) }
    case 10:
      if bytes.equals("message-id", in: name) {
        messageID = value
      } else if bytes.equals("references", in: name) {
        references = value
      }
    case 11: if bytes.equals("in-reply-to", in: name) { inReplyTo = value }
    default: break
    }
  }

  private mutating func add(_ kind: Kind, _ value: Range<Int>) { addresses.append((kind, value)) }

  func values(_ kind: Kind) -> some Sequence<Range<Int>> {
    addresses.lazy.filter { $0.kind == kind }.map(\.value)
  }
}

extension ByteBuffer {
  /// `(name route mailbox host)`
  mutating func writeAddress(_ address: borrowing AddressScratch) {
    writeStaticString("(")
    if address.hasName { writeIMAPString(address.name) } else { writeNil() }
    writeStaticString(" ")
    if address.hasRoute { writeIMAPString(address.route) } else { writeNil() }
    writeStaticString(" ")
    if address.hasMailbox { writeIMAPString(address.mailbox) } else { writeNil() }
    writeStaticString(" ")
    if address.hasHost { writeIMAPString(address.host) } else { writeNil() }
    writeStaticString(")")
  }
}
