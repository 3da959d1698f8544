import Bytes
import NIOCore

/// The collation i;unicode-casemap (RFC 5051), by which SEARCH, SORT and THREAD compare unless COMPARATOR says otherwise
/// (RFC 5255 §4).
///
/// A text is prepared once: what is equal then is equal, and octets compared one by one give the order (RFC 5051 §2). Each
/// character is prepared on its own, so a prepared part stands wherever its text is a part of another.
public struct UnicodeCasemap: Sendable {
  /// For each 128 code points the number of their page; 0: none of them becomes another.
  private var pages: [UInt8] = [UInt8](repeating: 0, count: 0x11_0000 / UnicodeCasemap.pageSize)
  /// For each code point of the pages which text it becomes; 0: it stays.
  private var slots: [UInt16] = [UInt16](repeating: 0, count: UnicodeCasemap.pageSize)
  /// Where the UTF-8 of each stands in `texts`; one more for the end.
  private var starts: [UInt32] = [0]
  private var texts: [UInt8] = []

  private static let pageSize = 128
  private static let table = UnicodeCasemap()

  /// Appends the prepared form of `text`. What is no UTF-8 is appended as it stands (RFC 5051 §2, step 1b).
  public static func append(_ text: RawSpan, to output: inout [UInt8]) {
    let start = output.count
    guard table.prepare(text, wrong: nil, into: &output) else {
      output.removeSubrange(start...)
      text.withUnsafeBytes { output.append(contentsOf: $0) }
      return
    }
  }

  /// The same for who looks for parts: each octet that is no UTF-8 becomes 0xFF, which no needle holds.
  public static func fold(_ text: RawSpan, into output: inout [UInt8]) {
    _ = table.prepare(text, wrong: 0xFF, into: &output)
  }

  /// False: there was an octet that is no UTF-8, and nothing that could stand for it.
  private func prepare(_ text: RawSpan, wrong: UInt8?, into output: inout [UInt8]) -> Bool {
    output.reserveCapacity(output.count + text.byteCount + text.byteCount / 8)
    var offset = 0
    while offset < text.byteCount {
      let end = UTF8Repair.asciiPrefix(text, from: offset)
      Self.appendASCII(text, offset..<end, to: &output)
      offset = end
      while offset < text.byteCount, text.at(offset) >= 0x80 {
        let length = UTF8Repair.sequenceLength(text, at: offset)
        guard length > 0 else {
          guard let wrong else { return false }
          output.append(wrong)
          offset += 1
          continue
        }
        let slot = slot(Self.point(text, offset, length))
        if slot == 0 {
          for place in offset..<offset + length { output.append(text.at(place)) }
        } else {
          output.append(contentsOf: texts[Int(starts[slot - 1])..<Int(starts[slot])])
        }
        offset += length
      }
    }
    return true
  }

  /// ASCII's titlecase is its upper case, and none of it decomposes.
  private static func appendASCII(_ text: RawSpan, _ range: Range<Int>, to output: inout [UInt8]) {
    guard !range.isEmpty else { return }
    let start = output.count
    text.extracting(range).withUnsafeBytes { output.append(contentsOf: $0) }
    output.withUnsafeMutableBufferPointer { bytes in
      for offset in start..<bytes.count {
        let byte = bytes[offset]
        bytes[offset] = byte & (byte &- 0x61 < 26 ? 0xDF : 0xFF)
      }
    }
  }

  /// Of a well-formed sequence of two octets or more.
  private static func point(_ text: RawSpan, _ offset: Int, _ length: Int) -> Int {
    var point = Int(text.at(offset)) & (0x7F >> length)
    for place in offset + 1..<offset + length { point = point << 6 | Int(text.at(place) & 0x3F) }
    return point
  }

  private func slot(_ point: Int) -> Int {
    Int(slots[Int(pages[point / Self.pageSize]) * Self.pageSize + point % Self.pageSize])
  }

  /// Adds the code point whose text stands at the end of `texts`.
  private mutating func add(_ point: Int) {
    starts.append(UInt32(texts.count))
    let page = point / Self.pageSize
    if pages[page] == 0 {
      pages[page] = UInt8(slots.count / Self.pageSize)
      slots.append(contentsOf: repeatElement(0, count: Self.pageSize))
    }
    slots[Int(pages[page]) * Self.pageSize + point % Self.pageSize] = UInt16(starts.count - 1)
  }

  /// Unpacks `packed`.
  private init() {
    let text = UnsafeRawBufferPointer(start: Self.packed.utf8Start, count: Self.packed.utf8CodeUnitCount)
    guard let octets = Base64.decode(text.bytes) else { return }
    var bytes = octets.readableBytesView[...]
    func number() -> UInt32 {
      var value: UInt32 = 0
      var shift: UInt32 = 0
      while let byte = bytes.popFirst() {
        value |= UInt32(byte & 0x7F) << shift
        shift += 7
        if byte < 0x80 { break }
      }
      return value
    }
    var point: UInt32 = 0x7F
    var last: UInt32 = 0
    while !bytes.isEmpty {
      let head = number()
      point += head / 4 + 1
      var count = head % 4 + 1
      if count == 4 { count += number() }
      for _ in 0..<count {
        let step = number()
        last = step & 1 == 0 ? last &+ step / 2 : last &- step / 2 &- 1
        if let scalar = Unicode.Scalar(last) { texts.append(contentsOf: UTF8.encode(scalar).map { Array($0) } ?? []) }
      }
      add(Int(point))
    }
  }
}
