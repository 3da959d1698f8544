import Bytes
import MailFormat
import NIOCore

/// Reads the Message-ID of a message, as it stands there: it is only compared with itself.
enum MessageIDField {
  /// Nil when there is none. `bytes`: a header, or the beginning of a message.
  static func read(_ bytes: ByteBuffer) -> String? {
    let span = bytes.readableBytesSpan
    let name = Array("message-id".utf8)
    var result: String?
    HeaderFields.forEach(span, in: 0..<min(span.byteCount, SyncLimits.headerOctets)) { field, value, _ in
      guard span.equals(name, field) else { return true }
      var text: [UInt8] = []
      for index in value where text.count < SyncLimits.messageID {
        let byte = span.byte(at: index)
        // Folding may differ from copy to copy.
        if byte > 0x20 { text.append(byte) }
      }
      if !text.isEmpty { result = String(decoding: text, as: UTF8.self) }
      return false
    }
    return result
  }
}

extension RawSpan {
  /// The range holds this lower-case name in any ASCII case.
  fileprivate func equals(_ name: [UInt8], _ range: Range<Int>) -> Bool {
    guard range.count == name.count else { return false }
    for (offset, wanted) in name.enumerated() {
      let byte = byte(at: range.lowerBound + offset)
      guard byte == wanted || (byte >= 0x41 && byte <= 0x5A && byte | 0x20 == wanted) else { return false }
    }
    return true
  }
}
