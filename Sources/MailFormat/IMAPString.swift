import Bytes
import NIOCore

extension ByteBuffer {
  mutating func writeNil() { writeStaticString("NIL") }

  /// An IMAP string (RFC 9051 §4.3): quoted where that is legal for IMAP4rev1 too, else a literal. 8-bit bytes and long
  /// values go as literals; NUL, which no literal may hold, becomes U+FFFD.
  mutating func writeIMAPString(_ bytes: RawSpan) {
    var escapes = 0
    var needsLiteral = bytes.byteCount > MIMELimits.quotedStringBytes
    var nuls = 0
    for offset in 0..<bytes.byteCount {
      let byte = bytes.at(offset)
      if byte == .quote || byte == .backslash {
        escapes += 1
      } else if byte >= 0x80 || byte == .cr || byte == .lf {
        needsLiteral = true
      } else if byte == 0 {
        needsLiteral = true
        nuls += 1
      }
    }
    if needsLiteral {
      // RFC 9051 §9: CHAR8 excludes NUL.
      writeString("{\(bytes.byteCount + 2 * nuls)}\r\n")
      guard nuls > 0 else { return write(bytes, 0..<bytes.byteCount) }
      for offset in 0..<bytes.byteCount {
        let byte = bytes.at(offset)
        if byte == 0 { writeStaticString("\u{FFFD}") } else { writeInteger(byte) }
      }
      return
    }
    writeInteger(UInt8.quote)
    if escapes == 0 {
      write(bytes, 0..<bytes.byteCount)
    } else {
      for offset in 0..<bytes.byteCount {
        let byte = bytes.at(offset)
        if byte == .quote || byte == .backslash { writeInteger(UInt8.backslash) }
        writeInteger(byte)
      }
    }
    writeInteger(UInt8.quote)
  }

  mutating func writeIMAPString(_ bytes: [UInt8]) { writeIMAPString(bytes.span.bytes) }

  mutating func writeIMAPString(_ bytes: RawSpan, _ range: Range<Int>) { writeIMAPString(bytes.extracting(range)) }

  /// A header value as an IMAP string, unfolded.
  mutating func writeUnfolded(_ bytes: RawSpan, _ value: Range<Int>) {
    if bytes.firstIndex(of: .lf, from: value.lowerBound, to: value.upperBound) == nil,
      bytes.firstIndex(of: .cr, from: value.lowerBound, to: value.upperBound) == nil
    {
      writeIMAPString(bytes, value)
    } else {
      writeIMAPString(HeaderFields.unfolded(bytes, value))
    }
  }
}
