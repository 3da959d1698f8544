import Crypto
import MailFormat
import NIOCore

/// Looks at a message's beginning: its Message-ID, and a hash of what TOP would bring of it.
///
/// The hash covers the header, the empty line and the first `PullLimits.topLines` lines of the body, with CRLF as LF and
/// without empty lines at the end: servers differ there.
struct MessageProbe {
  private var start = ByteBuffer()
  private var isFull = false

  /// Takes the next piece; what is beyond the bound is passed over.
  mutating func update(_ bytes: ByteBuffer) {
    if isFull { return }
    let room = PullLimits.topOctets - start.readableBytes
    if start.readableBytes == 0, bytes.readableBytes <= room {
      start = bytes
    } else {
      start.writeImmutableBuffer(bytes.getSlice(at: bytes.readerIndex, length: min(room, bytes.readableBytes)) ?? bytes)
    }
    isFull = start.readableBytes >= PullLimits.topOctets
  }

  /// Nil when the header and the first lines do not fit into the bound.
  func topHash() -> [UInt8]? {
    let bytes = start.readableBytesView
    guard let end = Self.end(of: bytes) ?? (isFull ? nil : bytes.endIndex) else { return nil }
    var text: [UInt8] = []
    text.reserveCapacity(end - bytes.startIndex)
    bytes.withUnsafeBytes { raw in
      let count = end - bytes.startIndex
      for offset in 0..<count {
        if raw[offset] == 0x0D, offset + 1 < count, raw[offset + 1] == 0x0A { continue }
        text.append(raw[offset])
      }
    }
    while text.last == 0x0A { text.removeLast() }
    return Array(SHA256.hash(data: text))
  }

  /// Behind the line that TOP ends with; nil when the message ends before it.
  private static func end(of bytes: ByteBufferView) -> Int? {
    bytes.withUnsafeBytes { raw in
      var position = 0
      var left: Int?
      while position < raw.count {
        guard let lineEnd = raw[position...].firstIndex(of: 0x0A) else { return nil }
        let isEmpty = lineEnd == position || (lineEnd == position + 1 && raw[position] == 0x0D)
        position = lineEnd + 1
        if let lines = left {
          if lines == 1 { return bytes.startIndex + position }
          left = lines - 1
        } else if isEmpty {
          left = PullLimits.topLines
        }
      }
      return nil
    }
  }

  /// Without angle brackets.
  func messageID() -> String? {
    let span = start.readableBytesSpan
    guard let range = HeaderFields.firstValue("Message-ID", of: span, header: 0..<span.byteCount) else { return nil }
    let value = HeaderFields.unfolded(span, range)
    guard let open = value.firstIndex(of: 0x3C), let close = value[open...].firstIndex(of: 0x3E) else { return nil }
    let id = value[(open + 1)..<close]
    guard !id.isEmpty, id.count <= PullLimits.messageIDOctets else { return nil }
    return String(decoding: id, as: UTF8.self)
  }

  /// The address in Return-Path, without angle brackets; empty for the null path or when there is none.
  func returnPath() -> String {
    let span = start.readableBytesSpan
    guard let range = HeaderFields.firstValue("Return-Path", of: span, header: 0..<span.byteCount) else { return "" }
    let value = HeaderFields.unfolded(span, range)
    guard let open = value.firstIndex(of: 0x3C), let close = value[open...].firstIndex(of: 0x3E) else { return "" }
    let path = value[(open + 1)..<close]
    // What could be anything but an address in a command stays out of it.
    let isPlain = path.count <= 254 && path.allSatisfy { $0 > 0x20 && $0 < 0x7F && $0 != 0x3C }
    return isPlain ? String(decoding: path, as: UTF8.self) : ""
  }
}
