import Bytes
import NIOCore

/// The collation i;unicode-casemap (RFC 5051), by which SORT and THREAD compare (RFC 5256 §7, RFC 5255 §4.4).
///
/// A text is prepared once: what is equal then is equal, and octets compared one by one give the order (RFC 5051 §2).
public struct UnicodeCasemap: Sendable {
  /// Code points that become others, ascending.
  private var points: [UInt32] = []
  /// Where the UTF-8 of each stands in `texts`; one more for the end.
  private var starts: [UInt32] = [0]
  private var texts: [UInt8] = []

  private static let table = UnicodeCasemap()

  /// Appends the prepared form of `text`. What is no UTF-8 is appended as it stands (RFC 5051 §2, step 1b).
  public static func append(_ text: RawSpan, to output: inout [UInt8]) {
    text.withUnsafeBytes { bytes in
      output.reserveCapacity(output.count + bytes.count)
      let start = output.count
      var index = 0
      // ASCII's titlecase is its upper case.
      while index < bytes.count, bytes[index] < 0x80 {
        output.append(bytes[index].asciiUppercased)
        index += 1
      }
      guard index < bytes.count else { return }
      let rest = UnsafeRawBufferPointer(rebasing: bytes[index...])
      guard table.append(rest, to: &output) else {
        output.removeSubrange(start...)
        output.append(contentsOf: bytes)
        return
      }
    }
  }

  /// False at the first octets that are no UTF-8.
  private func append(_ bytes: UnsafeRawBufferPointer, to output: inout [UInt8]) -> Bool {
    var parser = Unicode.UTF8.ForwardParser()
    var iterator = bytes.makeIterator()
    while true {
      switch parser.parseScalar(from: &iterator) {
      case .valid(let encoded):
        let point = Unicode.UTF8.decode(encoded).value
        if point < 0x80 {
          output.append(UInt8(truncatingIfNeeded: point).asciiUppercased)
        } else if let mapped = mapped(point) {
          output.append(contentsOf: texts[mapped])
        } else {
          output.append(contentsOf: encoded)
        }
      case .emptyInput: return true
      case .error: return false
      }
    }
  }

  private func mapped(_ point: UInt32) -> Range<Int>? {
    var low = 0
    var high = points.count
    while low < high {
      let middle = (low + high) / 2
      if points[middle] < point { low = middle + 1 } else { high = middle }
    }
    guard low < points.count, points[low] == point else { return nil }
    return Int(starts[low])..<Int(starts[low + 1])
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
      points.append(point)
      starts.append(UInt32(texts.count))
    }
  }
}
