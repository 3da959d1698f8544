import Bytes
public import NIOCore

/// Undoes a part's transfer encoding piece by piece, for BINARY (RFC 3516, RFC 9051 §7.5.2). The same octets come out
/// however the input is cut. Damage is passed over.
public struct TransferDecoder: Sendable {
  private let encoding: TransferEncoding
  /// Textual lines go out with CRLF, whatever they had inside the encoding (RFC 9051 §7.5.2).
  private let fixesLineEnds: Bool
  private var lastWasCR = false
  // Base64
  private var bits: UInt32 = 0
  private var count = 0
  /// Quoted-printable: the beginning of something that cannot be decided yet; an escape, or blanks.
  private var held: [UInt8] = []
  private var decoded: [UInt8] = []

  /// What has come out so far, NULs among it.
  public private(set) var size = 0
  public private(set) var hasNUL = false

  /// For a part of which only a description is at hand: a client's BODYSTRUCTURE.
  /// - encoding: as Content-Transfer-Encoding names it. Nil if nobody knows how to undo it.
  public init?(encodingName: String, fixesLineEnds: Bool) {
    let encoding = TransferEncoding(encodingName.utf8Span.span.bytes, 0..<encodingName.utf8.count)
    guard encoding != .other, encoding != .uuencode else { return nil }
    self.encoding = encoding
    self.fixesLineEnds = fixesLineEnds
  }

  /// Nil: nobody knows how (`[UNKNOWN-CTE]`).
  public init?(_ part: Part) {
    // RFC 2045 §6.4: parts with parts inside them have no encoding of their own.
    if part.isMultipart || part.isMessage {
      encoding = .binary
      fixesLineEnds = false
      return
    }
    guard part.encoding != .other, part.encoding != .uuencode else { return nil }
    encoding = part.encoding
    let wide = part.charset?.hasPrefix("utf-16") == true || part.charset?.hasPrefix("utf-32") == true
    fixesLineEnds = part.isText && !wide
  }

  public mutating func decode(_ bytes: RawSpan, into buffer: inout ByteBuffer) {
    switch encoding {
    case .base64: base64(bytes)
    case .quotedPrintable: quotedPrintable(bytes)
    default:
      emit(bytes, into: &buffer)
      return
    }
    flush(into: &buffer)
  }

  /// The end of the part.
  public mutating func finish(into buffer: inout ByteBuffer) {
    if encoding == .base64 { endQuantum() }
    // RFC 2045 §6.7 (5): `=` at the end of the last line is a soft line break.
    let isSoftBreak = held.first == 0x3D && held.dropFirst().allSatisfy(\.isBlank)
    if !isSoftBreak { decoded.append(contentsOf: held) }
    held.removeAll()
    flush(into: &buffer)
  }

  private mutating func flush(into buffer: inout ByteBuffer) {
    let bytes = decoded
    decoded.removeAll(keepingCapacity: true)
    emit(bytes.span.bytes, into: &buffer)
  }

  private mutating func emit(_ bytes: RawSpan, into buffer: inout ByteBuffer) {
    let start = buffer.writerIndex
    var copied = 0
    for offset in 0..<bytes.byteCount {
      let byte = bytes.byte(at: offset)
      if byte == 0 { hasNUL = true }
      if byte == .lf, fixesLineEnds, !lastWasCR {
        buffer.writeSpan(bytes.extracting(copied..<offset))
        buffer.writeInteger(UInt8.cr)
        copied = offset
      }
      lastWasCR = byte == .cr
    }
    buffer.writeSpan(bytes.extracting(copied..<bytes.byteCount))
    size += buffer.writerIndex - start
  }

  // MARK: Base64 (RFC 2045 §6.8)

  private mutating func base64(_ bytes: RawSpan) {
    decoded.reserveCapacity(bytes.byteCount / 4 * 3 + 3)
    for offset in 0..<bytes.byteCount {
      let byte = bytes.byte(at: offset)
      let value: UInt32
      switch byte {
      case 0x41...0x5A: value = UInt32(byte) - 0x41
      case 0x61...0x7A: value = UInt32(byte) - 0x61 + 26
      case 0x30...0x39: value = UInt32(byte) - 0x30 + 52
      case 0x2B: value = 62
      case 0x2F: value = 63
      case 0x3D:
        endQuantum()
        continue
      default: continue
      }
      bits = bits << 6 | value
      count += 1
      if count == 4 {
        decoded.append(UInt8(truncatingIfNeeded: bits >> 16))
        decoded.append(UInt8(truncatingIfNeeded: bits >> 8))
        decoded.append(UInt8(truncatingIfNeeded: bits))
        bits = 0
        count = 0
      }
    }
  }

  private mutating func endQuantum() {
    let left = bits << UInt32(6 * (4 - count))
    if count >= 2 { decoded.append(UInt8(truncatingIfNeeded: left >> 16)) }
    if count == 3 { decoded.append(UInt8(truncatingIfNeeded: left >> 8)) }
    bits = 0
    count = 0
  }

  // MARK: Quoted-printable (RFC 2045 §6.7)

  private mutating func quotedPrintable(_ bytes: RawSpan) {
    decoded.reserveCapacity(bytes.byteCount)
    for offset in 0..<bytes.byteCount { quotedPrintable(bytes.byte(at: offset)) }
  }

  private mutating func quotedPrintable(_ byte: UInt8) {
    guard let first = held.first else {
      if byte == 0x3D || byte.isBlank || byte == .cr { held.append(byte) } else { decoded.append(byte) }
      return
    }
    if first == 0x3D {
      escape(byte)
    } else if byte == .lf {
      // Blanks before a line end were added on the way.
      if held.last == .cr { decoded.append(.cr) }
      decoded.append(.lf)
      held.removeAll()
    } else if byte.isBlank, held.last != .cr {
      held.append(byte)
      releaseLongRun()
    } else if byte == .cr, held.last != .cr {
      held.append(byte)
    } else {
      release()
      quotedPrintable(byte)
    }
  }

  /// Something behind `=`.
  private mutating func escape(_ byte: UInt8) {
    if held.count == 1, byte.hexValue != nil {
      held.append(byte)
    } else if held.count == 2, let high = held[1].hexValue, let low = byte.hexValue {
      decoded.append(high << 4 | low)
      held.removeAll()
    } else if byte == .lf,
      held.count == 1 || held.dropFirst().dropLast().allSatisfy(\.isBlank) && !held[held.count - 1].isHex
    {
      // A soft line break.
      held.removeAll()
    } else if byte.isBlank || byte == .cr, held.dropFirst().allSatisfy(\.isBlank) {
      held.append(byte)
      releaseLongRun()
    } else {
      // A wrong `=` is best left as it is.
      release()
      quotedPrintable(byte)
    }
  }

  private mutating func release() {
    decoded.append(contentsOf: held)
    held.removeAll()
  }

  /// No line of honest mail has so many blanks; memory stays bounded.
  private mutating func releaseLongRun() {
    if held.count > 4096 { release() }
  }
}

extension UInt8 {
  fileprivate var isHex: Bool { hexValue != nil }
  fileprivate var hexValue: UInt8? {
    switch self {
    case 0x30...0x39: self - 0x30
    case 0x41...0x46: self - 0x41 + 10
    case 0x61...0x66: self - 0x61 + 10
    default: nil
    }
  }
}
