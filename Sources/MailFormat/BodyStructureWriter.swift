import Bytes
public import NIOCore

/// IMAP's BODY and BODYSTRUCTURE (RFC 9051 §7.5.2).
///
/// Types, parameter names and values are sent as the message spells them; RFC 2231 parameters as `MIMEParameter` says.
public enum BodyStructureWriter {
  /// Writes the structure of a message in parentheses.
  /// - extensible: true for BODYSTRUCTURE, false for BODY.
  public static func writeBody(
    _ index: MessageIndex, _ bytes: RawSpan, extensible: Bool, into buffer: inout ByteBuffer
  ) {
    writeBody(index, bytes, extensible: extensible, step: nil, into: &buffer)
  }

  /// - step: see `MessageSummary.make`.
  static func writeBody(
    _ index: MessageIndex, _ bytes: RawSpan, extensible: Bool, step: (() -> Void)?, into buffer: inout ByteBuffer
  ) {
    var writer = Writer(
      extensible: extensible, limit: buffer.writerIndex + MIMELimits.structureBytes, step: step)
    writer.part(index.root, bytes, insideDigest: false, into: &buffer)
  }
}

private struct Writer {
  let extensible: Bool
  /// Beyond this place in the buffer no more envelopes are written. What else a part brings is bounded by its parser.
  let limit: Int
  let step: (() -> Void)?
  private var visited = 0

  init(extensible: Bool, limit: Int, step: (() -> Void)?) {
    self.extensible = extensible
    self.limit = limit
    self.step = step
  }

  mutating func part(_ part: Part, _ bytes: RawSpan, insideDigest: Bool, into buffer: inout ByteBuffer) {
    visited += 1
    if visited % MIMELimits.stepParts == 0 { step?() }
    buffer.writeStaticString("(")
    if part.isMultipart {
      for child in part.children {
        self.part(child, bytes, insideDigest: part.subtype == "digest", into: &buffer)
      }
      buffer.writeStaticString(" ")
      multipart(part, bytes, into: &buffer)
    } else {
      single(part, bytes, into: &buffer)
    }
    buffer.writeStaticString(")")
  }

  /// `subtype` and, extended, parameters, disposition, language, location.
  private func multipart(_ part: Part, _ bytes: RawSpan, into buffer: inout ByteBuffer) {
    let media = mediaType(part, bytes)
    if let media {
      buffer.writeIMAPString(bytes, media.subtype)
    } else {
      buffer.writeIMAPString(Array(part.subtype.utf8))
    }
    guard extensible else { return }
    buffer.writeStaticString(" ")
    parameters(media, isText: false, bytes, into: &buffer)
    extensions(part, bytes, into: &buffer)
  }

  private mutating func single(_ part: Part, _ bytes: RawSpan, into buffer: inout ByteBuffer) {
    let media = mediaType(part, bytes)
    if part.isOpaque {
      // What may not be looked into is not announced as a container, which would need a structure.
      buffer.writeStaticString("\"application\" \"octet-stream\"")
    } else if let media {
      buffer.writeIMAPString(bytes, media.type)
      buffer.writeStaticString(" ")
      buffer.writeIMAPString(bytes, media.subtype)
    } else {
      buffer.writeStaticString("\"")
      buffer.writeString(part.type)
      buffer.writeStaticString("\" \"")
      buffer.writeString(part.subtype)
      buffer.writeStaticString("\"")
    }
    buffer.writeStaticString(" ")
    parameters(media, isText: part.isText, bytes, into: &buffer)
    buffer.writeStaticString(" ")
    string(part, .id, bytes, into: &buffer)
    buffer.writeStaticString(" ")
    string(part, .description, bytes, into: &buffer)
    buffer.writeStaticString(" ")
    encoding(part, bytes, into: &buffer)
    buffer.writeStaticString(" ")
    buffer.writeDecimal(part.bodyRange.count)
    if part.isMessage, let message = part.children.first {
      buffer.writeStaticString(" ")
      if buffer.writerIndex < limit {
        Envelope.write(bytes, header: message.headerRange, into: &buffer)
      } else {
        buffer.writeStaticString("(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)")
      }
      buffer.writeStaticString(" ")
      self.part(message, bytes, insideDigest: false, into: &buffer)
    }
    if part.isMessage || part.isText {
      buffer.writeStaticString(" ")
      buffer.writeDecimal(part.lineCount)
    }
    guard extensible else { return }
    buffer.writeStaticString(" ")
    string(part, .md5, bytes, into: &buffer)
    extensions(part, bytes, into: &buffer)
  }

  private func mediaType(_ part: Part, _ bytes: RawSpan) -> MediaType? {
    part.range(of: .type).flatMap { MediaType(bytes, bytes.clamped($0)) }
  }

  private func string(_ part: Part, _ field: ContentField, _ bytes: RawSpan, into buffer: inout ByteBuffer) {
    guard let range = part.range(of: field) else { return buffer.writeNil() }
    buffer.writeUnfolded(bytes, bytes.clamped(range))
  }

  private func encoding(_ part: Part, _ bytes: RawSpan, into buffer: inout ByteBuffer) {
    // RFC 2045 §6.1: 7bit is assumed when the field is absent.
    guard let range = part.range(of: .transferEncoding), let token = TransferEncoding.token(bytes, bytes.clamped(range))
    else {
      buffer.writeStaticString("\"7bit\"")
      return
    }
    buffer.writeIMAPString(bytes, token)
  }

  private func parameters(_ media: MediaType?, isText: Bool, _ bytes: RawSpan, into buffer: inout ByteBuffer) {
    let list = media.map { MIMEParameter.list(bytes, $0.parameters) } ?? []
    // RFC 2231 §4: the asterisk says how the value is written, the parameter is the same.
    let hasCharset = list.contains {
      $0.name.span.bytes.equals("charset", in: 0..<$0.name.count - ($0.name.last == 0x2A ? 1 : 0))
    }
    // RFC 2045 §5.2, RFC 2046 §4.1.2: text without a charset is in US-ASCII.
    write(list, defaultCharset: isText && !hasCharset, into: &buffer)
  }

  private func write(_ list: [MIMEParameter], defaultCharset: Bool, into buffer: inout ByteBuffer) {
    if list.isEmpty, !defaultCharset { return buffer.writeNil() }
    var separator: StaticString = "("
    for parameter in list {
      buffer.writeStaticString(separator)
      buffer.writeIMAPString(parameter.name)
      buffer.writeStaticString(" ")
      buffer.writeIMAPString(parameter.value)
      separator = " "
    }
    if defaultCharset {
      buffer.writeStaticString(separator)
      buffer.writeStaticString("\"charset\" \"us-ascii\"")
    }
    buffer.writeStaticString(")")
  }

  /// ` disposition language location`
  private func extensions(_ part: Part, _ bytes: RawSpan, into buffer: inout ByteBuffer) {
    buffer.writeStaticString(" ")
    disposition(part, bytes, into: &buffer)
    buffer.writeStaticString(" ")
    language(part, bytes, into: &buffer)
    buffer.writeStaticString(" ")
    string(part, .location, bytes, into: &buffer)
  }

  private func disposition(_ part: Part, _ bytes: RawSpan, into buffer: inout ByteBuffer) {
    guard let range = part.range(of: .disposition), let value = DispositionValue(bytes, bytes.clamped(range)) else {
      return buffer.writeNil()
    }
    buffer.writeStaticString("(")
    if value.type.isEmpty {
      buffer.writeStaticString("\"attachment\"")  // RFC 2183 §2.8: a type that is not known is an attachment.
    } else {
      buffer.writeIMAPString(bytes, value.type)
    }
    buffer.writeStaticString(" ")
    write(MIMEParameter.list(bytes, value.parameters), defaultCharset: false, into: &buffer)
    buffer.writeStaticString(")")
  }

  /// RFC 3282: a list of tags.
  private func language(_ part: Part, _ bytes: RawSpan, into buffer: inout ByteBuffer) {
    guard let range = part.range(of: .language) else { return buffer.writeNil() }
    var reader = FieldReader(bytes, range)
    var separator: StaticString = "("
    while true {
      reader.skipCFWS()
      let tag = reader.token()
      if !tag.isEmpty {
        buffer.writeStaticString(separator)
        buffer.writeIMAPString(bytes, tag)
        separator = " "
      }
      reader.skipCFWS()
      guard reader.take(0x2C) else { break }
    }
    if separator.utf8CodeUnitCount == 1, separator.utf8Start.pointee == 0x28 { return buffer.writeNil() }
    buffer.writeStaticString(")")
  }
}
