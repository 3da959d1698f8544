import Bytes
import NIOCore

extension LiteralHeader {
  enum Found: Hashable {
    case none
    case literal(LiteralHeader)
  }

  /// The literal header that ends a line, found from behind: `{n}`, `{n+}`, `~{n}`, `~{n+}` (RFC 7888 §3).
  /// A size that does not fit 63 bits is given as the largest that does: too large either way. More than 40 digits are
  /// no size: while a line is thrown away only its last octets are kept, and a header must be told from those.
  static func atEnd(of buffer: ByteBuffer, start: Int, length: Int) -> Found {
    func byte(_ index: Int) -> UInt8? { buffer.getInteger(at: start + index, as: UInt8.self) }
    guard length >= 3, byte(length - 1) == UInt8(ascii: "}") else { return .none }
    var index = length - 2
    let isSynchronizing = byte(index) != UInt8(ascii: "+")
    if !isSynchronizing { index -= 1 }
    let lastDigit = index
    while index >= 0, byte(index)?.isASCIIDigit == true { index -= 1 }
    guard index >= 0, index < lastDigit, lastDigit - index <= 40, byte(index) == UInt8(ascii: "{") else { return .none }
    var size: Int64 = 0
    for place in (index + 1)...lastDigit {
      guard let digit = byte(place) else { return .none }
      let (product, overflow1) = size.multipliedReportingOverflow(by: 10)
      let (sum, overflow2) = product.addingReportingOverflow(Int64(digit &- 0x30))
      size = overflow1 || overflow2 ? .max : sum
    }
    let isBinary = index > 0 && byte(index - 1) == UInt8(ascii: "~")
    return .literal(LiteralHeader(size: size, isSynchronizing: isSynchronizing, isBinary: isBinary))
  }
}
