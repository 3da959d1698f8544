import Bytes
import NIOCore

/// Some of the results of a search, or of the messages of a set, by their place among all in mailbox order (RFC 9394 §4,
/// partial-range). 1 is the first; counted from the end, 1 is the last.
public struct PartialRange: Hashable, Sendable {
  /// As it was asked for, since the answer repeats it. Ends may be the wrong way round: `500:400` means `400:500`.
  public var first: UInt32
  public var last: UInt32
  public var fromEnd: Bool

  public init(_ first: UInt32, _ last: UInt32, fromEnd: Bool = false) {
    self.first = first
    self.last = last
    self.fromEnd = fromEnd
  }

  /// Results it may bring, at most.
  public var count: Int { Int(max(first, last) - min(first, last)) + 1 }

  /// Which of `count` results are meant, from 0 on. Empty: none of them.
  public func places(of count: Int) -> Range<Int> {
    let low = Int(min(first, last))
    let high = Int(max(first, last))
    let places = fromEnd ? count - high..<count - low + 1 : low - 1..<high
    return places.clamped(to: 0..<count)
  }
}

extension CommandReader {
  /// partial-range = nz-number ":" nz-number / "-" nz-number ":" "-" nz-number
  mutating func partialRange() throws(IMAPSyntaxError) -> PartialRange {
    let minus = UInt8(ascii: "-")
    let fromEnd = cursor.take(minus)
    let first = try nonZeroNumber("a place")
    try expect(UInt8(ascii: ":"), "':'")
    if fromEnd { try expect(minus, "'-'") }
    return PartialRange(first, try nonZeroNumber("a place"), fromEnd: fromEnd)
  }
}

extension ByteBuffer {
  /// As it is asked for, and as the answer repeats it.
  public mutating func writePartialRange(_ range: PartialRange) {
    if range.fromEnd { writeStaticString("-") }
    writeDecimal(range.first)
    writeStaticString(range.fromEnd ? ":-" : ":")
    writeDecimal(range.last)
  }
}
