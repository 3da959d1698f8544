import Bytes

/// Content-Transfer-Encodings undone (RFC 2045 §6.7, §6.8). Damage is passed over, never refused.
enum TransferDecoding {
  /// At most `limit` decoded bytes.
  static func base64(_ bytes: RawSpan, limit: Int) -> [UInt8] {
    let capacity = min(limit, bytes.byteCount / 4 * 3 + 3)
    return [UInt8](unsafeUninitializedCapacity: capacity) { output, written in
      var bits: UInt32 = 0
      var count = 0
      var offset = 0
      let end = bytes.byteCount
      while offset < end, written < capacity {
        let value = base64Table[Int(bytes.at(offset))]
        offset += 1
        if value < 64 {
          bits = bits << 6 | UInt32(value)
          count += 1
          if count == 4 {
            let room = min(3, capacity - written)
            if room > 0 { output[written] = UInt8(truncatingIfNeeded: bits >> 16) }
            if room > 1 { output[written + 1] = UInt8(truncatingIfNeeded: bits >> 8) }
            if room > 2 { output[written + 2] = UInt8(truncatingIfNeeded: bits) }
            written += room
            bits = 0
            count = 0
          }
        } else if value == padding {
          // RFC 2045 §6.8: padding ends the data; but joined encodings exist, so decoding goes on behind it.
          finish(&bits, &count, output, &written, capacity)
        }
      }
      finish(&bits, &count, output, &written, capacity)
    }
  }

  /// The whole bytes among 6-bit groups that are no full quantum.
  private static func finish(
    _ bits: inout UInt32, _ count: inout Int, _ output: UnsafeMutableBufferPointer<UInt8>, _ written: inout Int,
    _ capacity: Int
  ) {
    let left = bits << UInt32(6 * (4 - count))
    if count >= 2, written < capacity {
      output[written] = UInt8(truncatingIfNeeded: left >> 16)
      written += 1
    }
    if count == 3, written < capacity {
      output[written] = UInt8(truncatingIfNeeded: left >> 8)
      written += 1
    }
    bits = 0
    count = 0
  }

  private static let padding: UInt8 = 64
  private static let base64Table: [UInt8] = {
    var table = [UInt8](repeating: 255, count: 256)
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    for (value, character) in alphabet.utf8.enumerated() { table[Int(character)] = UInt8(value) }
    table[0x3D] = padding
    return table
  }()

  /// At most `limit` decoded bytes.
  static func quotedPrintable(_ bytes: RawSpan, limit: Int) -> [UInt8] {
    var output: [UInt8] = []
    output.reserveCapacity(min(bytes.byteCount, limit))
    var offset = 0
    var blanks = 0
    let end = bytes.byteCount
    while offset < end, output.count < limit {
      let byte = bytes.at(offset)
      offset += 1
      switch byte {
      case 0x3D:
        blanks = 0
        quotedPrintableEscape(bytes, &offset) { output.append($0) }
      case .space, .tab:
        blanks += 1
        output.append(byte)
      case .cr where bytes.peek(offset) == .lf, .lf:
        // RFC 2045 §6.7 (3): blanks at the end of a line were added on the way.
        output.removeLast(blanks)
        blanks = 0
        output.append(byte)
        if byte == .cr {
          output.append(.lf)
          offset += 1
        }
      default:
        blanks = 0
        output.append(byte)
      }
    }
    if output.count > limit { output.removeLast(output.count - limit) }
    return output
  }

  /// What stands behind `=`: two digits, or the end of a line that goes on. `offset` moves behind it.
  @inline(__always)
  static func quotedPrintableEscape(_ bytes: RawSpan, _ offset: inout Int, put: (UInt8) -> Void) {
    if let high = bytes.peek(offset)?.hexDigit, let low = bytes.peek(offset + 1)?.hexDigit {
      put(high << 4 | low)
      offset += 2
      return
    }
    var next = offset
    while let byte = bytes.peek(next), byte.isBlank { next += 1 }
    switch bytes.peek(next) {
    case nil: offset = next
    case .lf?: offset = next + 1
    case .cr? where bytes.peek(next + 1) == .lf: offset = next + 2
    default:
      // RFC 2045 §6.7: a wrong `=` is best left as it is.
      put(0x3D)
      for blank in offset..<next { put(bytes.at(blank)) }
      offset = next
    }
  }

  /// The file in the first `begin` ... `end`; nothing when there is none. At most `limit` bytes.
  static func uuencode(_ bytes: RawSpan, limit: Int) -> [UInt8] {
    var output: [UInt8] = []
    var started = false
    var offset = 0
    let end = bytes.byteCount
    while offset < end, output.count < limit {
      let next = bytes.nextLine(from: offset, to: end)
      let line = bytes.trimmedEnd(offset..<next)
      if !started {
        started = bytes.hasWord("begin ", at: line.lowerBound)
      } else if bytes.equals("end", in: line) {
        break
      } else if !line.isEmpty {
        uuencodedLine(bytes, line, into: &output)
      }
      offset = next
    }
    if output.count > limit { output.removeLast(output.count - limit) }
    return output
  }

  private static func uuencodedLine(_ bytes: RawSpan, _ line: Range<Int>, into output: inout [UInt8]) {
    var left = Int((bytes.at(line.lowerBound) &- 0x20) & 0x3F)
    var offset = line.lowerBound + 1
    func six(_ place: Int) -> UInt32 {
      place < line.upperBound ? UInt32((bytes.at(place) &- 0x20) & 0x3F) : 0
    }
    while left > 0, offset < line.upperBound {
      let quantum = six(offset) << 18 | six(offset + 1) << 12 | six(offset + 2) << 6 | six(offset + 3)
      output.append(UInt8(truncatingIfNeeded: quantum >> 16))
      if left > 1 { output.append(UInt8(truncatingIfNeeded: quantum >> 8)) }
      if left > 2 { output.append(UInt8(truncatingIfNeeded: quantum)) }
      left -= 3
      offset += 4
    }
  }
}

extension RawSpan {
  /// `range` without CR and LF at its end.
  func trimmedEnd(_ range: Range<Int>) -> Range<Int> {
    var upper = range.upperBound
    while upper > range.lowerBound, at(upper - 1) == .lf || at(upper - 1) == .cr { upper -= 1 }
    return range.lowerBound..<upper
  }
}
