import Bytes
import NIOCore

/// The header of one entity, as far as it says how the entity is to be taken.
struct BinaryHeader: Sendable {
  /// Content-Type and Content-Transfer-Encoding, one behind the other; `part` has their places.
  var kept = ByteBuffer()
  var part = Part(headerStart: 0)
  /// The field being read, its lines ended in CRLF.
  var field = ByteBuffer()
  /// The field goes out as its lines come.
  var isPassing = false
  /// The name of the encoding's field as it was written: binary, and so held back.
  var heldEncoding: String?

  init(isInDigest: Bool) {
    if isInDigest {
      // RFC 2046 §5.1.5
      part.type = "message"
      part.subtype = "rfc822"
    }
  }
}

extension BinaryIntake {
  mutating func beginEntity(isInDigest: Bool) {
    partCount += 1
    header = BinaryHeader(isInDigest: isInDigest)
    mode = .header
  }

  mutating func headerLine(_ line: ByteBuffer, isStart: Bool, isOver: Bool) {
    let isContinuation = !isStart || line.readableBytesView.first?.isBlank == true
    if !isContinuation { endField() }
    if isStart, line.readableBytes == 0 {
      endHeader(isStopped: false)
      return
    }
    if header.isPassing {
      write(line, isOver: isOver)
      return
    }
    header.field.writeImmutableBuffer(lineWritten(line, isOver: isOver))
    guard header.field.readableBytes > Self.longestField else { return }
    if name(of: header.field.readableBytesSpan) != nil { failure = failure ?? .fieldTooLong }
    output.writeImmutableBuffer(header.field)
    header.field = ByteBuffer()
    header.isPassing = true
  }

  /// The kind of a field that matters here.
  private func name(of field: RawSpan) -> ContentField? {
    guard field.hasWord("content-", at: 0),
      let colon = field.firstIndex(of: 0x3A, from: 0, to: min(field.byteCount, 64))
    else { return nil }
    var end = colon
    while end > 8, field.at(end - 1).isBlank { end -= 1 }
    let kind = ContentField(field, name: 8..<max(8, end))
    return kind == .type || kind == .transferEncoding ? kind : nil
  }

  private mutating func endField() {
    let field = header.field
    header.field = ByteBuffer()
    header.isPassing = false
    guard field.readableBytes > 0 else { return }
    guard let kind = name(of: field.readableBytesSpan) else {
      output.writeImmutableBuffer(field)
      return
    }
    if kind == .transferEncoding, header.heldEncoding != nil {
      // The first of several counts, and it is going to be another.
      return
    }
    // The first of several counts.
    if header.part.fields[kind] == nil {
      let start = header.kept.readableBytes
      header.kept.writeImmutableBuffer(field)
      let kept = header.kept
      _ = header.part.noteContentField(kept.readableBytesSpan, start..<kept.readableBytes)
      if kind == .transferEncoding, let range = header.part.range(of: kind),
        TransferEncoding(kept.readableBytesSpan, range) == .binary
      {
        let written = field.readableBytesView.prefix { $0 != UInt8(ascii: ":") && !$0.isBlank }
        header.heldEncoding = String(decoding: written, as: UTF8.self)
        return
      }
    }
    output.writeImmutableBuffer(field)
  }

  /// `isStopped`: a boundary or the end of the message stands where the empty line should.
  mutating func endHeader(isStopped: Bool) {
    endField()
    var part = header.part
    let boundary = part.readContentFields(header.kept.readableBytesSpan)
    let isBinary = header.heldEncoding != nil
    let isContainer = part.type == "multipart" || part.isMessageType
    var next = Mode.text
    var frame: Frame?
    if isContainer, frames.count + 1 >= limits.depth || partCount >= limits.parts {
      if isBinary { failure = failure ?? .tooDeep }
    } else if part.type == "multipart" {
      if let boundary {
        frame = .multipart(boundary: boundary, isDigest: part.subtype == "digest")
      } else if isBinary {
        failure = failure ?? .noBoundary
      }
    } else if part.isMessageType {
      frame = .message
      next = .header
    } else if isBinary {
      next = .data
      isAtDataStart = true
      encodedParts += 1
    }
    if let name = header.heldEncoding {
      // RFC 2045 §6.4: multiparts and messages are never encoded as a whole.
      output.writeString(isContainer ? "\(name): 8bit\r\n" : "\(name): base64\r\n")
    }
    header = BinaryHeader(isInDigest: false)
    guard !isStopped else {
      mode = .text
      return
    }
    output.writeStaticString("\r\n")
    if let frame { frames.append(frame) }
    mode = next
    if next == .header { partCount += 1 }
  }
}
