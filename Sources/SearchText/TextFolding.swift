import Bytes
import MailFormat

/// Text in the form in which i;unicode-casemap compares it (RFC 5051 §2), which is also the form that the index holds. What is
/// no UTF-8 becomes the octet 0xFF, which no needle holds.
public enum TextFolding {
  public static func folded(_ text: RawSpan) -> [UInt8] {
    var result: [UInt8] = []
    fold(text, into: &result)
    return result
  }

  /// Appends the folded form of UTF-8 that ends between characters.
  public static func fold(_ text: RawSpan, into result: inout [UInt8]) { UnicodeCasemap.fold(text, into: &result) }

  public static func isASCII(_ text: RawSpan) -> Bool {
    var offset = 0
    let count = text.byteCount
    while offset + 8 <= count {
      let word = text.unsafeLoadUnaligned(fromUncheckedByteOffset: offset, as: UInt64.self)
      if word & 0x8080_8080_8080_8080 != 0 { return false }
      offset += 8
    }
    while offset < count {
      guard text.unsafeLoad(fromUncheckedByteOffset: offset, as: UInt8.self) < 0x80 else { return false }
      offset += 1
    }
    return true
  }
}
